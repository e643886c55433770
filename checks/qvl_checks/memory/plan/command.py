"""``qvl-doctor plan MODEL``: will it fit, what is too big, what is the smallest change."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event
from typing import Any, Literal

import click

from qvl_doctor.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROBLEMS, UsageError
from qvl_doctor.sizes import ATTENTION, BYTES, BYTES_OR_NONE, FRAMES, PIXELS

DTYPES = ("bfloat16", "float16", "float32")
MODES = ("generate", "forward")


@click.command("plan", short_help="Predict whether a model and its images fit on these GPUs.")
@click.argument("model", metavar="FOLDER|NAME")
@click.option("--gpu", type=BYTES, multiple=True, help="A card, as 24GiB; once for each.")
@click.option("--capability", metavar="X.Y", help="Compute capability of the cards, as 8.6.")
@click.option(
    "--context",
    type=BYTES_OR_NONE,
    help="What a process takes on a card beside its tensors (default: 0.7GiB from 60GiB on, 0.5GiB "
    "below). 0: the sizes are what torch may reserve.",
)
@click.option("--image", type=PIXELS, multiple=True, help="An image, as WIDTHxHEIGHT.")
@click.option("--images", type=click.IntRange(0, 4096), default=1, help="Repeat --image N times.")
@click.option("--video", type=FRAMES, multiple=True, help="A video, as WIDTHxHEIGHTxFRAMES.")
@click.option("--text", type=click.IntRange(1), help="Ordinary prompt tokens (default: 50).")
@click.option("--new-tokens", type=click.IntRange(1), help="Tokens to decode (default: 2).")
@click.option("--batch", type=click.IntRange(1), help="Prompts at once (default: 1).")
@click.option(
    "--mode", type=click.Choice(MODES), help="Generate an answer (default), or one forward pass."
)
@click.option(
    "--attn",
    type=ATTENTION,
    help="Attention implementation (default: sdpa), or vision=NAME,text=NAME.",
)
@click.option("--dtype", type=click.Choice(DTYPES), help="Of the weights (default: bfloat16).")
@click.option(
    "--device-map",
    metavar="MODE",
    help="auto, balanced, … or one device (default: cuda:0, or auto with several GPUs); or "
    "tensor-parallel: one process per GPU, each weight in parts.",
)
@click.option(
    "--max-memory",
    metavar="DEVICE=SIZE",
    multiple=True,
    help="Most weights on a device, as 0=10GiB or cpu=64GiB; only with a planned device map.",
)
@click.option(
    "--expandable-segments/--no-expandable-segments",
    default=None,
    help="As with PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True.",
)
@click.option(
    "--workload",
    type=click.Path(path_type=Path),
    help="A TOML file with the same; options on the command line win.",
)
@click.option("--only-fit", is_flag=True, help="Only whether it fits: no limits, no cures.")
@click.option("--python", metavar="PATH", help="The interpreter whose transformers is meant.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(
    model: str,
    gpu: tuple[int, ...],
    capability: str | None,
    context: int | None,
    image: tuple[tuple[int, int], ...],
    images: int,
    video: tuple[tuple[int, int, int], ...],
    text: int | None,
    new_tokens: int | None,
    batch: int | None,
    mode: Literal["generate", "forward"] | None,
    attn: str | None,
    dtype: str | None,
    device_map: str | None,
    max_memory: tuple[str, ...],
    expandable_segments: bool | None,
    workload: Path | None,
    only_fit: bool,
    python: str | None,
    as_json: bool,
) -> int:
    """Predict whether MODEL runs the stated workload on the stated GPUs, without any GPU.

    The installed transformers' own code is traced on tensors without data; no weights are needed.
    MODEL is a published size (Qwen2.5-VL-7B) or a checkpoint folder. Without --gpu, this machine's
    GPUs are meant. Prints what every device holds at its peak, the largest image, prompt, video
    and batch that still fit, and the smallest changes that make it fit.

    Exit codes: 0 it fits, 1 it does not, 2 usage, 4 it cannot be predicted, 130 stopped.
    """
    # Imported when used: the list of commands must not pay for what one of them knows.
    from qvl_checks.memory.plan.fleet import Fleet
    from qvl_checks.memory.plan.planning import make_plan
    from qvl_doctor.cli.stopping import stopping
    from qvl_doctor.cli.streams import say
    from qvl_doctor.registry import Registry
    from qvl_doctor.running.client import Interrupted
    from qvl_doctor.target import choose

    stated: dict[str, Any] = {
        "gpu": gpu,
        "capability": capability,
        "context": context,
        "image": image * images,
        "video": video,
        "text": text,
        "new_tokens": new_tokens,
        "batch": batch,
        "mode": mode,
        "attn": attn,
        "dtype": dtype,
        "device_map": device_map,
        "max_memory": _rooms(max_memory),
        "expandable_segments": expandable_segments,
    }
    registry = Registry()
    question = _question(registry, model, stated, workload)
    choice = choose(python)
    stop = Event()
    with stopping(stop.set), Fleet(choice.python, registry.probe_roots, stop) as fleet:
        try:
            plan = make_plan(
                question,
                fleet,
                choice.python,
                searched=not only_fit,
                say=(lambda text: None) if as_json or not sys.stderr.isatty() else say,
            )
        except Interrupted:
            return EXIT_INTERRUPTED
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(plan), indent=2).decode())
    else:
        from rich.console import Console

        from qvl_checks.memory.plan.terminal import show

        show(plan, Console())
    return EXIT_OK if plan.fits else EXIT_PROBLEMS


def _rooms(pairs: tuple[str, ...]) -> dict[str, int] | None:
    """``0=10GiB`` -> {"0": 10737418240}.

    Raises:
        UsageError: a pair that names no device or no size.
    """
    found = {}
    for pair in pairs:
        device, equals, size = pair.partition("=")
        if not equals or not (device.isdecimal() or device in ("cpu", "disk")):
            raise UsageError(f"--max-memory {pair}: write it as 0=10GiB or cpu=64GiB")
        found[device] = BYTES.convert(size, None, None)
    return found or None


def _question(registry: Any, model: str, stated: dict[str, Any], workload: Path | None) -> Any:
    """Options over file over defaults."""
    from qvl_checks.memory.plan import request
    from qvl_checks.memory.trace.workload import TENSOR_PARALLEL
    from qvl_doctor.facts import WorkloadFacts

    written = request.read_workload(workload).options() if workload is not None else {}
    given = {name: value for name, value in stated.items() if value not in (None, ())}
    asked = {**written, **given}
    for name, known in (("dtype", DTYPES), ("mode", MODES)):
        if asked.get(name) is not None and asked[name] not in known:
            raise UsageError(f"{workload}: {name} must be one of {', '.join(known)}")
    stated_capability = asked.get("capability")
    capability = request.parse_capability(stated_capability) if stated_capability else None
    subject = registry.resolve_model(model)
    if subject is None or not subject.class_name:
        raise UsageError(
            f"{model} is neither a checkpoint folder of a known Qwen-VL family nor a published "
            "size that is known here"
        )
    gpus = (
        request.stated_gpus(asked["gpu"], capability, asked.get("context"))
        if asked.get("gpu")
        else request.gpus_of_this_machine(registry)
    )
    default_map = "auto" if len(gpus) > 1 else None
    if asked.get("device_map") == TENSOR_PARALLEL and asked.get("max_memory"):
        raise UsageError(f"--max-memory has no meaning with --device-map {TENSOR_PARALLEL}")
    place = str(asked.get("device_map") or "").removeprefix("cuda:")
    if place.isdecimal() and int(place) >= len(gpus):
        raise UsageError(
            f"--device-map {asked['device_map']}: {len(gpus)} GPU(s) are stated, counted from 0; "
            "give --gpu once for each"
        )
    return request.Question(
        model=subject,
        workload=WorkloadFacts(
            images=asked.get("image", ()),
            videos=asked.get("video", ()),
            text_tokens=asked.get("text", 50),
            new_tokens=asked.get("new_tokens", 2),
            batch=asked.get("batch", 1),
            mode=asked.get("mode", "generate"),
            attention=asked.get("attn"),
            dtype=asked.get("dtype", "bfloat16"),
            device_map=asked.get("device_map", default_map),
        ),
        gpus=gpus,
        max_memory=asked.get("max_memory"),
        expandable_segments=bool(asked.get("expandable_segments")),
    )
