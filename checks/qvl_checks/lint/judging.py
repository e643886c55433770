"""From sources to findings: parse, interpret, ask every rule."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator

from packaging.version import Version

from .concern import NAMES_MODEL, mentions
from .facts import Program
from .finding import LEVELS, NOT_ANALYSED, Edit, Fix, LintFinding
from .flow.events import Call
from .flow.frame import Cut, World
from .flow.module import LINES, Module
from .flow.program import analyse
from .imports import Project
from .rule import Report
from .rules import registry
from .source import Source, Unreadable
from .suppress import suppressed

TOO_DEEP = "is nested too deeply to be analysed"


CACHED_CHARACTERS = 8_000_000
"""How much source text is kept as syntax trees, which take a hundred times its size."""


def parse(source: Source) -> Module:
    """The parsed module. Raises Unreadable for text that Python cannot parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.text, filename=source.path)
    except SyntaxError as error:
        raise Unreadable(f"does not parse: {error.msg}", error.lineno or 1) from error
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"does not parse: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise Unreadable(TOO_DEEP) from error
    about = mentions(source.text) and NAMES_MODEL.search(source.text) is not None
    return Module(source.path, source.text, tree, names_model=about)


class Judge:
    """Judges groups of files that see each other, for one release of transformers."""

    def __init__(
        self, project: Project, load: Callable[[str], Source], transformers: Version
    ) -> None:
        self._project = project
        self._load = load
        self._transformers = transformers
        self._sources: dict[str, Source] = {}
        self._parsed: dict[str, Module] = {}
        self._room = CACHED_CHARACTERS
        self._modules: dict[str, Module | None] = {}
        self._records: list[LintFinding] = []

    def judge(self, sources: Iterable[Source]) -> list[LintFinding]:
        """The findings of one group, and of the files that it imports."""
        self._records = []
        self._modules = {}
        self._sources = {source.path: source for source in sources}
        group = [m for m in (self._module(path) for path in list(self._sources)) if m is not None]
        findings = list(self._judge(group))
        return [*self._records, *findings]

    def _module(self, path: str) -> Module | None:
        """The file as a module; None if it cannot be read or parsed, which is recorded."""
        if path not in self._modules:
            self._modules[path] = None
            try:
                if path not in self._sources:
                    self._sources[path] = self._load(path)
                self._modules[path] = self._fresh(path)
            except Unreadable as error:
                self._records.append(unreadable(path, error, self._sources.get(path)))
        return self._modules[path]

    def _fresh(self, path: str) -> Module:
        """A module without names; files that many groups import are parsed once. Raises
        Unreadable.
        """
        known = self._parsed.get(path)
        if known is not None:
            return Module(known.path, known.text, known.tree, names_model=known.names_model)
        module = parse(self._sources[path])
        if len(module.text) <= self._room:
            self._room -= len(module.text)
            self._parsed[path] = module
        return module

    def _resolve(self, importer: Module, name: str, level: int) -> Module | None:
        key = f"{level}:{name}"
        if key not in importer.imports:
            importer.imports[key] = self._project.find(importer.path, name, level)
        path = importer.imports[key]
        return self._module(path) if path else None

    def _judge(self, group: list[Module]) -> Iterator[LintFinding]:
        world = World(self._resolve)
        program = Program(analyse(world, group), self._transformers)
        try:
            reports = [report for _, check in registry().values() for report in check(program)]
        except (RecursionError, MemoryError):
            for module in group:
                yield not_analysed(module.path, 1, f"This file {TOO_DEEP}.")
            return
        lines: dict[str, list[str]] = {}
        for report in unique(reports):
            module = report.site.module
            text = lines.setdefault(module.path, LINES.split(module.text))
            finding = to_finding(report, self._sources[module.path], text)
            line = text[report.site.line - 1] if report.site.line <= len(text) else ""
            if not suppressed(line, finding.id):
                yield finding
        cuts = [*world.cuts, *(cut_at(call) for call in world.lost if program.concerns(call))]
        yield from self._left_out(cuts, {module.path for module in group})

    def _left_out(self, cuts: list[Cut], group: set[str]) -> Iterator[LintFinding]:
        """One record per file of the group that was analysed in part."""
        ranges: dict[str, list[tuple[int, int]]] = {}
        for cut in cuts:
            if cut.module.path in group:
                ranges.setdefault(cut.module.path, []).append((cut.first, cut.last))
        for path, found in ranges.items():
            source = self._sources[path]
            parts = joined(found)
            line, cell = source.place(parts[0][0])
            named = ", ".join(spoken(source, *part) for part in parts[:5])
            more = f" and {len(parts) - 5} more places" if len(parts) > 5 else ""
            yield not_analysed(
                path,
                line,
                f"This file needs more work than the linter spends on one: {named}{more} may hold"
                " mistakes that are not reported.",
                cell,
            )


def cut_at(call: Call) -> Cut:
    """The lines of a call that could not be judged."""
    first = int(getattr(call.site.node, "lineno", 1))
    return Cut(call.site.module, first, getattr(call.site.node, "end_lineno", None) or first)


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges of lines in order, those that overlap as one."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def spoken(source: Source, first: int, last: int) -> str:
    """`lines 3 to 9`, with the cell for a notebook."""
    (start, cell), (end, end_cell) = source.place(first), source.place(last)
    if cell is None:
        return f"line {start}" if start == end else f"lines {start} to {end}"
    return f"line {start} of cell {cell} to line {end} of cell {end_cell}"


def not_analysed(path: str, line: int, message: str, cell: int | None = None) -> LintFinding:
    """The one record of a file that was not analysed, or not to its end."""
    return LintFinding(NOT_ANALYSED, path, line, 1, "info", message, None, cell)


def unreadable(path: str, error: Unreadable, source: Source | None = None) -> LintFinding:
    """The record of a file that cannot be read or parsed."""
    line, cell = source.place(error.line) if source is not None else (error.line, None)
    return not_analysed(path, line, f"This file {error}.", cell)


def unique(reports: Iterable[Report]) -> list[Report]:
    """One report per rule and place, the most serious."""
    best: dict[tuple[str, str, int, int], Report] = {}
    for report in reports:
        node = report.site.node
        key = (report.id, report.site.module.path, report.site.line, getattr(node, "col_offset", 0))
        if key not in best or LEVELS.index(report.level) < LEVELS.index(best[key].level):
            best[key] = report
    return list(best.values())


def to_finding(report: Report, source: Source, lines: list[str]) -> LintFinding:
    """A report as a finding with its place in the file or cell."""
    row = report.site.line
    offset = int(getattr(report.site.node, "col_offset", 0))
    text = lines[row - 1] if row <= len(lines) else ""
    column = len(text.encode()[:offset].decode(errors="ignore")) + 1
    line, cell = source.place(row)
    fix = report.fix if cell is None or report.fix is None else in_cells(report.fix, source)
    return LintFinding(
        report.id, source.path, line, column, report.level, report.message, fix, cell
    )


def in_cells(fix: Fix, source: Source) -> Fix:
    """A fix of the joined code as one of the cells; only words where a line is written otherwise
    in its cell.
    """
    edits: list[Edit] = []
    for edit in fix.edits:
        last = edit.end_line if edit.end_column else edit.end_line - 1
        if source.altered.intersection(range(edit.line, last + 1)):
            return Fix(fix.text)
        (line, cell), (end, end_cell) = source.place(edit.line), source.place(edit.end_line)
        column = edit.end_column
        if cell != end_cell:
            # It deletes a statement to the start of the next line, which is in another cell.
            if column or end != 1:
                return Fix(fix.text)
            before = source.place(edit.end_line - 1)
            end, column = before[0], len(source.text.split("\n")[edit.end_line - 2].encode())
            if before[1] != cell:
                return Fix(fix.text)
        edits.append(Edit(line, edit.column, end, column, edit.replacement, cell))
    return Fix(fix.text, tuple(edits))
