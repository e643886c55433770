"""Builds models and inputs inside the target: real architecture, random weights, no download.

Standard library only at module level; runs with every transformers release that has the family.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from qvl_checks.models.attention_wish import argument

MERGE = 2
"""Patches per side that become one visual token (``spatial_merge_size`` of every family)."""

TIME_STAMP = 6
"""Ordinary tokens of ``<1.5 seconds>`` in the families' tokenizer."""


class UnknownFamily(ValueError):
    """The config's ``model_type`` is not one of the known Qwen-VL families."""


def make_config(config: dict[str, Any]) -> Any:
    """The installed transformers' config object for the content of a ``config.json``.

    Raises:
        UnknownFamily: the dictionary is empty or names no ``model_type``.
        ValueError: the installed transformers does not know the ``model_type``.
    """
    if not config.get("model_type"):
        raise UnknownFamily(
            "the model is not of a known Qwen-VL family, or its config.json is damaged"
        )
    from transformers import AutoConfig

    fields = copy.deepcopy(config)
    return type(AutoConfig.for_model(fields["model_type"])).from_dict(fields)


def model_class(config: Any) -> Any:
    """The class named by ``config.architectures``."""
    import transformers

    return getattr(transformers, config.architectures[0])


def make_model(
    config: Any,
    *,
    dtype: str = "bfloat16",
    device: str = "cpu",
    attention: Any = None,
    seed: int = 0,
) -> Any:
    """A model in eval mode with random weights, allocated directly on ``device`` in ``dtype``.

    ``attention`` is a name, ``vision=NAME,text=NAME``, or a dict by sub-config where the release
    accepts one; None leaves the choice to transformers. The class's own
    ``_from_config`` is used, the road on which ``from_pretrained`` resolves the implementation.
    """
    import torch

    torch.manual_seed(seed)
    wanted = getattr(torch, dtype)
    arguments = {dtype_keyword(): wanted}
    if attention is not None:
        wish = argument(attention) if isinstance(attention, str) else attention
        arguments["attn_implementation"] = wish
    with torch.device(device):
        model = model_class(config)._from_config(config, **arguments)
    # Some releases keep single modules in float32; a loaded checkpoint has weights of one dtype.
    # Buffers stay: from_pretrained does not round the RoPE frequencies either.
    for parameter in model.parameters():
        parameter.data = parameter.data.to(wanted)
    return model.eval()


def dtype_keyword() -> str:
    """``dtype`` from transformers 4.56 on, ``torch_dtype`` before."""
    import transformers

    major, minor = (int(part) for part in transformers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (4, 56) else "torch_dtype"


def grid_of(config: Any, width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of patches for an image, as the processor rounds it, without pixel limits."""
    patch = config.vision_config.patch_size
    unit = patch * MERGE
    rows = max(round(height / unit), 1) * MERGE
    columns = max(round(width / unit), 1) * MERGE
    return rows, columns


def video_grid_of(config: Any, width: int, height: int, frames: int) -> tuple[int, int, int]:
    """(steps in time, rows, columns) of patches for a video whose frames have this size: rounded
    as the processor does, without its limits on frames and pixels."""
    steps = max(-(-frames // config.vision_config.temporal_patch_size), 1)
    return (steps, *grid_of(config, width, height))


def visual_spans(
    config: Any,
    images: Sequence[tuple[int, int]],
    videos: Sequence[tuple[int, int, int]] = (),
) -> Iterator[tuple[int, int, int]]:
    """(ordinary tokens before it, id of its visual tokens, their number) of every stretch of visual
    tokens in a prompt; vision_start and vision_end stand around each.

    An image, and a video up to Qwen2.5-VL, is one stretch. Since Qwen3-VL every step in time of a
    video is one, behind its time stamp.
    """
    for width, height in images:
        rows, columns = grid_of(config, width, height)
        yield 0, config.image_token_id, rows * columns // MERGE**2
    for width, height, frames in videos:
        steps, rows, columns = video_grid_of(config, width, height, frames)
        tokens = rows * columns // MERGE**2
        if config.model_type.startswith("qwen2"):
            yield 0, config.video_token_id, steps * tokens
        else:
            for _ in range(steps):
                yield TIME_STAMP, config.video_token_id, tokens


def make_inputs(
    config: Any,
    *,
    images: Sequence[tuple[int, int]] = ((224, 224),),
    videos: Sequence[tuple[int, int, int]] = (),
    text_tokens: int = 16,
    batch: int = 1,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """What the processor hands to the model for prompts with these (width, height) images and
    (width, height, frames) videos.

    Each prompt is ``text_tokens`` ordinary tokens, then `visual_spans`. ``pixel_values`` is float32
    of shape (patches, channels * temporal * patch * patch), ``image_grid_thw`` int64 of shape
    (images, 3), as in every release; ``pixel_values_videos`` and ``video_grid_thw`` likewise.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    vision = config.vision_config
    width = 3 * vision.temporal_patch_size * vision.patch_size**2
    vocabulary = min(getattr(config, "vocab_size", 0) or config.get_text_config().vocab_size, 1000)
    prompt = torch.randint(10, vocabulary - 10, (batch, text_tokens), generator=generator)
    parts = [prompt]
    for lead, token, count in visual_spans(config, images, videos):
        if lead:
            parts.append(torch.randint(10, vocabulary - 10, (batch, lead), generator=generator))
        span = torch.full((batch, count + 2), token)
        span[:, 0] = config.vision_start_token_id
        span[:, -1] = config.vision_end_token_id
        parts.append(span)
    ids = torch.cat(parts, dim=1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for pixels, grid_name, grids in (
        ("pixel_values", "image_grid_thw", [(1, *grid_of(config, *size)) for size in images]),
        ("pixel_values_videos", "video_grid_thw", [video_grid_of(config, *v) for v in videos]),
    ):
        if grids:
            patches = batch * sum(steps * rows * columns for steps, rows, columns in grids)
            inputs[pixels] = torch.randn(patches, width, generator=generator)
            inputs[grid_name] = torch.tensor(grids * batch)
    if _wants_token_types(config):
        types = (ids == config.image_token_id).to(torch.int64)
        if videos:
            types += 2 * (ids == config.video_token_id)
        inputs["mm_token_type_ids"] = types
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def _wants_token_types(config: Any) -> bool:
    """Releases from 5.3 on have the processor mark visual tokens."""
    import inspect

    return "mm_token_type_ids" in inspect.signature(model_class(config).forward).parameters
