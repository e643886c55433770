"""The rules of every topic, gathered.

What only needs phrases and conditions is data, in the tables beside this module: an id, and under
it one table for each `Rule`. What needs arithmetic or the parts of a message is a detector, in the
module of its topic.
"""

from __future__ import annotations

import msgspec

from ..rule import Detector, Rule
from ..tables import table
from . import anchors, attention, checkpoint, devices, images, memory, names, versions

#: In the order in which causes of the same score are named.
TABLES = (
    "versions",
    "imports",
    "attention",
    "flash_attn",
    "memory",
    "devices",
    "images",
    "video",
    "checkpoint",
    "generation",
    "kv_cache",
    "told",
)
DETECTORS: tuple[Detector, ...] = (
    *names.DETECTORS,
    *versions.DETECTORS,
    *attention.DETECTORS,
    *memory.DETECTORS,
    *devices.DETECTORS,
    *images.DETECTORS,
    *checkpoint.DETECTORS,
)


def _read(name: str) -> list[Rule]:
    return [
        msgspec.convert({"id": rule_id, **row}, Rule)
        for rule_id, rows in table(__package__, f"{name}.toml").items()
        for row in rows
    ]


RULES: tuple[Rule, ...] = (*(rule for name in TABLES for rule in _read(name)), *anchors.RULES)
