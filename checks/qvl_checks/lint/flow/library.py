"""Calls into libraries, by dotted name."""

from __future__ import annotations

import ast
from collections.abc import Callable

from . import calls, environment, expressions, loading, pystd, wrapping
from .events import Call, VisionInfo
from .frame import Frame
from .values import (
    UNKNOWN,
    Alt,
    Const,
    DictItem,
    FunctionItem,
    ListItem,
    MethodItem,
    ObjectItem,
    PartialItem,
    Text,
    Value,
    const,
    items_of,
    literal,
    of,
    text_of,
)

Handler = Callable[[Frame, str, list[Value], DictItem, ast.AST], Value]
HUBS = ("transformers", "modelscope")


def call(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The value of calling the library function, class or method `name`."""
    root, _, _ = name.partition(".")
    last = name.rpartition(".")[2]
    if root in HUBS or last in ("from_pretrained", "from_config", "from_args"):
        value = loading.call(frame, name, args, keywords, node)
        if value is not None:
            return value
    handler = _EXACT.get(name) or _LAST.get(last)
    if handler is not None:
        return handler(frame, name, args, keywords, node)
    value = pystd.call(frame, name, args, keywords, node)
    if value is not None:
        return value
    return record(frame, name, args, keywords, node, "result")


def record(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST, kind: str
) -> Value:
    """Note a call whose result is only known by kind."""
    event = frame.emit(Call(frame.site(node), name=name, args=args, keywords=keywords))
    event.result = ObjectItem(kind, data=event)
    calls.escape(frame, args, keywords, name.rpartition(".")[2])
    return of(event.result, frame.site(node)) if kind != "result" else UNKNOWN


def _manager(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    last = name.rpartition(".")[2]
    for value in args:
        if any(isinstance(a.item, FunctionItem) for a in value):
            return value
    return of(ObjectItem("manager", data=last))


def _set_grad(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    off = bool(args) and literal(args[0], True) is False
    frame.gradients_off = frame.gradients_off or off
    return of(ObjectItem("manager", data="no_grad" if off else ""))


def _device(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    if len(args) == 2:
        kind, index = literal(args[0]), literal(args[1])
        return (
            const(f"{kind}:{index}", frame.site(node))
            if index is not None
            else of(Text((str(kind) + ":", None)))
        )
    value = args[0] if args else keywords.get("device")
    return tuple(
        (
            Alt(Const(f"cuda:{a.item.value}"), a.site, a.guard)
            if isinstance(a.item, Const) and isinstance(a.item.value, int)
            else a
        )
        for a in value
    )


def _vision_info(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    order = ("conversations", "return_video_kwargs", "return_video_metadata", "image_patch_size")
    for key, value in zip(order, args, strict=False):
        keywords.entries.setdefault(key, value)
    messages = keywords.get("conversations")
    event = frame.emit(
        VisionInfo(frame.site(node), name=name, args=args, keywords=keywords, messages=messages)
    )
    event.result = ObjectItem("vision", data=event)
    return of(event.result, frame.site(node))


def _partial(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    return of(PartialItem(args[0], args[1:], keywords), frame.site(node)) if args else UNKNOWN


def _thread(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    target = keywords.get("target")
    if not any(isinstance(a.item, (MethodItem, FunctionItem, PartialItem)) for a in target):
        return record(frame, name, args, keywords, node, "thread")
    given = DictItem()
    expressions.spread(
        frame, given, keywords.get("kwargs") if "kwargs" in keywords.entries else of(DictItem())
    )
    positional = [e for item in items_of(keywords.get("args"), ListItem) for e in item.elements]
    if name.rpartition(".")[2] == "Process":
        calls.escape(frame, [target], DictItem(), "Process")
    else:
        calls.call(frame, target, positional, given, node)
    return of(ObjectItem("thread"))


def _to_thread(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    return calls.call(frame, args[0], args[1:], keywords, node) if args else UNKNOWN


def _loader(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    event = frame.emit(Call(frame.site(node), name=name, args=args, keywords=keywords))
    loader = ObjectItem("loader", data=event)
    loader.attributes["batch_size"] = (
        keywords.entries["batch_size"]
        if "batch_size" in keywords.entries
        else args[1]
        if len(args) > 1
        else const(1)
    )
    if "collate_fn" in keywords.entries:
        loader.attributes["collate_fn"] = keywords.entries["collate_fn"]
    return of(loader, frame.site(node))


def _accelerator(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    return record(frame, name, args, keywords, node, "accelerator")


def _quantiser(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    return record(frame, name, args, keywords, node, "quant")


def _trainer(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    if args and "model" not in keywords.entries:
        keywords.entries["model"] = args[0]
    return record(frame, name, args, keywords, node, "trainer")


def _arguments(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    return record(frame, name, args, keywords, node, "training_arguments")


def _cache(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return record(frame, name, args, keywords, node, "cache")


def _passthrough(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    return args[0] if args else UNKNOWN


def _snapshot(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    source = (
        args[0]
        if args
        else next(
            (keywords.entries[k] for k in ("repo_id", "model_id") if k in keywords.entries), UNKNOWN
        )
    )
    return tuple(a if text_of(a.item) is not None else Alt(UNKNOWN[0].item) for a in source)


def _image(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    return of(ObjectItem("image"), frame.site(node))


_EXACT: dict[str, Handler] = {
    "torch.no_grad": _manager,
    "torch.inference_mode": _manager,
    "torch.autograd.no_grad": _manager,
    "torch.autocast": _manager,
    "torch.amp.autocast": _manager,
    "torch.cuda.amp.autocast": _manager,
    "contextlib.suppress": _manager,
    "torch.set_grad_enabled": _set_grad,
    "torch.autograd.set_grad_enabled": _set_grad,
    "PIL.Image.open": _image,
    "PIL.Image.new": _image,
    "PIL.Image.fromarray": _image,
    "torch.device": _device,
    "functools.partial": _partial,
    "os.environ.update": environment.setter,
    "os.environ.setdefault": environment.setter,
    "os.environ.__setitem__": environment.setter,
    "os.putenv": environment.setter,
    "os.environ.get": environment.getter,
    "os.getenv": environment.getter,
    "asyncio.to_thread": _to_thread,
    "anyio.to_thread.run_sync": _to_thread,
    "copy.copy": _passthrough,
    "copy.deepcopy": _passthrough,
}
_LAST: dict[str, Handler] = {
    **dict.fromkeys(wrapping.WRAPPERS, wrapping.wrap),
    "process_vision_info": _vision_info,
    "fetch_image": _image,
    "load_image": _image,
    "Thread": _thread,
    "Process": _thread,
    "run_in_threadpool": _to_thread,
    "DataLoader": _loader,
    "Accelerator": _accelerator,
    "PartialState": _accelerator,
    "BitsAndBytesConfig": _quantiser,
    "HqqConfig": _quantiser,
    "QuantoConfig": _quantiser,
    "TorchAoConfig": _quantiser,
    "GPTQConfig": _quantiser,
    "AwqConfig": _quantiser,
    "Trainer": _trainer,
    "Seq2SeqTrainer": _trainer,
    "SFTTrainer": _trainer,
    "DPOTrainer": _trainer,
    "GRPOTrainer": _trainer,
    "TrainingArguments": _arguments,
    "Seq2SeqTrainingArguments": _arguments,
    "SFTConfig": _arguments,
    "DPOConfig": _arguments,
    "GRPOConfig": _arguments,
    "QuantizedCacheConfig": _cache,
    "QuantizedCache": _cache,
    "QuantoQuantizedCache": _cache,
    "HQQQuantizedCache": _cache,
    "DynamicCache": _cache,
    "StaticCache": _cache,
    "snapshot_download": _snapshot,
}
