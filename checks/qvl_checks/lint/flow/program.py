"""From a module to its events."""

from __future__ import annotations

import ast
import re

from ..concern import uses
from . import calls, instances, parameters
from .events import Event
from .frame import Frame, World
from .guards import Guard, together
from .module import Module
from .values import UNKNOWN, DictItem, FunctionItem, ObjectItem, Value, of

TOTAL_STEPS = 60_000
STEPS_PER_MODULE = 12_000
FUNCTION_STEPS = 10_000
POOL = 30_000
POOL_PER_MODULE = 50
CALLED = re.compile(r"(?<!def )\b(\w+)\(")
LINKED = {"model": "model", "processor": "processor", "tokenizer": "tokenizer"}


def analyse(world: World, modules: list[Module]) -> list[Event]:
    """Interpret the modules, then everything in them that nobody calls. Returns all events in
    order; what the limits left out is in `world.cuts`.
    """
    world.total = TOTAL_STEPS + STEPS_PER_MODULE * len(modules)
    world.pool = POOL + POOL_PER_MODULE * len(modules)
    for module in modules:
        calls.run_module(world, module)
    called = {name for module in modules for name in CALLED.findall(module.text)}
    own = {id(module) for module in modules}
    seen: set[int] = set()
    # Running a function may define others inside it: they are looked at in the next round.
    while fresh := [f for f in world.functions.values() if id(f.node) not in seen]:
        seen |= {id(f.node) for f in fresh}
        # Callers first: what they pass is known then.
        for function in sorted(fresh, key=lambda f: getattr(f.node, "name", "") in called):
            if (
                id(function.module) in own
                and id(function.node) not in world.executed
                and _concerned(function)
            ):
                run_alone(world, function)
    return world.events


def _concerned(item: FunctionItem) -> bool:
    """Whether running a function can show anything: all of a file that speaks of Qwen-VL, and what
    uses a model in the others.
    """
    module, node = item.module, item.node
    return module.names_model or uses(module.between(node.lineno, node.end_lineno))


def run_alone(world: World, item: FunctionItem) -> None:
    """Interpret a function that no analysed code calls, with defaults for what is not known."""
    if isinstance(item.node, ast.Lambda):
        return
    outer = Frame(world, item.module, {}, item.closure, line=item.node.lineno)
    with world.allowance(outer, FUNCTION_STEPS, item.node.end_lineno or item.node.lineno):
        _run(world, item, item.node, outer)


def _run(
    world: World,
    item: FunctionItem,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    outer: Frame,
) -> None:
    args: list[Value] = []
    if item.owner is not None and _takes_self(node):
        if item.owner.instance is None and node.name != "__init__":
            instances.instantiate(outer, item.owner, [], DictItem(), node)
        item.owner.instance = item.owner.instance or ObjectItem("instance", cls=item.owner)
        args = [of(item.owner.instance)]
    names = parameters.bind(outer, item, args, DictItem())
    for name, kind in LINKED.items():
        if names.get(name) == UNKNOWN:
            names[name] = _only_one(world, item.module, kind)
    inner = Frame(
        world,
        item.module,
        names,
        item.closure,
        _path(world, item),
        functions=(node.name,),
        active=(id(node),),
    )
    try:
        calls.run_body(inner, item)
    finally:
        outer.line = inner.line or outer.line


def _path(world: World, item: FunctionItem) -> Guard:
    """Where a function runs that nobody is seen to call: where it was handed on, else where it and
    its object exist.
    """
    if id(item.node) in world.handed:
        return world.handed[id(item.node)]
    path = item.path
    if item.owner is not None and item.owner.instance is not None:
        path = together((path, item.owner.born)) or path
    if getattr(item.node, "name", "") == "__init__" or any(key == "entry" for key, _, _ in path):
        return path
    return path | {("entry", id(item.node), True)}


def _takes_self(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return not any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)


def _only_one(world: World, module: Module, kind: str) -> Value:
    """The file's one model (processor, tokenizer): what a parameter of that name must be."""
    for event in world.events[world.indexed :]:
        item = getattr(event, "result", None)
        if isinstance(item, ObjectItem) and item.kind in LINKED.values():
            world.made.setdefault((id(event.site.module), item.kind), {})[id(item)] = item
    world.indexed = len(world.events)
    found = world.made.get((id(module), kind), {})
    return of(next(iter(found.values()))) if len(found) == 1 else UNKNOWN
