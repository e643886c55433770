"""``qvl-doctor triage [FILE|-]``: name the cause of a pasted traceback, log or issue text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from qvl_doctor.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from .language import Language, Wanted
    from .model import Triage


@click.command("triage", short_help="Name the cause of a traceback, a log or a pasted issue text.")
@click.argument("file", metavar="[FILE|-]", default="-")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option(
    "--check", "examined", is_flag=True, help="Confirm or refute each cause on this machine."
)
@click.option("--python", metavar="PATH", help="With --check: the interpreter to examine.")
@click.option(
    "--model",
    metavar="FOLDER|NAME",
    help="With --check: a checkpoint folder or a published size (default: what the text names).",
)
@click.option(
    "--lang",
    "language",
    type=click.Choice(["auto", "en", "zh"]),
    default="auto",
    show_default=True,
    help="The language of the answer; auto takes that of the text.",
)
def command(
    file: str,
    as_json: bool,
    examined: bool,
    python: str | None,
    model: str | None,
    language: Wanted,
) -> int:
    """Name the cause of a traceback, a log or a pasted issue text (English or Chinese).

    Reads FILE, or standard input. Nothing of this machine is looked at unless --check asks for
    it; then the few quick checks that settle the causes run in the interpreter that
    'qvl-doctor check' would examine, and its packages and GPUs count where the text names none.

    Exit codes: 0 recognised, 4 not recognised, 2 nothing readable. With --check: 1 a cause is
    confirmed here, 0 every cause is refuted here, 4 not recognised or not settled, 130 stopped.
    """
    # Imported when used: the list of commands must not pay for what one of them knows.
    from .language import language_of
    from .reading import read

    for option, value in (("--python", python), ("--model", model)):
        if value is not None and not examined:
            raise UsageError(f"{option} names what to examine: give it together with --check")
    text = read(file)
    spoken = language_of(text) if language == "auto" else language
    if not examined:
        from .diagnosing import diagnose

        triage = diagnose(text, language=spoken)
        _print(triage, as_json, spoken)
        return EXIT_OK if triage.recognised else EXIT_INCOMPLETE

    from .examination import examine

    result = examine(text, python, model, spoken)
    _print(result.triage, as_json, spoken)
    return EXIT_INTERRUPTED if result.interrupted else result.exit_code


def _print(triage: Triage, as_json: bool, language: Language) -> None:
    if as_json:
        from .render import to_json

        click.echo(to_json(triage))
    else:
        from rich.console import Console

        from .render import show

        show(triage, Console(), language)
