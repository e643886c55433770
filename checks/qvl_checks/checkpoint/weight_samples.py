"""Blocks whose stored weights cannot have been trained, from single rows of their matrices.

Runs in the target: standard library only, Python 3.9.
"""

from __future__ import annotations

import math
import re
from typing import Any

from qvl_checks.attention.stored_tensors import StoredTensors, Unreadable

BLOCK = re.compile(r"^(.*?\b(?:blocks|layers)\.\d+)\.")
LONGEST_VECTOR = 65536


def untrained_blocks(stored: StoredTensors) -> dict[str, Any]:
    """``blocks``: how many were looked at, and the names of those that are

    - ``fresh``: every norm weight is exactly 1 and every bias exactly 0, as a layer is made;
    - ``zero``: a matrix whose first and middle rows are zero;
    - ``not_finite``: a sampled weight is infinite or not a number;
    - ``twins``: the sampled rows of all matrices equal those of another block.
    """
    blocks: dict[str, list[str]] = {}
    for name in stored.names:
        match = BLOCK.match(name)
        if match:
            blocks.setdefault(match.group(1), []).append(name)
    found: dict[str, Any] = {
        "blocks": len(blocks),
        "fresh": [],
        "zero": [],
        "not_finite": [],
        "twins": [],
        "unread": "",
    }
    first_with: dict[tuple[Any, ...], str] = {}
    try:
        for block, names in blocks.items():
            _look(stored, block, sorted(names), found, first_with)
    except Unreadable as error:
        found["unread"] = str(error)[:300]
    return found


def _look(
    stored: StoredTensors,
    block: str,
    names: list[str],
    found: dict[str, Any],
    first_with: dict[tuple[Any, ...], str],
) -> None:
    vectors, rows = {}, {}
    for name in names:
        shape = stored.shape(name)
        if len(shape) == 1 and shape[0] <= LONGEST_VECTOR:
            vectors[name] = stored.vector(name)
        elif len(shape) == 2 and shape[0] and shape[1]:
            rows[name] = stored.row(name, shape[0] // 2)
    if not all(math.isfinite(sum(values)) for values in (*vectors.values(), *rows.values())):
        found["not_finite"].append(block)
        return
    if _is_fresh(vectors):
        found["fresh"].append(block)
    if any(not any(row) and not any(stored.row(name, 0)) for name, row in rows.items()):
        found["zero"].append(block)
        return
    signature = tuple((name[len(block) :], *row[:64]) for name, row in rows.items())
    if rows and signature in first_with:
        found["twins"].append(f"{block} = {first_with[signature]}")
    first_with.setdefault(signature, block)


def _is_fresh(vectors: dict[str, list[float]]) -> bool:
    norms = [values for name, values in vectors.items() if "norm" in name and "bias" not in name]
    biases = [values for name, values in vectors.items() if name.endswith(".bias")]
    return (
        bool(norms)
        and all(value == 1.0 for values in norms for value in values)
        and not any(value for values in biases for value in values)
    )
