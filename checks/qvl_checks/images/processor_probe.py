"""Runs the installed image processors on a picture, once for each way of limiting its size.

Measured, because the releases disagree and what a processor prints is often not what it does.
Every cell gets a process of its own: some classes keep what an earlier instance was told.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from qvl_checks.checkpoint.bounded_file import read_object
from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated
from qvl_checks.images import measuring
from qvl_checks.images.styles import STYLES, floor_of, limit_of, style_of
from qvl_checks.images.ways import CAP_PIXELS, QUICK, WAYS
from qvl_checks.memory.pixels import resized

CELL_S = 15.0
ALL_CELLS_S = 40.0
"""After this time no further cell is begun: what is known by then is worth more than a timeout."""
BUILT_IN_LIMIT = 28 * 28 * 1280
ENLARGED_LIMIT = 32_000_000
"""Pixels to which a configuration may enlarge the picture; more is not tried."""
KEPT = ("min_pixels", "max_pixels", "size", "patch_size", "merge_size", "image_processor_type")
EXTREMES = ((4200, 20), (400, 20))
"""Beyond 200:1, and with a side below one merged patch."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """The rows of the model's own folder, else those of its family's published style, at the deep
    level of both styles."""
    transformers = importlib.import_module("transformers")
    facts: dict[str, Any] = {
        "transformers": str(transformers.__version__),
        "picture": [measuring.WIDTH, measuring.HEIGHT],
        "cap_pixels": CAP_PIXELS,
    }
    torchvision = (request.get("inputs") or {}).get("versions.torchvision") or {}
    if torchvision.get("status") in ("crashed", "timed_out"):
        return {**facts, "reason": f"torchvision does not load: {torchvision.get('reason')}"}
    try:
        facts["classes"] = _loaded_classes()
    except Exception as error:
        return {**facts, "reason": f"the image processors cannot be imported: {reason_of(error)}"}
    model = request.get("model") or {}
    with tempfile.TemporaryDirectory(prefix="qvl-doctor-") as scratch:
        major = int(facts["transformers"].partition(".")[0])
        folders = _folders(model, Path(scratch), major, request.get("level") == "deep")
        full = request.get("level") != "quick"
        until = time.monotonic() + ALL_CELLS_S
        image = measuring.picture()
        for style, (_, settings) in folders.items():
            if style == "folder":
                facts["named_class"] = _named(settings)
                facts["named_class_exists"] = _exists(settings, transformers)
        facts["rows"] = [
            row
            for style, (folder, settings) in folders.items()
            for row in _rows(style, folder, settings, image, facts["classes"], full, until)
        ]
        first = next(iter(folders.values()))[0]
        facts["extremes"] = [_extreme(first, *shape) for shape in EXTREMES]
        if full:
            facts["leaks"] = [
                _leak(row["style"], folders[row["style"]][0], row["class_name"], image)
                for row in facts["rows"]
                if row["implementation"] == measuring.DEFAULT and row.get("class_name")
            ]
            facts["difference"] = _difference(first, image, facts["classes"])
    return facts


def _loaded_classes() -> dict[str, str]:
    """The classes, after importing what their first use would, for every fork to find loaded."""
    transformers = importlib.import_module("transformers")
    for name in ("PIL.Image", "torchvision.transforms.v2.functional"):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        getattr(transformers, "AutoImageProcessor")  # noqa: B009 - it is loaded by being named
    return measuring.class_names()


def _folders(
    model: dict[str, Any], scratch: Path, major: int, all_styles: bool
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Style -> (folder, settings): the checkpoint's own, else files as they are published."""
    if model.get("path"):
        folder = str(model["path"])
        return {"folder": (folder, _settings(Path(folder), major))}
    written = {}
    own = style_of(str(model.get("model_type") or "qwen2_5_vl"))
    for style in sorted(STYLES, key=lambda style: style != own) if all_styles else [own]:
        settings = STYLES[style]
        folder = os.path.join(str(scratch), style)
        os.mkdir(folder)
        with open(os.path.join(folder, "preprocessor_config.json"), "w") as stream:
            json.dump(settings, stream)
        written[style] = (folder, settings)
    return written


def _settings(folder: Path, major: int) -> dict[str, Any]:
    """What the installed release reads: from 5.0 on, processor_config.json goes first."""
    whole = read_object(folder / "processor_config.json")["value"] or {}
    part = whole.get("image_processor")
    if major >= 5 and isinstance(part, dict):
        return part
    found: dict[str, Any] = read_object(folder / "preprocessor_config.json")["value"] or {}
    return found


def _named(settings: dict[str, Any]) -> str | None:
    name = settings.get("image_processor_type")
    return name if isinstance(name, str) else None


def _exists(settings: dict[str, Any], transformers: Any) -> bool | None:
    name = _named(settings)
    return None if name is None else name.isidentifier() and hasattr(transformers, name)


def _rows(
    style: str,
    folder: str,
    settings: dict[str, Any],
    image: Any,
    classes: dict[str, str],
    full: bool,
    until: float,
) -> list[dict[str, Any]]:
    """The default implementation, and at more than the quick level the other one too."""
    about = {"style": style, **_expectation(settings)}
    floor = floor_of(settings)
    if floor is not None and floor > ENLARGED_LIMIT:
        reason = f"the configuration enlarges every image to {floor} pixels"
        return [{**about, "implementation": measuring.DEFAULT, "reason": reason}]
    asked = tuple(WAYS) if full else QUICK
    rows = [_row(measuring.DEFAULT, folder, image, asked, until)]
    if full:
        others = {kind: name for kind, name in classes.items() if name != rows[0]["class_name"]}
        rows += [_row(kind, folder, image, asked, until) for kind in others]
    return [{**about, **row} for row in rows]


def _row(
    implementation: str, folder: str, image: Any, asked: tuple[str, ...], until: float
) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    try:
        load = measuring.loader(implementation, folder)
    except Exception as error:
        return {"implementation": implementation, "class_name": "", "reason": reason_of(error)}
    for way in asked:
        if time.monotonic() > until:
            cells[way] = {"status": "not_run", "reason": "the time for this probe was used up"}
            continue
        cells[way] = _flat(isolated(lambda: measuring.cell(way, load, image), CELL_S))  # noqa: B023
        if way == "default" and cells[way]["status"] != "ok":
            break  # it cannot be loaded or used at all
    first = cells.get("default", {})
    return {
        "implementation": implementation,
        "class_name": first.get("class_name", ""),
        "cells": cells,
        "reason": first.get("reason", ""),
    }


def _expectation(settings: dict[str, Any]) -> dict[str, Any]:
    """What the file promises for the picture."""
    limit = limit_of(settings)
    return {
        "settings": {key: settings[key] for key in KEPT if key in settings},
        "limit_pixels": limit,
        "expected_tokens": _tokens(settings, limit),
        "shrunk_tokens": _tokens(settings, BUILT_IN_LIMIT),
    }


def _tokens(settings: dict[str, Any], limit: int | None) -> int | None:
    if settings.get("do_resize", True) is not True:
        return None
    patch, merge = settings.get("patch_size", 14), settings.get("merge_size", 2)
    if limit is None or not isinstance(patch, int) or not isinstance(merge, int):
        return None
    unit = patch * merge
    if unit < 1:
        return None
    least = min(floor_of(settings) or 1, limit)
    wide, high = resized(measuring.WIDTH, measuring.HEIGHT, unit, least, limit)
    return wide * high // unit**2


def _extreme(folder: str, width: int, height: int) -> dict[str, Any]:
    load = measuring.loader(measuring.DEFAULT, folder)
    thin = measuring.picture(width, height)
    outcome = _flat(isolated(lambda: measuring.measured(load(), thin), CELL_S))
    return {"width": width, "height": height, **outcome}


def _leak(style: str, folder: str, class_name: str, image: Any) -> dict[str, Any]:
    load = measuring.loader(measuring.DEFAULT, folder)
    outcome = isolated(lambda: measuring.leak(class_name, load, image), CELL_S)
    return {"style": style, "class_name": class_name, **_flat(outcome)}


def _difference(folder: str, image: Any, classes: dict[str, str]) -> dict[str, Any]:
    if set(classes) != {measuring.SLOW, measuring.FAST}:
        return {"status": "absent", "reason": "transformers has one implementation only"}
    slow = measuring.loader(measuring.SLOW, folder)
    fast = measuring.loader(measuring.FAST, folder)
    return _flat(isolated(lambda: measuring.difference(slow, fast, image), CELL_S))


def _flat(outcome: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a fork with its data on the same level, and a bounded reason."""
    flat = {**outcome.get("data", {}), "status": outcome["status"]}
    if outcome.get("reason"):
        flat["reason"] = str(outcome["reason"])[:600]
    return flat
