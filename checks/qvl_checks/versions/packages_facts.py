"""Facts about the installed packages, read without importing them."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from packaging.version import InvalidVersion, Version

from qvl_doctor.probe import Facts, Probe


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One installed copy of a distribution; None: not stated or not readable, see ``unread``."""

    version: str | None = None
    location: str = ""
    """The folder on ``sys.path`` that holds it."""
    metadata: str = ""
    """Name of its ``.dist-info`` or ``.egg-info``."""
    found_through: str = ""
    """``environment``, ``base installation``, ``user site``, ``PYTHONPATH`` or ``other``."""
    requires_python: str | None = None
    requires: tuple[str, ...] | None = None
    """Its ``Requires-Dist`` lines."""
    installer: str | None = None
    wheel_tags: tuple[str, ...] | None = None
    source: str | None = None
    """URL that it was installed from, when not from an index."""
    editable: bool | None = None
    unread: dict[str, str] = {}


class ModuleLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Where ``import`` would find a module."""

    file: str | None = None
    folder: str | None = None
    namespace: bool = False
    """A folder without ``__init__.py``: often the rest of a removed package."""
    source_version: str | None = None
    """``__version__`` as its source states it; None where it is computed at import."""
    reason: str = ""


class PackagesFacts(Facts):
    """The packages of the examined interpreter that a Qwen-VL program runs on."""

    probe: ClassVar[str] = "versions.packages"
    copies: dict[str, tuple[Copy, ...]] = {}
    """By normalised distribution name, in the order of ``sys.path``: the first one wins."""
    installed: dict[str, str] = {}
    """Version of every installed distribution, also of those not described in ``copies``."""
    modules: dict[str, ModuleLocation] = {}
    """By module name; absent: ``import`` would not find it."""
    module_names: dict[str, str] = {}
    """Distribution -> the module that it gives."""
    working_folder: str = ""
    shadowed_by_working_folder: tuple[str, ...] = ()
    """Files there that win over an installed module in a program started there."""
    user_site: str | None = None
    user_site_enabled: bool = False
    pythonpath: tuple[str, ...] = ()

    def version(self, name: str) -> Version | None:
        """The version of a distribution by its metadata; None: not installed, or unreadable."""
        try:
            return Version(self.installed[name])
        except (KeyError, InvalidVersion):
            return None

    def first(self, name: str) -> Copy | None:
        """The copy whose metadata wins."""
        return next(iter(self.copies.get(name, ())), None)


VERSIONS_PACKAGES = Probe(
    id="versions.packages",
    title="reads which packages are installed, and where",
    facts=PackagesFacts,
    entry="qvl_checks.versions.packages_probe:run",
    budget_s=30,
)
