"""Safe fixes change what they must, leave every other byte, cure the finding, and are
idempotent.
"""

import ast

import pytest
from packaging.version import Version

from qvl_checks.lint.edits import diff, fix_source
from qvl_checks.lint.project import lint_source
from qvl_checks.lint.rules import registry

from .snippets import CASES, HEAD, HEAD3, M25, P3, T

ALL = set(registry())
FIXABLE = [
    (rule, release, text)
    for rule, (fires, _) in CASES.items()
    for release, text in fires
    if any(
        f.id == rule and f.fix and f.fix.edits for f in lint_source(text, "a.py", Version(release))
    )
]


def test_some_rules_are_fixable() -> None:
    assert {rule for rule, _, _ in FIXABLE} >= {
        "memory.dispatch-undone",
        "versions.dtype-keyword-unknown",
        "versions.dtype-keyword-renamed",
        "versions.removed-auto-class",
        "images.pixel-limit-ignored",
        "images.wrong-image-patch-size",
        "attention.mixed-attention-implementations",
    }


@pytest.mark.parametrize(("rule", "release", "text"), FIXABLE)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fix_cures_and_is_idempotent(rule: str, release: str, text: str, newline: str) -> None:
    version = Version(release)
    data = text.replace("\n", newline).encode()
    fixed, cured = fix_source(data, "a.py", version, {rule})
    assert cured >= 1
    ast.parse(fixed)
    assert not any(
        f.id == rule and f.fix and f.fix.edits for f in lint_source(fixed.decode(), "a.py", version)
    )
    assert fix_source(fixed, "a.py", version, {rule}) == (fixed, 0)
    untouched = set(data.split(newline.encode())) & set(fixed.split(newline.encode()))
    assert len(untouched) >= len(set(data.split(newline.encode()))) - 3


def test_exact_bytes_around_a_fix() -> None:
    text = (
        "﻿# héllo\r\n"
        + HEAD.replace("\n", "\r\n")
        + "m = L25( Q25,torch_dtype = 'auto' )  # ünï\r\n"
    )
    data = text.encode()
    fixed, _ = fix_source(data, "a.py", Version("5.0.0"), ALL)
    assert fixed == data.replace(b"torch_dtype = ", b"dtype = ")


def test_statement_that_only_moves_goes_away() -> None:
    text = HEAD + "m = L25(Q25, dtype='auto', device_map='auto')\nm.to('cuda')\nprint(m)\n"
    fixed, _ = fix_source(text.encode(), "a.py", Version("4.57.1"), ALL)
    assert fixed == text.replace("m.to('cuda')\n", "").encode()


def test_parenthesised_last_argument_is_not_broken() -> None:
    text = (
        HEAD3
        + P3
        + "c = []\n"
        + T
        + "im, vi = process_vision_info(\n    (c),\n)\nx = p(text=[t], images=im)\n"
    )
    fixed, _ = fix_source(text.encode(), "a.py", Version("4.57.1"), ALL)
    ast.parse(fixed)


def test_declared_encoding_survives() -> None:
    data = (
        "# -*- coding: latin-1 -*-\n" + HEAD + M25.replace("dtype", "torch_dtype", 1) + "s = 'é'\n"
    ).encode("latin-1")
    fixed, cured = fix_source(data, "a.py", Version("5.0.0"), ALL)
    assert cured == 1 and fixed == data.replace(b"torch_dtype=torch", b"dtype=torch")


def test_diff_is_unified() -> None:
    from pathlib import Path

    shown = diff(Path("a.py"), b"x = 1\ny = 2\n", b"x = 1\ny = 3\n")
    assert shown.splitlines()[:2] == ["--- a/a.py", "+++ b/a.py"] and "+y = 3" in shown
