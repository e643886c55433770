"""One picture through one image processor, as plain numbers.

Runs in the target: standard library only at module level, Python 3.9.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

from qvl_checks.images import ways

WIDTH, HEIGHT = 2048, 1365
SLOW, FAST, DEFAULT = "slow", "fast", "default"
OLD_NAMES = {SLOW: "Qwen2VLImageProcessor", FAST: "Qwen2VLImageProcessorFast"}
NEW_NAMES = {SLOW: "Qwen2VLImageProcessorPil", FAST: "Qwen2VLImageProcessor"}
"""From 5.4 on the plain name belongs to the torchvision class."""


def picture(width: int = WIDTH, height: int = HEIGHT) -> Any:
    """The same coloured noise on every machine, smooth enough to be resized like a photograph."""
    numpy = importlib.import_module("numpy")
    image = importlib.import_module("PIL.Image")
    shape = (max(height // 4, 1), max(width // 4, 1), 3)
    noise = numpy.random.RandomState(0).randint(0, 256, size=shape).astype("uint8")
    return image.fromarray(noise).resize((width, height), resample=3)


def class_names() -> dict[str, str]:
    """Implementation -> class name, of those that the installed transformers has."""
    transformers = importlib.import_module("transformers")
    names = NEW_NAMES if hasattr(transformers, NEW_NAMES[SLOW]) else OLD_NAMES
    found: dict[str, str] = {}
    for kind, name in names.items():
        # Without torchvision 5.x gives the Pillow class under the other's name.
        made_by = getattr(transformers, name, None)
        if made_by is not None and made_by.__name__ not in found.values():
            found[kind] = made_by.__name__
    return found


def loader(implementation: str, folder: str) -> ways.Load:
    """Builds a processor of that implementation from a folder; no remote code."""
    transformers = importlib.import_module("transformers")
    if implementation == DEFAULT:
        return lambda **asked: transformers.AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False, **asked
        )
    made_by = getattr(transformers, class_names()[implementation])
    return lambda **asked: made_by.from_pretrained(folder, **asked)


def measured(processor: Any, image: Any, **asked: Any) -> dict[str, Any]:
    """Tokens and pixels that the processor leaves of the image."""
    # A fork must not wait for the thread pool of the process that it was forked from.
    importlib.import_module("torch").set_num_threads(1)
    grid = processor(images=[image], return_tensors="pt", **asked)["image_grid_thw"]
    frames, high, wide = (int(number) for number in grid[0].tolist())
    patch, merge = int(processor.patch_size), int(processor.merge_size)
    return {
        "class_name": type(processor).__name__,
        "tokens": frames * high * wide // merge**2,
        "pixels": high * wide * patch**2,
        "printed_size": str(getattr(processor, "size", ""))[:200],
    }


def cell(way: str, load: ways.Load, image: Any) -> dict[str, Any]:
    """The picture with one way of asking for fewer pixels."""
    found: dict[str, Any] = ways.WAYS[way](
        load, lambda processor, **asked: measured(processor, image, **asked)
    )
    return found


def leak(class_name: str, load: ways.Load, image: Any) -> dict[str, Any]:
    """An instance with limits between instances without, all in this process."""
    made_by = getattr(importlib.import_module("transformers"), class_name)
    before = copy.deepcopy(_class_size(made_by))
    bare_before = measured(made_by(), image)["tokens"]
    load(**ways.BOTH)
    made_by(**ways.BOTH)  # as the file of another checkpoint with limits would make it
    after = copy.deepcopy(_class_size(made_by))
    bare_after = measured(made_by(), image)["tokens"]
    return {
        "class_size_before": before,
        "class_size_after": after,
        "bare_tokens_before": bare_before,
        "bare_tokens_after": bare_after,
        "own_tokens_after": measured(load(), image)["tokens"],
    }


def difference(slow: ways.Load, fast: ways.Load, image: Any) -> dict[str, Any]:
    """Normalised pixel values of the two implementations, compared in float64."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    ours, theirs = (load(**ways.BOTH)(images=[image], return_tensors="pt") for load in (slow, fast))
    if ours["image_grid_thw"].tolist() != theirs["image_grid_thw"].tolist():
        return {"same_grid": False}
    one, other = (each["pixel_values"].to(torch.float64) for each in (ours, theirs))
    return {
        "same_grid": True,
        "relative": float((one - other).norm() / one.norm()),
        "largest": float((one - other).abs().max()),
    }


def _class_size(made_by: Any) -> dict[str, Any] | None:
    size = getattr(made_by, "size", None)
    return dict(size) if isinstance(size, dict) else None
