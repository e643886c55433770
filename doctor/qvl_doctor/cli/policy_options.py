"""The options that decide what fails a run, shared by ``check`` and ``judge``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from qvl_doctor.findings import Severity
from qvl_doctor.policy import Policy, load_policy

Function = TypeVar("Function", bound=Callable[..., Any])


def policy_options(function: Function) -> Function:
    """Add ``--policy``, ``--fail-on`` and ``--allow-unchecked``."""
    for option in (
        click.option(
            "--allow-unchecked", is_flag=True, help="Exit 0 also if something was not checked."
        ),
        click.option(
            "--fail-on",
            type=click.Choice([severity.value for severity in Severity]),
            help="The mildest severity that fails the run.  [default: slow]",
        ),
        click.option(
            "--policy",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A TOML file with fail_on, allow_unchecked and [[waivers]].",
        ),
    ):
        function = option(function)
    return function


def policy_from(path: Path | None, fail_on: str | None, allow_unchecked: bool) -> Policy:
    """The policy file, overridden by the options.

    Raises:
        UsageError: the file is not a policy.
    """
    policy = load_policy(path) if path else Policy()
    if fail_on:
        policy = msgspec.structs.replace(policy, fail_on=Severity(fail_on))
    if allow_unchecked:
        policy = msgspec.structs.replace(policy, allow_unchecked=True)
    return policy
