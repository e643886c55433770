"""HTML and SVG from untrusted text: the only place of the HTML report that escapes."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from qvl_reports.visible import visible

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")


def text(value: object) -> Markup:
    """Any value as harmless markup; markup made here passes unchanged."""
    if isinstance(value, Markup):
        return value
    return escape(visible(str(value)))


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """``element("a", "text", href="#x", class_="y")``; attributes that are None are left out."""
    head = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(map(text, children))
    return Markup(f"<{name}{head}>{body}</{name}>")


def anchor(identifier: str) -> str:
    """An ``id`` attribute for a rule's id: ``topic.slug`` itself, anything else spelled out.

    The page's own ids have no dot, and spelled ones neither, so that none meets another.
    """
    if "." in identifier and NAME.fullmatch(identifier):
        return identifier
    return "id-" + "".join(
        one if one.isascii() and one.isalnum() else f"-{ord(one):x}-" for one in identifier
    )
