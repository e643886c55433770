"""Builds models and inputs inside the target: real architecture, random weights, no download.

Standard library only at module level; runs with every transformers release that has the family.
"""

import copy
from collections.abc import Sequence
from typing import Any

from qvl_checks.models.attention_wish import argument

MERGE = 2
"""Patches per side that become one visual token (``spatial_merge_size`` of every family)."""


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


def make_inputs(
    config: Any,
    *,
    images: Sequence[tuple[int, int]] = ((224, 224),),
    text_tokens: int = 16,
    batch: int = 1,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, Any]:
    """What the processor hands to the model for prompts with these (width, height) images.

    Each prompt is ``text_tokens`` ordinary tokens, then for every image vision_start, its visual
    tokens, vision_end. ``pixel_values`` is float32 of shape (patches, channels * temporal * patch *
    patch), ``image_grid_thw`` int64 of shape (images, 3), as in every release.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    vision = config.vision_config
    width = 3 * vision.temporal_patch_size * vision.patch_size**2
    vocabulary = min(getattr(config, "vocab_size", 0) or config.get_text_config().vocab_size, 1000)
    prompt = torch.randint(10, vocabulary - 10, (batch, text_tokens), generator=generator)
    parts, grids = [prompt], []
    for image_width, image_height in images:
        rows, columns = grid_of(config, image_width, image_height)
        grids.append((1, rows, columns))
        span = torch.full((batch, rows * columns // MERGE**2 + 2), config.image_token_id)
        span[:, 0] = config.vision_start_token_id
        span[:, -1] = config.vision_end_token_id
        parts.append(span)
    ids = torch.cat(parts, dim=1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if grids:
        patches = batch * sum(rows * columns for _, rows, columns in grids)
        inputs["pixel_values"] = torch.randn(patches, width, generator=generator)
        inputs["image_grid_thw"] = torch.tensor(grids * batch)
    if _wants_token_types(config):
        inputs["mm_token_type_ids"] = (ids == config.image_token_id).to(torch.int64)
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def _wants_token_types(config: Any) -> bool:
    """Releases from 5.3 on have the processor mark visual tokens."""
    import inspect

    return "mm_token_type_ids" in inspect.signature(model_class(config).forward).parameters
