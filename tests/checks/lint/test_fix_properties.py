"""Whatever surrounds a fix stays as it was, byte for byte: line ends, byte order mark, tabs, the
missing last newline, declared encodings.
"""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from packaging.version import Version
from tests.checks.lint.snippets import CASES

from qvl_checks.lint.edits import diff, fix_source
from qvl_checks.lint.project import lint_source

FIXABLE = [
    (rule, release, text)
    for rule, (fires, _) in sorted(CASES.items())
    for release, text in fires
    if any(
        f.id == rule and f.fix and f.fix.edits for f in lint_source(text, "a.py", Version(release))
    )
]
ENCODINGS = {
    "utf-8": "é中😀",
    "utf-8-sig": "é中😀",
    "latin-1": "éß",
    "cp1251": "привет",
    "gbk": "中文",
    "shift_jis": "日本",
    "koi8-r": "привет",
}
TAILS = [
    "def unused():\n\tif 1:\n\t\treturn '\\t' \n",
    "x = 1 ;y=2   # trailing   \n",
    "s = '''a\n  b\t\n'''\n",
    "\x0c\nclass  C ( object ) :\n    pass\n",
    "t = (1,\n     2)\n\n\n\n",
]


def changed(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """What is left of two texts without their common beginning and end."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return before[start : len(before) - end], after[start : len(after) - end]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(FIXABLE),
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.sampled_from(TAILS), max_size=3),
    st.booleans(),
)
def test_only_the_fix_changes(
    case: tuple[str, str, str],
    encoding: str,
    newline: str,
    tails: list[str],
    ends: bool,
) -> None:
    rule, release, text = case
    cookie = "" if encoding.startswith("utf-8") else f"# -*- coding: {encoding} -*-\n"
    word = ENCODINGS[encoding]
    whole = f"{cookie}# {word}\n{text.rstrip()}  # {word}\nw = '{word}'\n{''.join(tails)}"
    whole = whole if ends else whole.rstrip("\n")
    data = whole.replace("\n", newline).encode(encoding)
    version = Version(release)
    fixed, cured = fix_source(data, "a.py", version, {rule})
    assume(cured)
    ast.parse(fixed)
    removed, added = changed(data, fixed)
    plain = text.replace("\n", newline)
    # The lines behind the program, and the comment before it, are outside of what may differ.
    tail = whole[whole.rindex("\nw = ") + 1 :].replace("\n", newline)
    assert fixed.endswith(tail.encode(encoding.removesuffix("-sig")))
    assert len(removed) <= len(plain) and newline.encode() * 2 not in added
    assert fixed.count(b"\r") - data.count(b"\r") == (newline != "\n") * (
        fixed.count(newline.encode()) - data.count(newline.encode())
    )
    assert fix_source(fixed, "a.py", version, {rule}) == (fixed, 0)
    codec = "utf-8-sig" if encoding == "utf-8-sig" else encoding
    left = lint_source(fixed.decode(codec), "a.py", version)
    assert not any(f.id == rule and f.fix and f.fix.edits for f in left)


def test_a_diff_breaks_lines_only_where_python_does() -> None:
    old = "a = '\u2028'\nb = 1\x0c\n".encode()
    shown = diff(Path("a.py"), old, old.replace(b"b = 1", b"b = 2"))
    assert [line[0] for line in shown.rstrip("\n").split("\n")[3:]] == [" ", "-", "+"]
