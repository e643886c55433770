"""Facts about the copies of the named model in the cache of huggingface_hub."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from qvl_doctor.probe import Facts, Probe


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one repository."""

    repository: str
    revision: str
    folder: str
    has_config: bool = False
    weight_files: int = 0
    expected_files: int | None = None
    """What the numbers in the names say; None: the weights are in one file."""
    dangling: int = 0
    """Files whose content is gone."""

    @property
    def whole(self) -> bool:
        """Whether every file that must be there is there; contents are not looked at."""
        enough = self.weight_files >= (self.expected_files or 1)
        return self.has_config and enough and not self.dangling


class HubCacheFacts(Facts):
    """The cache; ``not-asked``: no published model was named."""

    probe: ClassVar[str] = "checkpoint.hub_cache"
    state: Literal["read", "not-asked", "missing", "unreadable"]
    folder: str = ""
    reason: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    unfinished: int = 0
    """Downloads that did not end."""


HUB_CACHE = Probe(
    id="checkpoint.hub_cache",
    title="looks for the named model in the download cache",
    facts=HubCacheFacts,
    entry="qvl_checks.checkpoint.hub_cache_probe:run",
    budget_s=20,
)
