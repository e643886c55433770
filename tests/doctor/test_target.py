"""Which interpreter is examined, and why."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from qvl_doctor.errors import UsageError
from qvl_doctor.target import choose


def test_without_an_active_environment_it_is_the_doctors_own() -> None:
    choice = choose(None, {})
    assert choice.python == sys.executable
    assert "runs in" in choice.because


def test_the_active_environment_wins_when_the_doctor_lives_elsewhere(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    choice = choose(None, {"VIRTUAL_ENV": str(tmp_path / "env")})
    assert choice.python == str(tmp_path / "env" / "bin" / "python")
    assert "VIRTUAL_ENV" in choice.because


def test_the_doctors_own_environment_being_active_changes_nothing() -> None:
    assert choose(None, {"VIRTUAL_ENV": sys.prefix}).python == sys.executable


def test_a_conda_environment_counts(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    choice = choose(None, {"CONDA_PREFIX": str(tmp_path / "env")})
    assert "conda" in choice.because


def test_an_active_environment_without_python_is_not_passed_over_for_another(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=r"VIRTUAL_ENV.*--python"):
        choose(None, {"VIRTUAL_ENV": str(tmp_path)})


def test_conda_does_not_win_over_the_doctors_own_active_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "base", with_pip=False, symlinks=True)
    environment = {"VIRTUAL_ENV": sys.prefix, "CONDA_PREFIX": str(tmp_path / "base")}
    assert choose(None, environment).python == sys.executable


def test_a_bare_name_is_looked_for_as_the_shell_does(tmp_path: Path) -> None:
    (tmp_path / "python-of-mine").symlink_to(sys.executable)
    choice = choose("python-of-mine", {"PATH": str(tmp_path)})
    assert choice.python == str(tmp_path / "python-of-mine")


def test_the_option_wins_and_links_are_kept(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert choose(str(link), {"VIRTUAL_ENV": "/elsewhere"}) == (str(link), "named with --python")


def test_an_environments_folder_may_be_named(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    assert choose(str(tmp_path / "env"), {}).python.endswith("env/bin/python")


@pytest.mark.parametrize("wrong", ["", "~nobody-of-this-name/python", "python-not-on-the-path"])
def test_what_names_nothing_is_refused_in_one_sentence(wrong: str) -> None:
    with pytest.raises(UsageError, match="--python"):
        choose(wrong, {"PATH": "/nonexistent"})


@pytest.mark.parametrize("wrong", ["missing", "folder", "plain"])
def test_what_is_no_interpreter_is_refused_in_one_sentence(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("text")
    with pytest.raises(UsageError, match="--python") as caught:
        choose(str(tmp_path / wrong), {})
    assert "\n" not in str(caught.value)
