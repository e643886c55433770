"""Which checks settle a diagnosis: the table ``related.toml``, typed."""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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
    text = files(__package__).joinpath("related.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Related])


def related(diagnosis_id: str) -> Related:
    """The row of a diagnosis, or what holds for those without one."""
    return table().get(diagnosis_id, Related())
