"""Loops, comprehensions and unpacking."""

from __future__ import annotations

import ast
from typing import Any

from . import calls, expressions, truth
from .events import Move
from .frame import Frame
from .values import (
    ABSENT,
    UNKNOWN,
    Alt,
    DictItem,
    ListItem,
    ObjectItem,
    Value,
    const,
    is_absent,
    literal,
    merge,
    of,
    on_path,
)


def elements(frame: Frame, value: Value) -> tuple[list[Value], bool]:
    """What iterating over the value yields, and whether that is all of it."""
    known: list[Value] = []
    exact = len(value) == 1
    for alt in on_path(value, frame.path):
        item = alt.item
        if isinstance(item, ListItem):
            known += item.elements
            exact = exact and item.exact
        elif isinstance(item, DictItem):
            known += [const(key, item.keys.get(key)) for key in item.entries]
            exact = exact and not item.open
        elif isinstance(item, ObjectItem) and item.kind == "loader":
            known.append(calls.batch(frame, item))
            exact = False
        elif isinstance(item, ObjectItem) and item.kind in ("output", "decoded", "trimmed"):
            known.append((alt,))
            exact = False
        else:
            known.append(UNKNOWN)
            exact = False
    return known, exact and len(known) <= 8


def bind(frame: Frame, target: ast.expr, value: Value, node: ast.AST) -> bool:
    """Bind a loop variable to every possible element. Returns whether the number of rounds is
    known.
    """
    known, exact = elements(frame, value)
    if exact and len(known) > 1:
        options: list[Alt] = []
        for number, one in enumerate(known):
            literal = (("loop", id(node)), number, True)
            options += [Alt(a.item, a.site, a.guard | {literal}, a.soft) for a in one]
        expressions.store(frame, target, tuple(options))
    elif known:
        expressions.store(frame, target, merge(*known[:8]) if len(known) <= 8 else UNKNOWN)
    else:
        expressions.store(frame, target, UNKNOWN)
    return exact


def element(value: Value, number: int, count: int) -> Value:
    """Element `number` of a value that is unpacked into `count` targets."""
    results: list[Value] = []
    for alt in value:
        item = alt.item
        if isinstance(item, ListItem):
            if number < len(item.elements) and item.exact:
                got = item.elements[number]
            elif not item.exact and item.elements:
                got = merge(*item.elements[:4])
            else:
                got = UNKNOWN
        elif isinstance(item, ObjectItem) and item.kind == "vision":
            names = ("images", "videos", "video_kwargs")
            got = of(ObjectItem("vision_" + names[min(number, 2)], data=item.data))
        elif isinstance(item, ObjectItem) and item.kind in ("output", "vision_videos"):
            got = (alt,)
        else:
            got = UNKNOWN
        results.append(tuple(Alt(a.item, a.site, a.guard | alt.guard, a.soft) for a in got))
    return merge(*results) or UNKNOWN


def comprehension(frame: Frame, node: Any) -> Value:
    """A list, set, dict or generator comprehension."""
    saved = dict(frame.names)
    exact = True
    sizes = []
    result: Value
    for generator in node.generators:
        iterated = expressions.evaluate(frame, generator.iter)
        rounds, all_known = elements(frame, iterated)
        sizes.append((rounds, all_known, iterated))
        bind(frame, generator.target, iterated, generator)
        for test in generator.ifs:
            if truth.certain(expressions.evaluate(frame, test), frame) is not True:
                exact = False
    if isinstance(node, ast.DictComp):
        rounds, all_known, _ = sizes[0]
        if len(sizes) == 1 and all_known:
            result = of(_entries(frame, node, len(rounds)), frame.site(node))
        else:
            expressions.evaluate(frame, node.key)
            expressions.evaluate(frame, node.value)
            inputs = _comprehended_inputs(node, frame)
            result = of(DictItem(open=not inputs, spreads=inputs), frame.site(node))
    else:
        frame.loops += 1
        value = expressions.evaluate(frame, node.elt)
        frame.loops -= 1
        item = ListItem([value], exact=False)
        if len(sizes) == 1 and sizes[0][1] and exact:
            rounds = sizes[0][0]
            item = ListItem(
                [
                    _only(value, ("loop", id(node.generators[0])), n) if len(rounds) > 1 else value
                    for n in range(len(rounds))
                ]
            )
        elif len(sizes) == 1:
            item.at_most_one = any(
                a.item.at_most_one for a in sizes[0][2] if isinstance(a.item, ListItem)
            )
        result = of(item, frame.site(node))
    for name in list(frame.names):
        if name in saved:
            frame.names[name] = saved[name]
        else:
            del frame.names[name]
    return result


def _entries(frame: Frame, node: ast.DictComp, count: int) -> DictItem:
    """The entries of a comprehension whose rounds are known; an entry stays unless the condition
    certainly leaves it out.
    """
    generator, outer = node.generators[0], frame.path
    result = DictItem()
    for number in range(count):
        if count > 1:
            frame.path = outer | {(("loop", id(generator)), number, True)}
        tests = [truth.certain(expressions.evaluate(frame, test), frame) for test in generator.ifs]
        name = expressions.evaluate(frame, node.key)
        known = literal(on_path(name, frame.path))
        if not isinstance(known, (str, int)):
            result.open = True
        elif False not in tests:
            entry = on_path(expressions.evaluate(frame, node.value), frame.path)
            result.entries[known] = tuple(
                Alt(a.item, a.site, a.guard - frame.path, a.soft) for a in entry
            )
            if name[0].site is not None:
                result.keys[known] = name[0].site
    frame.path = outer
    return result


def _only(value: Value, key: Any, number: int) -> Value:
    literal = (key, number, True)
    kept = on_path(value, frozenset({literal}))
    return tuple(Alt(a.item, a.site, a.guard - {literal}, a.soft) for a in kept) or UNKNOWN


def _comprehended_inputs(node: ast.DictComp, frame: Frame) -> list[Value]:
    """`{k: v.to(device) for k, v in inputs.items()}` keeps its link to the inputs."""
    source = node.generators[0].iter
    if not (
        isinstance(source, ast.Call)
        and isinstance(source.func, ast.Attribute)
        and source.func.attr == "items"
    ):
        return []
    base = expressions.evaluate(frame, source.func.value)
    copies: list[Value] = []
    for alt in base:
        if isinstance(alt.item, ObjectItem) and alt.item.kind == "inputs":
            copy = ObjectItem("inputs", dict(alt.item.attributes), alt.item.data)
            device = _destination(frame, node.value)
            copy.attributes["moved"] = device
            site = frame.site(node.value)
            frame.emit(Move(site, what=alt.item, method="to", device=device, dtype=ABSENT))
            copies.append((Alt(copy, alt.site, alt.guard),))
        elif isinstance(alt.item, DictItem):
            copies.extend(alt.item.spreads)
    return copies


def _destination(frame: Frame, node: ast.expr) -> Value:
    """Where `v.to(device)` (`if isinstance(v, Tensor) else v`) sends each tensor."""
    from . import models

    if isinstance(node, ast.IfExp):
        node = node.body
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return UNKNOWN
    if node.func.attr not in ("to", "cuda"):
        return UNKNOWN
    args = [expressions.evaluate(frame, argument) for argument in node.args]
    device, _ = models.target(node.func.attr, args, DictItem())
    return UNKNOWN if is_absent(device) or node.keywords else device
