"""From paths to findings."""

from __future__ import annotations

import ast
import gc
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from packaging.version import Version

from . import knowledge
from .discover import python_files
from .facts import Program
from .finding import LEVELS, LintFinding
from .flow.frame import World
from .flow.module import Module
from .flow.program import analyse
from .rule import Report
from .rules import registry
from .source import Source, Unreadable, read
from .suppress import suppressed

INTERESTING = re.compile(r"qwen|qvq", re.IGNORECASE)
SYNTAX = "lint.not-analysed"
STACK = 256 * 1024 * 1024
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+([^\n#]+)|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
LIBRARIES = sys.stdlib_module_names | {
    "torch",
    "transformers",
    "numpy",
    "PIL",
    "tqdm",
    "accelerate",
    "peft",
    "qwen_vl_utils",
}
LINES = re.compile(r"\r\n|\r|\n")


def lint_source(source: str, path: str, transformers: Version) -> list[LintFinding]:
    """The findings of one file's text, judged for one release of transformers. Never raises for
    any text.
    """
    return _with_deep_stack(lambda: _lint([Source(path, source)], transformers, {}))


def lint_paths(
    paths: Iterable[Path | str],
    transformers: Version | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> list[LintFinding]:
    """The findings of files, folders and notebooks, sorted by file and line.

    `select` and `ignore` hold rule ids, slugs or topics; what cannot be read yields one record.
    """
    release = transformers or knowledge.newest()
    sources: list[Source] = []
    findings: list[LintFinding] = []
    for file in python_files(Path(path) for path in paths):
        try:
            sources.append(read(file))
        except Unreadable as error:
            findings.append(not_analysed(str(file), error.line, f"This file {error}."))
    known = {str(Path(source.path).resolve()): source for source in sources if not source.cells}
    findings += _with_deep_stack(lambda: _lint(sources, release, known))
    chosen = [f for f in findings if _chosen(f.id, tuple(select), tuple(ignore))]
    return sorted(chosen, key=_place)


def not_analysed(path: str, line: int, message: str) -> LintFinding:
    """The one record of a file that cannot be analysed."""
    return LintFinding(SYNTAX, path, line, 1, "info", message)


def _place(finding: LintFinding) -> tuple[str, int, int, int, str]:
    return (finding.file, finding.cell or 0, finding.line, finding.column, finding.id)


def matches(rule_id: str, names: tuple[str, ...]) -> bool:
    """Whether a rule is named by its id, its slug or its topic."""
    topic, _, slug = rule_id.partition(".")
    return rule_id in names or slug in names or topic in names


def _chosen(rule_id: str, select: tuple[str, ...], ignore: tuple[str, ...]) -> bool:
    if rule_id == SYNTAX:
        return True
    return (not select or matches(rule_id, select)) and not matches(rule_id, ignore)


def _with_deep_stack(work: Callable[[], list[LintFinding]]) -> list[LintFinding]:
    """Run `work` in a thread whose stack is large enough for deeply nested programs."""
    results: list[list[LintFinding] | BaseException] = []

    def run() -> None:
        collecting = gc.isenabled()
        # Syntax trees are many small objects without cycles: collecting doubles the time.
        gc.disable()
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)
        finally:
            if collecting:
                gc.enable()

    previous = threading.stack_size(STACK)
    try:
        thread = threading.Thread(target=run, name="qvl-lint")
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()
    outcome = results[0]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


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
        raise Unreadable("is nested too deeply to be analysed") from error
    return Module(source.path, source.text, tree)


def _lint(
    sources: list[Source], transformers: Version, known: dict[str, Source]
) -> list[LintFinding]:
    modules: dict[str, Module] = {}
    findings: list[LintFinding] = []
    for source in sources:
        try:
            modules[source.path] = parse(source)
        except Unreadable as error:
            line, cell = source.place(error.line)
            record = not_analysed(source.path, line, f"This file {error}.")
            findings.append(
                LintFinding(record.id, record.file, line, 1, "info", record.message, None, cell)
            )
    by_source = {source.path: source for source in sources}
    resolver = Resolver(modules, known)
    modules_of_interest = resolver.interesting()
    if modules_of_interest:
        findings += _judge(modules_of_interest, resolver, transformers, by_source)
    return findings


def _judge(
    group: list[Module], resolver: Resolver, transformers: Version, sources: dict[str, Source]
) -> Iterator[LintFinding]:
    world = World(resolver.resolve)
    try:
        program = Program(analyse(world, group), transformers)
        reports = [report for _, check in registry().values() for report in check(program)]
    except (RecursionError, MemoryError):
        for module in group:
            yield not_analysed(module.path, 1, "This file is nested too deeply to be analysed.")
        return
    lines: dict[str, list[str]] = {}
    for report in unique(reports):
        module = report.site.module
        if module.path not in sources:
            continue
        text = lines.setdefault(module.path, LINES.split(module.text))
        finding = to_finding(report, sources[module.path], text)
        if not suppressed(
            text[report.site.line - 1] if report.site.line <= len(text) else "", finding.id
        ):
            yield finding


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
    return LintFinding(
        report.id, source.path, line, column, report.level, report.message, report.fix, cell
    )


class Resolver:
    """Which project file an import means."""

    def __init__(self, modules: dict[str, Module], known: dict[str, Source]) -> None:
        self.modules = modules
        self.by_path = (
            {str(Path(p).resolve()): m for p, m in modules.items() if not p.endswith(".ipynb")}
            if known
            else {}
        )
        self._names = {part for path in self.by_path for part in Path(path).with_suffix("").parts}

    def resolve(self, importer: Module, name: str, level: int) -> Module | None:
        """The analysed file that `from <level dots><name>` in `importer` means, or None for a
        library.
        """
        if not self.by_path:
            return None
        if not level and name.partition(".")[0] in LIBRARIES:
            return None
        key = f"{level}:{name}"
        if key not in importer.imports:
            found = self._find(Path(importer.path).resolve().parent, name, level)
            importer.imports[key] = found.path if found else None
        path = importer.imports[key]
        return self.modules[path] if path else None

    def _find(self, folder: Path, name: str, level: int) -> Module | None:
        parts = [part for part in name.split(".") if part]
        if level:
            for _ in range(level - 1):
                folder = folder.parent
            return self._at(folder.joinpath(*parts))
        for base in (folder, *list(folder.parents)[:6]):
            if not parts or parts[0] not in self._names:
                return None
            found = self._at(base.joinpath(*parts))
            if found is not None:
                return found
        return None

    def _at(self, stem: Path) -> Module | None:
        return self.by_path.get(f"{stem}.py") or self.by_path.get(str(stem / "__init__.py"))

    def interesting(self) -> list[Module]:
        """The files that mention Qwen, and those that import such a file, directly or not."""
        chosen = {path for path, module in self.modules.items() if INTERESTING.search(module.text)}
        importers: dict[str, set[str]] = {}
        if self.by_path and chosen:
            for path, module in self.modules.items():
                for name, level in imported(module):
                    found = self.resolve(module, name, level)
                    if found is not None:
                        importers.setdefault(found.path, set()).add(path)
        waiting = list(chosen)
        while waiting:
            fresh = importers.get(waiting.pop(), set()) - chosen
            chosen |= fresh
            waiting.extend(fresh)
        return [module for path, module in self.modules.items() if path in chosen]


def imported(module: Module) -> Iterator[tuple[str, int]]:
    """The modules that a file names in import statements, as (name, level); a scan of the text,
    fast and generous.
    """
    for dots, name, names, plain in IMPORT.findall(module.text):
        if plain:
            for part in plain.split(","):
                yield part.split()[0] if part.split() else "", 0
            continue
        yield name, len(dots)
        for part in names.strip("() \\").split(","):
            if part.split():
                yield f"{name}.{part.split()[0]}".strip("."), len(dots)
