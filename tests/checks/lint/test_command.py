"""The command line: formats, exit codes, selection, fixes, notebooks, packages."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qvl_checks.lint.command import command

from .snippets import HEAD, M25

BAD = HEAD + "m = L25(Q25, dtype='auto', device_map='auto')\nm.to('cuda')\nprint(m)\n"


def run(*args: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in args])


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.py"
    path.write_text(BAD)
    return path


def test_json_contract(bad: Path) -> None:
    result = run(bad, "--format", "json", "--transformers", "4.57.1")
    assert result.exit_code == 1
    (finding,) = json.loads(result.output)["findings"]
    assert {"id", "file", "line", "column", "level", "message", "fix"} <= set(finding)
    assert (finding["id"], finding["line"], finding["level"]) == (
        "memory.dispatch-undone",
        BAD.count("\n") - 1,
        "warning",
    )


def test_sarif_has_rules_results_and_fixes(bad: Path) -> None:
    log = json.loads(run(bad, "--format", "sarif").output)
    (result,) = log["runs"][0]["results"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert log["version"] == "2.1.0" and rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] == "warning" and result["fixes"][0]["artifactChanges"][0]["replacements"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] > 0


def test_exit_codes(bad: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.py"
    clean.write_text("print('qwen')\n")
    assert run(clean).exit_code == 0
    assert run(bad).exit_code == 1
    assert run(bad, "--fail-on", "error").exit_code == 0
    assert run(bad, "--fail-on", "never").exit_code == 0
    assert run(bad, "--transformers", "newest").exit_code == 2
    assert run(bad, "--select", "no-such-rule").exit_code == 2
    assert run(tmp_path / "missing.py").exit_code == 2
    assert run(bad, "--fix", "--diff").exit_code == 2


def test_select_and_ignore(bad: Path) -> None:
    assert run(bad, "--ignore", "dispatch-undone").exit_code == 0
    assert run(bad, "--select", "memory").exit_code == 1
    assert run(bad, "--select", "video,images").exit_code == 0


def test_fix_and_diff(bad: Path) -> None:
    shown = run(bad, "--diff", "--format", "json")
    assert "-m.to('cuda')" in shown.output and bad.read_text() == BAD
    assert run(bad, "--fix").exit_code == 0
    assert bad.read_text() == BAD.replace("m.to('cuda')\n", "")


def test_suppression_comment(bad: Path) -> None:
    bad.write_text(
        BAD.replace("m.to('cuda')", "m.to('cuda')  # qvl-doctor: ignore[dispatch-undone]")
    )
    assert run(bad).exit_code == 0


def test_notebook_maps_cells_and_lines(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# m.to('cuda')"]},
        {
            "cell_type": "code",
            "source": [
                "!pip install transformers\n",
                "%matplotlib inline\n",
                *HEAD.splitlines(True),
            ],
        },
        {"cell_type": "code", "source": "%%bash\nm.to('cuda'"},
        {
            "cell_type": "code",
            "source": "files = !ls\n" + M25.replace("'cuda:0'", "'auto'") + "m.to('cuda')\nm?",
        },
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}))
    (finding,) = json.loads(run(path, "--format", "json").output)["findings"]
    assert (finding["id"], finding["cell"], finding["line"]) == ("memory.dispatch-undone", 4, 3)


def test_package_values_cross_files(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/config.py").write_text(
        "MODEL = 'Qwen/Qwen2.5-VL-7B-Instruct'\nATTN = 'eager'\n"
    )
    (tmp_path / "pkg/load.py").write_text(
        "from .config import ATTN, MODEL\nfrom transformers import AutoModelForImageTextToText as"
        " A\ndef get():\n    return A.from_pretrained(MODEL, dtype='bfloat16', device_map='auto',"
        " attn_implementation=ATTN)\n"
    )
    (tmp_path / "main.py").write_text("from pkg.load import get\nm = get()\nm.cuda()\n")
    found = json.loads(run(tmp_path, "--format", "json").output)["findings"]
    assert {(Path(f["file"]).name, f["id"], f["line"]) for f in found} == {
        ("config.py", "attention.eager-precision-drift", 2),
        ("main.py", "memory.dispatch-undone", 3),
    }


def test_broken_files_give_one_record_and_the_rest_goes_on(bad: Path, tmp_path: Path) -> None:
    (tmp_path / "syntax.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\n\0")
    (tmp_path / "utf.py").write_bytes(b"x = 1\ny = '\xff'\n")
    (tmp_path / "cookie.py").write_bytes(b"# coding: nonsense\nx = 1\n")
    (tmp_path / "deep.py").write_text("(" * 5000)
    (tmp_path / "chain.py").write_text("qwen = a" + ".b" * 50_000)
    (tmp_path / "minus.py").write_text("qwen = " + "-" * 50_000 + "1")
    (tmp_path / "long.py").write_text("qwen = '" + "a" * 300_000 + "'")
    (tmp_path / "book.ipynb").write_text("{")
    os.symlink(tmp_path, tmp_path / "loop", target_is_directory=True)
    os.symlink(tmp_path / "nowhere.py", tmp_path / "dangling.py")
    result = run(tmp_path, "--format", "json")
    found = json.loads(result.output)["findings"]
    records = {Path(f["file"]).name: f["line"] for f in found if f["id"] == "lint.not-analysed"}
    assert {
        "syntax.py",
        "null.py",
        "utf.py",
        "cookie.py",
        "deep.py",
        "long.py",
        "book.ipynb",
    } <= set(records)
    assert records["syntax.py"] == 2 and records["null.py"] == 2 and records["utf.py"] == 2
    assert [f["id"] for f in found if Path(f["file"]).name == "bad.py"] == [
        "memory.dispatch-undone"
    ]
    assert all(f["level"] == "info" for f in found if f["id"] == "lint.not-analysed")
