"""Which module paths the tensors of a LoRA adapter name, and which release has those modules."""

from __future__ import annotations

from enum import Enum

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import Adapter

MOVED = Version("4.52.0.dev0")
"""From here on the modules stand under ``model.language_model`` and ``model.visual``."""
MAPPING_GONE = Version("5.4.0.dev0")
"""The attribute from which PEFT translates is in 5.3.0 and no longer in 5.4.0."""
PEFT_TRANSLATES = Version("0.16.0.dev0")
ROOT = "base_model.model."


class Layout(Enum):
    """The two ways in which the modules of a Qwen-VL model have been named, and neither."""

    OLD = "old"
    """``model.layers`` and ``visual``: before 4.52, and in text models of every release."""
    NEW = "new"
    """``model.language_model.layers`` and ``model.visual``."""
    FOREIGN = "foreign"


def layout_of(prefix: str) -> Layout:
    """The layout that one path before the layer number belongs to."""
    path = prefix.removeprefix(ROOT)
    if path.startswith(("model.language_model.layers", "model.visual.")):
        return Layout.NEW
    if path.startswith(("model.layers", "visual.")):
        return Layout.OLD
    return Layout.FOREIGN


def layouts(adapter: Adapter) -> dict[Layout, int]:
    """Tensors of the adapter by layout."""
    found: dict[Layout, int] = {}
    for prefix, count in adapter.prefixes.items():
        layout = layout_of(prefix)
        found[layout] = found.get(layout, 0) + count
    return found


def matches(layout: Layout, moved_late: bool, release: Version, peft: Version | None) -> bool:
    """Whether tensors of this layout find their modules.

    ``moved_late``: the family existed before 4.52, so PEFT can know its old names. Confirmed with
    adapters of Qwen2.5-VL on 4.53.3, 4.57.6, 5.0.0 (PEFT 0.15.2, 0.17.1, 0.21.2) and 5.23.0
    (0.21.2): the number of matrices that were filled.
    """
    if layout is Layout.FOREIGN:
        return False
    if release < MOVED:
        return layout is Layout.OLD
    if layout is Layout.NEW:
        return True
    return moved_late and release < MAPPING_GONE and peft is not None and peft >= PEFT_TRANSLATES
