"""What a check is: a pure function from the facts that it declares to a judgement."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qvl_doctor.judgement import Judgement
from qvl_doctor.probe import Facts


@dataclass(frozen=True)
class Need:
    """One parameter of a check function."""

    parameter: str
    facts: type[Facts]
    optional: bool
    """The check can judge without it (its annotation is ``X | None``)."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check and what it may see. Its rule page is the ``.md`` file beside its module."""

    id: str
    judge: Callable[..., Judgement]
    needs: tuple[Need, ...]
    module_file: Path

    @property
    def page(self) -> Path:
        """The rule page that holds title, severity, versions, evidence and the explanation."""
        return self.module_file.with_suffix(".md")


def check(rule_id: str) -> Callable[[Callable[..., Judgement]], Check]:
    """Turn a function into the check of a rule.

    The function's parameters are its declaration: each is annotated with a `Facts` type (or
    ``Facts type | None`` when the check can do without) and receives exactly those facts.

    Raises:
        TypeError: a parameter is not annotated with a `Facts` type.
    """

    def decorate(function: Callable[..., Judgement]) -> Check:
        hints = typing.get_type_hints(function)
        hints.pop("return", None)
        return Check(
            id=rule_id,
            judge=function,
            needs=tuple(_need(name, hint) for name, hint in hints.items()),
            module_file=Path(function.__code__.co_filename),
        )

    return decorate


def _need(name: str, hint: Any) -> Need:
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [arm for arm in typing.get_args(hint) if arm is not type(None)]
        optional = len(members) < len(typing.get_args(hint))
        hint = members[0] if len(members) == 1 else None
    if not (isinstance(hint, type) and issubclass(hint, Facts)):
        raise TypeError(f"parameter {name!r} of a check must be annotated with a Facts type")
    return Need(name, hint, optional)
