"""Which release is judged for: what was given, what the target has, else the newest known."""

import sys
from pathlib import Path

import pytest

from qvl_checks.lint import knowledge
from qvl_checks.lint.release import choose_release
from qvl_doctor.errors import UsageError


def interpreter(folder: Path, body: str) -> Path:
    """A program that stands in for a Python interpreter."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An interpreter whose site-packages hold the metadata of transformers, and nothing else."""
    installed = tmp_path / "site" / "transformers-4.49.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: transformers\nVersion: 4.49.0\n"
    )
    (tmp_path / "bin").mkdir()
    start = f'PYTHONPATH="{tmp_path}/site" exec "{sys.executable}" -S "$@"'
    return interpreter(tmp_path / "bin", start)


def test_given_wins() -> None:
    release = choose_release("4.51.3", None)
    assert (str(release.version), release.because) == ("4.51.3", "given with --transformers")


def test_installed_in_the_named_interpreter(environment: Path) -> None:
    release = choose_release(None, str(environment))
    assert str(release.version) == "4.49.0"
    assert str(environment) in release.because and "--python" in release.because


def test_installed_in_the_active_environment(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(environment.parent.parent))
    release = choose_release(None, None)
    assert str(release.version) == "4.49.0" and "VIRTUAL_ENV" in release.because


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f'exec "{sys.executable}" -S "$@"', "has no transformers"),
        ("exit 3", "does not say what is installed"),
        ('echo \'["transformers", "main"]\'', "version 'main'"),
        ("echo '{'; echo; echo '[\"transformers\", null]'", "has no transformers"),
    ],
)
def test_else_the_newest_known(tmp_path: Path, body: str, reason: str) -> None:
    release = choose_release(None, str(interpreter(tmp_path, body)))
    assert release.version == knowledge.newest()
    assert release.because.startswith("the newest known, because ") and reason in release.because


def test_an_interpreter_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qvl_checks.lint.release.ANSWER_S", 0.3)
    release = choose_release(None, str(interpreter(tmp_path, "sleep 600")))
    assert release.version == knowledge.newest() and "did not answer" in release.because


def test_contradictions_and_nonsense_are_refused(tmp_path: Path) -> None:
    for transformers, python in (("4.57.1", sys.executable), ("new", None), (None, "/nowhere")):
        with pytest.raises(UsageError):
            choose_release(transformers, python)
