"""Policy: which severities fail a run, whether unchecked is acceptable, and dated waivers."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from qvl_doctor.errors import UsageError
from qvl_doctor.findings import Severity


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that somebody accepts, for a reason, until a day."""

    id: str
    reason: str
    expires: date


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is judged by; every field has the default that a careful user would expect."""

    fail_on: Severity = Severity.SLOW
    """The mildest severity that fails the run."""
    allow_unchecked: bool = False
    waivers: tuple[Waiver, ...] = ()

    def fails(self, severity: Severity) -> bool:
        """Whether a failed finding of this severity fails the run."""
        return severity.rank <= self.fail_on.rank

    def waiver(self, rule_id: str, today: date) -> Waiver | None:
        """The waiver in force for a rule on the day on which the facts were recorded."""
        for waiver in self.waivers:
            if fnmatchcase(rule_id, waiver.id) and today <= waiver.expires:
                return waiver
        return None


def load_policy(path: Path) -> Policy:
    """Read a policy file (TOML).

    Raises:
        UsageError: it cannot be read or does not say what a policy says.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Policy)
    except OSError as error:
        raise UsageError(f"cannot read the policy {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"the policy {path} is not valid: {error}") from error
