"""Work in a process of its own: answers, errors, deaths and hangs."""

from __future__ import annotations

import os
import signal
import time

import pytest

from qvl_checks.memory.own_process import Lost, in_own_process

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_the_answer_comes_back_and_nothing_else() -> None:
    seen: list[int] = []

    def work() -> dict[str, int]:
        seen.append(1)
        return {"pid": os.getpid()}

    assert in_own_process(work, 10)["pid"] != os.getpid()
    assert seen == []


def test_a_long_answer() -> None:
    assert len(in_own_process(lambda: {"text": "x" * 3_000_000}, 10)["text"]) == 3_000_000


def test_an_error_is_told() -> None:
    with pytest.raises(Lost, match="KeyError: 'missing'"):
        in_own_process(lambda: {"never": {}["missing"]}, 10)


def test_a_death_is_told() -> None:
    def work() -> dict[str, int]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(Lost, match="signal 9"):
        in_own_process(work, 10)


def test_a_hang_is_ended() -> None:
    started = time.monotonic()

    def work() -> dict[str, int]:
        time.sleep(60)
        return {}

    with pytest.raises(Lost, match="longer than"):
        in_own_process(work, 0.3)
    assert time.monotonic() - started < 10


def test_no_child_is_left_behind() -> None:
    child = in_own_process(lambda: {"pid": os.getpid()}, 10)["pid"]
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)
