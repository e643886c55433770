"""Statements: assignments, branches, loops, handlers."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from . import calls, importing, iteration
from .events import Drop, Keep
from .expressions import evaluate, store
from .frame import Frame
from .guards import Guard
from .operators import binary
from .truth import condition
from .values import (
    UNKNOWN,
    Alt,
    ClassItem,
    Const,
    DictItem,
    FunctionItem,
    ListItem,
    objects,
    of,
)

FunctionNode = (ast.FunctionDef, ast.AsyncFunctionDef)
EXITS = {"exit", "sys.exit", "quit", "os._exit", "os.abort", "parser.error"}


def execute(frame: Frame, body: Sequence[ast.stmt]) -> bool:
    """Interpret statements. Returns True if control cannot fall off their end."""
    outer = frame.path
    for statement in body:
        frame.line = statement.lineno
        frame.step()
        ended = _execute_one(frame, statement)
        if ended:
            frame.path = outer
            return True
    frame.path = outer
    return False


def _execute_one(frame: Frame, node: ast.stmt) -> bool:
    handler = _HANDLERS.get(type(node))
    return bool(handler(frame, node)) if handler else False  # type: ignore[operator]


def _expression(frame: Frame, node: ast.Expr) -> bool:
    evaluate(frame, node.value)
    call = node.value
    return isinstance(call, ast.Call) and frame.module.written(call.func) in EXITS


def _assign(frame: Frame, node: ast.Assign) -> None:
    value = evaluate(frame, node.value)
    for target in node.targets:
        store(frame, target, value)


def _annotated(frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        store(frame, node.target, evaluate(frame, node.value))


def _augmented(frame: Frame, node: ast.AugAssign) -> None:
    added = evaluate(frame, node.value)
    load = ast.copy_location(ast.BinOp(left=node.target, op=node.op, right=node.value), node)
    if frame.loops:
        frame.emit(Keep(frame.site(node), value=added))
    old = evaluate(frame, _loading(node.target))
    lists = [a.item for a in old if isinstance(a.item, ListItem)]
    if lists:
        for item in lists:
            more = [a.item for a in added if isinstance(a.item, ListItem)]
            item.add([element for other in more for element in other.elements])
            item.exact = item.exact and len(more) == 1 and more[0].exact and not frame.loops
        return
    store(frame, node.target, binary(frame, load, old, added))


def _loading(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(id=target.id, ctx=ast.Load()), target)
    return target


def _returns(frame: Frame, node: ast.Return) -> bool:
    value = evaluate(frame, node.value) if node.value else (Alt(Const(None)),)
    frame.returns.append(tuple(Alt(a.item, a.site, a.guard | frame.path, a.soft) for a in value))
    return True


def _ends(frame: Frame, node: ast.Raise | ast.Break | ast.Continue) -> bool:
    if isinstance(node, ast.Raise) and node.exc:
        evaluate(frame, node.exc)
    return True


def _branch(frame: Frame, node: ast.If) -> bool:
    (key, arm, sign), known = condition(frame, node.test)
    source = str(key)[:200]
    ended: list[bool] = []
    before, tests = frame.path, frame.tests
    for taken, body in ((True, node.body), (False, node.orelse)):
        path = frame.with_literal((key, arm, sign is taken))
        if path is None or known is (not taken):
            ended.append(True)
            continue
        frame.path = path if known is None else before
        frame.tests = (*tests, source)
        ended.append(execute(frame, body))
        frame.path, frame.tests = before, tests
    if all(ended):
        return True
    if known is None and ended[0] != ended[1]:
        rest = frame.with_literal((key, arm, sign is not ended[0]))
        if rest is not None:
            frame.path = rest
    return False


def _for(frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    iteration.bind(frame, node.target, evaluate(frame, node.iter), node)
    frame.loops += 1
    execute(frame, node.body)
    frame.loops -= 1
    execute(frame, node.orelse)


def _while(frame: Frame, node: ast.While) -> None:
    evaluate(frame, node.test)
    frame.loops += 1
    execute(frame, node.body)
    frame.loops -= 1
    execute(frame, node.orelse)


def _with(frame: Frame, node: ast.With | ast.AsyncWith) -> bool:
    saved = frame.gradients_off, frame.autocast, frame.catches
    for item in node.items:
        manager = evaluate(frame, item.context_expr)
        names = {a.item.data for a in manager if hasattr(a.item, "data")}
        if names & {"no_grad", "inference_mode"}:
            frame.gradients_off = True
        if "autocast" in names:
            frame.autocast = True
        if "suppress" in names:
            frame.catches |= {"Exception"}
        if item.optional_vars is not None:
            store(frame, item.optional_vars, manager)
    ended = execute(frame, node.body)
    frame.gradients_off, frame.autocast, frame.catches = saved
    return ended


def _try(frame: Frame, node: ast.Try) -> bool:
    saved, path = frame.catches, frame.path
    for handler in node.handlers:
        frame.catches |= {name.rpartition(".")[2] for name in _exceptions(handler.type)}
    body_ended = execute(frame, node.body)
    frame.catches = saved
    endings = []
    for number, handler in enumerate(node.handlers):
        extended = frame.with_literal((("try", id(node)), number, True))
        if extended is None:
            continue
        frame.path = extended
        if handler.name:
            frame.assign(handler.name, UNKNOWN)
        tests = frame.tests
        frame.tests = (*tests, *(f"except {name}" for name in _exceptions(handler.type)))
        endings.append(execute(frame, handler.body))
        frame.path, frame.tests = path, tests
    if not body_ended:
        body_ended = execute(frame, node.orelse)
    final = execute(frame, node.finalbody)
    if final or (body_ended and all(endings)):
        return True
    for number, ended in enumerate(endings):
        if ended:
            extended = frame.with_literal((("try", id(node)), number, False))
            if extended is not None:
                frame.path = extended
    return False


def _exceptions(node: ast.expr | None) -> list[str]:
    if node is None:
        return ["BaseException"]
    if isinstance(node, ast.Tuple):
        return [ast.unparse(e) for e in node.elts]
    return [ast.unparse(node)]


def _match(frame: Frame, node: ast.Match) -> bool:
    evaluate(frame, node.subject)
    path = frame.path
    endings = []
    for number, case in enumerate(node.cases):
        extended: Guard | None = frame.with_literal((("match", id(node)), number, True))
        if extended is None:
            continue
        frame.path = extended
        for name in ast.walk(case.pattern):
            captured = getattr(name, "name", None) or getattr(name, "rest", None)
            if isinstance(captured, str):
                frame.assign(captured, UNKNOWN)
        endings.append(execute(frame, case.body))
        frame.path = path
    return False


def _function(frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    for decorator in node.decorator_list:
        evaluate(frame, decorator)
    item = calls.define(frame, node)
    frame.assign(node.name, of(item, frame.site(node)))


def _class(frame: Frame, node: ast.ClassDef) -> None:
    cls = ClassItem(node, frame.module, bases=[evaluate(frame, base) for base in node.bases])
    inner = Frame(
        frame.world,
        frame.module,
        cls.attributes,
        (frame.names, *frame.closure),
        frame.path,
        functions=frame.functions,
    )
    for statement in node.body:
        if isinstance(statement, FunctionNode):
            method = calls.define(frame, statement, owner=cls)
            cls.attributes[statement.name] = of(method, frame.site(statement))
        else:
            execute(inner, [statement])
    value = of(cls, frame.site(node))
    for decorator in reversed(node.decorator_list):
        function = evaluate(frame, decorator)
        if any(isinstance(alt.item, FunctionItem) for alt in function):
            # It may return another class, but what it changes on this one counts.
            calls.call(frame, function, [value], DictItem(), decorator)
    frame.assign(node.name, value)


def _delete(frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Subscript):
            base = evaluate(frame, target.value)
            key = evaluate(frame, target.slice)
            for inputs in objects(base, "inputs"):
                for alt in key:
                    if isinstance(alt.item, Const) and isinstance(alt.item.value, str):
                        frame.emit(Drop(frame.site(node), what=inputs, key=alt.item.value))
        elif isinstance(target, ast.Name) and target.id in frame.names:
            frame.names[target.id] = UNKNOWN


def _global(frame: Frame, node: ast.Global | ast.Nonlocal) -> None:
    frame.globals_declared |= set(node.names)


def _assert(frame: Frame, node: ast.Assert) -> None:
    evaluate(frame, node.test)


_HANDLERS = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _returns,
    ast.Raise: _ends,
    ast.Break: _ends,
    ast.Continue: _ends,
    ast.If: _branch,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.Match: _match,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: importing.plain,
    ast.ImportFrom: importing.names_from,
    ast.Delete: _delete,
    ast.Global: _global,
    ast.Nonlocal: _global,
    ast.Assert: _assert,
}
if hasattr(ast, "TryStar"):
    _HANDLERS[ast.TryStar] = _try
