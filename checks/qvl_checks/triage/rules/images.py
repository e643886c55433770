"""Images and videos on their way to the model: limits, token counts, processors, readers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..knowledge import knowledge
from ..model import Computed, Fix
from ..pictures import patches_of
from ..rule import Case, Hit

_I = "images."
_V = "video."

_COUNTS = re.compile(r"tokens:?\s{0,3}(\d{1,9}),?\s{1,3}features:?\s{0,3}(\d{1,9})")
_PICTURES = re.compile(r"qwen|processor|image|picture|图|视频|video")
_IDS = re.compile(r"ids=\[([\d, ]{1,200})\] and text=\[([\d, ]{1,200})\]")
_FOUND = re.compile(r"found total (\d{1,6}) [^\n]{1,40} and (\d{1,6}) (images|videos)")


def token_counts(case: Case) -> Iterator[Hit]:
    """The relation of image tokens in the prompt to image features decides the cause."""
    if case.clues.other_model:
        return
    low = case.page.low
    found_counts = list(_COUNTS.finditer(low))
    match = found_counts[-1] if found_counts else None
    if match and ("features and" in low or "tokens do not match" in low or _PICTURES.search(low)):
        tokens, features = int(match.group(1)), int(match.group(2))
        relation, note = _relation(tokens, features)
        facts: dict[str, Computed] = {"tokens": tokens, "features": features, "relation": relation}
        yield Hit(
            "images.image-token-mismatch",
            96,
            [case.page.line_at(match.start())],
            facts,
            [note],
            _fixes(relation),
        )
    ids = _IDS.search(low)
    if ids:
        yield Hit(
            "images.image-token-mismatch",
            96,
            [case.page.line_at(ids.start())],
            {
                "tokens_in_ids": ids.group(1),
                "tokens_in_text": ids.group(2),
                "relation": "truncated",
            },
            [
                (
                    "The processor expanded the image to more tokens than are left in "
                    "input_ids: the sequence was truncated (truncation=True with a max_length, "
                    "or a training cutoff length)."
                )
            ],
            _fixes("truncated"),
        )
    found = _FOUND.search(low)
    if found:
        yield Hit(
            "images.image-token-mismatch",
            96,
            [case.page.line_at(found.start())],
            {"placeholders": int(found.group(1)), found.group(3): int(found.group(2))},
            [
                (
                    f"The text holds {found.group(1)} placeholders (<|image_pad|> or <|video_pad|"
                    f">) for {found.group(2)} {found.group(3)}: a literal marker in the text, or a "
                    f"list that is too short or too long."
                )
            ],
            _fixes("placeholders"),
        )


def _relation(tokens: int, features: int) -> tuple[str, str]:
    if tokens == 0:
        return "no image tokens", (
            "The prompt holds no <|image_pad|> at all: the chat template dropped the image (a "
            "base model's or a custom template, content passed as a plain string, or text that "
            "was not built with processor.apply_chat_template), while the image was encoded."
        )
    if features == 0:
        return (
            "no image features",
            (
                "The prompt holds image placeholders but no image was encoded: images= was not "
                "passed, or pixel_values were dropped on the way."
            ),
        )
    if features % tokens == 0:
        k = features // tokens
        return f"features = {k} x tokens", (
            f"There are exactly {k} times as many features as tokens: the images were "
            f"passed {k} times (for example once in the messages and once in images=, or "
            f"repeated per sample or "
            "per beam), or the merge size differs (4 = features that were not merged 2x2)."
        )
    if tokens % features == 0:
        k = tokens // features
        return f"tokens = {k} x features", (
            f"There are exactly {k} times as many tokens as features: the prompt was "
            f"repeated (num_return_sequences, RL rollouts, batch expansion) without the "
            f"images, "
            "or placeholders were expanded twice."
        )
    if tokens < features:
        return "truncated", (
            f"{features - tokens} of {features} image tokens are missing from the prompt: "
            f"it was truncated. Look for max_length, truncation=True, cutoff_len "
            f"(LLaMA-Factory), "
            "max_prompt_length (RL) or model_max_length that cuts the sequence inside an "
            "image. 提示被截断了。"
        )
    return "extra placeholders", (
        f"The prompt holds {tokens - features} more <|image_pad|> tokens than the "
        f"image has features: a literal or generated <|image_pad|> in the text (RL "
        f"rollouts, a quoted prompt), or the image was "
        "resized again after the text was expanded (qwen-vl-utils and the processor "
        "both resize: pass do_resize=False)."
    )


def _fixes(relation: str) -> list[Fix]:
    if relation == "truncated":
        return [
            Fix(
                "setting",
                (
                    "raise max_length / cutoff_len / max_prompt_length above the prompt, or "
                    "pass truncation=False"
                ),
                "safe",
            ),
            Fix(
                "code",
                "AutoProcessor.from_pretrained(path, min_pixels=256*28*28, max_pixels=1280*28*28)",
                "review",
                "fewer tokens per image: fits under the same limit",
            ),
        ]
    if relation == "no image tokens":
        return [
            Fix(
                "code",
                (
                    "processor.apply_chat_template(messages, tokenize=False, "
                    "add_generation_prompt=True)"
                ),
                "safe",
                (
                    'with content=[{"type": "image", ...}, {"type": "text", ...}] and the '
                    "instruct model's template"
                ),
            )
        ]
    return [
        Fix(
            "code",
            'text = text.replace("<|image_pad|>", "")',
            "review",
            "in user text and in generated text, before the template is applied",
        )
    ]


def cap_not_honoured(case: Case) -> Iterator[Hit]:
    """A printed grid that is larger than the limit set in the same text."""
    clues = case.clues
    if not clues.concept("pixel_setting") or not clues.grids:
        return
    family = clues.family or knowledge().families["qwen2_5_vl"]
    cap = _cap(case.page.low)
    grid = max(clues.grids, key=lambda g: g[1] * g[2])
    pixels = grid[1] * grid[2] * family.patch**2
    if cap and pixels > cap * 1.05:
        yield Hit(
            "images.pixel-limit-ignored",
            86,
            [clues.concept_line("pixel_setting") or 0],
            {
                "patches": grid[1] * grid[2],
                "tokens": grid[1] * grid[2] // 4,
                "pixels": pixels,
                "requested_max_pixels": cap,
            },
            [
                (
                    f"The grid {grid[1]}x{grid[2]} is {grid[1] * grid[2]} patches = "
                    f"{grid[1] * grid[2] // 4} tokens = {pixels} pixels, more than the limit of "
                    f"{cap} that was asked for."
                )
            ],
            by_message=False,
        )


_CAP = re.compile(
    r"max_pixels\W{0,4}(\d{1,9}(?:\s?\*\s?\d{1,4}){0,3})|longest_edge\W{1,6}(\d{4,9})"
)


def _cap(low: str) -> int | None:
    """The smallest limit that the text sets, in pixels."""
    found = []
    for match in _CAP.finditer(low):
        value = 1
        for part in (match.group(1) or match.group(2)).split("*"):
            value *= int(part)
        if 784 <= value <= 100_000_000:
            found.append(value)
    return min(found) if found else None


def shrunk_image(case: Case) -> Iterator[Hit]:
    """950 tokens for the 2048x1365 photo (or 1003520 pixels) while the config allows more."""
    clues = case.clues
    family = clues.family
    if family is None or not clues.image_sizes or not clues.grids or clues.concept("leak"):
        return
    want = max(patches_of(w, h, family) for w, h in clues.image_sizes)
    got = max(h * w for _, h, w in clues.grids)
    cap = 1280 * 28 * 28
    if (
        got * 1.2 < want
        and 0.9 * cap <= got * family.patch**2 <= 1.02 * cap
        and _cap(case.page.low) in (None, 12_845_056, 16_777_216)
    ):
        yield Hit(
            "images.slow-processor-shrinks-image",
            84,
            [clues.concept_line("image") or 0],
            {"patches": got, "patches_expected": want},
            by_message=False,
        )


DETECTORS = (token_counts, cap_not_honoured, shrunk_image)
