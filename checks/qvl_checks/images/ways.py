"""The ways in which users ask an image processor for fewer pixels, as code that is run.

Runs in the target: standard library only, Python 3.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CAP_PIXELS = 200_000
FLOOR_PIXELS = 56 * 56
BOTH = {"min_pixels": FLOOR_PIXELS, "max_pixels": CAP_PIXELS}
ONLY_MAX = {"max_pixels": CAP_PIXELS}
SIZE = {"shortest_edge": FLOOR_PIXELS, "longest_edge": CAP_PIXELS}

Load = Callable[..., Any]
"""Builds a processor from the configuration; keywords override what it says."""
Grid = Callable[..., Any]
"""What a processor makes of the picture; keywords go to the processing call."""


def default(load: Load, grid: Grid) -> Any:
    """Nothing is asked for."""
    return grid(load())


def load_max(load: Load, grid: Grid) -> Any:
    """``from_pretrained(path, max_pixels=...)``"""
    return grid(load(**ONLY_MAX))


def load_both(load: Load, grid: Grid) -> Any:
    """``from_pretrained(path, min_pixels=..., max_pixels=...)``"""
    return grid(load(**BOTH))


def load_size(load: Load, grid: Grid) -> Any:
    """``from_pretrained(path, size={...})``"""
    return grid(load(size=dict(SIZE)))


def attribute_max(load: Load, grid: Grid) -> Any:
    """``processor.max_pixels = ...``"""
    processor = load()
    processor.max_pixels = CAP_PIXELS
    return grid(processor)


def attribute_size(load: Load, grid: Grid) -> Any:
    """``processor.size = {...}``"""
    processor = load()
    processor.size = dict(SIZE)
    return grid(processor)


def call_max(load: Load, grid: Grid) -> Any:
    """``processor(images, max_pixels=...)``"""
    return grid(load(), **ONLY_MAX)


def call_both(load: Load, grid: Grid) -> Any:
    """``processor(images, min_pixels=..., max_pixels=...)``"""
    return grid(load(), **BOTH)


def call_size(load: Load, grid: Grid) -> Any:
    """``processor(images, size={...})``"""
    return grid(load(), size=dict(SIZE))


WAYS = {
    "default": default,
    "load max_pixels": load_max,
    "load min_pixels and max_pixels": load_both,
    "load size": load_size,
    "attribute max_pixels": attribute_max,
    "attribute size": attribute_size,
    "call max_pixels": call_max,
    "call min_pixels and max_pixels": call_both,
    "call size": call_size,
}
"""By the name that reports show; each is measured in a process of its own, because some classes
keep what they were told."""

RECOMMENDED = "load min_pixels and max_pixels"
QUICK = ("default", RECOMMENDED)
