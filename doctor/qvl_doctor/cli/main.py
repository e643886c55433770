"""The ``qvl-doctor`` command: finds its subcommands, and turns errors into one sentence."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from importlib import import_module
from importlib.metadata import entry_points
from types import FrameType

import click

from qvl_doctor import __version__
from qvl_doctor.cli import streams
from qvl_doctor.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, DoctorError

BUILT_IN = {
    "check": "Examine an environment, print a verdict, write the report (the default).",
    "explain": "Explain one rule: what happens, why, how it is detected, what cures it.",
    "judge": "Judge saved facts again, without the machine they came from.",
    "list": "List every check and rule.",
    "render": "Render a saved report in another format.",
    "schema": "Print the JSON Schema of report.json.",
}
COMMANDS_GROUP = "qvl_doctor.commands"
OBJECTS_BEFORE_COLLECTION = 100_000
"""A short run is mostly modules and facts, which stay; looking for garbage in them every 700
objects, as Python does by itself, is a tenth of its time."""


class Commands(click.Group):
    """Subcommands are imported when used, so that ``--help`` starts as fast as Python."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours, and those of installed packages."""
        return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=COMMANDS_GROUP))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name in BUILT_IN:
            command: click.Command = import_module(f"qvl_doctor.cli.{cmd_name}_command").command
            return command
        for entry in entry_points(group=COMMANDS_GROUP, name=cmd_name):
            try:
                loaded: click.Command = entry.load()
            except (Exception, SystemExit) as error:
                raise DoctorError(f"the command {cmd_name} did not load: {error}") from error
            return loaded
        return None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``qvl-doctor --level quick`` means ``qvl-doctor check --level quick``."""
        own = {"--help", "-h", "--version", "--debug"}
        rest = [arg for arg in args if arg != "--debug"]
        if not rest or (rest[0].startswith("-") and rest[0] not in own):
            args = [*(arg for arg in args if arg == "--debug"), "check", *rest]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in ``--help``; our own commands need no import for it."""
        rows = []
        for name in self.list_commands(ctx):
            if name in BUILT_IN:
                rows.append((name, BUILT_IN[name]))
            else:
                rows.append((name, self._short_help(ctx, name)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _short_help(self, ctx: click.Context, name: str) -> str:
        """Of an installed package's command; one that does not load must not hide the others."""
        try:
            command = self.get_command(ctx, name)
        except DoctorError as error:
            return str(error)
        return command.get_short_help_str(limit=90) if command else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qvl-doctor")
@click.option("--debug", is_flag=True, help="Show the traceback of an error of the doctor itself.")
def group(debug: bool) -> None:
    """Find out, by measuring, why a Qwen-VL model fails here, and what cures it.

    Without a command: 'check'. Exit codes: 0 acceptable and fully checked, 1 findings at or above
    the failing severity, 2 usage, 3 the doctor itself failed, 4 nothing failed but something could
    not be checked, 130 interrupted.
    """


def main() -> None:
    """Entry point of the console script; never returns."""
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    debug = "--debug" in sys.argv[1:]
    streams.prepare()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _as_interrupt)
    try:
        code = group.main(standalone_mode=False, prog_name="qvl-doctor")
        sys.exit(code if isinstance(code, int) else EXIT_OK)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        with contextlib.suppress(OSError, ValueError):
            error.show()
        sys.exit(EXIT_USAGE)
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that comes now changes nothing
        streams.say("stopped")
        sys.exit(EXIT_INTERRUPTED)
    except DoctorError as error:
        if debug:
            raise
        streams.say(f"qvl-doctor: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        streams.say(
            f"qvl-doctor: a bug in the doctor: {type(error).__name__}: {error} "
            "(run again with --debug and report what it prints)"
        )
        sys.exit(EXIT_INTERNAL)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
