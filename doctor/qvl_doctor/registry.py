"""The registry: checks, probes, models and renderers, all found through entry points.

Our own parts come through the same door as a third party's. A plugin that fails to load is
remembered with the reason and becomes a finding; it never ends a run.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from qvl_doctor.check import Check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.probe import Probe
from qvl_doctor.rule import Heading, Rule, RuleError, load_heading, load_rule

CHECKS = "qvl_doctor.checks"
PROBES = "qvl_doctor.probes"
MODELS = "qvl_doctor.models"
REPORTS = "qvl_doctor.reports"
COMMANDS = "qvl_doctor.commands"

PROBE_SUFFIX = "_probe"
"""Modules named so run in the target and are never imported by the doctor."""

LOAD_ERRORS = (Exception, SystemExit)
"""What importing somebody's module may raise; leaving the program is not its to decide."""

Render = Callable[..., str]
Part = TypeVar("Part", Check, Probe)
ResolveModel = Callable[[str | None], ModelFacts | None]


@dataclass
class Registry:
    """What is installed; every group is loaded on first use."""

    failures: dict[str, str] = field(default_factory=dict)
    """Entry point or module -> why it did not load."""

    @cached_property
    def checks(self) -> dict[str, Check]:
        """By id, sorted."""
        return self._by_id(CHECKS, Check)

    @cached_property
    def probes(self) -> dict[str, Probe]:
        """By id, sorted."""
        return self._by_id(PROBES, Probe)

    @cached_property
    def probe_roots(self) -> dict[str, str]:
        """Top-level package -> its folder (of a lone module: its file), where probes live."""
        roots: dict[str, str] = {}
        for probe in self.probes.values():
            package = probe.entry.partition(":")[0].partition(".")[0]
            if package in roots:
                continue
            try:
                module = importlib.import_module(package)
            except LOAD_ERRORS as error:
                self.failures[package] = f"{type(error).__name__}: {error}"
                continue
            place = next(iter(getattr(module, "__path__", ())), module.__file__)
            if place is not None:
                roots[package] = str(place)
        return roots

    def heading(self, check: Check) -> Heading | None:
        """Title and severity of a check; None (and a remembered failure) without a page."""
        try:
            return load_heading(check.page)
        except RuleError as error:
            self.failures[check.id] = str(error)
            return None

    def rules(self) -> dict[str, Rule]:
        """Every rule page of every installed package of checks, by id, sorted."""
        rules = {}
        for entry in entry_points(group=CHECKS):
            package = self._load(entry)
            for folder in getattr(package, "__path__", ()):
                for page in sorted(Path(folder).rglob("*.md")):
                    try:
                        rule = load_rule(page)
                    except RuleError as error:
                        self.failures[str(page)] = str(error)
                    else:
                        rules[rule.id] = rule
        return dict(sorted(rules.items()))

    def resolve_model(self, name: str | None) -> ModelFacts | None:
        """Ask each catalogue in turn; None when nobody knows it.

        Raises:
            UsageError: a catalogue recognises what was named and cannot use it.
        """
        for entry in entry_points(group=MODELS):
            resolve: ResolveModel | None = self._load(entry)
            model = resolve(name) if resolve else None
            if model is not None:
                return model
        return None

    def renderer(self, name: str) -> Render | None:
        """The renderer of a format, or None when there is none of that name."""
        for entry in entry_points(group=REPORTS, name=name):
            return self._load(entry)  # type: ignore[no-any-return]
        return None

    def formats(self) -> tuple[str, ...]:
        """Names of the installed renderers."""
        return tuple(sorted(entry.name for entry in entry_points(group=REPORTS)))

    def _by_id(self, group: str, kind: type[Part]) -> dict[str, Part]:
        """The parts of a group, sorted; of two with one id the first stays, and that is told."""
        found: dict[str, Part] = {}
        for item in self._walk(group):
            if not isinstance(item, kind):
                continue
            first = found.setdefault(item.id, item)
            if first is not item:
                self.failures[f"{kind.__name__.lower()} {item.id}"] = (
                    "two different parts have this id; the first is used"
                )
        return dict(sorted(found.items()))

    def _walk(self, group: str) -> Iterator[Any]:
        for entry in entry_points(group=group):
            loaded = self._load(entry)
            if isinstance(loaded, ModuleType):
                for module in self._modules(loaded):
                    yield from vars(module).values()
            elif loaded is not None:
                yield loaded

    def _modules(self, module: ModuleType) -> Iterator[ModuleType]:
        """A topic's own modules; what lies in folders below it is their business."""
        yield module
        path = getattr(module, "__path__", ())
        for info in pkgutil.iter_modules(path, module.__name__ + "."):
            if info.ispkg or info.name.endswith(PROBE_SUFFIX):
                continue
            try:
                yield importlib.import_module(info.name)
            except LOAD_ERRORS as error:
                self.failures[info.name] = f"{type(error).__name__}: {error}"

    def _load(self, entry: EntryPoint) -> Any:
        try:
            return entry.load()
        except LOAD_ERRORS as error:
            self.failures[f"{entry.group}: {entry.name} = {entry.value}"] = (
                f"{type(error).__name__}: {error}"
            )
            return None
