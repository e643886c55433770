"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.target import SharedAgent

# Every core has a worker of its own: a second thread of torch would only take another one's.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedAgent]:
    """An agent with the heavy imports done, for tests that only ask it."""
    agent = SharedAgent(tmp_path_factory.mktemp("shared"))
    yield agent
    agent.close()
