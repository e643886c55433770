"""Source text in a pasted page: what a program could say is not what it said."""

from __future__ import annotations

import re

#: A message with places still to be filled was never printed as it stands.
_TEMPLATE = re.compile(r"""\b[rR]?[fF](['"]{1,3})[^'"{}\n]{0,400}\{[^{}\n]{1,200}\}.{0,1000}?\1""")
_STATEMENT = re.compile(r"\s*(?:(?:async )?def \w+\(|class \w+[(:]|raise \w+\(|return\b)")
_CODE = re.compile(
    r"\s*(?!\w*(?:Error|Exception|Warning)\b ?:)"
    r"(?:#|@\w|(?:async )?def \w|class \w|import \w|from [\w.]+ import\b|(?:return|raise|yield)\b|"
    r"(?:if|elif|for|while|with|except|async) .*:\s*(?:#.*)?$|(?:else|try|finally|except) ?:|"
    r"(?:if|for|while|with|elif|assert|del|global|and|or|not|in|is) |(?:pass|break|continue)\s*$|"
    r"[\w.\[\]\"'()]+(?:, ?[\w.\[\]\"']+){0,9}\s*(?::\s*[\w.\[\], |\"']+)?\s*[-+*/|&%@]{0,2}=(?!=)|"
    r"[\w.]+\([^ ].*|[\w.]+\(\s*\)|[\w.]+\($|[)\]}]+|[rfb]{0,2}[\"']|\*{1,2}\w|"
    r"[\w.\"'\[\]()*+-]+,$|[\w.]+ ?(?:[-+*/<>]|==|!=) ?[\w.]+|\w+: [\w.\[\], |\"']+,?$)"
)
_PATCH = re.compile(r"diff --git |@@ -\d")
_PATCHED = re.compile(r"[-+ @\\]|diff |index [0-9a-f]|(?:new|deleted) file mode|similarity ")
_COMMENT = re.compile(r"(?:^|\s)(#.*)$")
LEAST_LINES = 3


def without_templates(line: str) -> str:
    """`line` without f-strings that have places to fill."""
    return _TEMPLATE.sub('f""', line)


def is_program(lines: list[str]) -> bool:
    """Is every line Python source, so that nobody says anything outside comments?"""
    if len(lines) < LEAST_LINES or not any(map(_STATEMENT.match, lines)):
        return False
    within = False
    for line in lines:
        marks = line.count('"""') + line.count("'''")
        if not (within or marks or _CODE.match(line)):
            return False
        within ^= marks % 2 == 1
    return True


def without_patches(lines: list[str]) -> list[str]:
    """`lines` with those of a diff made empty: it shows what a program says, before and after."""
    kept: list[str] = []
    within = False
    for line in lines:
        within = _PATCH.match(line) is not None or (within and _PATCHED.match(line) is not None)
        kept.append("" if within else line)
    return kept


def comment(line: str) -> str:
    """The comment of a line of source, or nothing."""
    match = _COMMENT.search(line)
    return match.group(1) if match else ""
