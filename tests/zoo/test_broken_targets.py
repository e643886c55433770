"""Broken environments end in time, with the right finding, and never green."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from tests.zoo.conftest import Patient

pytestmark = pytest.mark.slow

TORCH_THAT = {
    "raises": "raise OSError('libcudart.so.12: cannot open shared object file')",
    "aborts": "import os; os.abort()",
    "segfaults": "import ctypes; ctypes.string_at(0)",
    "exits": "import os; os._exit(0)",
    "hangs": "import time; time.sleep(600)",
    "hangs deaf": """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    """,
    "stops itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "floods": """
        import os
        for _ in range(1024):
            os.write(1, b'x' * (1 << 20))
        raise ImportError('after the flood')
    """,
    "prints garbage": r"""
        import os
        os.write(1, b'\xff\xfe\x00' * 1000)
        os.write(2, b'\xff\xfe\x00' * 1000)
        raise ImportError(b'\xff'.decode('latin-1') + '\ud800')
    """,
}


@pytest.mark.parametrize("how", TORCH_THAT)
def test_a_torch_whose_import_fails_is_the_cause(
    patient: Patient, tmp_path: Path, how: str
) -> None:
    patient.package("torch", "2.13.0", TORCH_THAT[how])
    patient.package("transformers", "5.23.0", "import torch\n", requires=("torch>=2.6",))
    run = patient.examine(tmp_path / "out")
    assert run.finding("versions.torch-import-failed")["outcome"] == "fail"
    assert "versions.torch-import-failed" in run.report["causes"]
    assert run.report["verdict"] == "problems"
    assert run.code == 1
    assert run.seconds < 40
    assert not [f["id"] for f in run.report["findings"] if f["outcome"] == "error"]


def test_without_torch_the_report_says_what_is_missing(patient: Patient, tmp_path: Path) -> None:
    run = patient.examine(tmp_path / "out")
    assert run.finding("versions.torch-import-failed")["outcome"] == "fail"
    assert run.code == 1
    drift = run.finding("attention.eager-precision-drift")
    assert drift["outcome"] == "blocked"
    assert "torch" in drift["cause"]


def test_a_transformers_too_old_for_the_model_is_the_cause(
    patient: Patient, tmp_path: Path
) -> None:
    import sysconfig

    base = sysconfig.get_paths()["purelib"]
    patient.pip_install("--no-deps", "transformers==4.44.2", "tokenizers==0.19.1")
    patient.pip_install("--no-deps", "huggingface_hub==0.36.0")
    (patient.site_packages / "base.pth").write_text(base + "\n")
    run = patient.examine(tmp_path / "out", "--import-budget", "60")
    finding = run.finding("versions.model-class-missing")
    assert finding["outcome"] == "fail"
    assert "4.49.0" in str(finding)
    wanted = [
        SpecifierSet(word.removeprefix("transformers"))
        for fix in finding["fixes"]
        for word in fix.get("command", [])
        if word.startswith("transformers")
    ]
    assert wanted
    assert not any(specifier.contains("4.48.3") for specifier in wanted)
    assert run.code == 1


def test_a_target_that_is_no_python_is_a_usage_error(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "plain").write_text("text")
    for wrong in ("/nonexistent/python", str(tmp_path), str(tmp_path / "plain")):
        done = subprocess.run(
            [sys.executable, "-m", "qvl_doctor", "check", "--python", wrong],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
        assert done.returncode == 2, (wrong, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1


def test_an_interpreter_that_cannot_start_is_a_finding(tmp_path: Path) -> None:
    patient = Patient(tmp_path / "patient")
    # A virtual environment whose base interpreter is gone: the commonest broken one.
    (patient.folder / "pyvenv.cfg").write_text("home = /nonexistent\n")
    patient.python.unlink()
    patient.python.write_text("#!/bin/sh\necho 'Fatal Python error: no encodings' >&2\nexit 1\n")
    patient.python.chmod(0o755)
    run = patient.examine(tmp_path / "out")
    finding = run.finding("engine.target-does-not-run")
    assert "no encodings" in finding["cause"]
    assert run.code == 1
