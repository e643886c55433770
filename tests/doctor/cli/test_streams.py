"""Closed, full and broken standard streams: the report is written and the exit code is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = f"{sys.executable} -m qvl_doctor check --level quick --only versions --python {{python}}"


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=cwd,
        env={**os.environ, **environment},
    )


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A command whose verdict is known: the interpreter is no Python."""
    (tmp_path / "python").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "python").chmod(0o755)
    return QUICK.format(python=tmp_path / "python") + " --output out"


def written(folder: Path) -> bool:
    report = json.loads((folder / "out" / "report.json").read_text())
    return (folder / "out" / "report.html").exists() and report["verdict"] == "problems"


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&-", 1),
        ("2>&-", 1),
        (">&- 2>&- <&-", 1),
        ("2>/dev/full", 1),
        ("| head -0", 1),
        (">/dev/full", 3),
        (">/dev/full 2>&1", 3),
    ],
)
def test_a_verdict_that_cannot_be_printed_costs_no_file(
    quick: str, tmp_path: Path, streams: str, code: int
) -> None:
    done = shell(f"{quick} {streams}", tmp_path)
    assert done.returncode == code, done.stderr
    assert written(tmp_path)
    assert "Traceback" not in done.stderr
    assert "bug in the doctor" not in done.stderr


def test_what_cannot_be_printed_is_named(quick: str, tmp_path: Path) -> None:
    assert "standard output: No space left" in shell(f"{quick} >/dev/full", tmp_path).stderr


@pytest.mark.parametrize("command", ["list", "explain eager-precision-drift", "schema"])
def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path, command: str) -> None:
    done = shell(f"{sys.executable} -m qvl_doctor {command} | head -0", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_document_is_utf8_whatever_the_terminal_speaks(quick: str, tmp_path: Path) -> None:
    folder = tmp_path / "中文"
    folder.mkdir()
    (folder / "python").symlink_to(tmp_path / "python")
    shell(quick.replace(str(tmp_path / "python"), str(folder / "python")), tmp_path)
    render = f"{sys.executable} -m qvl_doctor render out/report.json --format json > again.json"
    shell(render, tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONCOERCECLOCALE="0",
          PYTHONUTF8="0")  # fmt: skip
    again = (tmp_path / "again.json").read_bytes()
    assert again == (tmp_path / "out" / "report.json").read_bytes()
    assert "中文".encode() in again


def test_one_file_that_cannot_be_written_costs_only_itself(quick: str, tmp_path: Path) -> None:
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    done = shell(quick, tmp_path)
    assert done.returncode == 3
    assert "report.html" in done.stderr
    assert "PROBLEMS" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "facts.json",
        "report.html",
        "report.json",
    ]


def test_a_folder_without_room_is_refused_before_the_run(
    quick: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = shell(f"ulimit -f 64; trap '' XFSZ; exec {quick}", tmp_path)
    assert done.returncode == 2, done.stderr
    assert "--output" in done.stderr
