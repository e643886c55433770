"""``qvl-doctor triage [FILE|-]``: name the cause of a pasted traceback, log or issue text."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from . import diagnose
from .render import show, to_json

NOT_RECOGNISED = 4
#: More than this is cut before reading: what decides stands at the end of a log.
MAX_BYTES = 64 * 2**20


def _read(file: str) -> str:
    """The text of `file` (``-``: standard input), whatever its encoding; its last `MAX_BYTES` if
    it is longer.

    Raises `click.UsageError` with one sentence if there is nothing to read.
    """
    if file == "-":
        if sys.stdin.isatty():
            raise click.UsageError(
                "Nothing to read: pipe a log into the command or name a file, for example: "
                "qvl-doctor triage error.log"
            )
        data = sys.stdin.buffer.read()
    else:
        path = Path(file)
        try:
            with path.open("rb") as stream:
                stream.seek(0, 2)
                size = stream.tell()
                stream.seek(max(0, size - MAX_BYTES))
                data = stream.read(MAX_BYTES)
        except OSError as error:
            raise click.UsageError(f"Cannot read {file}: {error.strerror or error}.") from error
    data = data[-MAX_BYTES:]
    if not data.strip(b" \t\r\n\0"):
        raise click.UsageError(
            f"{'The input' if file == '-' else file} is empty: there is nothing to triage."
        )
    return decode(data)


def decode(data: bytes) -> str:
    """Text from bytes: UTF-16 by its mark (PowerShell's redirection), else UTF-8, else GB18030
    where that fits, never an error.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        return data.decode("utf-8", errors="replace")


@click.command("triage")
@click.argument("file", metavar="[FILE|-]", default="-")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(file: str, as_json: bool) -> None:
    """Name the cause of a traceback, a log or a pasted issue text (English or Chinese).

    Reads FILE, or standard input. Exit code: 0 recognised, 4 not recognised, 2 unusable input.
    """
    triage = diagnose(_read(file))
    if as_json:
        click.echo(to_json(triage))
    else:
        show(triage, Console())
    sys.exit(0 if triage.recognised else NOT_RECOGNISED)
