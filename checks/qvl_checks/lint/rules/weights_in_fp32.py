"""No dtype before transformers 5."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, NEVER, judge
from ..flow.events import Load
from ..flow.values import ABSENT, Const, DictItem, Item, is_given
from ..knowledge import LEGACY
from ..meanings import attention_parts, device_kind, dtype_name, is_auto_map, is_flash
from ..rule import Report, Rule

RULE = Rule(
    "memory.weights-in-fp32",
    "Without a dtype, transformers before 5.0 loads the weights in float32.",
)


def check(program: Program) -> Iterator[Report]:
    """Loads without dtype that go to a GPU and are never cast."""
    if program.transformers.major >= 5:
        return
    for load, families in program.loads():
        if (
            load.keywords.open
            or program.quantised(load)
            or program.trains(load.site.module)
            or families == {LEGACY}
        ):
            continue
        if (
            is_given(program.either(load, "config"))
            or load.result is None
            or program.calls("set_default_dtype")
        ):
            continue
        if "cast" in load.result.attributes or any(
            run.autocast for run in program.runs_of(load.result)
        ):
            continue
        flash, _ = judge(
            load.path,
            [program.attention(load)],
            lambda item: any(map(is_flash, attention_parts(item))),
        )
        if flash == CERTAIN:
            continue
        certainty, _ = judge(
            load.path, [program.dtype(load)], lambda item: dtype_name(item) == "absent"
        )
        if certainty == NEVER:
            yield from _chosen(program, load)
            continue
        moved = load.result.attributes.get("moved", ABSENT)
        on_gpu, _ = judge(load.path, [moved if is_given(moved) else program.placement(load)], _gpu)
        on_cpu, _ = judge(
            load.path,
            [moved if is_given(moved) else program.placement(load)],
            lambda i: device_kind(i) == "cpu",
        )
        if on_cpu == CERTAIN:
            continue
        name = "dtype" if program.transformers.release >= (4, 56) else "torch_dtype"
        yield RULE.at(
            load.site,
            "warning" if on_gpu != NEVER and certainty == CERTAIN else "info",
            f"No dtype is given, so transformers {program.transformers} loads the weights in"
            " float32, at twice the memory.",
            f"Add {name}=torch.bfloat16.",
        )


def _chosen(program: Program, load: Load) -> Iterator[Report]:
    """float32 that is asked for, on a GPU, and not to keep the logits of eager attention exact."""
    full, _ = judge(load.path, [program.dtype(load)], lambda item: dtype_name(item) == "fp32")
    eager, _ = judge(
        load.path, [program.attention(load)], lambda item: "eager" in attention_parts(item)
    )
    moved = load.result.attributes.get("moved", ABSENT) if load.result else ABSENT
    place = moved if is_given(moved) else program.placement(load)
    on_gpu, _ = judge(load.path, [place], _gpu)
    if full == CERTAIN and eager == NEVER and on_gpu == CERTAIN:
        yield RULE.at(
            load.keywords.keys.get("dtype", load.keywords.keys.get("torch_dtype", load.site)),
            "hint",
            "float32 takes twice the memory of the dtype in which the checkpoint is stored.",
            "Load it in torch.bfloat16, unless the comparison needs float32.",
        )


def _gpu(item: Item) -> bool:
    if isinstance(item, DictItem):
        return any(_gpu(a.item) for value in item.entries.values() for a in value)
    if isinstance(item, Const) and item.value is None:
        return False
    return is_auto_map(item) or device_kind(item) == "cuda"
