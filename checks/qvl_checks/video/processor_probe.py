"""Whether the video processor of the model's family can be made, and what prompt it writes.

The prompt is measured with a tokenizer made in memory and eight small frames: no checkpoint is
needed, and what stands around the visual tokens does not depend on the vocabulary.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import tempfile
from typing import Any

from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated
from qvl_checks.video.stamped import STAMPED
from qvl_checks.video.tiny_tokenizer import VIDEO, VISION_END, VISION_START, tiny_tokenizer

MAPPING = "transformers.models.auto.video_processing_auto"
PROCESSORS = "transformers.models.auto.processing_auto"
FRAMES, SIDE = 8, 128
FPS = 2.0
"""Frames per second at which the frames are said to have been sampled."""
SECONDS = re.compile(r"<(\d+(?:\.\d+)?) seconds>")
RUN_S = 25.0


def run(request: dict[str, Any]) -> dict[str, Any]:
    """The class by way of AutoVideoProcessor; for families with time stamps, the prompt."""
    transformers = importlib.import_module("transformers")
    family = str((request.get("model") or {}).get("model_type") or "")
    facts: dict[str, Any] = {
        "transformers": str(transformers.__version__),
        "family": family,
        "class_name": None,
    }
    torchvision = (request.get("inputs") or {}).get("versions.torchvision") or {}
    if torchvision.get("status") in ("crashed", "timed_out"):
        reason = f"torchvision does not load: {torchvision.get('reason')}"
        return {**facts, "separate": None, "reason": reason}
    try:
        mapping = importlib.import_module(MAPPING)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == MAPPING:
            return {**facts, "separate": False}
        return {**facts, "separate": None, "reason": reason_of(error)}
    facts["separate"] = True
    facts["class_name"] = _first_name(getattr(mapping, "VIDEO_PROCESSOR_MAPPING_NAMES", {}), family)
    with tempfile.TemporaryDirectory(prefix="qvl-doctor-") as folder:
        facts["made"] = _flat(isolated(lambda: _made(folder, family, facts["class_name"]), RUN_S))
    wanted = family in STAMPED and request.get("level") != "quick"
    if wanted and facts["made"]["status"] == "ok":
        facts["prompt"] = _flat(isolated(lambda: _prompts(family, facts["class_name"]), RUN_S))
    return facts


def _first_name(names: Any, family: str) -> str | None:
    """A table's entry is a name, or in later releases a name for each backend."""
    entry = names.get(family)
    if isinstance(entry, dict):
        entry = next((name for name in entry.values() if name), None)
    return entry if isinstance(entry, str) else None


def _made(folder: str, family: str, class_name: str | None) -> dict[str, Any]:
    """Load it as a program would, from a folder of settings."""
    transformers = importlib.import_module("transformers")
    settings = {"video_processor_type": class_name} if class_name else {}
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        with open(os.path.join(folder, name), "w") as stream:
            json.dump(settings, stream)
    with open(os.path.join(folder, "config.json"), "w") as stream:
        json.dump({"model_type": family}, stream)
    processor = transformers.AutoVideoProcessor.from_pretrained(folder, trust_remote_code=False)
    return {"class_name": type(processor).__name__}


def _prompts(family: str, class_name: str) -> dict[str, Any]:
    """The prompt of a short clip, with and without telling when the frames were taken."""
    importlib.import_module("torch").set_num_threads(1)
    transformers = importlib.import_module("transformers")
    name = _first_name(importlib.import_module(PROCESSORS).PROCESSOR_MAPPING_NAMES, family)
    processor = getattr(transformers, str(name))(
        image_processor=transformers.Qwen2VLImageProcessor(patch_size=16),
        tokenizer=tiny_tokenizer(),
        video_processor=getattr(transformers, class_name)(),
    )
    told, grid = _prompt(processor, video_metadata=[_metadata()])
    facts: dict[str, Any] = {
        "text": told[:2000],
        "blocks": grid,
        "vision_starts": told.count(VISION_START),
        "vision_ends": told.count(VISION_END),
        "times": [float(text) for text in SECONDS.findall(told)],
    }
    try:
        untold, _ = _prompt(processor)
        facts["times_without_metadata"] = [float(text) for text in SECONDS.findall(untold)]
    except Exception as error:
        facts["without_metadata"] = f"{type(error).__name__}: {error}"[:300]
    return facts


def _metadata() -> dict[str, Any]:
    return {
        "fps": FPS,
        "total_num_frames": FRAMES,
        "duration": FRAMES / FPS,
        "frames_indices": list(range(FRAMES)),
        "video_backend": "opencv",
    }


def _prompt(processor: Any, **told: Any) -> tuple[str, int]:
    """The decoded prompt with its runs of visual tokens shortened, and the grid's time steps."""
    numpy = importlib.import_module("numpy")
    frames = numpy.random.RandomState(0).randint(0, 256, (FRAMES, SIDE, SIDE, 3)).astype("uint8")
    inputs = processor(
        text=[f"{VISION_START}{VIDEO}{VISION_END}"],
        videos=[frames],
        do_sample_frames=False,
        return_tensors="pt",
        **told,
    )
    text = processor.tokenizer.decode(inputs["input_ids"][0].tolist())
    steps = int(inputs["video_grid_thw"][0][0])
    return re.sub(f"({re.escape(VIDEO)})+", VIDEO, text), steps


def _flat(outcome: dict[str, Any]) -> dict[str, Any]:
    flat = {**outcome.get("data", {}), "status": outcome["status"]}
    if outcome.get("reason"):
        flat["reason"] = str(outcome["reason"])[:600]
    return flat
