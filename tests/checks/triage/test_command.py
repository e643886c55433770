"""The command: input, output, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from qvl_checks.triage.command import command

ERROR = (
    "ImportError: cannot import name 'Qwen2_5_VLForConditionalGeneration' from "
    "'transformers' (/x/__init__.py)\n"
)


def test_recognised_from_standard_input() -> None:
    result = CliRunner().invoke(command, [], input=ERROR)
    assert result.exit_code == 0
    assert "versions.model-class-missing" in result.output
    assert "4.49" in result.output


def test_json_contract(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.write_bytes(ERROR.encode())
    result = CliRunner().invoke(command, ["--json", str(log)])
    answer = json.loads(result.output)
    assert result.exit_code == 0
    assert answer["recognised"] is True
    assert set(answer["diagnoses"][0]) == {
        "id",
        "confidence",
        "evidence",
        "computed",
        "explanation",
        "fixes",
        "next_steps",
    }
    assert answer["diagnoses"][0]["evidence"][0].startswith("line 1: ")


def test_not_recognised() -> None:
    result = CliRunner().invoke(command, ["-"], input="KeyError: 'prompt'\n")
    assert result.exit_code == 4
    assert "Not recognised" in result.output


def test_not_recognised_as_json() -> None:
    result = CliRunner().invoke(command, ["--json"], input="KeyError: 'prompt'\n")
    assert result.exit_code == 4
    assert json.loads(result.output) == {"recognised": False, "diagnoses": []}


def test_missing_file_is_one_clear_sentence() -> None:
    result = CliRunner().invoke(command, ["no-such-file.log"])
    assert result.exit_code == 2
    assert "Cannot read no-such-file.log: No such file or directory." in result.output


def test_folder_and_empty_input(tmp_path: Path) -> None:
    assert CliRunner().invoke(command, [str(tmp_path)]).exit_code == 2
    result = CliRunner().invoke(command, [], input=" \n\0")
    assert result.exit_code == 2
    assert "nothing to triage" in result.output


def test_invalid_utf_8(tmp_path: Path) -> None:
    log = tmp_path / "broken.log"
    log.write_bytes(b"\xff\x00\x80\n" + ERROR.encode() + b"\xc3")
    assert CliRunner().invoke(command, [str(log)]).exit_code == 0


def test_markup_in_a_log_is_shown_as_it_is() -> None:
    result = CliRunner().invoke(command, [], input="[bold]x[/bold] " + ERROR)
    assert "[bold]x[/bold]" in result.output
