"""Calls: arguments, inlining of the program's own functions, instances of its classes."""

from __future__ import annotations

import ast

from . import attributes, expressions, instances, library, methods, parameters, records
from .events import SetAttribute
from .following import ELSE, FROM_A_MODEL, LOST, WHILE_CHEAP, Followed
from .frame import MAX_DEPTH, Frame, World
from .guards import contradicts
from .module import Module
from .values import (
    UNKNOWN,
    Alt,
    ClassItem,
    Const,
    DictItem,
    FunctionItem,
    Item,
    ListItem,
    MethodItem,
    ObjectItem,
    PartialItem,
    Ref,
    Value,
    merge,
    of,
    on_path,
)

MODULE_STEPS = 48_000
OTHER_PROCESS = {
    "Process",
    "apply_async",
    "imap",
    "imap_unordered",
    "launch",
    "map",
    "notebook_launcher",
    "spawn",
    "start_processes",
    "starmap",
}
"""What they call runs in a process of its own, where nothing has happened yet."""
GRADIENT_SWITCHES = {"no_grad", "inference_mode"}


def canonical(name: str) -> str:
    """One spelling for names that are re-exported."""
    return name


def evaluate_call(frame: Frame, node: ast.Call) -> Value:
    """The value of a call expression."""
    function = expressions.evaluate(frame, node.func)
    args: list[Value] = []
    keywords = DictItem()
    for argument in node.args:
        value = expressions.evaluate(frame, argument)
        if isinstance(argument, ast.Starred):
            for alt in value[:1]:
                if isinstance(alt.item, ListItem) and alt.item.exact:
                    args.extend(alt.item.elements)
                else:
                    args.append(UNKNOWN)
                    keywords.open = True
        else:
            args.append(value)
    for keyword in node.keywords:
        value = expressions.evaluate(frame, keyword.value)
        if keyword.arg is None:
            expressions.spread(frame, keywords, value)
        else:
            keywords.entries[keyword.arg] = value
            keywords.keys[keyword.arg] = frame.site(keyword)
    return call(frame, function, args, keywords, node)


def call(
    frame: Frame, function: Value, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    """Call every alternative of `function` on its own path."""
    results: list[Value] = []
    path = frame.path
    for alt in function[:8]:
        if contradicts(alt.guard, path):
            continue
        frame.path = path | alt.guard if len(function) > 1 else path
        value = _call_item(frame, alt.item, args, keywords, node)
        frame.path = path
        results.append(
            tuple(Alt(a.item, a.site, a.guard | alt.guard, a.soft) for a in value)
            if len(function) > 1
            else value
        )
    return merge(*results) or UNKNOWN


def _call_item(
    frame: Frame, item: Item, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    if isinstance(item, Ref):
        return library.call(frame, item.name, args, keywords, node)
    if isinstance(item, MethodItem):
        return _call_method(frame, item, args, keywords, node)
    if isinstance(item, FunctionItem):
        return inline(frame, item, args, keywords)
    if isinstance(item, ClassItem):
        return instances.instantiate(frame, item, args, keywords, node)
    if isinstance(item, PartialItem):
        merged = DictItem(dict(item.keywords.entries), dict(item.keywords.keys), item.keywords.open)
        merged.spreads = list(item.keywords.spreads)
        expressions.spread(frame, merged, of(keywords))
        return call(frame, item.function, [*item.args, *args], merged, node)
    if isinstance(item, ObjectItem):
        if item.kind == "instance" and item.cls is not None:
            method = attributes.find_method(item.cls, "__call__") or attributes.find_method(
                item.cls, "forward"
            )
            return inline(frame, method, [of(item), *args], keywords) if method else UNKNOWN
        return methods.call_object(frame, item, args, keywords, node)
    escape(frame, args, keywords)
    return UNKNOWN


def _call_method(
    frame: Frame, item: MethodItem, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    receiver = item.receiver
    if (
        isinstance(receiver, ObjectItem)
        and receiver.kind == "instance"
        and receiver.cls is not None
    ):
        method = attributes.find_method(receiver.cls, item.name)
        if method is not None:
            return inline(frame, method, [of(receiver), *args], keywords)
        if records.is_record_method(receiver, item.name):
            return records.as_dict(of(receiver))
    if isinstance(receiver, ClassItem):
        method = attributes.find_method(receiver, item.name)
        if method is not None:
            return inline(frame, method, [of(receiver), *args], keywords)
    return methods.call(frame, receiver, item.name, args, keywords, node)


def escape(frame: Frame, args: list[Value], keywords: DictItem, name: str = "") -> None:
    """Values go into the call of `name` (the last part of its name), where the analysis cannot
    follow: callbacks will run, inputs may be moved.
    """
    for value in (*args, *keywords.entries.values()):
        for alt in value:
            function = _callback(alt.item)
            if function is not None and name not in OTHER_PROCESS:
                frame.world.handed.setdefault(id(function.node), frame.path)
            elif isinstance(alt.item, ObjectItem) and alt.item.kind == "inputs":
                alt.item.attributes["moved"] = UNKNOWN
            elif isinstance(alt.item, ObjectItem) and alt.item.kind == "model":
                alt.item.attributes["escaped"] = of(Const(True))


def _callback(item: Item) -> FunctionItem | None:
    if isinstance(item, MethodItem) and isinstance(item.receiver, ObjectItem):
        cls = item.receiver.cls
        return attributes.find_method(cls, item.name) if cls is not None else None
    return item if isinstance(item, FunctionItem) else None


def define(
    frame: Frame,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    owner: ClassItem | None = None,
) -> FunctionItem:
    """The function item of a definition, remembered so that it is analysed even if nobody calls
    it.
    """
    scopes = (frame.names, *frame.closure) if frame.names is not frame.module.names else ()
    item = FunctionItem(
        node, frame.module, () if owner and not scopes else scopes, owner, frame.path
    )
    frame.world.functions[id(node)] = item
    return item


def inline(frame: Frame, item: FunctionItem, args: list[Value], keywords: DictItem) -> Value:
    """The value of calling one of the program's functions."""
    node, world = item.node, frame.world
    if id(node) in frame.active:
        return UNKNOWN
    names = parameters.bind(frame, item, args, keywords)
    followed = world.followed.get(id(node)) or world.followed.setdefault(id(node), Followed())
    more = WHILE_CHEAP if world.cheap else FROM_A_MODEL if frame.module.names_model else ELSE
    if len(frame.active) >= MAX_DEPTH or not followed.again(item, names, more):
        return of(LOST)
    inner = Frame(
        world,
        item.module,
        names,
        item.closure,
        frame.path,
        frame.loops,
        frame.gradients_off,
        frame.autocast,
        (*frame.functions, getattr(node, "name", "<lambda>")),
        (*frame.active, id(node)),
        frame.catches,
        frame.tests,
    )
    steps, again = world.steps, world.again
    events, about_models = len(world.events), world.about_models
    value = run_body(inner, item)
    if followed.calls:
        world.again += world.steps - steps - (world.again - again)
    followed.learn(
        value,
        world.steps - steps,
        world.about_models > about_models,
        any(isinstance(event, SetAttribute) for event in world.events[events:]),
    )
    return value


def run_body(inner: Frame, item: FunctionItem) -> Value:
    """Interpret a function body in its prepared frame; returns what it returns."""
    from .statements import execute

    node = item.node
    if isinstance(node, ast.Lambda):
        return expressions.evaluate(inner, node.body)
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if item.module.written(target).rpartition(".")[2] in GRADIENT_SWITCHES:
            inner.gradients_off = True
    if item.owner is not None:
        inner.names["__class__"] = of(item.owner)
    path = inner.path
    execute(inner, node.body)
    inner.world.executed.add(id(node))
    if inner.yields:
        return of(ListItem(inner.yields[:8], exact=False))
    known = merge(*inner.returns)
    return tuple(Alt(a.item, a.site, a.guard - path, a.soft) for a in known) or (Alt(Const(None)),)


def module_object(frame: Frame, module: Module) -> ObjectItem:
    """An imported project module as a value."""
    run_module(frame.world, module)
    return ObjectItem("module", data=module)


def run_module(world: World, module: Module) -> None:
    """Interpret the top level of a module once, with an allowance of its own."""
    from .statements import execute

    if module.executed:
        return
    module.executed = True
    frame = Frame(world, module, module.names)
    with world.allowance(frame, MODULE_STEPS, module.lines):
        execute(frame, module.tree.body)


def batch(frame: Frame, loader: ObjectItem) -> Value:
    """What a DataLoader yields: the result of its collate function on a list of samples."""
    size = loader.attributes.get("batch_size", UNKNOWN)
    one = any(isinstance(a.item, Const) and a.item.value in (1, None) for a in size)
    samples = ListItem([UNKNOWN], exact=False, at_most_one=one)
    collate = loader.attributes.get("collate_fn", ())
    if not collate:
        return UNKNOWN
    return on_path(
        call(frame, collate, [of(samples)], DictItem(), loader.data.site.node), frame.path
    )
