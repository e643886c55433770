"""--only and --skip."""

from __future__ import annotations

import pytest

from qvl_doctor.errors import UsageError
from qvl_doctor.selection import require_known, selected


@pytest.mark.parametrize(
    ("rule_id", "only", "skip", "expected"),
    [
        ("memory.x", (), (), True),
        ("memory.x", ("memory",), (), True),
        ("memory.x", ("mem",), (), False),
        ("memory.x", ("memory.*",), (), True),
        ("memory.x", ("attention", "memory.x"), (), True),
        ("memory.x", (), ("memory.*",), False),
        ("memory.x", ("memory",), ("memory.x",), False),
        ("kv-cache.y", ("*cache*",), (), True),
    ],
)
def test_selected(
    rule_id: str, only: tuple[str, ...], skip: tuple[str, ...], expected: bool
) -> None:
    assert selected(rule_id, only, skip) is expected


def test_a_pattern_that_selects_nothing_is_refused_and_topics_are_named() -> None:
    with pytest.raises(UsageError, match=r"--only memry.*attention"):
        require_known(["memry"], {"attention.a": None}, "--only")  # type: ignore[dict-item]
