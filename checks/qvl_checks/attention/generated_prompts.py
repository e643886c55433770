"""Prompts with generated pictures, through the checkpoint's own processor where it works.

Runs in the target; standard library only at module level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from qvl_checks.memory.pixels import limits, resized
from qvl_checks.models.build import MERGE, make_inputs

QUESTION = (
    "Two pictures follow. Say for each which shapes it shows, in which colours, and where they "
    "lie; then compare the two. Read every word that you can see, letter by letter. "
)
FILLER = (
    "The reader of this page has a long table before them: rows of dates, names of towns, prices "
    "in three currencies, and notes that somebody wrote in the margin. "
)
PICTURES = ((448, 336), (280, 420))
"""(width, height) of the pictures of the built-in prompt."""
TEXT_TOKENS = 256
COLOURS = ("navy", "crimson", "gold", "teal", "white", "black")


class Prompt(NamedTuple):
    """What the model is handed."""

    name: str
    inputs: dict[str, Any]
    source: str
    """``processor``; ``tokenizer`` (text, and noise for pictures) or ``noise`` where that cannot
    be used."""
    reason: str
    """Why it cannot."""

    @property
    def tokens(self) -> int:
        """Length, visual tokens included."""
        return int(self.inputs["input_ids"].shape[1])


class Reader(NamedTuple):
    """What of the checkpoint turns text and pictures into inputs."""

    processor: Any
    tokenizer: Any
    reason: str
    """Why there is no processor."""


def reader_of(folder: str | None) -> Reader:
    """The checkpoint's processor, else its tokenizer, else nothing; no remote code is run."""
    if folder is None:
        return Reader(None, None, "the model is known by name only and has no tokenizer here")
    from transformers import AutoProcessor, AutoTokenizer

    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        return Reader(processor, processor.tokenizer, "")
    except Exception as error:
        reason = _said(error)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception:
        tokenizer = None
    return Reader(None, tokenizer, reason)


def make_prompt(
    name: str,
    config: Any,
    reader: Reader,
    *,
    images: Sequence[tuple[int, int]],
    text_tokens: int,
    folder: str | None,
    device: str,
) -> Prompt:
    """A prompt with pictures of these (width, height) and about so many tokens of text."""
    reason = reader.reason
    if reader.processor is not None:
        try:
            given = _processed(reader, images, text_tokens)
        except Exception as error:
            reason = _said(error)
        else:
            inputs = {key: value.to(device) for key, value in given.items()}
            return Prompt(name, inputs, "processor", "")
    patch = config.vision_config.patch_size
    bounds = limits(patch, folder)
    sizes = [resized(width, height, patch * MERGE, *bounds) for width, height in images]
    inputs = make_inputs(config, images=sizes, text_tokens=text_tokens, device=device)
    try:
        words = reader.tokenizer(_text(reader.tokenizer, text_tokens))["input_ids"][:text_tokens]
        inputs["input_ids"][0, : len(words)] = inputs["input_ids"].new_tensor(words)
    except Exception:
        words = []
    if not words:  # 5.x makes an empty tokenizer where there are no files
        return Prompt(name, inputs, "noise", reason)
    return Prompt(name, inputs, "tokenizer", reason)


def _processed(
    reader: Reader, images: Sequence[tuple[int, int]], text_tokens: int
) -> dict[str, Any]:
    pictures = [picture(width, height, seed) for seed, (width, height) in enumerate(images)]
    slots = "<|vision_start|><|image_pad|><|vision_end|>" * len(pictures)
    text = f"<|im_start|>user\n{slots}{_text(reader.tokenizer, text_tokens)}<|im_end|>\n"
    text += "<|im_start|>assistant\n"
    return dict(reader.processor(text=[text], images=pictures or None, return_tensors="pt"))


def _text(tokenizer: Any, tokens: int) -> str:
    """About so many tokens of words."""
    question, more = (len(tokenizer(text)["input_ids"]) for text in (QUESTION, FILLER))
    return QUESTION + FILLER * math.ceil(max(tokens - question, 0) / max(more, 1))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def picture(width: int, height: int, seed: int) -> Any:
    """Shapes and a few letters on a slope of colour, a PIL image of mode RGB."""
    from PIL import Image, ImageDraw

    slope = Image.linear_gradient("L").resize((width, height)).rotate(90 * (seed % 4))
    image = Image.merge("RGB", (slope, slope.point(lambda v: 255 - v), slope))
    draw = ImageDraw.Draw(image)
    for step in range(6):
        left, top = (step * 67 + seed * 31) % width, (step * 41 + seed * 53) % height
        box = (left, top, left + width // 5, top + height // 5)
        colour = COLOURS[(step + seed) % len(COLOURS)]
        (draw.rectangle if step % 2 else draw.ellipse)(box, fill=colour)
    draw.text((width // 3, height // 2), f"INVOICE {1729 + seed}", fill="black")
    return image
