"""Images and videos on their way to the model: limits, token counts, processors, readers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..inversion import patches_of
from ..knowledge import knowledge
from ..model import Computed, Fix
from ..rule import Case, Hit, Rule

_I = "images."
_V = "video."
RULES: tuple[Rule, ...] = (
    Rule(
        _I + "pixel-limit-ignored",
        90,
        says=(
            "Keyword argument `max_pixels` is not a valid argument",
            "Keyword argument `min_pixels` is not a valid argument",
            "Keyword argument `size` is not a valid argument for this processor",
            "preprocess() got an unexpected keyword argument 'max_pixels'",
            "preprocess() got an unexpected keyword argument 'min_pixels'",
            "got an unexpected keyword argument 'max_pixels'",
            "Unused or unrecognized kwargs: max_pixels",
            "Unused or unrecognized kwargs: min_pixels",
            "Keyword argument `resized_height` is not a valid",
        ),
    ),
    Rule(
        _I + "pixel-limit-ignored",
        74,
        says=("The given max_pixels[ … exceeds limit[",),
        note=(
            "qwen-vl-utils caps max_pixels of a video frame at its own limit (VIDEO_MAX_PIXELS, "
            "and the total divided by the frames); the smaller number is the one that counts."
        ),
    ),
    Rule(
        _I + "pixel-limit-ignored",
        76,
        needs=("pixel_setting", "ignored", "image|word:token|word:grid|word:图"),
        unless=("oom|leak", "shrunk", "max_memory", "visible"),
    ),
    Rule(
        _I + "pixel-limit-ignored",
        68,
        needs=("pixel_setting", "ignored"),
        unless=("leak", "shrunk", "max_memory", "visible"),
    ),
    Rule(
        _I + "pixel-limit-ignored",
        58,
        says=("Passing `min_pixels` and `max_pixels` to a processor call is deprecated",),
    ),
    Rule(
        _I + "image-token-mismatch",
        95,
        says=(
            "Image features and image tokens do not match",
            "Video features and video tokens do not match",
            "features and image tokens do not match",
            "Image features and video tokens do not match",
            "Mismatch in `image` token count between text and `input_ids`",
            "Mismatch in `video` token count between text and `input_ids`",
            "tokens in the prompts should be the same as the number of images passed",
            "tokens in the prompts should be the same as the number of videos passed",
            "tokens in the text but no images were passed",
            "tokens in the text but no videos were passed",
            "Number of image tokens … does not match number of images",
            "image token and image features do not match",
        ),
        unless=("other_model",),
    ),
    Rule(
        _I + "image-token-mismatch",
        92,
        says=("index … is out of bounds for dimension 0 with size",),
        needs=("word:processing_qwen|word:image_grid_thw|word:placeholder|word:merge_length",),
        note=(
            "The text holds more <|image_pad|> (or <|video_pad|>) placeholders than "
            "images were passed: a literal marker in the user's text counts as one."
        ),
    ),
    Rule(
        _I + "image-token-mismatch",
        80,
        says=("IndexError: list index out of range",),
        needs=("word:processing_qwen|word:image_grid_thw",),
    ),
    Rule(
        _I + "image-token-mismatch",
        72,
        says=("StopIteration", "IndexError"),
        needs=("word:get_rope_index",),
    ),
    Rule(
        _I + "image-token-mismatch",
        66,
        needs=(
            "word:image tokens|word:image_pad|word:图像 token|word:图片 token|word:image token",
            "word:features|word:mismatch|word:do not match|word:不匹配|word:不一致|word:对不上",
        ),
        unless=("pixel_setting",),
    ),
    Rule(
        _I + "wrong-image-patch-size",
        84,
        needs=(
            "word:process_vision_info|word:qwen_vl_utils|word:qwen-vl-utils|word:image_patch_size",
            "family:qwen3_vl|family:qwen3_vl_moe|family:qwen3_5",
            "patch14|word:image_patch_size",
        ),
        unless=("oom", "hang"),
    ),
    Rule(
        _I + "wrong-image-patch-size",
        70,
        needs=("patch14", "family:qwen3_vl|family:qwen3_vl_moe|family:qwen3_5"),
        unless=("oom",),
    ),
    Rule(
        _I + "slow-processor-shrinks-image",
        84,
        needs=("shrunk", "slow_class|pixel_setting|word:slow", "image"),
        unless=("oom", "leak"),
    ),
    Rule(
        _I + "slow-processor-shrinks-image",
        70,
        needs=(
            "shrunk",
            "image",
            "qwen_vl",
            "accuracy_drop|word:silently|word:950|word:悄悄|word:自动",
        ),
        unless=("oom", "leak"),
    ),
    Rule(
        _I + "processor-size-leak",
        85,
        needs=(
            "leak",
            "pixel_setting|word:processor|word:处理器",
            (
                "word:instance|word:second|word:another|word:other|word:next|word:first|"
                "word:class|word:第二|word:另|word:实例|word:previous"
            ),
        ),
        unless=("oom", "memory_grows"),
    ),
    Rule(
        _I + "extreme-aspect-ratio",
        95,
        says=(
            "absolute aspect ratio must be smaller than",
            "must be larger than factor:28",
            "must be larger than factor:32",
            "must be larger than factor",
        ),
    ),
    Rule(
        _I + "extreme-aspect-ratio",
        90,
        says=("height and width must be > 0",),
        needs=("qwen|word:smart_resize|word:process_vision_info|word:fetch_image",),
        note=(
            "The shorter side was rounded down to 0 pixels: qwen-vl-utils floors it to a multiple "
            "of the patch factor when max_pixels is small and the image long and narrow."
        ),
    ),
    Rule(
        _I + "extreme-aspect-ratio",
        66,
        needs=("word:aspect ratio|word:长宽比|word:宽高比|word:极长", "image", "trouble|word:200"),
        unless=("oom",),
    ),
    Rule(
        _I + "fast-slow-processor-difference",
        54,
        says=(
            "Using a slow image processor as `use_fast` is unset",
            (
                "The image processor of type `Qwen2VLImageProcessor` is now loaded as a fast "
                "processor by default"
            ),
            "is now loaded as a fast processor by default",
            "This will result in minor differences in outputs",
        ),
    ),
    Rule(
        _I + "fast-slow-processor-difference",
        74,
        needs=("fast_slow", "different_output|accuracy_drop"),
        unless=("shrunk", "leak", "position_ids", "oom"),
    ),
    Rule(
        _I + "removed-image-processor",
        93,
        says=(
            "Unrecognized image processor in … qwen2_5_vl",
            "Unrecognized image processor in … qwen2_vl",
            "image_processor_type … Qwen2_5_VLImageProcessor",
            "Qwen2_5_VLImageProcessor … not found",
            "has no attribute Qwen2_5_VLImageProcessor",
        ),
    ),
    Rule(
        _I + "removed-image-processor",
        86,
        says=("Unrecognized image processor in", "Qwen2_5_VLImageProcessor"),
        needs=("qwen_vl",),
    ),
    # video
    Rule(
        _V + "video-processor-missing",
        93,
        says=(
            "Could not find Qwen2_5_VLVideoProcessor",
            "Could not find Qwen2VLVideoProcessor",
            "Could not find Qwen3VLVideoProcessor",
            "cannot import name 'Qwen2VLVideoProcessor'",
            "cannot import name 'Qwen3VLVideoProcessor'",
            "Unrecognized video processor in",
            "Can't load video processor for",
            "missing 1 required positional argument: 'video_processor'",
        ),
    ),
    Rule(
        _V + "video-processor-missing",
        55,
        says=(
            "video processor config saved in `preprocessor.json` file which is deprecated",
            "video processor config saved in `preprocessor.json`",
        ),
    ),
    Rule(
        _V + "video-reader-removed",
        92,
        says=(
            "module 'torchvision.io' has no attribute 'read_video'",
            "cannot import name 'read_video' from 'torchvision.io'",
            "video decoding and encoding capabilities of torchvision are deprecated",
            "has no attribute 'read_video'",
            "cannot import name 'VideoReader' from 'torchvision.io",
        ),
    ),
    Rule(
        _V + "video-reader-removed",
        68,
        needs=(
            "word:torchvision",
            "video_reader",
            "word:deprecat|word:removed|word:0.24|word:移除|word:弃用|word:no attribute",
            "qwen|word:transformers|word:0.22|word:0.23|word:0.24|word:0.25|word:0.26",
        ),
        unless=("hang",),
    ),
    Rule(
        _V + "video-reader-hang",
        88,
        says=("Unable to handle EOF because it takes too long to retrieve", "DECORD_EOF_RETRY_MAX"),
    ),
    Rule(
        _V + "video-reader-hang",
        80,
        needs=("hang", "video_reader|video"),
        unless=("nccl", "oom", "flash", "tp", "garbled"),
    ),
    Rule(_V + "video-reader-hang", 62, says=("DECORDError", "decord._ffi")),
    Rule(
        _V + "video-url-unsupported",
        92,
        says=("does not support http/https video path", "torchvision < 0.19.0 does not support"),
    ),
    Rule(
        _V + "video-url-unsupported",
        78,
        needs=(
            "video_url",
            (
                "word:error|word:fail|word:cannot|word:not support|word:no such file|word:报错|"
                "word:失败|word:不支持|word:无法|word:读不|word:打不开|word:Error opening"
            ),
        ),
        unless=("hang", "engine:vllm"),
    ),
    Rule(
        _V + "video-metadata-missing",
        90,
        says=(
            "but no video metadata was provided",
            "requires frame timestamps to construct prompts, but the `fps`",
            "Defaulting to `fps=24`",
            "Defaulting to fps=24",
            "Please pass in `VideoMetadata` object or set `do_sample_frames=False`",
            "video_metadata` was missing from inputs",
            "need the video metadata",
            "Sampling frames from a list of images is not supported",
        ),
    ),
    Rule(
        _V + "video-metadata-missing",
        74,
        needs=(
            "family:qwen3_vl|family:qwen3_vl_moe|word:video_metadata|family:qwen3_5",
            "video",
            "timestamps",
            "word:wrong|word:24|word:metadata|word:off|word:不准|word:错误|word:不对|word:偏",
        ),
        unless=("markers_doubled", "oom", "second_per_grid"),
    ),
    Rule(
        _V + "video-metadata-missing",
        76,
        needs=("family:qwen3_vl|family:qwen3_vl_moe|family:qwen3_5", "video", "no_metadata"),
        unless=("markers_doubled", "oom"),
    ),
    Rule(
        _V + "video-markers-doubled",
        94,
        says=(
            "<|vision_start|><0.0 seconds><|vision_start|>",
            "seconds><|vision_start|> … <|vision_end|><|vision_end|>",
            "<|vision_end|><|vision_end|>",
        ),
    ),
    Rule(
        _V + "video-markers-doubled",
        84,
        needs=("markers_doubled", "video|word:seconds|family:qwen3_vl"),
    ),
    Rule(
        _V + "frame-times-dropped",
        84,
        needs=("second_per_grid",),
        unless=(
            "word:expected all tensors",
            "word:int(",
            "word:truncat",
            "word:5.3",
            "word:5.4",
            "word:5.5",
        ),
    ),
    Rule(
        _V + "frame-times-dropped",
        66,
        needs=(
            "video",
            "timestamps",
            "word:generate",
            "word:train|word:dropped|word:omit|word:not passed|word:丢|word:训练|word:没有传",
        ),
        unless=("markers_doubled", "word:metadata"),
    ),
)

_COUNTS = re.compile(r"tokens:?\s{0,3}(\d{1,9}),?\s{1,3}features:?\s{0,3}(\d{1,9})")
_IDS = re.compile(r"ids=\[([\d, ]{1,200})\] and text=\[([\d, ]{1,200})\]")
_FOUND = re.compile(r"found total (\d{1,6}) [^\n]{1,40} and (\d{1,6}) (images|videos)")


def token_counts(case: Case) -> Iterator[Hit]:
    """The relation of image tokens in the prompt to image features decides the cause."""
    if case.clues.other_model:
        return
    low = case.page.low
    found_counts = list(_COUNTS.finditer(low))
    match = found_counts[-1] if found_counts else None
    if match and ("features and" in low or "tokens do not match" in low):
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
                    "The processor expanded the image to more tokens than are left in input_ids: "
                    "the sequence was truncated (truncation=True with a max_length, or a training "
                    "cutoff length)."
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
            "The prompt holds no <|image_pad|> at all: the chat template dropped the "
            "image (a base model's or a custom template, content passed as a plain string,"
            " or text "
            "that was not built with processor.apply_chat_template), while the image was encoded."
        )
    if features == 0:
        return (
            "no image features",
            (
                "The prompt holds image placeholders but no image was encoded: images= was "
                "not passed, or pixel_values were dropped on the way."
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
                    "raise max_length / cutoff_len / max_prompt_length above the prompt, or pass "
                    "truncation=False"
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
