"""`thing.name`: reads and writes."""

from __future__ import annotations

import ast
import builtins

from . import calls, expressions, instances
from .events import ReadAttribute, ReadName, SetAttribute
from .frame import Frame
from .values import (
    UNKNOWN,
    Alt,
    ClassItem,
    Const,
    DictItem,
    FunctionItem,
    Item,
    MethodItem,
    ObjectItem,
    Ref,
    Unknown,
    Value,
    merge,
    of,
    on_path,
)

PARTS_OF_PROCESSOR = {
    "tokenizer": "tokenizer",
    "image_processor": "image_processor",
    "video_processor": "image_processor",
}
ENUM_VALUE = {"value", "_value_"}
"""Members of an enum are followed as their values."""
SELF_LIKE = {"module", "base_model", "_orig_mod", "pretrained_model"}


def builtin(name: str) -> Item:
    """What a name means that the program does not define."""
    if hasattr(builtins, name):
        return Ref(f"builtins.{name}")
    return Unknown()


def read(frame: Frame, base: Value, name: str, node: ast.AST) -> Value:
    """The value of `base.name`."""
    if name in ENUM_VALUE and all(isinstance(alt.item, Const) for alt in base):
        return base
    if len(base) == 1 and not base[0].guard:
        return on_path(_read_one(frame, base[0].item, name, node), frame.path) or UNKNOWN
    results: list[Value] = []
    for alt in base:
        got = on_path(_read_one(frame, alt.item, name, node), frame.path)
        results.append(tuple(Alt(a.item, a.site, a.guard | alt.guard, a.soft) for a in got))
    return merge(*results) or UNKNOWN


def _read_one(frame: Frame, item: Item, name: str, node: ast.AST) -> Value:
    if isinstance(item, Ref):
        if item.name.endswith("flags.FLAGS"):
            return frame.world.flags.get(name, UNKNOWN)
        if item.name.startswith("transformers"):
            frame.emit(ReadName(frame.site(node), name=f"{item.name}.{name}"))
        return of(Ref(f"{item.name}.{name}"), frame.site(node))
    if isinstance(item, ObjectItem):
        return _from_object(frame, item, name, node)
    if isinstance(item, ClassItem):
        member = from_class(item, name, None)
        if member and instances.is_enum(item):
            # The member is chosen here, not where the class lists it.
            return tuple(Alt(a.item, frame.site(node), a.guard, a.soft) for a in member)
        return member or of(MethodItem(item, name))
    if isinstance(item, DictItem) and name in item.entries:
        return item.entries[name]
    if isinstance(item, MethodItem):
        root = root_model(item)
        if root is not None:
            frame.emit(ReadAttribute(frame.site(node), what=root, name=dotted(item, name)))
    return of(MethodItem(item, name), frame.site(node))


def _from_object(frame: Frame, item: ObjectItem, name: str, node: ast.AST) -> Value:
    if item.kind == "module":
        found: Value = item.data.names.get(name, UNKNOWN)
        return found
    if item.kind == "model":
        return _from_model(frame, item, name, node)
    if name in item.attributes:
        return item.attributes[name]
    if item.kind == "instance" and item.cls is not None:
        found = from_class(item.cls, name, item)
        made = [
            a.item for a in found if isinstance(a.item, ObjectItem) and a.item.kind == "property"
        ]
        if made:
            return calls.call(frame, made[0].data, [of(item)], DictItem(), node)
        if found:
            if any(isinstance(a.item, MethodItem) and is_property(item.cls, name) for a in found):
                return calls.call(frame, found, [], DictItem(), node)
            return found
    if item.kind == "processor" and name in PARTS_OF_PROCESSOR:
        part = ObjectItem(PARTS_OF_PROCESSOR[name], {"owner": of(item)}, item.data)
        item.attributes[name] = of(part)
        return item.attributes[name]
    if item.kind == "config":
        part = ObjectItem(
            "config", {"owner": of(item)}, (item.data[0], f"{item.data[1]}.{name}".strip("."))
        )
        if name.endswith("_config"):
            item.attributes[name] = of(part)
            return item.attributes[name]
        if isinstance(item.data[0], ObjectItem):
            frame.emit(
                ReadAttribute(
                    frame.site(node),
                    what=item.data[0],
                    name=f"config.{item.data[1]}.{name}".replace("..", "."),
                )
            )
    if item.kind == "output" and name == "sequences":
        return of(item)
    if item.kind == "forward" and name in ("logits", "hidden_states", "attentions", "loss"):
        return of(ObjectItem("tensor", data=(name, item.data, item)), frame.site(node))
    if item.kind == "namespace":
        return UNKNOWN
    return of(MethodItem(item, name), frame.site(node))


def _from_model(frame: Frame, item: ObjectItem, name: str, node: ast.AST) -> Value:
    if name in SELF_LIKE:
        return of(item)
    if name in ("config", "generation_config"):
        if name not in item.attributes:
            item.attributes[name] = of(ObjectItem(name, data=(item, "")))
        return item.attributes[name]
    frame.emit(ReadAttribute(frame.site(node), what=item, name=name))
    return of(MethodItem(item, name), frame.site(node))


def from_class(cls: ClassItem, name: str, receiver: ObjectItem | None) -> Value:
    """An attribute found on a class or its bases; methods are bound to `receiver`."""
    if name in cls.attributes:
        value = cls.attributes[name]
        if all(not isinstance(a.item, FunctionItem) for a in value):
            return value
        decorators = decorators_of(value)
        if "staticmethod" in decorators:
            return value
        if "classmethod" in decorators:
            return of(MethodItem(cls, name))
        return of(MethodItem(receiver, name)) if receiver is not None else value
    for base in cls.bases:
        for alt in base:
            if isinstance(alt.item, ClassItem) and alt.item is not cls:
                found = from_class(alt.item, name, receiver)
                if found:
                    return found
            if isinstance(alt.item, Ref) and receiver is None:
                return of(Ref(f"{alt.item.name}.{name}"))
    return ()


def find_method(cls: ClassItem, name: str) -> FunctionItem | None:
    """The function that defines a method, through the bases."""
    for alt in cls.attributes.get(name, ()):
        if isinstance(alt.item, FunctionItem):
            return alt.item
    for base in cls.bases:
        for alt in base:
            if isinstance(alt.item, ClassItem) and alt.item is not cls:
                found = find_method(alt.item, name)
                if found:
                    return found
    return None


def decorators_of(value: Value) -> set[str]:
    """Names of the decorators of a function."""
    names: set[str] = set()
    for alt in value:
        if isinstance(alt.item, FunctionItem) and not isinstance(alt.item.node, ast.Lambda):
            names |= {ast.unparse(d).rpartition(".")[2] for d in alt.item.node.decorator_list}
    return names


def is_property(cls: ClassItem, name: str) -> bool:
    """Whether reading the attribute calls a function."""
    method = find_method(cls, name)
    return method is not None and bool(decorators_of(of(method)) & {"property", "cached_property"})


def root_model(item: Item) -> ObjectItem | None:
    """The model at the bottom of `model.a.b`."""
    while isinstance(item, MethodItem):
        item = item.receiver
    return item if isinstance(item, ObjectItem) and item.kind == "model" else None


def dotted(item: Item, name: str) -> str:
    """`a.b.name` for an attribute chain on an object."""
    parts = [name]
    while isinstance(item, MethodItem):
        parts.append(item.name)
        item = item.receiver
    return ".".join(reversed(parts))


def write(frame: Frame, base: Value, name: str, value: Value, node: ast.AST) -> None:
    """`base.name = value`."""
    for alt in base:
        item = alt.item
        if isinstance(item, ObjectItem):
            if item.kind == "module":
                item.data.names[name] = value
            else:
                expressions.set_attribute(frame, item, name, value, node)
        elif isinstance(item, ClassItem):
            item.attributes[name] = value
        elif isinstance(item, DictItem):
            expressions.set_key(frame, item, name, value, node)
        elif isinstance(item, MethodItem):
            root = root_model(item)
            if root is not None:
                frame.emit(
                    SetAttribute(frame.site(node), what=root, name=dotted(item, name), value=value)
                )
