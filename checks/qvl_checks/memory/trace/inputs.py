"""The processor's output on a fake device: ids and grids with values, pixels without."""

from __future__ import annotations

import inspect
from typing import Any

from qvl_checks.memory.trace.workload import Workload
from qvl_checks.models.build import MERGE, grid_of

ORDINARY = 100
"""The token that all text consists of."""


def make(
    session: Any,
    model: Any,
    config: Any,
    work: Workload,
    *,
    device: str,
) -> dict[str, Any]:
    """What `qvl_checks.models.build.make_inputs` makes, on the fake device.

    ``pixel_values`` float32 of shape (patches, channels * temporal * patch * patch); per prompt the
    ordinary tokens, then for each image vision_start, its visual tokens, vision_end.
    """
    torch, images, batch = session.torch, work.images, work.batch
    vision = config.vision_config
    prompt = [ORDINARY] * work.text_tokens
    grids = []
    for width, height in images:
        rows, columns = grid_of(config, width, height)
        grids.append([1, rows, columns])
        visual = [config.image_token_id] * (rows * columns // MERGE**2)
        prompt += [config.vision_start_token_id, *visual, config.vision_end_token_id]
    with _real():
        ids = torch.tensor([prompt]).repeat(batch, 1)
        values = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if grids:
            values["image_grid_thw"] = torch.tensor(grids * batch)
        if "mm_token_type_ids" in inspect.signature(type(model).forward).parameters:
            values["mm_token_type_ids"] = (ids == config.image_token_id).to(torch.int64)
    inputs = {name: session.fake(value, device) for name, value in values.items()}
    if grids:
        patches = batch * sum(rows * columns for _, rows, columns in grids)
        width = 3 * vision.temporal_patch_size * vision.patch_size**2
        inputs["pixel_values"] = session.empty((patches, width), torch.float32, device)
    return inputs


def _real() -> Any:
    from torch.utils._python_dispatch import _disable_current_modes

    return _disable_current_modes()
