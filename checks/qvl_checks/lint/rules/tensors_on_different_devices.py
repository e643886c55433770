"""Weights here, inputs there."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, judge
from ..flow.events import Call, Encode, Load, Move, Run
from ..flow.module import Module
from ..flow.values import (
    ABSENT,
    Absent,
    Const,
    DictItem,
    Item,
    MethodItem,
    Site,
    Value,
    is_absent,
    literal,
    text_of,
)
from ..knowledge import is_prequantised
from ..meanings import device_kind, is_auto_map
from ..rule import Report, Rule

RULE = Rule(
    "devices.tensors-on-different-devices", "Weights and inputs end up on different devices."
)
LAUNCHERS = {"init_process_group", "Accelerator", "PartialState", "init_distributed"}
RANKS = {"LOCAL_RANK", "RANK", "WORLD_SIZE"}


def check(program: Program) -> Iterator[Report]:
    """Automatic maps in every rank, and inputs that are not where the model is."""
    yield from _one_map_per_rank(program)
    for run in program.of(Run):
        if program.model_families(run.model) and run.model is not None:
            yield from _inputs_elsewhere(program, run)


def _one_map_per_rank(program: Program) -> Iterator[Report]:
    for load, _ in program.loads():
        certainty, _ = judge(load.path, [program.placement(load)], is_auto_map)
        if certainty == CERTAIN and _launched(program, load.site.module):
            yield RULE.at(
                load.keywords.keys.get("device_map", load.site),
                "warning",
                "Every rank of this distributed run spreads its own copy over all GPUs, so tensors"
                " of one rank meet on different devices.",
                'Give each rank one device, device_map={"": local_rank}, or run one process with'
                ' device_map="auto".',
            )


def _launched(program: Program, module: Module) -> bool:
    for call in program.of(Call):
        if call.site.module is not module:
            continue
        if call.name.rpartition(".")[2] in LAUNCHERS:
            return True
        if (
            call.name in ("os.environ.get", "os.getenv")
            and call.args
            and literal(call.args[0]) in RANKS
        ):
            return True
    return _reads_rank(module)


def _reads_rank(module: Module) -> bool:
    return any(
        f'os.environ["{rank}"]' in module.text or f"os.environ['{rank}']" in module.text
        for rank in ("LOCAL_RANK",)
    )


def _inputs_elsewhere(program: Program, run: Run) -> Iterator[Report]:
    load = run.model.data if run.model else None
    if not isinstance(load, Load) or load.keywords.open:
        return
    moved = run.state.get("moved", ABSENT)
    home = _place(program.placement(load), moved, run, load)
    if home is None and _never_placed(program, run, load, moved):
        home = "cpu"
    for encode in program.inputs_of(run):
        away = _inputs_place(run, encode)
        if home is None or away is None:
            continue
        if home.partition(":")[0] != away.partition(":")[0] or (
            ":" in home and _index(home) != _index(away)
        ):
            yield RULE.at(
                _sent_at(program, encode) or run.site,
                "warning",
                f"The model is on {home} and its inputs are on {away}.",
                "Send the inputs to model.device.",
            )
            return


def _never_placed(program: Program, run: Run, load: Load, moved: Value) -> bool:
    """Whether nothing in sight moves the model from where it is loaded: the CPU."""
    handed_on = "escaped" in run.state or "peft" in run.state
    others = program.calls("set_default_device", "set_default_tensor_type", *LAUNCHERS)
    absent = is_absent(program.placement(load)) and is_absent(moved)
    source = program.source_text(load)
    return (
        absent
        and not handed_on
        and not others
        and not is_prequantised(source)
        and not ("tp_plan" in load.keywords.entries or program.quantised(load))
    )


def _index(place: str) -> str:
    return place.partition(":")[2] or "0"


def _place(placement: Value, moved: Value, run: Run, load: Load) -> str | None:
    """The one device of the model, or None if it is spread or not known."""
    value = moved if not is_absent(moved) and moved else placement
    places = {_device(a.item) for a in value}
    if len(places) != 1:
        return None
    place = places.pop()
    return place if place and place.partition(":")[0] in ("cuda", "cpu") else None


def _device(item: Item) -> str | None:
    if isinstance(item, Absent):
        return None
    if isinstance(item, DictItem):
        whole = item.get("")
        return _device(whole[0].item) if len(item.entries) == 1 and len(whole) == 1 else None
    if isinstance(item, Const) and isinstance(item.value, int) and not isinstance(item.value, bool):
        return f"cuda:{item.value}"
    text = text_of(item)
    if text is not None and text.startswith("cuda:\0"):
        return "cuda"
    if text is None or "\0" in text or device_kind(item) not in ("cuda", "cpu"):
        return None
    return text


def _sent_at(program: Program, encode: Encode) -> Site | None:
    """The one call that sends the inputs to the wrong place."""
    moves = [move for move in program.of(Move) if move.what is encode.result]
    return moves[0].site if len(moves) == 1 else None


def _is_part(item: Item) -> bool:
    """Whether it is one tensor of the inputs as the processor gave it, as `inputs["pixel_values"]`
    is."""
    return isinstance(item, MethodItem) and getattr(item.receiver, "kind", "") == "inputs"


def _inputs_place(run: Run, encode: Encode) -> str | None:
    """Where the inputs of a run are, or one that is given by itself: 'cpu' if nothing moved it."""
    single = (v for v in run.keywords.entries.values() if all(_is_part(a.item) for a in v))
    for value in (*run.spreads, *run.args, *single):
        for alt in value:
            item = alt.item.receiver if isinstance(alt.item, MethodItem) else alt.item
            if getattr(item, "data", None) is not encode or getattr(item, "kind", "") != "inputs":
                continue
            moved = item.attributes.get("moved", ABSENT)  # type: ignore[attr-defined]
            if is_absent(moved):
                tensors = literal(encode.keywords.get("return_tensors", encode.path)) == "pt"
                return "cpu" if tensors and "device" not in encode.keywords.entries else None
            places = {_device(a.item) for a in moved}
            return places.pop() if len(places) == 1 else None
    return None
