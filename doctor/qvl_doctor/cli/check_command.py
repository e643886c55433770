"""``qvl-doctor check``: examine, judge, report."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from threading import Thread
from typing import Literal

import click
import msgspec
from click.core import ParameterSource

from qvl_doctor.cli.conclude import conclude
from qvl_doctor.cli.log_option import read_log
from qvl_doctor.cli.policy_options import policy_from, policy_options
from qvl_doctor.cli.progress import progress
from qvl_doctor.cli.report_options import report_options
from qvl_doctor.cli.stopping import stopping
from qvl_doctor.cli.streams import say
from qvl_doctor.errors import EXIT_INTERRUPTED, DoctorError, UsageError
from qvl_doctor.facts import ModelFacts, Record, WorkloadFacts, as_saved
from qvl_doctor.judge import judge
from qvl_doctor.output import check_formats, prepare_folder
from qvl_doctor.policy import Policy
from qvl_doctor.probe import Level
from qvl_doctor.registry import Registry
from qvl_doctor.running.examine import Examination
from qvl_doctor.selection import probes_for, require_known, selected
from qvl_doctor.sizes import ATTENTION, BYTES, FRAMES, PIXELS
from qvl_doctor.target import choose

DEFAULT_IMAGE = (2048, 1365)
"""A photograph of 2.8 megapixels, as people send them."""
READABLE = click.Path(exists=True, dir_okay=False, readable=True, resolve_path=True)
STATING = ("image", "images", "video", "batch")
"""Options that say what prompts hold and how many go together."""


@click.command(name="check")
@click.option("--python", metavar="PATH", help="The interpreter to examine; nothing is installed.")
@click.option("--model", metavar="FOLDER|NAME", help="A checkpoint folder, or a published size.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.STANDARD.value,
    show_default=True,
    help="quick: seconds. standard: about a minute. deep: minutes, full-size model on the GPU.",
)
@click.option("--only", multiple=True, metavar="ID", help="Only these topics, ids or patterns.")
@click.option("--skip", multiple=True, metavar="ID", help="Without these topics, ids or patterns.")
@report_options
@click.option("--image", type=PIXELS, multiple=True, help="Workload: an image, as WIDTHxHEIGHT.")
@click.option("--images", type=click.IntRange(0, 4096), default=1, help="Repeat --image N times.")
@click.option(
    "--video", type=FRAMES, multiple=True, help="Workload: a video, as WIDTHxHEIGHTxFRAMES."
)
@click.option("--text", type=click.IntRange(1), default=50, help="Workload: prompt text tokens.")
@click.option("--new-tokens", type=click.IntRange(1), default=2, help="Workload: tokens to decode.")
@click.option("--batch", type=click.IntRange(1), default=1, help="Workload: prompts per batch.")
@click.option(
    "--mode",
    type=click.Choice(["generate", "forward"]),
    default="generate",
    show_default=True,
    help="Workload: generate an answer, or call the model once.",
)
@click.option(
    "--attn",
    type=ATTENTION,
    help="Workload: attention implementation (eager, sdpa, …), or vision=NAME,text=NAME.",
)
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float16", "float32"]),
    default="bfloat16",
    show_default=True,
)
@click.option("--device-map", metavar="MODE", help="Workload: auto, balanced, sequential, …")
@click.option(
    "--prompt",
    type=READABLE,
    help="Your own prompt, a text file, for the run of the checkpoint (--level deep).",
)
@click.option(
    "--picture", type=READABLE, multiple=True, help="A picture of your own prompt; repeat it."
)
@click.option("--cap", type=BYTES, help="Play a smaller card: memory that each GPU may give.")
@click.option(
    "--from-log",
    metavar="FILE|-",
    help="Explain what did not fit in this log or pasted message of your own program.",
)
@click.option(
    "--import-budget",
    type=click.FloatRange(1),
    default=90.0,
    show_default=True,
    help="Seconds that one heavy import may take.",
)
@policy_options
def command(
    python: str | None,
    model: str | None,
    level: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    output: Path | None,
    formats: tuple[str, ...],
    image: tuple[tuple[int, int], ...],
    images: int,
    video: tuple[tuple[int, int, int], ...],
    text: int,
    new_tokens: int,
    batch: int,
    mode: Literal["generate", "forward"],
    attn: str | None,
    dtype: str,
    device_map: str | None,
    prompt: str | None,
    picture: tuple[str, ...],
    cap: int | None,
    from_log: str | None,
    import_budget: float,
    policy: Path | None,
    fail_on: str | None,
    allow_unchecked: bool,
) -> int:
    """Examine an environment, print a verdict, write the report."""
    registry = Registry()
    wished_policy = policy_from(policy, fail_on, allow_unchecked)
    require_known(only, registry.checks, "--only")
    require_known(skip, registry.checks, "--skip")
    formats = check_formats(formats, registry)
    choice = choose(python)
    subject = _model(registry, model)
    runs_a_checkpoint = level == Level.DEEP.value and subject and subject.source == "folder"
    if (prompt or picture) and not runs_a_checkpoint:
        raise UsageError(
            "--prompt and --picture are run through a checkpoint: add --level deep and a folder as "
            "--model"
        )
    folder = prepare_folder(output)
    checks = [c for c in registry.checks.values() if selected(c.id, only, skip)]
    examination = Examination(
        choice=choice,
        probes=registry.probes,
        wanted=probes_for(checks),
        roots=registry.probe_roots,
        model=subject,
        workload=WorkloadFacts(
            stated=any(_given(option) for option in STATING),
            images=(image or (() if video else (DEFAULT_IMAGE,))) * images,
            videos=video,
            text_tokens=text,
            new_tokens=new_tokens,
            batch=batch,
            mode=mode,
            attention=attn,
            dtype=dtype,
            device_map=device_map,
            cap_bytes=cap,
            prompt_file=prompt,
            picture_files=picture,
        ),
        level=Level(level),
        log=None if from_log is None else read_log(from_log),
        import_budget_s=import_budget,
        progress=(shown := progress(sys.stderr, choice, Level(level))),
    )
    rehearsal = Thread(target=_rehearse, args=(registry, formats, wished_policy), daemon=True)
    with contextlib.suppress(RuntimeError):  # no thread to spare: then without
        rehearsal.start()
    with stopping(examination.stop) as stop:
        with shown:
            record = examination.run()
        record = as_saved(
            msgspec.structs.replace(
                record,
                only=only,
                skip=skip,
                plugin_failures=dict(sorted(registry.failures.items())),
            )
        )
        report = judge(record, registry, wished_policy)
        try:
            code = conclude(report, registry, wished_policy, folder, formats)
        except DoctorError as error:
            if stop.asked_at is None:
                raise
            say(f"qvl-doctor: {error}")  # a closed terminal both stops a run and cannot be told so
            code = EXIT_INTERRUPTED
    return code if stop.asked_at is None else EXIT_INTERRUPTED


def _given(option: str) -> bool:
    """Whether the user gave this option, be it with its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE


def _rehearse(registry: Registry, formats: tuple[str, ...], policy: Policy) -> None:
    """Judge and render nothing while the probes run: imports and templates are then ready.

    What fails here fails again, and is told, when there is something to render.
    """
    with contextlib.suppress(Exception):
        nothing = Record(schema="", doctor="", recorded_at="2000-01-01", level=Level.QUICK)
        report = judge(nothing, registry, policy)
        for name in ("terminal", *formats):
            if (render := registry.renderer(name)) is not None:
                render(report)


def _model(registry: Registry, name: str | None) -> ModelFacts | None:
    try:
        subject = registry.resolve_model(name)
    except OSError as error:
        raise UsageError(f"--model {name}: {error.strerror or error}") from error
    if subject is None and name is not None:
        raise UsageError(
            f"--model {name}: neither a checkpoint folder nor a published size that is known here"
        )
    return subject
