"""A plan as it is printed."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from qvl_checks.memory.plan.answer import Cure, Device, Limits, Plan
from qvl_checks.memory.plan.limits import AT_LEAST

GIB = 2**30
ROWS: tuple[tuple[str, Callable[[Device], int]], ...] = (
    ("card", lambda one: one.capacity_bytes),
    ("context", lambda one: one.terms["context_bytes"]),
    ("weights", lambda one: one.terms["weights_bytes"]),
    ("inputs", lambda one: one.terms["inputs_bytes"]),
    ("vision scratch", lambda one: one.terms["vision_scratch_bytes"]),
    ("text scratch", lambda one: one.terms["text_scratch_bytes"]),
    ("KV cache", lambda one: one.terms["kv_cache_bytes"]),
    ("logits", lambda one: one.terms["logits_bytes"]),
    ("workspace", lambda one: one.terms["workspace_bytes"]),
    ("peak in tensors", lambda one: one.peak_allocated_bytes),
    ("allocator overhead", lambda one: one.terms["allocator_overhead_bytes"]),
    ("peak reserved", lambda one: one.peak_reserved_bytes),
    ("headroom", lambda one: one.terms["headroom_bytes"]),
)
LIMIT_WORDS = {
    "largest_square_px": "square image",
    "most_images": "images",
    "longest_video_frames": "video",
    "longest_text_tokens": "prompt text",
    "largest_batch": "batch",
}
UNITS = {
    "largest_square_px": "px a side",
    "most_images": "",
    "longest_video_frames": "frames",
    "longest_text_tokens": "tokens",
    "largest_batch": "prompts",
}
SHOWN_CURES = 4


def show(plan: Plan, console: Console) -> None:
    """Print the whole answer: verdict, where the memory goes, limits, what to change."""
    console.print(_subject(plan), soft_wrap=True)
    console.print(_verdict(plan), soft_wrap=True)
    for one in plan.devices:
        console.print(Padding(_where(one), (0, 0, 0, 2)))
    for place, size in plan.offloaded_bytes.items():
        if size:
            console.print(
                Padding(Text(f"{gib(size)} of weights stay on the {place}."), (0, 0, 0, 2))
            )
    console.print(_table(plan))
    _show_limits(plan.limits, console)
    _show_cures(plan, console)
    for note in plan.notes:
        console.print(Text(note, style="dim"))
    console.print(
        Text(
            f"Predicted by tracing transformers {plan.transformers} (torch {plan.torch}) of "
            f"{plan.python}; each row is the most of its kind alive at once, so they need not add "
            "up to the peak.",
            style="dim",
        )
    )


def gib(size: int) -> str:
    """``15.45 GiB``."""
    return f"{size / GIB:.2f} GiB"


def _subject(plan: Plan) -> Text:
    stated = plan.workload
    words = [plan.model, stated["dtype"], f"attention {stated['attention'] or 'sdpa'}"]
    if plan.images:
        sizes = sorted({f"{width}x{height}" for width, height in plan.images})
        most = max(plan.patches, default=0)
        words.append(f"{len(plan.images)} image(s) {', '.join(sizes[:3])} ({most} patches)")
    words.append(f"prompt of {plan.prompt_tokens} tokens, {stated['new_tokens']} new")
    if stated["batch"] > 1:
        words.append(f"batch {stated['batch']}")
    if stated["device_map"]:
        words.append(f"device_map={stated['device_map']}")
    return Text(" · ".join(words), style="bold")


def _verdict(plan: Plan) -> Text:
    if plan.fits:
        tightest = min(plan.devices, key=lambda one: one.terms["headroom_bytes"])
        room = gib(tightest.terms["headroom_bytes"])
        return Text(f"Fits: {room} stay free on {tightest.device}.", style="bold green")
    text = "Does not fit."
    if plan.needs_bytes is not None:
        text += f" As stated it needs a card of {gib(plan.needs_bytes)}."
    return Text(text, style="bold red")


def _where(one: Device) -> Text:
    if one.failure is not None:
        failed = one.failure
        return Text(
            f"{one.device}: {failed.module or 'the run'} ({failed.phase}) asks for "
            f"{gib(failed.requested_bytes)} when {gib(failed.reserved_bytes)} of "
            f"{gib(one.usable_bytes)} are reserved."
        )
    return Text(
        f"{one.device}: peak {gib(one.peak_allocated_bytes)} in "
        f"{one.peak_module or 'the run'} ({one.peak_phase})."
    )


def _table(plan: Plan) -> Table:
    table = Table(box=None, padding=(0, 2), show_edge=False)
    table.add_column("")
    for one in plan.devices:
        table.add_column(one.device, justify="right")
    for name, value in ROWS:
        strong = name in ("peak in tensors", "peak reserved")
        table.add_row(
            name, *(gib(value(one)) for one in plan.devices), style="bold" if strong else None
        )
    return table


def _show_limits(limits: Limits, console: Console) -> None:
    values = {name: getattr(limits, name) for name in LIMIT_WORDS}
    if all(value is None for value in values.values()):
        return
    console.print(Text("The most that fits, everything else as stated", style="bold"))
    for name, value in values.items():
        words = LIMIT_WORDS[name]
        if name in limits.sizes:
            width, height = limits.sizes[name]
            words += f" of {width}x{height}"
        if value is None:
            line = f"not known: {limits.unknown.get(name, '')}"
        elif value == 0:
            line = "none: not even the smallest fits"
        else:
            bound = limits.bound_by.get(name)
            ending = f"  (more is forbidden by {bound})" if bound else ""
            if bound == AT_LEAST:
                ending = f"  or more ({AT_LEAST})"
            made = limits.processor_square_px if name == "largest_square_px" else None
            if made is not None and value > made:
                ending = f"  (the processor scales down whatever is larger than {made})"
            line = f"{value} {UNITS[name]}".rstrip() + ending
        console.print(Text(f"  {words}: {line}"), soft_wrap=True)


def _show_cures(plan: Plan, console: Console) -> None:
    if plan.fixes:
        console.print(Text("What to change, smallest change first", style="bold"))
    for number, cure in enumerate(plan.fixes[:SHOWN_CURES], start=1):
        console.print(Text(f"  {number}. {cure.summary}: {_effect(cure)}"), soft_wrap=True)
        if cure.condition:
            console.print(Text(f"     if {cure.condition}", style="dim"), soft_wrap=True)
        if cure.code:
            console.print(
                Padding(Syntax(cure.code, "python", background_color="default"), (0, 0, 0, 5))
            )
    if len(plan.fixes) > SHOWN_CURES:
        rest = "; ".join(cure.summary for cure in plan.fixes[SHOWN_CURES:])
        console.print(Text(f"  Also: {rest} (--json shows them)"), soft_wrap=True)
    tried = [cure for cure in plan.no_help if cure.fits is False]
    if tried and not plan.fits:
        words = "; ".join(f"{cure.summary} ({_effect(cure)})" for cure in tried)
        console.print(Text(f"  Not enough: {words}", style="dim"), soft_wrap=True)
    if tried and not plan.fixes:
        console.print(
            Text("  Nothing that was tried makes it fit: a larger card, or a smaller model.")
        )


def _effect(cure: Cure) -> str:
    peaks = ", ".join(f"{gib(one.peak_reserved_bytes)} on {one.device}" for one in cure.devices)
    costs = "" if cure.costs == "nothing" else f", costs {cure.costs}"
    return f"{peaks}{costs}"
