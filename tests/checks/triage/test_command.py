"""The command: input, output, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qvl_doctor.cli.main import group
from qvl_doctor.errors import UsageError

ERROR = (
    "ImportError: cannot import name 'Qwen2_5_VLForConditionalGeneration' from "
    "'transformers' (/x/__init__.py)\n"
)


def triage(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(group, ["triage", *arguments], input=text, standalone_mode=False)


def test_recognised_from_standard_input() -> None:
    result = triage(text=ERROR)
    assert result.return_value == 0
    assert "versions.model-class-missing" in result.output
    assert "4.49" in result.output


def test_json_contract(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.write_bytes(ERROR.encode())
    result = triage("--json", str(log))
    answer = json.loads(result.output)
    assert result.return_value == 0
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


def test_answers_in_the_language_of_the_text_or_the_chosen_one() -> None:
    asked = "请问这是什么问题？\n" + ERROR
    assert "怎么办" in triage(text=asked).output
    assert "What to do" in triage("--lang", "en", text=asked).output
    assert "怎么办" in triage("--lang", "zh", text=ERROR).output
    assert "未识别" in triage("--lang", "zh", text="KeyError: 'prompt'\n").output


def test_not_recognised() -> None:
    result = triage("-", text="KeyError: 'prompt'\n")
    assert result.return_value == 4
    assert "Not recognised" in result.output


def test_not_recognised_as_json() -> None:
    result = triage("--json", text="KeyError: 'prompt'\n")
    assert result.return_value == 4
    assert json.loads(result.output) == {"recognised": False, "diagnoses": []}


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        (("no-such-file.log",), None, "cannot read no-such-file.log: No such file or directory"),
        ((".",), None, "cannot read .: Is a directory"),
        ((), " \n\0", "the input is empty: there is nothing to triage"),
    ],
)
def test_unusable_input_is_one_clear_sentence(
    arguments: tuple[str, ...], text: str | None, says: str
) -> None:
    result = triage(*arguments, text=text)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == says
    assert result.exception.exit_code == 2


def test_invalid_utf_8(tmp_path: Path) -> None:
    log = tmp_path / "broken.log"
    log.write_bytes(b"\xff\x00\x80\n" + ERROR.encode() + b"\xc3")
    assert triage(str(log)).return_value == 0


def test_the_command_itself_imports_light() -> None:
    """``qvl-doctor --help`` imports it only to list it."""
    program = (
        "import sys, qvl_checks.triage.command; "
        "print([m for m in sys.modules if m.startswith('qvl_checks.triage.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "['qvl_checks.triage.command']"


def test_markup_in_a_log_is_shown_as_it_is() -> None:
    result = triage(text="[bold]x[/bold] " + ERROR)
    assert "[bold]x[/bold]" in result.output
