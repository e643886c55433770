"""Trainers and accelerators."""

from __future__ import annotations

import ast

from . import library, models
from .events import Call
from .frame import Frame
from .values import (
    UNKNOWN,
    DictItem,
    ObjectItem,
    Value,
    const,
    literal,
    objects,
    of,
)


def trainer(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of trainers: train() leaves the model in training mode."""
    if name == "train":
        for model in objects(item.data.keywords.get("model"), "model"):
            models.set_state(frame, model, "training", const(True, frame.site(node)))
            for arguments in objects(item.data.keywords.get("args"), "training_arguments"):
                given = arguments.data.keywords
                if literal(given.get("gradient_checkpointing")) is True:
                    place = given.keys.get("gradient_checkpointing", frame.site(node))
                    models.set_state(frame, model, "checkpointing", const(True, place))
    return UNKNOWN


def accelerator(
    frame: Frame, item: ObjectItem, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """Methods of accelerate's Accelerator."""
    if name == "backward":
        frame.emit(Call(frame.site(node), name="backward", args=args, keywords=keywords))
        return UNKNOWN
    if name == "autocast":
        return of(ObjectItem("manager", data="autocast"))
    if name == "prepare":
        library.record(frame, "accelerate.Accelerator.prepare", args, keywords, node, "result")
        for value in args:
            for model in objects(value, "model"):
                models.set_state(frame, model, "moved", UNKNOWN)
    return None
