"""`qvl-doctor lint`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from packaging.version import InvalidVersion, Version
from rich.console import Console

from . import edits, json_report, knowledge, sarif, terminal
from .discover import python_files
from .finding import LintFinding
from .project import SYNTAX, lint_paths, matches
from .rules import registry

FAILING = {"error": {"error"}, "warning": {"error", "warning"}, "never": set[str]()}


class VersionType(click.ParamType[Version]):
    """A release number of transformers."""

    name = "version"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Version:
        """Parse the release or fail with one sentence."""
        if isinstance(value, Version):
            return value
        try:
            return Version(str(value))
        except InvalidVersion:
            self.fail(f"{value!r} is not a version number such as 4.57.1.", param, ctx)


def ids(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Split comma lists and refuse names that mean no rule."""
    names = tuple(name.strip() for value in values for name in value.split(",") if name.strip())
    for name in names:
        if not any(matches(rule_id, (name,)) for rule_id in registry()):
            raise click.BadParameter(f"{name!r} is no rule id, slug or topic.", ctx, param)
    return names


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--transformers", type=VersionType(), help="Judge for this release (default: the newest known)."
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
@click.option("--select", multiple=True, callback=ids, help="Only these ids, slugs or topics.")
@click.option("--ignore", multiple=True, callback=ids, help="Not these ids, slugs or topics.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="warning",
    show_default=True,
    help="Exit 1 from this level on.",
)
def command(
    paths: tuple[Path, ...],
    transformers: Version | None,
    fix: bool,
    show_diff: bool,
    style: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
) -> None:
    """Find loading and inference mistakes in Python files, folders and notebooks, without running
    them.
    """
    if fix and show_diff:
        raise click.UsageError(
            "--fix changes files and --diff only shows the changes; give one of them."
        )
    release = transformers or knowledge.newest()
    files = list(python_files(paths))
    if fix or show_diff:
        wanted = {
            r for r in registry() if (not select or matches(r, select)) and not matches(r, ignore)
        }
        repair(files, release, wanted, write=fix)
        if show_diff:
            findings = lint_paths(files, release, select, ignore)
            sys.exit(exit_code(findings, fail_on))
    findings = lint_paths(files, release, select, ignore)
    output(findings, style, len(files))
    sys.exit(exit_code(findings, fail_on))


def repair(files: list[Path], release: Version, wanted: set[str], write: bool) -> None:
    """Apply or show the safe fixes of Python files; notebooks and unreadable files are left
    alone.
    """
    for file in files:
        if file.suffix == ".ipynb":
            continue
        try:
            data = file.read_bytes()
            fixed, _ = edits.fix_source(data, str(file), release, wanted)
        except (OSError, SyntaxError, UnicodeError):
            continue
        if fixed == data:
            continue
        if write:
            file.write_bytes(fixed)
        else:
            click.echo(edits.diff(file, data, fixed), nl=False)


def output(findings: list[LintFinding], style: str, files: int) -> None:
    """Print the findings in one of the formats."""
    if style == "json":
        click.echo(json_report.render(findings), nl=False)
    elif style == "sarif":
        click.echo(sarif.render(findings), nl=False)
    else:
        terminal.render(findings, Console(highlight=False), files)


def exit_code(findings: list[LintFinding], fail_on: str) -> int:
    """0, or 1 if a finding reaches the level of --fail-on."""
    return int(
        any(finding.level in FAILING[fail_on] for finding in findings if finding.id != SYNTAX)
    )
