"""Parameters that somebody else fills: options of click and typer, config objects of hydra."""

from __future__ import annotations

import ast
import re

from . import expressions, instances
from .frame import Frame
from .values import UNKNOWN, ClassItem, DictItem, FunctionItem, ObjectItem, Value, const, of, soften

IMAGE = re.compile(r"\bImage\b")
IMAGE_NAME = re.compile(r"(?:pil_)?(?:image|img|photo|picture)")
MAYBE_NONE = re.compile(r"Optional|None|\[")
DECLARATIONS = {"option", "argument"}


def fallback(home: Frame, item: FunctionItem, parameter: ast.arg) -> Value:
    """What a parameter holds that no analysed call gives and that has no default of its own."""
    if isinstance(item.node, ast.Lambda):
        return UNKNOWN
    for decorator in item.node.decorator_list:
        if isinstance(decorator, ast.Call) and _declares(decorator, parameter.arg):
            return _default(home, decorator)
    return _annotated(home, parameter)


def _declares(decorator: ast.Call, parameter: str) -> bool:
    """Whether `@click.option("--name", "alias", ...)` fills the parameter."""
    function = decorator.func
    last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if last not in DECLARATIONS:
        return False
    names = [
        argument.value
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    plain = [name for name in names if not name.startswith("-")]
    if plain:
        return plain[0].lower() == parameter
    long = max(names, key=len, default="").partition("/")[0]
    return long.lstrip("-").replace("-", "_").lower() == parameter


def _default(home: Frame, decorator: ast.Call) -> Value:
    given = {keyword.arg: keyword.value for keyword in decorator.keywords}
    if "default" in given:
        return soften(expressions.evaluate(home, given["default"]))
    flag = given.get("is_flag")
    if isinstance(flag, ast.Constant) and flag.value is True:
        return soften(const(False))
    return UNKNOWN


def _annotated(home: Frame, parameter: ast.arg) -> Value:
    """An instance of the program's config class that the annotation names, with its defaults; a
    picture where the parameter says so.
    """
    written = ast.unparse(parameter.annotation) if parameter.annotation else ""
    if IMAGE.search(written) or (not written and IMAGE_NAME.fullmatch(parameter.arg)):
        return UNKNOWN if MAYBE_NONE.search(written) else of(ObjectItem("image"))
    if not isinstance(parameter.annotation, (ast.Name, ast.Attribute)):
        return UNKNOWN
    for alt in expressions.evaluate(home, parameter.annotation):
        if isinstance(alt.item, ClassItem) and instances.is_record(alt.item):
            return defaults(home, alt.item, parameter)
    return UNKNOWN


def defaults(frame: Frame, cls: ClassItem, node: ast.AST) -> Value:
    """An instance whose fields may all be overridden from outside."""
    made = instances.instantiate(frame, cls, [], DictItem(), node)
    for alt in made:
        if isinstance(alt.item, ObjectItem):
            for name, value in alt.item.attributes.items():
                alt.item.attributes[name] = soften(value)
    return made
