"""Evidence and facts as Markdown tables: nested mappings become dotted names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qvl_reports.markdown_text import fence, inline, table
from qvl_reports.values import Items, Leaf, Pairs, Rows, Shape, shape
from qvl_reports.visible import shorten
from qvl_reports.wording import count

MAX_LINES = 60
MAX_CELL = 400


def tables(value: Any) -> Iterator[str]:
    """Blocks: one table of names and values, then the records and long texts, each named."""
    if value is None or value == {}:
        return
    flat: list[tuple[str, ...]] = []
    blocks: list[tuple[str, Rows | Leaf]] = []
    for name, one in _walk("", shape(value)):
        if isinstance(one, Rows) or one.kind == "block":
            blocks.append((name, one))
        else:
            flat.append((name, shorten(one.text, MAX_CELL)))
    if flat:
        yield table(("fact", "value"), flat[:MAX_LINES]) + _more(len(flat) - MAX_LINES)
    for name, one in blocks[:MAX_LINES]:
        label = f"{inline(name)}:\n\n" if name else ""
        yield label + (_rows(one) if isinstance(one, Rows) else fence(one.text))


def _walk(name: str, one: Shape) -> Iterator[tuple[str, Rows | Leaf]]:
    if isinstance(one, Pairs):
        for key, value in one.rows:
            yield from _walk(f"{name}.{key}" if name else key, value)
    elif isinstance(one, Items):
        for place, value in enumerate(one.items):
            yield from _walk(f"{name}[{place}]", value)
    else:
        yield name, one


def _rows(rows: Rows) -> str:
    cells = [tuple(shorten(cell.text, MAX_CELL) for cell in row) for row in rows.rows[:MAX_LINES]]
    return table(rows.columns, cells) + _more(len(rows.rows) - MAX_LINES + rows.hidden)


def _more(hidden: int) -> str:
    return f"\n\nand {count(hidden, 'more row')} in the report's data" if hidden > 0 else ""
