"""`qvl-doctor lint`."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qvl_doctor.errors import EXIT_OK, EXIT_PROBLEMS, DoctorError, UsageError

if TYPE_CHECKING:
    from .finding import LintFinding
    from .release import Release

FAILING = {"error": {"error"}, "warning": {"error", "warning"}, "never": set[str]()}


@click.command("lint", short_help="Find loading and inference mistakes in Python files.")
@click.argument("paths", metavar="PATH...", nargs=-1)
@click.option(
    "--transformers",
    metavar="VERSION",
    help="The release to judge for (default: the one that the examined interpreter has, else the"
    " newest known).",
)
@click.option(
    "--python",
    metavar="PATH",
    help="The interpreter whose transformers counts (default: the active environment).",
)
@click.option("--fix", is_flag=True, help="Apply the safe fixes.")
@click.option(
    "--diff", "show_diff", is_flag=True, help="Show the safe fixes as a diff and change nothing."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["terminal", "json", "sarif"]),
    default="terminal",
    show_default=True,
)
@click.option("--json", "style", flag_value="json", help="The same as --format json.")
@click.option("--select", metavar="IDS", multiple=True, help="Only these ids, slugs or topics.")
@click.option("--ignore", metavar="IDS", multiple=True, help="Not these ids, slugs or topics.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="warning",
    show_default=True,
    help="Exit 1 from this level on.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes to use (default: one per core, where that pays).",
)
def command(
    paths: tuple[str, ...],
    transformers: str | None,
    python: str | None,
    fix: bool,
    show_diff: bool,
    style: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    jobs: int | None,
) -> int:
    """Find loading and inference mistakes in Python files, folders and notebooks, without running
    them.

    Exit codes: 0 nothing at the level of --fail-on, 1 something, 2 usage.
    """
    # Nothing that is made here need be collected: this process ends with the command.
    gc.disable()
    # Imported when used: the list of commands must not pay for what one of them knows.
    from .discover import python_files
    from .project import lint_paths, matches
    from .release import choose_release
    from .rules import registry

    if not paths:
        raise UsageError("name at least one file or folder to lint")
    places = [Path(path) for path in paths]
    for place in places:
        if not place.exists():
            raise UsageError(
                f"{place}: no such file or folder; name Python files, notebooks or folders"
            )
    if fix and show_diff:
        raise UsageError("--fix changes files and --diff only shows the changes; give one of them")
    only, without = _ids("--select", select), _ids("--ignore", ignore)
    release = choose_release(transformers, python)
    files = list(python_files(places))
    if fix or show_diff:
        wanted = {
            rule_id
            for rule_id in registry()
            if (not only or matches(rule_id, only)) and not matches(rule_id, without)
        }
        _repair(files, release, wanted, write=fix)
    findings = lint_paths(places, release.version, only, without, jobs or _cores())
    if not show_diff:
        _print(findings, style, len(files), release)
    failing = any(finding.level in FAILING[fail_on] for finding in findings)
    return EXIT_PROBLEMS if failing else EXIT_OK


def _ids(option: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Comma lists as single names.

    Raises:
        UsageError: a name means no rule.
    """
    from .project import matches
    from .rules import registry

    names = tuple(name.strip() for value in values for name in value.split(",") if name.strip())
    for name in names:
        if not any(matches(rule_id, (name,)) for rule_id in registry()):
            raise UsageError(
                f"{option} {name}: no rule has this id, slug or topic; see 'qvl-doctor list'"
            )
    return names


def _cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _repair(files: list[Path], release: Release, wanted: set[str], write: bool) -> None:
    """Apply or show the safe fixes of Python files and notebooks; unreadable files are left alone.

    Raises:
        DoctorError: a file cannot be written.
    """
    from . import edits
    from .concern import mentions
    from .source import Unreadable, read

    for file in files:
        try:
            if not mentions(read(file).text):
                continue
            data = file.read_bytes()
            fixed, _ = edits.fix_source(data, str(file), release.version, wanted)
        except (OSError, SyntaxError, UnicodeError, Unreadable):
            continue
        if fixed == data:
            continue
        if not write:
            click.echo(edits.diff(file, data, fixed), nl=False)
            continue
        try:
            edits.replace(file, fixed)
        except OSError as error:
            raise DoctorError(f"{file} cannot be written: {error.strerror or error}") from error


def _print(findings: list[LintFinding], style: str, files: int, release: Release) -> None:
    if style == "json":
        from . import json_report

        click.echo(json_report.render(findings, release), nl=False)
    elif style == "sarif":
        from . import sarif
        from .flow.module import LINES
        from .source import decode

        def lines_of(file: str) -> list[str]:
            return LINES.split(decode(Path(file).read_bytes()))

        click.echo(sarif.render(findings, release, lines_of), nl=False)
    else:
        from rich.console import Console

        from . import terminal

        terminal.render(findings, Console(highlight=False), files, release)
