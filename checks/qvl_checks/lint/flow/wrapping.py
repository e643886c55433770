"""Library functions that give a model back, changed or wrapped."""

from __future__ import annotations

import ast

from .events import Call
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    FunctionItem,
    ObjectItem,
    Value,
    const,
    items_of,
    literal,
    objects,
)

WRAPPERS = {
    "get_peft_model",
    "prepare_model_for_kbit_training",
    "prepare_model_for_int8_training",
    "compile",
    "DataParallel",
    "DistributedDataParallel",
    "DDP",
    "FullyShardedDataParallel",
    "FSDP",
    "fully_shard",
    "dispatch_model",
    "cpu_offload",
    "init_inference",
    "load_checkpoint_and_dispatch",
    "optimize",
}


def wrap(frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST) -> Value:
    """The model in its first argument, with what the call does to it."""
    frame.emit(Call(frame.site(node), name=name, args=args, keywords=keywords))
    value = args[0] if args else keywords.get("model")
    for model in objects(value, "model"):
        if "peft" in name or name.endswith("get_peft_model"):
            model.attributes["peft"] = const(True)
        if name.endswith("prepare_model_for_kbit_training") and literal(
            keywords.get("use_gradient_checkpointing"), True
        ):
            model.attributes["checkpointing"] = const(True, frame.site(node))
    if any(isinstance(a.item, FunctionItem) for a in value) and name.endswith("compile"):
        return value
    return value if objects(value, "model") or items_of(value, ObjectItem) else UNKNOWN
