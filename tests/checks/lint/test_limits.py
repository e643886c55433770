"""What is left out is said; what runs in other processes comes out the same."""

from pathlib import Path

import pytest
from packaging.version import Version
from tests.checks.lint import dying

from qvl_checks.lint import workers
from qvl_checks.lint.finding import NOT_ANALYSED, LintFinding
from qvl_checks.lint.project import lint_paths, lint_source

from .snippets import HEAD

RELEASE = Version("4.57.1")
BAD = HEAD + "m = L25(Q25, dtype='auto', device_map='auto')\nm.to('cuda')\n"
HEAVY = "x = [" + ", ".join(f"[{n}, -{n}]" for n in range(60)) + "]\n"


def records(findings: list[LintFinding]) -> list[LintFinding]:
    return [finding for finding in findings if finding.id == NOT_ANALYSED]


def test_a_file_cut_short_says_from_which_line() -> None:
    text = BAD + HEAVY * 400 + "m.to('cuda')\n"
    findings = lint_source(text, "a.py", RELEASE)
    (record,) = records(findings)
    first = BAD.count("\n") + 1
    assert record.level == "info" and first < record.line < text.count("\n")
    assert f"lines {record.line} to {text.count(chr(10))}" in record.message
    assert [f.line for f in findings if f.id == "memory.dispatch-undone"] == [first - 1]


def test_a_heavy_function_costs_only_itself() -> None:
    heavy = "def heavy():\n" + ("    " + HEAVY) * 120
    text = heavy + BAD.replace("m.to", "def late():\n    m.to")
    findings = lint_source(text, "a.py", RELEASE)
    (record,) = records(findings)
    assert 1 < record.line <= 121 and f"lines {record.line} to 121" in record.message
    assert [f.id for f in findings if f.level == "warning"] == ["memory.dispatch-undone"]


def test_what_a_heavy_caller_leaves_out_is_analysed_on_its_own() -> None:
    text = (
        "def late(m):\n    x = 1\n"
        + ("    " + HEAVY) * 40
        + HEAD
        + "    return L25(Q25, dtype='auto', device_map='auto').to('cuda')\n".replace(
            "    ", ""
        ).replace("return ", "m = ")
        + "def caller():\n"
        + ("    " + HEAVY) * 60
        + "    late(1)\n"
    )
    findings = lint_source(text, "a.py", RELEASE)
    assert any(f.id == "memory.dispatch-undone" for f in findings)
    lines = text.split("\n")
    assert all("caller" in lines[r.line - 2] or r.line > 40 for r in records(findings))


def test_a_module_pays_for_itself_not_for_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("qwen = 1\n" + HEAVY * 400)
    (tmp_path / "a.py").write_text("import heavy\n" + BAD)
    findings = lint_paths([tmp_path], RELEASE)
    assert {Path(r.file).name for r in records(findings)} == {"heavy.py"}
    assert [Path(f.file).name for f in findings if f.level == "warning"] == ["a.py"]


def test_a_long_chain_of_imports_ends_well(tmp_path: Path) -> None:
    for n in range(400):
        (tmp_path / f"m{n}.py").write_text(f"import m{n + 1}\nqwen = 1\n")
    (tmp_path / "m400.py").write_text(BAD)
    findings = lint_paths([tmp_path], RELEASE)
    assert [Path(f.file).name for f in findings if f.level == "warning"] == ["m400.py"]


def test_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(12):
        (tmp_path / f"f{n}.py").write_text(BAD + f"y = {n}\n" + HEAVY * (n % 4))
    (tmp_path / "pair.py").write_text("from f3 import m\nm.cuda()\n")
    (tmp_path / "broken.py").write_text("qwen = (\n")
    alone = lint_paths([tmp_path], RELEASE)
    monkeypatch.setattr(workers, "WORTH_BYTES", 0)
    assert lint_paths([tmp_path], RELEASE, jobs=2) == alone
    assert len([f for f in alone if f.id == "memory.dispatch-undone"]) == 13


def test_a_process_that_dies_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORTH_BYTES", 0)
    monkeypatch.setattr(workers, "_work", dying.work)
    for name in ("a", "b", "deadly"):
        (tmp_path / f"{name}.py").write_text(BAD)
    findings = lint_paths([tmp_path], RELEASE, jobs=2)
    assert [Path(r.file).name for r in records(findings)] == ["deadly.py"]
    assert [Path(f.file).name for f in findings if f.level == "warning"] == ["a.py", "b.py"]
