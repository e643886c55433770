"""What a third party's package may do while it is loaded, and what becomes of it."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from qvl_doctor import registry as registry_module
from qvl_doctor.registry import CHECKS, PROBES, Registry

CHECK = """
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.judgement import Judgement, passed

@check("{id}")
def {name}(target: TargetFacts) -> Judgement:
    return passed("fine")
"""
PROBE = """
from typing import ClassVar
from qvl_doctor.probe import Facts, Probe

class FanFacts(Facts):
    probe: ClassVar[str] = "lone.fan"

FAN = Probe(id="lone.fan", title="t", facts=FanFacts, entry="{entry}:run", budget_s=1)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Write modules and make them the only entry points of a group."""

    def install_modules(group: str, **modules: str) -> Registry:
        points = []
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
            points.append(EntryPoint(name=name, value=name, group=group))
        monkeypatch.syspath_prepend(tmp_path)

        def only_ours(*, group: str, name: str | None = None) -> list[EntryPoint]:
            return [p for p in points if p.group == group and name in (None, p.name)]

        monkeypatch.setattr(registry_module, "entry_points", only_ours)
        return Registry()

    return install_modules


def test_a_plugin_that_leaves_the_program_is_remembered(install) -> None:  # type: ignore[no-untyped-def]
    registry = install(CHECKS, leaving_plugin="raise SystemExit(0)\n")
    assert registry.checks == {}
    assert "SystemExit" in str(registry.failures)


def test_a_second_part_of_the_same_id_is_told_and_does_not_replace_the_first(  # type: ignore[no-untyped-def]
    install,
) -> None:
    registry = install(
        CHECKS,
        plugin_one=CHECK.format(id="t.a", name="one"),
        plugin_two=CHECK.format(id="t.a", name="two"),
        plugin_three="from plugin_one import one\n",
    )
    assert registry.checks["t.a"].judge.__name__ == "one"
    assert list(registry.failures) == ["check t.a"]


def test_probes_may_live_in_a_lone_module(install, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    registry = install(PROBES, lone_plugin=PROBE.format(entry="lone_plugin"))
    assert registry.probe_roots == {"lone_plugin": str(tmp_path / "lone_plugin.py")}


def test_a_probe_whose_package_is_missing_is_remembered(install) -> None:  # type: ignore[no-untyped-def]
    registry = install(PROBES, other_plugin=PROBE.format(entry="no_such_package_here.x"))
    assert registry.probe_roots == {}
    assert "no_such_package_here" in registry.failures
