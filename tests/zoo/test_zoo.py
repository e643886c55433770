"""Real broken environments and checkpoints, built by recipe and examined for real.

Set QVL_ZOO to a folder to keep what is built there, and to examine everything that `build.py` has
built into it before, not only the small selection that a test run builds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.zoo.checkpoints import Checkpoints
from tests.zoo.conftest import Run, examine
from tests.zoo.environments import MARK, Builder, CannotBuild, recipes
from tests.zoo.logs import LOGS, Runner, scripts

from qvl_checks.triage.diagnosing import diagnose

RECIPES = recipes()
SCRIPTS = {name: script for name, script in scripts().items() if "expect" in script}
WITHIN_S = 90
"""Seconds for a whole quick run on a busy machine; a run that hangs takes longer."""
KEPT = os.environ.get("QVL_ZOO")
EXAMINED_BY = "z523"
"""The environment whose transformers the checkpoints are judged for."""


def chosen(kind: str) -> list[str]:
    """Recipes with expectations that are part of this run."""
    names = [name for name, recipe in RECIPES[kind].items() if "check" in recipe]
    return [
        name for name in names if RECIPES[kind][name]["check"].get("tested") or is_kept(kind, name)
    ]


def is_kept(kind: str, name: str) -> bool:
    """Whether `build.py` has built it into the folder that QVL_ZOO names."""
    if KEPT is None:
        return False
    home = Path(KEPT).absolute() / f"{kind}s"
    return (home / name / MARK).exists() or (home / f"{name}{MARK}").exists()


def chosen_scripts() -> list[str]:
    """Scripts that are part of this run."""
    return [
        name
        for name, script in SCRIPTS.items()
        if script.get("tested") or is_kept("environment", script["environment"])
    ]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that things are built into, each when it is first needed."""
    return Path(KEPT) if KEPT else tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="module")
def builder(zoo: Path) -> Builder:
    return Builder(zoo)


@pytest.fixture(scope="module")
def checkpoints(zoo: Path) -> Checkpoints:
    return Checkpoints(zoo)


@pytest.fixture(scope="module")
def outputs(builder: Builder, checkpoints: Checkpoints) -> dict[str, dict[str, str]]:
    """Logs by environment, filled by the first test that needs one of it."""
    return {}


def must_hold(run: Run, expected: dict[str, Any]) -> None:
    """What fails and is a cause, what stays silent, and that every road was walked to its end."""
    outcomes = {finding["id"]: finding["outcome"] for finding in run.report["findings"]}
    for rule in expected.get("fails", ()):
        assert outcomes[rule] == "fail", run.finding(rule)
        assert rule in run.report["causes"]
        assert run.report["verdict"] == "problems"
        assert run.code == 1
    for rule in expected.get("silent", ()):
        assert outcomes[rule] in ("pass", "not_applicable", "blocked", "inconclusive"), run.finding(
            rule
        )
    assert [rule for rule, outcome in outcomes.items() if outcome == "error"] == []
    assert run.seconds < WITHIN_S


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen("environment"))
def test_a_broken_environment_is_understood(builder: Builder, tmp_path: Path, name: str) -> None:
    expected = RECIPES["environment"][name]["check"]
    try:
        python = builder.python(name)
    except CannotBuild as reason:
        pytest.skip(str(reason))
    must_hold(examine(python, tmp_path, *expected.get("arguments", ())), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen("checkpoint"))
def test_a_broken_checkpoint_is_understood(
    builder: Builder, checkpoints: Checkpoints, tmp_path: Path, name: str
) -> None:
    expected = RECIPES["checkpoint"][name]["check"]
    arguments = expected.get("arguments", ["--only", "checkpoint"])
    python = builder.python(expected.get("environment", EXAMINED_BY))
    run = examine(python, tmp_path, "--model", str(checkpoints.path(name)), *arguments)
    must_hold(run, expected)
    if "fails" not in expected:
        assert run.report["causes"] == []


@pytest.mark.slow
def test_an_adapter_of_an_older_release_is_understood(
    builder: Builder, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Saved for real under 4.49, where it fits; in 4.53 the modules have other names."""
    runner = Runner(builder, checkpoints)
    runner.run(["adapter-saved"])
    asked = ("--model", str(runner.project / "adapter"), "--only", "checkpoint")
    rule = "checkpoint.adapter-keys-unmatched"
    must_hold(examine(builder.python("z453peft"), tmp_path / "new", *asked), {"fails": [rule]})
    run = examine(builder.python("z449"), tmp_path / "old", *asked)
    assert run.finding(rule)["outcome"] == "pass"
    assert run.report["causes"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen_scripts())
def test_what_a_script_prints_there_is_recognised(
    builder: Builder, checkpoints: Checkpoints, outputs: dict[str, dict[str, str]], name: str
) -> None:
    script = SCRIPTS[name]
    environment = script["environment"]
    if environment not in outputs:
        together = [n for n in chosen_scripts() if SCRIPTS[n]["environment"] == environment]
        try:
            outputs[environment] = Runner(builder, checkpoints).run(together)
        except CannotBuild as reason:
            pytest.skip(str(reason))
    log = outputs[environment][name]
    if script.get("cpu_only") and "devices.cpu-only-torch" not in causes_of(log) and has_cuda():
        pytest.skip("torch is built with CUDA here")
    assert causes_of(log)[:1] in [[rule] for rule in script["expect"]], log[-3000:]


@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
def test_a_recorded_log_is_recognised(name: str) -> None:
    log = (LOGS / f"{name}.log").read_text(encoding="utf-8")
    assert causes_of(log)[:1] in [[rule] for rule in SCRIPTS[name]["expect"]]


def causes_of(log: str) -> list[str]:
    """What triage makes of a log, best first."""
    return [diagnosis.id for diagnosis in diagnose(log).diagnoses]


def has_cuda() -> bool:
    """Whether the reference torch is a build with CUDA, read from its version alone."""
    from importlib.metadata import version

    return "+cpu" not in version("torch")
