"""The processor's output on a fake device: ids and grids with values, pixels without."""

from __future__ import annotations

import inspect
from typing import Any

from qvl_checks.memory.trace.workload import Workload
from qvl_checks.models.build import grid_of, video_grid_of, visual_spans

ORDINARY = 100
"""The token that all text consists of."""


def make(session: Any, model: Any, config: Any, work: Workload, *, device: str) -> dict[str, Any]:
    """What `qvl_checks.models.build.make_inputs` makes, on the fake device."""
    torch = session.torch
    grids = {
        "image": [(1, *grid_of(config, *size)) for size in work.images],
        "video": [video_grid_of(config, *size) for size in work.videos],
    }
    with _real():
        ids = torch.tensor([prompt(config, work)]).repeat(work.batch, 1)
        values = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        for kind, sizes in grids.items():
            if sizes:
                values[f"{kind}_grid_thw"] = torch.tensor(sizes * work.batch)
        if "mm_token_type_ids" in inspect.signature(type(model).forward).parameters:
            types = (ids == config.image_token_id).to(torch.int64)
            values["mm_token_type_ids"] = types + 2 * (ids == config.video_token_id)
    inputs = {name: session.fake(value, device) for name, value in values.items()}
    vision = config.vision_config
    width = 3 * vision.temporal_patch_size * vision.patch_size**2
    for kind, sizes in grids.items():
        if sizes:
            patches = work.batch * sum(steps * rows * columns for steps, rows, columns in sizes)
            name = "pixel_values" if kind == "image" else "pixel_values_videos"
            inputs[name] = session.empty((patches, width), torch.float32, device)
    return inputs


def prompt(config: Any, work: Workload) -> list[int]:
    """Token ids of one prompt: the ordinary ones, then images and videos."""
    ids = [ORDINARY] * work.text_tokens
    for lead, token, count in visual_spans(config, work.images, work.videos):
        ids += [ORDINARY] * lead
        ids += [config.vision_start_token_id, *[token] * count, config.vision_end_token_id]
    return ids


def _real() -> Any:
    from torch.utils._python_dispatch import _disable_current_modes

    return _disable_current_modes()
