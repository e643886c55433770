"""The command line from outside: exit codes, one-sentence errors, interruption."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import jsonschema
import pytest


def doctor(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qvl_doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def test_help_names_every_command_and_exit_code() -> None:
    text = doctor("--help").stdout
    for word in ("check", "judge", "render", "list", "explain", "schema", "130"):
        assert word in text


def test_version() -> None:
    assert doctor("--version").stdout.startswith("qvl-doctor, version")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--only", "nonsense"),
        ("check", "--format", "pdf"),
        ("check", "--model", "Qwen2.5-VL-9000B"),
        ("check", "--model", "Qwen2.5-VL-7B-Instruct-AWQ"),
        ("check", "--cap", "a lot"),
        ("check", "--output", "/proc/nowhere"),
        ("check", "--policy", "/nonexistent.toml"),
        ("check", "--prompt", "/nonexistent.txt"),
        ("check", "--level", "deep", "--model", "Qwen2.5-VL-7B", "--prompt", __file__),
        ("check", "--unknown-option"),
        ("judge", "/nonexistent/facts.json"),
        ("judge", "/etc/hostname"),
        ("render", "/etc/hostname"),
        ("explain", "no.such-rule"),
        ("nonsense",),
    ],
)
def test_bad_input_is_exit_2_without_a_traceback(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = doctor(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.strip()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real report on this interpreter."""
    folder = tmp_path_factory.mktemp("examined")
    doctor("check", "--only", "versions", "--level", "quick", "--output", "out", cwd=folder)
    return folder / "out"


def test_the_schema_accepts_a_real_report_and_refuses_another(examined: Path) -> None:
    schema = json.loads(doctor("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    report = json.loads((examined / "report.json").read_text())
    jsonschema.validate(report, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "verdict": "fine"}, schema)


def test_every_saved_fix_keeps_the_contract(tmp_path: Path) -> None:
    """The field named by ``kind``, ``safety`` and ``verified`` are there, whatever they say."""
    schema = json.loads(doctor("schema").stdout)
    doctor("check", "--only", "versions", "--level", "quick", "--python", "/bin/false",
           "--output", "out", cwd=tmp_path)  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (fix,) = report["findings"][0]["fixes"]
    assert fix[fix["kind"]]
    for name in (fix["kind"], "safety", "verified"):
        damaged = json.loads(json.dumps(report))
        del damaged["findings"][0]["fixes"][0][name]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(damaged, schema)


def test_judging_saved_facts_again_gives_the_same_findings(examined: Path, tmp_path: Path) -> None:
    facts = str(examined / "facts.json")
    doctor("judge", facts, "--output", "two", "--format", "json", cwd=tmp_path)
    one, two = (
        json.loads((folder / "report.json").read_text()) for folder in (examined, tmp_path / "two")
    )
    assert json.dumps(one["findings"]) == json.dumps(two["findings"])
    assert one == two


@pytest.mark.parametrize(
    ("options", "stated"),
    [
        ((), False),
        (("--text", "900"), False),
        (("--image", "640x480"), True),
        (("--batch", "1"), True),
    ],
)
def test_what_the_user_said_of_the_load_is_recorded(
    options: tuple[str, ...], stated: bool, tmp_path: Path
) -> None:
    doctor("check", "--only", "devices.cpu-only-torch", "--level", "quick", "--output", "one",
           "--model", "Qwen2.5-VL-7B", *options, cwd=tmp_path)  # fmt: skip
    facts = json.loads((tmp_path / "one/facts.json").read_text())
    assert facts["probes"]["engine.workload"]["data"]["stated"] is stated


def test_an_unwritable_working_directory_still_gives_a_report(tmp_path: Path) -> None:
    run = doctor("check", "--only", "versions", "--level", "quick", cwd=Path("/proc"),
                 TMPDIR=str(tmp_path))  # fmt: skip
    assert list(tmp_path.glob("qvl-doctor-report-*/report.html")), run.stderr


def test_without_home_and_with_a_dead_temporary_folder(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "qvl_doctor", "check", "--only", "versions", "--level", "quick",
         "--output", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=200, cwd=tmp_path,
        env={**environment, "TMPDIR": "/nonexistent"},
    )  # fmt: skip
    assert (tmp_path / "out" / "report.html").exists(), done.stderr


def signals_as_at_a_prompt() -> None:
    """Tests that were started in the background, or by nohup, have these ignored, and a child
    inherits that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    "numbers",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT] * 5],
)
def test_stopping_ends_the_children_and_writes_what_is_known(
    tmp_path: Path, numbers: list[int]
) -> None:
    package = tmp_path / "path" / "torch"
    package.mkdir(parents=True)
    marker = tmp_path / "pid"
    (package / "__init__.py").write_text(
        f"import os, time\nopen({str(marker)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "qvl_doctor", "check", "--output", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "path")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=signals_as_at_a_prompt,
    )
    for _ in range(400):
        if marker.exists() and marker.read_text():
            break
        time.sleep(0.05)
    began = time.monotonic()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.02)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 12
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["facts"]["interrupted"] is True
    assert report["verdict"] != "ok"
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)


def test_a_terminal_that_closes_stops_the_run_in_order(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "python").chmod(0o755)
    terminal, ours = pty.openpty()

    def take_terminal() -> None:
        signals_as_at_a_prompt()
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "qvl_doctor", "check", "--python", str(tmp_path / "python"),
         "--only", "versions", "--output", str(tmp_path / "out")],
        stdin=ours, stdout=ours, stderr=ours, preexec_fn=take_terminal,
    )  # fmt: skip
    os.close(ours)
    while b"Ctrl-C" not in os.read(terminal, 4096):
        pass
    os.close(terminal)
    assert process.wait(timeout=30) == 130
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["facts"]["interrupted"] is True
