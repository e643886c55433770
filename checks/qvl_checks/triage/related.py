"""Which checks settle a diagnosis: the table ``related.toml``, typed."""

from __future__ import annotations

from functools import cache

import msgspec

from .tables import table as read

DEFAULT_ELSEWHERE = "No check of this machine can see this cause."


class Related(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to settle one diagnosis; see the head of the table."""

    confirmed_by: tuple[str, ...] = ()
    pass_settles: bool = True
    attention: str | None = None
    dtype: str = "bfloat16"
    elsewhere: str = DEFAULT_ELSEWHERE


@cache
def table() -> dict[str, Related]:
    """The table, by the id of the diagnosis."""
    return msgspec.convert(read(__package__, "related.toml"), dict[str, Related])


def related(diagnosis_id: str) -> Related:
    """The row of a diagnosis, or what holds for those without one."""
    return table().get(diagnosis_id, Related())
