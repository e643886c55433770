"""Apply safe fixes to the bytes of a file and leave every other byte alone."""

from __future__ import annotations

import difflib
import re
import shutil
import tempfile
from pathlib import Path

from packaging.version import Version

from .finding import NOT_ANALYSED, Edit, LintFinding
from .notebook_edits import bodies, replace_source
from .project import lint_alone
from .source import Source, declared_encoding, notebook

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
NEWLINES = re.compile(rb"\r\n|\r|\n")


def apply(data: bytes, edits: list[Edit], encoding: str = "utf-8") -> bytes:
    """The text with the edits made; overlapping ones after the first are left out.

    Positions are those of `ast`: 1-based lines, 0-based UTF-8 byte columns.
    """
    bom = data[:3] if data.startswith(b"\xef\xbb\xbf") else b""
    text = data[len(bom) :].decode(encoding).encode("utf-8")
    starts = [0, *(match.end() for match in NEWLINES.finditer(text))]

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column if line <= len(starts) else len(text)

    spans = sorted(
        {(place(e.line, e.column), place(e.end_line, e.end_column), e.replacement) for e in edits}
    )
    parts: list[bytes] = []
    position = 0
    for start, end, replacement in spans:
        if start < position or end > len(text):
            continue
        parts += [text[position:start], replacement.encode("utf-8")]
        position = end
    parts.append(text[position:])
    return bom + b"".join(parts).decode("utf-8").encode(encoding)


def replace(path: Path, data: bytes) -> None:
    """Put new content into a file, whole or not at all, with the permissions of the old. Raises
    OSError.
    """
    place = path.resolve()
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as stream:
        new = Path(stream.name)
        try:
            stream.write(data)
            stream.close()
            shutil.copymode(place, new)
            new.replace(place)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def encoding_of(data: bytes) -> str:
    """The declared encoding, without the byte order mark."""
    name = declared_encoding(data)
    return "utf-8" if name == "utf-8-sig" else name


class Script:
    """How a Python file is read and changed."""

    def __init__(self, data: bytes) -> None:
        self._encoding = encoding_of(data)

    def source(self, data: bytes, path: str) -> Source:
        """The code."""
        return Source(path, self._text(data))

    def changed(self, data: bytes, edits: tuple[Edit, ...]) -> bytes:
        """The file with the edits made."""
        return apply(data, list(edits), self._encoding)

    def _text(self, data: bytes) -> str:
        return data.decode("utf-8-sig" if self._encoding == "utf-8" else self._encoding)


class Notebook(Script):
    """The same for a notebook."""

    def source(self, data: bytes, path: str) -> Source:
        """The code of all cells. Raises Unreadable."""
        return notebook(path, self._text(data))

    def changed(self, data: bytes, edits: tuple[Edit, ...]) -> bytes:
        """The file with the edits made in its cells. Raises Unreadable."""
        text = data.decode("utf-8-sig")
        mark = data[: len(data) - len(text.encode())]
        for cell in {edit.cell for edit in edits}:
            body = bodies(text).get(cell or 0)
            if body is None:
                return data
            own = [edit for edit in edits if edit.cell == cell]
            text = replace_source(text, body, apply(body.text.encode(), own).decode())
        return mark + text.encode()


def fix_source(
    data: bytes, path: str, transformers: Version, wanted: set[str]
) -> tuple[bytes, int]:
    """The file with all safe fixes of the wanted ids, and how many findings they cured.

    Every fix is proved: after it the file parses and the finding is gone, otherwise it is not made.
    Raises Unreadable.
    """
    kind = Notebook(data) if path.endswith(".ipynb") else Script(data)
    cured = 0
    for _ in range(50):
        before = lint_alone(kind.source(data, path), transformers)
        candidate = _next(kind, data, before, path, transformers, wanted)
        if candidate is None:
            return data, cured
        data = candidate
        cured += 1
    return data, cured


def _next(
    kind: Script,
    data: bytes,
    findings: list[LintFinding],
    path: str,
    transformers: Version,
    wanted: set[str],
) -> bytes | None:
    for finding in findings:
        if finding.fix is None or not finding.fix.edits or finding.id not in wanted:
            continue
        candidate = kind.changed(data, finding.fix.edits)
        after = lint_alone(kind.source(candidate, path), transformers)
        if (
            _count(after, finding.id) < _count(findings, finding.id)
            and not _broken(after)
            and len(after) <= len(findings)
        ):
            return candidate
    return None


def _count(findings: list[LintFinding], rule_id: str) -> int:
    return sum(finding.id == rule_id for finding in findings)


def _broken(findings: list[LintFinding]) -> bool:
    return any(finding.id == NOT_ANALYSED for finding in findings)


def diff(path: Path, old: bytes, new: bytes) -> str:
    """A unified diff of two versions of a file."""
    encoding = encoding_of(old)
    before = LINE.findall(old.decode(encoding))
    after = LINE.findall(new.decode(encoding))
    lines = difflib.unified_diff(before, after, f"a/{path.as_posix()}", f"b/{path.as_posix()}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
