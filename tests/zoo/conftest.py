"""Builders of broken environments: real virtual environments, broken in one known way each."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Run(NamedTuple):
    """One run of ``qvl-doctor check`` against a broken environment."""

    code: int
    seconds: float
    report: dict[str, Any]
    stderr: str

    def finding(self, rule_id: str) -> dict[str, Any]:
        """The finding of a rule.

        Raises:
            AssertionError: there is none; the message lists what there is.
        """
        for finding in self.report["findings"]:
            if finding["id"] == rule_id:
                return dict(finding)
        raise AssertionError(f"no {rule_id} in {[f['id'] for f in self.report['findings']]}")


class Patient:
    """An environment under construction."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.site_packages = next((folder / "lib").glob("python3*/site-packages"))

    def package(self, name: str, version: str, source: str, requires: tuple[str, ...] = ()) -> None:
        """Install a package of one module by hand, metadata included."""
        module = self.site_packages / name.replace("-", "_")
        module.mkdir(exist_ok=True)
        (module / "__init__.py").write_text(textwrap.dedent(source))
        info = self.site_packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "RECORD").write_text("")

    def pip_install(self, *arguments: str) -> None:
        """Install from the registry."""
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, "install", "-q", *arguments],
            check=True,
            timeout=280,
        )

    def examine(self, output: Path, *arguments: str) -> Run:
        """Examine it from outside, as a user would, with little patience for its imports."""
        return examine(self.python, output, "--import-budget", "8", *arguments)


def examine(python: Path, output: Path, *arguments: str) -> Run:
    """``qvl-doctor check --level quick`` of an interpreter, as a user calls it."""
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable, "-m", "qvl_doctor", "check", "--python", str(python),
            "--level", "quick", "--format", "json", "--format", "html",
            "--output", str(output), *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )  # fmt: skip
    seconds = time.monotonic() - began
    path = output / "report.json"
    assert path.exists(), f"no report: {done.stderr}"
    return Run(done.returncode, seconds, json.loads(path.read_text()), done.stderr)


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """An empty virtual environment, without pip."""
    return Patient(tmp_path / "patient")
