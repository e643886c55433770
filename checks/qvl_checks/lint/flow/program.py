"""From a module to its events."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from . import calls
from .events import Event
from .frame import BudgetExceeded, Frame, World
from .guards import ALWAYS
from .module import Module
from .values import UNKNOWN, DictItem, FunctionItem, ObjectItem, Value, of

TOTAL_STEPS = 60_000
MODULE_STEPS = 12_000
FUNCTION_STEPS = 10_000
LINKED = {"model": "model", "processor": "processor", "tokenizer": "tokenizer"}


def analyse(world: World, modules: list[Module]) -> list[Event]:
    """Interpret the modules, then everything in them that nobody calls. Returns all events in
    order.
    """
    total = TOTAL_STEPS + MODULE_STEPS * len(modules)
    for module in modules:
        with _budget(world, total, 4 * MODULE_STEPS):
            calls.run_module(world, module)
    roots, others = _by_use(world, modules)
    for function in (*roots, *others):
        with _budget(world, total, FUNCTION_STEPS):
            run_alone(world, function)
    return world.events


@contextmanager
def _budget(world: World, total: int, steps: int) -> Iterator[None]:
    """Let one piece of work take `steps`, and all pieces together `total`; what does not fit is
    left out.
    """
    world.limit = min(world.steps + steps, total)
    with suppress(BudgetExceeded):
        yield


def _by_use(world: World, modules: list[Module]) -> tuple[list[FunctionItem], list[FunctionItem]]:
    used: set[str] = set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name):
                    used.add(node.func.id)
                elif isinstance(node.func, ast.Attribute):
                    used.add(node.func.attr)
    own = {id(module) for module in modules}
    functions = [
        f
        for f in world.functions.values()
        if not isinstance(f.node, ast.Lambda) and id(f.module) in own
    ]
    roots = [f for f in functions if getattr(f.node, "name", "") not in used]
    first = {id(f) for f in roots}
    return roots, [f for f in functions if id(f) not in first]


def run_alone(world: World, item: FunctionItem) -> None:
    """Interpret a function that no analysed code calls, with defaults for what is not known."""
    node = item.node
    if id(node) in world.executed or isinstance(node, ast.Lambda):
        return
    world.executed.add(id(node))
    outer = Frame(world, item.module, {}, item.closure)
    args: list[Value] = []
    if item.owner is not None and _takes_self(node):
        if item.owner.instance is None and node.name != "__init__":
            calls.instantiate(outer, item.owner, [], DictItem(), node)
        item.owner.instance = item.owner.instance or ObjectItem("instance", cls=item.owner)
        args = [of(item.owner.instance)]
    names = calls.bind_parameters(outer, item, args, DictItem())
    for name, kind in LINKED.items():
        if names.get(name) == UNKNOWN:
            names[name] = _only_one(world, item.module, kind)
    path = ALWAYS | {("entry", id(node), True)} if node.name != "__init__" else ALWAYS
    inner = Frame(
        world,
        item.module,
        names,
        item.closure,
        path,
        functions=(node.name,),
        active=(id(node),),
    )
    calls.run_body(inner, item)


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
