"""Fixes in notebooks change the source of a cell and no other byte of the file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from qvl_checks.lint.command import command
from qvl_checks.lint.edits import fix_source
from qvl_checks.lint.notebook_edits import bodies, replace_source
from qvl_checks.lint.rules import registry
from qvl_checks.lint.source import Unreadable

from .snippets import HEAD

RELEASE = Version("4.57.1")
ALL = set(registry())
LOAD = "m = L25(Q25, dtype='auto', device_map='auto')  # 图 é\n"
LAYOUTS: list[Callable[[Any], str]] = [
    lambda book: json.dumps(book, indent=1, ensure_ascii=False) + "\n",
    lambda book: json.dumps(book, indent="\t"),
    lambda book: json.dumps(book, separators=(",", ":"), sort_keys=True),
    lambda book: "\ufeff" + json.dumps(book, indent=4).replace("\n", "\r\n"),
]


def cell(source: str | list[str], kind: str = "code") -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {"é": 1}, "outputs": [], "source": source}


def book(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {}, "cells": list(cells), "nbformat": 4, "nbformat_minor": 5}


def fixed(data: bytes) -> bytes:
    return fix_source(data, "a.ipynb", RELEASE, ALL)[0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LOAD + "m.to('cuda')\nprint(m)", LOAD + "print(m)"),
        (LOAD + "print(m)\nm.to('cuda')", LOAD + "print(m)\n"),
        (LOAD + "m = m.to('cuda').eval()\n", LOAD + "m = m.eval()\n"),
    ],
)
def test_only_the_source_changes(
    layout: Callable[[Any], str], listed: bool, before: str, after: str
) -> None:
    def write(code: str) -> bytes:
        source = code.splitlines(True) if listed else code
        text = cell("# m.to('cuda')", "markdown")
        return layout(book(text, cell(HEAD.splitlines(True)), cell(source), cell("m"))).encode()

    assert fixed(write(before)) == write(after)


def test_a_statement_alone_in_its_cell() -> None:
    data = json.dumps(book(cell(HEAD + LOAD), cell(["m.to('cuda')"]), cell("print(m)")), indent=1)
    result = json.loads(fixed(data.encode()))
    sources = ["".join(c["source"]) for c in result["cells"]]
    assert sources == [HEAD + LOAD, "", "print(m)"]


def test_escapes_that_nobody_touches_stay_as_they_are() -> None:
    data = json.dumps(book(cell(HEAD + LOAD + "u = 'a/b \U0001f600'\nm.cuda()\nprint(u)\n")))
    data = data.replace("a/b", "a\\/b").replace("\\u56fe", "\\u56FE")
    result = fixed(data.encode()).decode()
    assert result == data.replace("m.cuda()\\n", "")


def test_a_line_with_a_magic_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    code = HEAD + LOAD + "!nvidia-smi\nx = !ls\nm.to('cuda')\n%time m\n"
    path.write_text(json.dumps(book(cell("%pip install transformers"), cell(code)), indent=1))
    run = CliRunner().invoke(command, ["--fix", "--transformers", "4.57.1", str(path)])
    assert run.exit_code == 0
    source = json.loads(path.read_text())["cells"][1]["source"]
    assert source == code.replace("m.to('cuda')\n", "")


def test_the_diff_is_one_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    lines = (HEAD + LOAD + "m.to('cuda')\nprint(m)\n").splitlines(True)
    path.write_text(json.dumps(book(cell(lines)), indent=1))
    before = path.read_bytes()
    run = CliRunner().invoke(command, ["--diff", "--transformers", "4.57.1", str(path)])
    changed = [x for x in run.output.split("\n") if x[:1] in "+-" and x[:3] not in ("+++", "---")]
    assert changed == ["-    \"m.to('cuda')\\n\",", ""]
    assert path.read_bytes() == before


def test_edits_are_those_of_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(book(cell(HEAD), cell(LOAD + "m.to('cuda')\nprint(m)"))))
    run = CliRunner().invoke(command, ["--json", "--transformers", "4.57.1", str(path)])
    (finding,) = json.loads(run.output)["findings"]
    (edit,) = finding["fix"]["edits"]
    assert (finding["cell"], finding["line"]) == (2, 2)
    assert (edit["cell"], edit["line"], edit["end_line"]) == (2, 2, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cells": [', "is not a notebook"),
        ("[]", "is not a notebook"),
        ('{"cells": 3}', ""),
        (
            json.dumps({**book(cell("qwen <- 1")), "metadata": {"language_info": {"name": "R"}}}),
            "is a notebook in another language, R",
        ),
        (json.dumps(book(cell("qwen = (\n"))), "does not parse"),
    ],
)
def test_what_cannot_be_read_is_said_and_left_alone(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    run = CliRunner().invoke(command, ["--fix", "--transformers", "4.57.1", str(path)])
    assert run.exit_code == 0 and path.read_text() == text
    assert said in run.output and run.output.count("lint.not-analysed") == bool(said)


@given(
    st.lists(st.text(max_size=8), max_size=6),
    st.lists(st.text(max_size=8), max_size=6),
    st.booleans(),
    st.sampled_from(LAYOUTS[:3]),
)
def test_any_source_becomes_any_other(
    old: list[str], new: list[str], listed: bool, layout: Callable[[Any], str]
) -> None:
    before, after = "\n".join(old) or "x", "\n".join(new)
    source = before.splitlines(True) if listed else before
    document = book(cell("y"), cell(source), cell("z"))
    text = layout(document)
    changed = replace_source(text, bodies(text)[2], after)
    result = json.loads(changed)
    assert "".join(result["cells"][1].pop("source")) == after
    document["cells"][1].pop("source")
    assert result == document


@given(st.text(max_size=40) | st.from_regex(r'\{"cells": [\[\]{}",:a-z0-9 ]*', fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Unreadable):
        bodies(text)
