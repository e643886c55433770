"""Values as HTML: tables that scroll by themselves, lists, preformatted blocks."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from qvl_reports.markup import element
from qvl_reports.values import Items, Leaf, Pairs, Rows, Shape, shape
from qvl_reports.wording import count

CELL = {"number": "num", "missing": "none", "text": None, "block": None}
LONG = 48
"""Characters from which on a cell may break into lines."""


def table(value: Any, label: str) -> Markup:
    """A value with a caption for those who cannot see where it stands."""
    shaped = shape(value)
    if isinstance(shaped, Leaf):
        return element("p", _leaf(shaped))
    return _render(shaped, label)


def _render(shaped: Shape, label: str) -> Markup:
    if isinstance(shaped, Pairs):
        return _pairs(shaped, label)
    if isinstance(shaped, Rows):
        return _rows(shaped, label)
    if isinstance(shaped, Items):
        return _items(shaped, label)
    return _leaf(shaped)


def _leaf(leaf: Leaf) -> Markup:
    if leaf.kind == "block":
        return element("pre", leaf.text, tabindex="0")
    return element("span", leaf.text, class_=CELL[leaf.kind])


def _pairs(pairs: Pairs, label: str) -> Markup:
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", _render(one, name)),
        )
        for name, one in pairs.rows
    ]
    return _scroller(element("table", element("tbody", *rows), class_="pairs"), label, pairs.hidden)


def _rows(rows: Rows, label: str) -> Markup:
    head = element("tr", *(element("th", name, scope="col") for name in rows.columns))
    named = rows.columns[:1] == ("",)
    if named:
        corner = element("td")
        head = element(
            "tr", corner, *(element("th", name, scope="col") for name in rows.columns[1:])
        )
    body = [
        element(
            "tr",
            *(
                element("th", cell.text, scope="row")
                if named and place == 0
                else element("td", cell.text, class_=_cell(cell))
                for place, cell in enumerate(row)
            ),
        )
        for row in rows.rows
    ]
    grid = element("table", element("thead", head), element("tbody", *body), class_="rows")
    return _scroller(grid, label, rows.hidden)


def _cell(leaf: Leaf) -> str | None:
    return "long" if len(leaf.text) > LONG else CELL[leaf.kind]


def _items(items: Items, label: str) -> Markup:
    entries = [element("li", _render(one, label)) for one in items.items]
    if items.hidden:
        entries.append(element("li", _hidden(items.hidden), class_="none"))
    return element("ul", *entries, class_="items")


def _scroller(grid: Markup, label: str, hidden: int) -> Markup:
    more = element("p", _hidden(hidden), class_="none") if hidden else ""
    return element("div", grid, more, class_="scroll", role="group", tabindex="0", aria_label=label)


def _hidden(hidden: int) -> str:
    return f"and {count(hidden, 'more row')} in the data that this file embeds"
