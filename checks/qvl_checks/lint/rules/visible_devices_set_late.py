"""CUDA_VISIBLE_DEVICES after CUDA has read it."""

from collections.abc import Iterator

from ..facts import Program, before
from ..flow.certainty import CERTAIN, judge
from ..flow.events import Call, Event, Import, Load, Move, SetEnvironment
from ..meanings import device_kind, is_auto_map
from ..rule import Report, Rule

RULE = Rule(
    "devices.visible-devices-set-late", "CUDA_VISIBLE_DEVICES is set after CUDA has read it."
)
HARMLESS = {
    "manual_seed",
    "manual_seed_all",
    "device_count",
    "_is_compiled",
    "is_initialized",
    "device",
    "amp",
    "empty_cache",
}


def check(program: Program) -> Iterator[Report]:
    """Writes to the variable that follow a use of CUDA; those that only follow `import torch` are
    risky.
    """
    for event in program.of(SetEnvironment):
        if event.key != "CUDA_VISIBLE_DEVICES" or not program.related(event.site.module):
            continue
        used = next(
            (
                e
                for e in before(program.events, event)
                if _starts_cuda(e) and e.site.module is event.site.module
            ),
            None,
        )
        if used is not None:
            yield RULE.at(
                event.site,
                "warning",
                f"CUDA read CUDA_VISIBLE_DEVICES when it started at line {used.site.line}; setting"
                " it now has no effect.",
                "Set it in the shell, or before the first import of torch.",
            )
        elif any(
            e.name.partition(".")[0] in ("torch", "transformers")
            for e in before(program.of(Import), event)
        ):
            yield RULE.at(
                event.site,
                "hint",
                "This works only as long as no import above has started CUDA.",
                "Set CUDA_VISIBLE_DEVICES in the shell, or before importing torch.",
            )


def _starts_cuda(event: Event) -> bool:
    if isinstance(event, Call) and event.name.startswith("torch.cuda."):
        return event.name.split(".")[2] not in HARMLESS
    if isinstance(event, Load):
        certainty, _ = judge(
            event.path,
            [event.keywords.get("device_map", event.path)],
            lambda i: is_auto_map(i) or device_kind(i) == "cuda",
        )
        return certainty == CERTAIN
    if isinstance(event, Move):
        certainty, _ = judge(event.path, [event.device], lambda i: device_kind(i) == "cuda")
        return certainty == CERTAIN
    if isinstance(event, Call) and event.name.startswith("torch."):
        certainty, _ = judge(
            event.path,
            [event.keywords.get("device", event.path)],
            lambda i: device_kind(i) == "cuda",
        )
        return certainty == CERTAIN
    return False
