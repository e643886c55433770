"""The registry: ids live for ever, every check has its page and tests that fire and stay silent."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from qvl_doctor.registry import Registry
from qvl_doctor.rule import load_rule

HERE = Path(__file__).parent
LEDGER = HERE / "rule_ids.txt"
"""Every id that was ever given out, in the order of giving; lines are added at the end only."""
FIRES = ("Outcome.FAIL", '"fail"')
SILENT = ("Outcome.PASS", "Outcome.NOT_APPLICABLE", '"pass"', '"not_applicable"')

REGISTRY = Registry()
RULES = REGISTRY.rules()
CHECKS = REGISTRY.checks


def ledger() -> list[str]:
    lines = LEDGER.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def imported(source: str) -> set[str]:
    """Modules that a test imports, as ``package.module`` and ``package.module.name``."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_under_test() -> dict[str, list[str]]:
    """Module -> sources of the tests that import it."""
    tests: dict[str, list[str]] = {}
    for path in HERE.rglob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        for module in imported(source):
            tests.setdefault(module, []).append(source)
    return tests


TESTED = modules_under_test()

every_check = pytest.mark.parametrize("rule_id", sorted(CHECKS))


def module_of(rule_id: str) -> str:
    topic, _, slug = rule_id.partition(".")
    return f"qvl_checks.{topic}.{slug}".replace("-", "_")


def test_something_is_registered() -> None:
    assert len(CHECKS) > 30
    assert len(RULES) > 80


def test_every_part_loads() -> None:
    assert REGISTRY.probes
    assert REGISTRY.failures == {}


def test_no_id_is_listed_twice() -> None:
    assert len(set(ledger())) == len(ledger())


def test_ids_are_neither_renamed_nor_dropped() -> None:
    dropped = set(ledger()) - set(RULES)
    assert not dropped, "an id that was given out lost its page; ids are permanent"


def test_new_ids_are_entered() -> None:
    new = sorted(set(RULES) - set(ledger()))
    assert not new, f"add these lines at the end of {LEDGER.name}: {new}"


@every_check
def test_a_check_stands_beside_its_own_page(rule_id: str) -> None:
    check = CHECKS[rule_id]
    assert load_rule(check.page).id == check.id == rule_id
    assert check.module_file.stem == rule_id.partition(".")[2].replace("-", "_")


@every_check
def test_a_check_declares_facts_that_some_probe_gives(rule_id: str) -> None:
    given = set(REGISTRY.probes) | {
        "engine.target",
        "engine.imports",
        "engine.model",
        "engine.workload",
        "engine.log",
    }
    assert CHECKS[rule_id].needs, "a check that sees no facts cannot judge"
    assert {need.facts.probe for need in CHECKS[rule_id].needs} <= given


@every_check
def test_a_check_is_shown_to_fire_and_to_stay_silent(rule_id: str) -> None:
    sources = TESTED.get(module_of(rule_id), [])
    assert sources, f"no test imports {module_of(rule_id)}"
    assert any(word in source for source in sources for word in FIRES), "no test makes it fail"
    assert any(word in source for source in sources for word in SILENT), "no test keeps it silent"


def test_list_prints_them_all() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qvl_doctor", "list", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert set(rows) == set(RULES)
    assert {name for name, row in rows.items() if row["checked"]} == set(CHECKS)
    assert all(row["level"] for row in rows.values() if row["checked"])
