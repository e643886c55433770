"""From paths to findings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from packaging.version import Version

from . import concern, knowledge
from .deep_stack import with_deep_stack
from .discover import python_files
from .finding import NOT_ANALYSED, LintFinding
from .imports import Project
from .judging import parse, unreadable
from .source import Source, Unreadable, read
from .workers import judge_groups


def lint_source(source: str, path: str, transformers: Version) -> list[LintFinding]:
    """The findings of one file's text, judged for one release of transformers. Never raises for
    any text.
    """
    return lint_alone(Source(path, source), transformers)


def lint_alone(alone: Source, transformers: Version) -> list[LintFinding]:
    """The findings of one source that sees no other, for one release of transformers."""
    project = Project([])
    groups = concern.groups([alone], project)
    if not groups:
        return unparsable([alone])
    return judge_groups(groups, project, transformers, jobs=1)


def lint_paths(
    paths: Iterable[Path | str],
    transformers: Version | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    jobs: int = 1,
) -> list[LintFinding]:
    """The findings of files, folders and notebooks, sorted by file and line.

    `select` and `ignore` hold rule ids, slugs or topics; what cannot be read yields one record.
    Up to `jobs` processes share the work where that pays.
    """
    places = [Path(path) for path in paths]
    named = {str(path) for path in places}
    sources: list[Source] = []
    findings: list[LintFinding] = []
    for file in python_files(places):
        try:
            sources.append(read(file))
        except Unreadable as error:
            findings.append(unreadable(str(file), error))
    project = Project(source.path for source in sources if not source.cells)
    groups = concern.groups(sources, project)
    findings += judge_groups(groups, project, transformers or knowledge.newest(), jobs)
    concerned = {source.path for group in groups for source in group}
    # A file that was named must at least be Python; one found in a folder is not ours to judge.
    findings += unparsable(s for s in sources if s.path in named and s.path not in concerned)
    chosen = [f for f in findings if _chosen(f.id, tuple(select), tuple(ignore))]
    return sorted(_without_repeats(chosen), key=_place)


def unparsable(sources: Iterable[Source]) -> list[LintFinding]:
    """A record for each source that Python cannot parse."""
    waiting = list(sources)
    return with_deep_stack(lambda: [r for s in waiting for r in _unparsable(s)])


def _unparsable(source: Source) -> list[LintFinding]:
    try:
        parse(source)
    except Unreadable as error:
        return [unreadable(source.path, error, source)]
    return []


def _without_repeats(findings: list[LintFinding]) -> list[LintFinding]:
    """Files that several groups import are reported once."""
    return list({(_place(finding), finding.message): finding for finding in findings}.values())


def _place(finding: LintFinding) -> tuple[str, int, int, int, str]:
    return (finding.file, finding.cell or 0, finding.line, finding.column, finding.id)


def matches(rule_id: str, names: tuple[str, ...]) -> bool:
    """Whether a rule is named by its id, its slug or its topic."""
    topic, _, slug = rule_id.partition(".")
    return rule_id in names or slug in names or topic in names


def _chosen(rule_id: str, select: tuple[str, ...], ignore: tuple[str, ...]) -> bool:
    if rule_id == NOT_ANALYSED:
        return True
    return (not select or matches(rule_id, select)) and not matches(rule_id, ignore)
