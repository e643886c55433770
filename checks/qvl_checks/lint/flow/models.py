"""Methods and calls of models: moves, modes, generation, forward passes."""

from __future__ import annotations

import ast

from . import attributes, expressions
from .events import Call, Move, Run
from .frame import Frame
from .values import (
    ABSENT,
    UNKNOWN,
    DictItem,
    MethodItem,
    ObjectItem,
    Ref,
    Value,
    const,
    literal,
    objects,
    of,
    overwrite,
)

CASTS = {"half": "torch.float16", "bfloat16": "torch.bfloat16", "float": "torch.float32"}


def method(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """`model.name(...)`; None if nothing special is known of the method."""
    if name in ("generate", "forward", "__call__"):
        return run(frame, item, name == "generate", args, keywords, node)
    if name in ("to", "cuda", "cpu", *CASTS):
        return move(frame, item, name, args, keywords, node)
    if name in ("eval", "train"):
        on = name == "train" and (literal(args[0], True) if args else True) is not False
        set_state(frame, item, "training", const(on, frame.site(attribute_of(node))))
        return of(item)
    if name in ("gradient_checkpointing_enable", "gradient_checkpointing_disable"):
        set_state(
            frame,
            item,
            "checkpointing",
            const(name.endswith("enable"), frame.site(attribute_of(node))),
        )
        return UNKNOWN
    if name == "set_attn_implementation" and args:
        set_state(frame, item, "attention", args[0])
        frame.emit(
            Call(
                frame.site(node),
                name="model.set_attn_implementation",
                args=[of(item), *args],
                keywords=keywords,
            )
        )
        return UNKNOWN
    if name == "load_adapter":
        return UNKNOWN
    if name in (
        "requires_grad_",
        "merge_and_unload",
        "tie_weights",
        "unload",
        "share_memory",
        "get_base_model",
    ):
        return of(item)
    return None


def config_method(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of configs: `update` sets attributes."""
    given = DictItem()
    if name == "update":
        for value in (*args, of(keywords)):
            expressions.spread(frame, given, value)
    for key, value in given.entries.items():
        if isinstance(key, str):
            place = given.keys.get(key)
            expressions.set_attribute(frame, item, key, value, place.node if place else node)
    return UNKNOWN if name == "update" else None


def set_part_attention(frame: Frame, part: MethodItem, args: list[Value]) -> Value:
    """`model.language_model.set_attn_implementation(...)`."""
    path = attributes.dotted(part, "")
    root = attributes.root_model(part)
    if root is not None and args and "visual" not in path:
        set_state(frame, root, "attention", args[0])
    return UNKNOWN


def attribute_of(node: ast.AST) -> ast.AST:
    """A node whose line is that of the method's name, for calls chained over several lines."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func
        place = ast.Pass()
        place.lineno = name.end_lineno or node.lineno
        place.col_offset = (name.end_col_offset or 0) - len(name.attr.encode())
        place.end_lineno, place.end_col_offset = node.end_lineno, node.end_col_offset
        place.call = node  # type: ignore[attr-defined]
        return place
    return node


def set_state(frame: Frame, item: ObjectItem, name: str, value: Value) -> None:
    """Set one of the states that rules look at, on the current path."""
    item.attributes[name] = overwrite(item.attributes.get(name), value, frame.path)


def move(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """Note `.to(...)`, `.cuda()`, `.half()` and the like."""
    device, dtype = target(name, args, keywords)
    chained = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
    )
    frame.emit(
        Move(
            frame.site(attribute_of(node)),
            what=item,
            method=name,
            device=device,
            dtype=dtype,
            chained=chained,
        )
    )
    if device is not ABSENT:
        set_state(frame, item, "moved", device)
    if dtype is not ABSENT:
        set_state(frame, item, "cast", dtype)
    return of(item)


def target(name: str, args: list[Value], keywords: DictItem) -> tuple[Value, Value]:
    """(device, dtype) that the arguments of a move name."""
    if name in CASTS:
        return ABSENT, of(Ref(CASTS[name]))
    if name == "cpu":
        return const("cpu"), ABSENT
    if name == "cuda":
        index = args[0] if args else keywords.get("device")
        number = literal(index)
        if number is None and args:
            return index, ABSENT
        return const("cuda" if number is None else f"cuda:{number}"), ABSENT
    device, dtype = keywords.get("device"), keywords.get("dtype")
    for value in args:
        if all(isinstance(a.item, Ref) and a.item.name.startswith("torch.") for a in value):
            dtype = value
        elif device is ABSENT:
            device = value
    return device, dtype


def run(
    frame: Frame,
    model: ObjectItem | None,
    generates: bool,
    args: list[Value],
    keywords: DictItem,
    node: ast.AST,
) -> Value:
    """Note `model.generate(...)` or `model(...)`; the result is ids or a forward output."""
    state = dict(model.attributes) if model else {}
    event = frame.emit(
        Run(
            frame.site(node),
            name="generate" if generates else "forward",
            args=args,
            keywords=keywords,
            model=model,
            generates=generates,
            state=state,
            spreads=list(keywords.spreads),
        )
    )
    event.result = ObjectItem("output" if generates else "forward", data=event)
    for name in ("config", "generation_config"):
        for config in objects(state.get(name, ()), name):
            state[f"{name} values"] = of(DictItem(dict(config.attributes)))
    if generates and "inputs_embeds" in keywords.entries:
        event.result.kind = "trimmed"
    return of(event.result, frame.site(node))
