"""The user's own prompt, from files that never leave their machine.

Runs in the target; standard library only at module level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qvl_checks.attention.generated_prompts import Prompt, Reader

NAME = "own"
DESCRIBE = "Describe what you see."
"""Asked where pictures come without a text."""
RENDERED = "<|im_start|>"
"""A text that holds it is a whole conversation and taken as it stands."""
LONGEST = 1_000_000
"""Characters."""
SLOT = "<|vision_start|><|image_pad|><|vision_end|>"


class Unusable(ValueError):
    """The files cannot be made a prompt of; the message is for the user."""


def own_prompt(
    reader: Reader, text_file: str | None, pictures: Sequence[str], device: str
) -> Prompt:
    """The text and the pictures as a program would hand them over: the checkpoint's chat template
    where it has one, its processor for pictures.

    Raises:
        Unusable: a file cannot be read, or what it needs of the checkpoint is missing.
    """
    text = _text(text_file)
    seen = [_opened(path) for path in pictures]
    if reader.processor is not None:
        whole = text if RENDERED in text else _rendered(reader.processor, text, len(seen))
        given = reader.processor(text=[whole], images=seen or None, return_tensors="pt")
        return Prompt(
            NAME, {key: value.to(device) for key, value in given.items()}, "processor", ""
        )
    if seen:
        raise Unusable(f"pictures need the checkpoint's processor, and {reader.reason}")
    if reader.tokenizer is None:
        raise Unusable(f"a text needs the checkpoint's tokenizer, and {reader.reason}")
    whole = text if RENDERED in text else _plain(text, 0)
    given = reader.tokenizer([whole], return_tensors="pt")
    if not given["input_ids"].numel():  # 5.x makes an empty tokenizer where there are no files
        raise Unusable("the checkpoint's tokenizer knows none of the text: its files are missing")
    kept = {key: given[key].to(device) for key in ("input_ids", "attention_mask") if key in given}
    return Prompt(NAME, kept, "tokenizer", reader.reason)


def _text(path: str | None) -> str:
    if path is None:
        return DESCRIBE
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"the prompt cannot be read: {type(error).__name__}") from error
    if len(text) > LONGEST:
        raise Unusable(f"the prompt has more than {LONGEST} characters")
    return text.strip() or DESCRIBE


def _opened(path: str) -> Any:
    try:
        from PIL import Image

        with Image.open(path) as picture:
            return picture.convert("RGB")
    except Exception as error:
        raise Unusable(
            f"a picture cannot be read: {type(error).__name__}: {error}"[:300]
        ) from error


def _rendered(processor: Any, text: str, pictures: int) -> str:
    content: list[dict[str, str]] = [{"type": "image"} for _ in range(pictures)]
    content.append({"type": "text", "text": text})
    conversation = [{"role": "user", "content": content}]
    try:
        whole = processor.apply_chat_template(
            conversation, add_generation_prompt=True, tokenize=False
        )
    except Exception:  # no template in this checkpoint
        return _plain(text, pictures)
    return str(whole)


def _plain(text: str, pictures: int) -> str:
    return f"<|im_start|>user\n{SLOT * pictures}{text}<|im_end|>\n<|im_start|>assistant\n"
