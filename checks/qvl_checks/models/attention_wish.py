"""The attention implementation that a user asks for, for the whole model or part by part.

Standard library only: runs in the target.
"""

from __future__ import annotations

from typing import Any

CONFIGS = {"text": "text_config", "vision": "vision_config"}
"""Part of the model -> the sub-config that names its implementation."""


def argument(wish: str | None) -> Any:
    """What ``from_pretrained`` takes as ``attn_implementation``.

    ``"sdpa"`` stays as it is; ``"vision=sdpa,text=eager"`` becomes the mapping by sub-config.
    """
    if wish is None or "=" not in wish:
        return wish
    parts = dict(part.split("=", 1) for part in wish.split(","))
    return {CONFIGS[part]: name for part, name in parts.items() if part in CONFIGS}


def code(wish: str | None) -> str:
    """The same as it is written in a program."""
    given = argument(wish)
    if isinstance(given, dict):
        inner = ", ".join(f'"{config}": "{name}"' for config, name in given.items())
        return f"{{{inner}}}"
    return "None" if given is None else f'"{given}"'
