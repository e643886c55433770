"""Third-party plugins come through the same door as our own parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.doctor.conftest import Sandbox

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


@pytest.mark.slow
def test_an_installed_plugin_is_listed_run_judged_and_rendered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.pip_install("--no-deps", str(EXAMPLE))

    listed = sandbox.doctor("list", "cooling", "--json")
    assert [row["id"] for row in json.loads(listed.stdout)] == ["cooling.fan-stuck"]

    run = sandbox.doctor(
        "check", "--only", "cooling", "--level", "quick", "--output", str(tmp_path / "out"),
        "--format", "json", "--format", "example-ids",
    )  # fmt: skip
    assert run.returncode in (0, 1, 4), run.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    facts = report["facts"]["probes"]["cooling.fan"]
    assert facts["status"] == "ok" and facts["data"]["fans"] >= facts["data"]["stuck"]
    rendered = (tmp_path / "out" / "report.example-ids").read_text()
    assert "cooling.fan-stuck" in rendered


@pytest.mark.slow
def test_a_plugin_that_does_not_load_is_a_finding_and_the_run_is_not_green(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    package = broken / "broken_plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import a_module_that_does_not_exist\n")
    (broken / "pyproject.toml").write_text(
        (EXAMPLE / "pyproject.toml")
        .read_text()
        .replace("qvl_doctor_example.cooling", "broken_plugin")
        .replace("qvl_doctor_example", "broken_plugin")
    )
    sandbox.pip_install("--no-deps", str(broken))

    run = sandbox.doctor(
        "check", "--only", "kv-cache.cache-size", "--level", "quick",
        "--output", str(tmp_path / "out"), "--format", "json",
    )  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (finding,) = [f for f in report["findings"] if f["id"] == "engine.plugin-failed"]
    assert "a_module_that_does_not_exist" in str(finding["evidence"])
    assert report["verdict"] != "ok"
    assert run.returncode == 4, run.stderr
