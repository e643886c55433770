"""Evidence and facts as shapes that a renderer can print: tables, lists, numbers, text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from qvl_reports.visible import shorten

MAX_ROWS = 200
MAX_TEXT = 4_000
MAX_DEPTH = 8
MAX_COLUMNS = 12
INLINE_LENGTH = 160
BYTES_KEY = re.compile(r"(^|[_ .-])bytes($|[_ .-])", re.IGNORECASE)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class Leaf(NamedTuple):
    """One value as text."""

    text: str
    kind: Literal["number", "text", "block", "missing"] = "text"


class Pairs(NamedTuple):
    """A mapping."""

    rows: tuple[tuple[str, Shape], ...]
    hidden: int = 0


class Rows(NamedTuple):
    """Records with the same fields."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Leaf, ...], ...]
    hidden: int = 0


class Items(NamedTuple):
    """A sequence of anything."""

    items: tuple[Shape, ...]
    hidden: int = 0


Shape = Leaf | Pairs | Rows | Items


def shape(value: Any, key: str = "", depth: int = 0) -> Shape:
    """Give JSON data a shape; ``key`` is the name that it stands under (for its unit)."""
    if depth >= MAX_DEPTH and isinstance(value, (Mapping, list, tuple)):
        return Leaf(shorten(repr(value), MAX_TEXT))
    if isinstance(value, Mapping):
        return _mapping(value, key, depth)
    if isinstance(value, (list, tuple)):
        return _sequence(value, key, depth)
    return leaf(value, key)


def leaf(value: Any, key: str = "") -> Leaf:
    """One scalar; a number under a key that says bytes is shown in binary units too."""
    if value is None:
        return Leaf("—", "missing")
    if isinstance(value, bool):
        return Leaf("yes" if value else "no")
    if isinstance(value, (int, float)):
        return Leaf(size(value) if BYTES_KEY.search(key) else number(value), "number")
    text = shorten(str(value), MAX_TEXT)
    if not text:
        return Leaf("(empty)", "missing")
    return Leaf(text, "block" if "\n" in text.strip() else "text")


def number(value: float) -> str:
    """Up to six significant digits; integers whole, grouped from five digits on."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        if abs(value) >= 10**18:
            return f"{value:.6g}" if isinstance(value, float) else _huge(int(value))
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    return f"{value:.6g}"


def size(value: float) -> str:
    """``24 GiB (25,769,803,776 bytes)``."""
    if not math.isfinite(value) or abs(value) < 1024 or abs(value) >= 1024**6:
        return f"{number(value)} bytes"
    power = min(int(math.log(abs(value), 1024)), len(UNITS) - 1)
    scaled = f"{value / 1024**power:.2f}".removesuffix(".00")
    return f"{scaled} {UNITS[power]} ({number(value)} bytes)"


def _huge(value: int) -> str:
    digits = str(abs(value)) if abs(value) < 10**300 else "a number of more than 300 digits"
    return f"-{digits}" if value < 0 else digits


def _mapping(value: Mapping[Any, Any], key: str, depth: int) -> Shape:
    if not value:
        return Leaf("none", "missing")
    records = list(value.values())
    if len(records) > 1 and all(isinstance(one, Mapping) and one for one in records):
        table = _table(records, [str(name) for name in value])
        if table is not None:
            return table
    rows = tuple(
        (str(name), shape(one, _inherited(str(name), key), depth + 1))
        for name, one in list(value.items())[:MAX_ROWS]
    )
    return Pairs(rows, max(0, len(value) - MAX_ROWS))


def _sequence(value: Sequence[Any], key: str, depth: int) -> Shape:
    if not value:
        return Leaf("none", "missing")
    if all(isinstance(one, Mapping) and one for one in value):
        table = _table(value, None)
        if table is not None:
            return table
    if all(_scalar(one) for one in value):
        leaves = [leaf(one, key) for one in value[:MAX_ROWS]]
        text = ", ".join(one.text for one in leaves)
        if len(value) <= MAX_ROWS and len(text) <= INLINE_LENGTH and "\n" not in text:
            return Leaf(text, "number" if all(one.kind == "number" for one in leaves) else "text")
    items = tuple(shape(one, key, depth + 1) for one in value[:MAX_ROWS])
    return Items(items, max(0, len(value) - MAX_ROWS))


def _table(records: Sequence[Any], names: list[str] | None) -> Rows | None:
    """Records of scalars with few fields as rows, or None when they are not that."""
    columns: dict[str, None] = {}
    for record in records:
        for name, one in record.items():
            if not (_scalar(one) or _short(one)):
                return None
            columns[str(name)] = None
            if len(columns) > MAX_COLUMNS:
                return None
    rows = []
    for place, record in enumerate(records[:MAX_ROWS]):
        fields = {str(name): one for name, one in record.items()}
        cells = tuple(_cell(fields, name) for name in columns)
        rows.append((Leaf(names[place]), *cells) if names else cells)
    heads = ("", *columns) if names else tuple(columns)
    return Rows(heads, tuple(rows), max(0, len(records) - MAX_ROWS))


def _cell(fields: dict[str, Any], name: str) -> Leaf:
    if name not in fields:
        return Leaf("", "missing")
    value = fields[name]
    if _scalar(value):
        return leaf(value, name)
    return Leaf(", ".join(leaf(one, name).text for one in value) or "none")


def _short(value: Any) -> bool:
    """A short list of scalars (a tensor's shape), which fits a cell."""
    return isinstance(value, (list, tuple)) and len(value) <= 8 and all(map(_scalar, value))


def _scalar(value: Any) -> bool:
    return not isinstance(value, (Mapping, list, tuple))


def _inherited(name: str, key: str) -> str:
    """``free_bytes: {cuda:0: n}``: the unit of the outer key holds for the inner ones."""
    return f"{name} bytes" if BYTES_KEY.search(key) else name
