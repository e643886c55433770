"""The command line: formats, exit codes, selection, fixes, notebooks, packages."""

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from qvl_checks.lint.command import command
from qvl_doctor.errors import DoctorError, UsageError

from .snippets import HEAD, M25

BAD = HEAD + "m = L25(Q25, dtype='auto', device_map='auto')\nm.to('cuda')\nprint(m)\n"


def run(*args: object) -> Result:
    """The result, with the exit code that the `qvl-doctor` command would end with."""
    given = [str(a) for a in args]
    if not {"--transformers", "--python"} & set(given):
        given += ["--transformers", "4.57.1"]
    result = CliRunner().invoke(command, given, standalone_mode=False)
    if isinstance(result.exception, (DoctorError, click.ClickException)):
        result.exit_code = result.exception.exit_code
    elif result.exception is not None:
        raise result.exception
    else:
        result.exit_code = result.return_value
    return result


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
    assert run().exit_code == 2


def test_usage_errors_are_one_sentence(bad: Path, tmp_path: Path) -> None:
    for args in (
        (tmp_path / "missing.py",),
        (bad, "--select", "no-such-rule"),
        (bad, "--transformers", "newest"),
        (bad, "--transformers", "4.57.1", "--python", "python3"),
        (bad, "--python", tmp_path / "no-python"),
        (bad, "--fix", "--diff"),
        (),
    ):
        error = run(*args).exception
        assert isinstance(error, UsageError)
        assert "\n" not in str(error) and len(str(error)) > 20


def test_what_cannot_be_written_is_said(bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    error = run(bad, "--fix").exception
    assert isinstance(error, DoctorError) and "Permission denied" in str(error)
    assert bad.read_text() == BAD


def test_fix_keeps_permissions_and_links(bad: Path, tmp_path: Path) -> None:
    bad.chmod(0o755)
    link = tmp_path / "link.py"
    link.symlink_to(bad)
    assert run(link, "--fix").exit_code == 0
    assert link.is_symlink() and bad.stat().st_mode & 0o777 == 0o755
    assert "to('cuda')" not in bad.read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.py", "link.py"]


def test_terminal_says_which_release_and_why(bad: Path) -> None:
    shown = run(bad).output
    assert "Judged for transformers 4.57.1, given with --transformers." in shown


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
    (tmp_path / "syntax.py").write_text("qwen = 1\ndef f(:\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\n\0")
    (tmp_path / "utf.py").write_bytes(b"x = 1\ny = '\xff'\n")
    (tmp_path / "cookie.py").write_bytes(b"# coding: nonsense\nx = 1\n")
    (tmp_path / "deep.py").write_text("qwen = " + "(" * 5000)
    (tmp_path / "other.py").write_text("print 'python 2, and nothing of ours'\n")
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
    assert "other.py" not in records
    assert records["syntax.py"] == 2 and records["null.py"] == 2 and records["utf.py"] == 2
    assert [f["id"] for f in found if Path(f["file"]).name == "bad.py"] == [
        "memory.dispatch-undone"
    ]
    assert all(f["level"] == "info" for f in found if f["id"] == "lint.not-analysed")


def test_a_named_file_must_be_python(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x = 1\nprint 'python 2'\n")
    assert json.loads(run(tmp_path, "--format", "json").output)["findings"] == []
    named = run(tmp_path / "other.py", "--format", "json")
    (record,) = json.loads(named.output)["findings"]
    assert (record["id"], record["line"]) == ("lint.not-analysed", 2)
    assert named.exit_code == 0


def test_json_is_short_for_format_json(tmp_path: Path) -> None:
    (tmp_path / "clean.py").write_text("print(1)\n")
    done = CliRunner().invoke(command, ["--json", str(tmp_path)], standalone_mode=False)
    assert json.loads(done.output)["findings"] == []


def test_a_file_that_brings_a_config_to_a_loader(tmp_path: Path) -> None:
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "names.py").write_text("NAME = 'Qwen/Qwen2.5-VL-7B-Instruct'\nSPREAD = 'auto'\n")
    (package / "engine.py").write_text(
        "from transformers import AutoModelForImageTextToText\n\n\nclass Engine:\n"
        "    def __init__(self, name, spread):\n"
        "        self.net = AutoModelForImageTextToText.from_pretrained(name, device_map=spread,"
        " dtype='auto')\n"
        "        self.net.cuda()\n"
    )
    (package / "start.py").write_text(
        "from .engine import Engine\nfrom .names import NAME, SPREAD\n\n"
        "engine = Engine(NAME, SPREAD)\n"
    )
    found = json.loads(run(tmp_path, "--format", "json").output)["findings"]
    assert [(Path(f["file"]).name, f["id"], f["line"]) for f in found] == [
        ("engine.py", "memory.dispatch-undone", 7)
    ]
