"""Method calls on objects of known kind."""

from __future__ import annotations

import ast
from collections.abc import Callable

from . import calls, containers
from .events import Call, Decode, Drop, Encode, Move, Run, Template
from .frame import Frame
from .library import record
from .values import (
    ABSENT,
    UNKNOWN,
    Alt,
    DictItem,
    FunctionItem,
    Item,
    ListItem,
    MethodItem,
    ObjectItem,
    Ref,
    Unknown,
    Value,
    const,
    items_of,
    literal,
    objects,
    of,
    overwrite,
)

Given = tuple[list[Value], DictItem]
CASTS = {"half": "torch.float16", "bfloat16": "torch.bfloat16", "float": "torch.float32"}
CUTTING = {
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "replace",
    "removeprefix",
    "find",
    "index",
    "rfind",
    "rindex",
    "splitlines",
}
KEEPS_IDS = {
    "cpu",
    "detach",
    "tolist",
    "numpy",
    "clone",
    "contiguous",
    "squeeze",
    "long",
    "to",
    "cuda",
}
OFF_GPU = {"cpu", "item", "tolist", "numpy"}
KEEPS_TEXT = {"strip", "lower", "upper", "rstrip", "lstrip", "title", "encode"}


def call(
    frame: Frame, receiver: Item, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """The value of `receiver.name(...)`."""
    if isinstance(receiver, ObjectItem):
        handler = _BY_KIND.get(receiver.kind)
        if handler is not None:
            value = handler(frame, receiver, name, args, keywords, node)
            if value is not None:
                return value
    value = containers.call(frame, receiver, name, args, keywords, node)
    if value is not None:
        return value
    return _by_name(frame, receiver, name, args, keywords, node)


def call_object(
    frame: Frame, item: ObjectItem, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """The value of `item(...)`."""
    if item.kind in ("model", "pipeline"):
        return _run(frame, item if item.kind == "model" else None, False, args, keywords, node)
    if item.kind in ("processor", "tokenizer", "image_processor"):
        return _encode(frame, item, args, keywords, node, template=False)
    if item.kind == "manager":
        return args[0] if args else UNKNOWN
    calls.escape(frame, args, keywords)
    return UNKNOWN


def _by_name(
    frame: Frame, receiver: Item, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    if name == "generate" and (
        keywords.spreads or "pixel_values" in keywords.entries or "input_ids" in keywords.entries
    ):
        return _run(frame, None, True, args, keywords, node)
    if name in ("batch_decode", "decode") and args and objects(args[0], "output"):
        return _decode(frame, args, keywords, node)
    if name == "from_pretrained" and isinstance(receiver, (Unknown, MethodItem)):
        return UNKNOWN
    if name == "run_in_executor" and len(args) > 1:
        return calls.call(frame, args[1], args[2:], keywords, node)
    if name in ("submit", "apply_async", "run_sync") and args:
        return calls.call(frame, args[0], args[1:], keywords, node)
    if name == "prepare":
        return args[0] if len(args) == 1 else of(ListItem(list(args), True, True))
    if name in ("unwrap_model", "prepare_model") and args:
        return args[0]
    if isinstance(receiver, MethodItem) and name in KEEPS_IDS:
        return of(MethodItem(receiver, name), frame.site(node))
    calls.escape(frame, args, keywords, name)
    return UNKNOWN


# --- models ---


def _model(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name in ("generate", "forward", "__call__"):
        return _run(frame, item, name == "generate", args, keywords, node)
    if name in ("to", "cuda", "cpu", *CASTS):
        return _move(frame, item, name, args, keywords, node)
    if name in ("eval", "train"):
        on = name == "train" and (literal(args[0], True) if args else True) is not False
        _set(frame, item, "training", const(on, frame.site(_attribute(node))))
        return of(item)
    if name in ("gradient_checkpointing_enable", "gradient_checkpointing_disable"):
        _set(
            frame,
            item,
            "checkpointing",
            const(name.endswith("enable"), frame.site(_attribute(node))),
        )
        return UNKNOWN
    if name == "set_attn_implementation" and args:
        _set(frame, item, "attention", args[0])
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


def _attribute(node: ast.AST) -> ast.AST:
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


def _set(frame: Frame, item: ObjectItem, name: str, value: Value) -> None:
    item.attributes[name] = overwrite(item.attributes.get(name), value, frame.path)


def _move(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    device, dtype = _target(name, args, keywords)
    chained = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
    )
    frame.emit(
        Move(
            frame.site(_attribute(node)),
            what=item,
            method=name,
            device=device,
            dtype=dtype,
            chained=chained,
        )
    )
    if device is not ABSENT:
        _set(frame, item, "moved", device)
    if dtype is not ABSENT:
        _set(frame, item, "cast", dtype)
    return of(item)


def _target(name: str, args: list[Value], keywords: DictItem) -> tuple[Value, Value]:
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


def _run(
    frame: Frame,
    model: ObjectItem | None,
    generates: bool,
    args: list[Value],
    keywords: DictItem,
    node: ast.AST,
) -> Value:
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


# --- processors ---


def _processor(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name == "apply_chat_template":
        messages = args[0] if args else keywords.get("conversation")
        default = item.kind == "tokenizer"
        tokenizes = literal(
            keywords.get("tokenize"), default if "tokenize" not in keywords.entries else None
        )
        if tokenizes is True:
            if item.kind == "tokenizer":
                return UNKNOWN
            return _encode(frame, item, args, keywords, node, template=True)
        event = frame.emit(
            Template(
                frame.site(node),
                name=name,
                args=args,
                keywords=keywords,
                processor=item,
                messages=messages,
            )
        )
        event.result = ObjectItem("prompt", data=event)
        return of(event.result, frame.site(node))
    if name in ("batch_decode", "decode", "post_process_image_text_to_text"):
        return _decode(frame, args, keywords, node)
    if name == "__call__":
        return _encode(frame, item, args, keywords, node, template=False)
    if name in ("save_pretrained", "push_to_hub"):
        return UNKNOWN
    return None


def _encode(
    frame: Frame,
    item: ObjectItem,
    args: list[Value],
    keywords: DictItem,
    node: ast.AST,
    template: bool,
) -> Value:
    state = dict(item.attributes)
    for part in ("tokenizer", "image_processor"):
        for inner in objects(item.attributes.get(part, ()), part):
            state.update({f"{part}.{key}": value for key, value in inner.attributes.items()})
    event = frame.emit(
        Encode(
            frame.site(node),
            name="apply_chat_template" if template else "call",
            args=args,
            keywords=keywords,
            processor=item,
            template=template,
            state=state,
        )
    )
    event.result = ObjectItem("inputs", data=event)
    return of(event.result, frame.site(node))


def _decode(frame: Frame, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    ids = (
        args[0]
        if args
        else next(
            (keywords.entries[k] for k in ("sequences", "token_ids") if k in keywords.entries),
            UNKNOWN,
        )
    )
    event = frame.emit(
        Decode(frame.site(_attribute(node)), name="decode", args=args, keywords=keywords, ids=ids)
    )
    event.result = ObjectItem("decoded", data=event)
    return of(event.result, frame.site(node))


# --- what models return ---


def _inputs(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name in ("to", "cuda"):
        device, dtype = _target(name, args, keywords)
        frame.emit(
            Move(frame.site(_attribute(node)), what=item, method=name, device=device, dtype=dtype)
        )
        if device is not ABSENT:
            _set(frame, item, "moved", device)
        return of(item)
    if name == "pop" and args:
        key = literal(args[0])
        if isinstance(key, str):
            frame.emit(Drop(frame.site(node), what=item, key=key))
        return UNKNOWN
    if name in ("items", "keys", "values"):
        return UNKNOWN
    if name in ("copy",):
        return of(item)
    return None


def _output(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    return of(item) if name in KEEPS_IDS else None


def _tensor(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name in OFF_GPU:
        return UNKNOWN
    if name == "to" and args and literal(args[0]) == "cpu":
        return UNKNOWN
    if name in ("backward",):
        frame.emit(Call(frame.site(node), name="backward", args=args, keywords=keywords))
        return UNKNOWN
    return of(ObjectItem("tensor", dict(item.attributes), item.data))


def _decoded(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name in CUTTING:
        item.data.result.attributes["cut"] = const(True)
        return UNKNOWN
    return of(item) if name in KEEPS_TEXT else None


def _trainer(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name == "train":
        for model in objects(item.data.keywords.get("model"), "model"):
            _set(frame, model, "training", const(True, frame.site(node)))
            for arguments in objects(item.data.keywords.get("args"), "training_arguments"):
                given = arguments.data.keywords
                if literal(given.get("gradient_checkpointing")) is True:
                    place = given.keys.get("gradient_checkpointing", frame.site(node))
                    _set(frame, model, "checkpointing", const(True, place))
    return UNKNOWN


def _accelerator(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name == "backward":
        frame.emit(Call(frame.site(node), name="backward", args=args, keywords=keywords))
        return UNKNOWN
    if name == "autocast":
        return of(ObjectItem("manager", data="autocast"))
    if name == "prepare":
        record(frame, "accelerate.Accelerator.prepare", args, keywords, node, "result")
        for value in args:
            for model in objects(value, "model"):
                _set(frame, model, "moved", UNKNOWN)
    return None


def _parser(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    if name in ("add_argument_group", "add_mutually_exclusive_group"):
        return of(item)
    if name == "add_argument":
        _add_argument(frame, item, args, keywords)
        return UNKNOWN
    if name == "set_defaults":
        for key, value in keywords.entries.items():
            item.attributes[key] = value
        return UNKNOWN
    if name in ("parse_args", "parse_known_args", "parse_intermixed_args"):
        namespace = of(ObjectItem("namespace", dict(item.attributes)), frame.site(node))
        return (
            of(ListItem([namespace, UNKNOWN], True, True))
            if name == "parse_known_args"
            else namespace
        )
    return None


def _add_argument(frame: Frame, item: ObjectItem, args: list[Value], keywords: DictItem) -> None:
    names = [n for n in (literal(a) for a in args) if isinstance(n, str)]
    long = next((n for n in names if n.startswith("--")), names[0] if names else "")
    dest = literal(keywords.get("dest")) or long.lstrip("-").replace("-", "_")
    action = literal(keywords.get("action"))
    default = keywords.entries.get("default")
    if default is None and action in ("store_true", "store_false"):
        default = const(action == "store_false")
    value = UNKNOWN
    if default is not None:
        value = tuple(Alt(a.item, a.site, a.guard, True) for a in default)
        kind = keywords.get("type")
        if any(isinstance(a.item, FunctionItem) for a in kind):
            value = UNKNOWN
    item.attributes[str(dest)] = value


def _hf_parser(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    results: list[Value] = []
    for value in item.data:
        for alt in value:
            classes = alt.item.elements if isinstance(alt.item, ListItem) else [(alt,)]
            results += [calls.call(frame, cls, [], DictItem(), node) for cls in classes]
    for result in results:
        for instance in items_of(result, ObjectItem):
            for key, field in instance.attributes.items():
                instance.attributes[key] = tuple(Alt(a.item, a.site, a.guard, True) for a in field)
    return of(ListItem(results, True, True))


def _super(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    from .attributes import find_method

    instance, cls = item.data
    for base in cls.bases if cls else ():
        for alt in base:
            if hasattr(alt.item, "attributes") and hasattr(alt.item, "bases"):
                method = find_method(alt.item, name)
                if method is not None:
                    return calls.inline(frame, method, [instance, *args], keywords)
    return UNKNOWN


Handler = Callable[[Frame, ObjectItem, str, list[Value], DictItem, ast.AST], "Value | None"]
_BY_KIND: dict[str, Handler] = {
    "model": _model,
    "processor": _processor,
    "tokenizer": _processor,
    "image_processor": _processor,
    "inputs": _inputs,
    "output": _output,
    "trimmed": _output,
    "tensor": _tensor,
    "decoded": _decoded,
    "trainer": _trainer,
    "accelerator": _accelerator,
    "parser": _parser,
    "hf_parser": _hf_parser,
    "super": _super,
}
