"""Prompts whose image placeholders do not match the images."""

import re
from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode
from ..flow.guards import contradicts
from ..flow.values import (
    Absent,
    Const,
    Item,
    ListItem,
    ObjectItem,
    Text,
    Value,
    is_given,
    items_of,
    literal,
    text_of,
)
from ..pixels import contents, fully_known, kind_of, prompts
from ..rule import Report, Rule

RULE = Rule(
    "images.image-token-mismatch", "The prompt's image placeholders do not match the images."
)
SMALL = 4096
PIXELS_PER_TOKEN = 28 * 28
"""At least: Qwen3-VL packs more pixels into a token."""
ROOM = 1024
RESIZES = re.compile(r"\.(?:resize|thumbnail|reduce)\(")
QUESTION = 256
"""Tokens for the system prompt and a question."""
TURN = re.compile(
    r"<\|im_start\|>|\b(?:USER|User|Human|ASSISTANT|Assistant): ?|\[INST\]|###\s*\w+:"
)
PLACEHOLDER = re.compile(
    r"image_pad|vision_start|image_token|IMAGE_TOKEN|<image>[^\n]{0,40}(?:replace|split|sub)\(|"
    r"(?:replace|split|sub|count)\([^\n]{0,40}<image>"
)


def check(program: Program) -> Iterator[Report]:
    """Hand-written prompts, messages without or with unused images, and truncation."""
    for encode in program.of(Encode):
        if not program.processor_families(encode.processor):
            continue
        if encode.processor is not None and encode.processor.kind != "processor":
            continue
        report = (
            _truncated(program, encode)
            or _placeholders(encode)
            or _unused(program, encode)
            or _unannounced(program, encode)
            or _miscounted(encode)
        )
        if report is not None:
            yield report


def _text(encode: Encode) -> Value:
    if "text" in encode.keywords.entries:
        return encode.keywords.get("text", encode.path)
    return ()


def _images(encode: Encode) -> Value:
    return encode.keywords.get("images", encode.path)


def _certainly_images(value: Value) -> bool:
    """Whether images are surely passed: not None, not an empty list, not the maybe-None of
    process_vision_info.
    """
    if not value:
        return False
    for alt in value:
        item = alt.item
        if isinstance(item, (Absent, Const)) or (
            isinstance(item, ListItem) and item.exact and not item.elements
        ):
            return False
        if isinstance(item, ObjectItem) and item.kind.startswith("vision"):
            known = item.data.messages
            if not any(kind_of(content) == "image" for content in contents(known)):
                return False
        elif not isinstance(item, ListItem) and getattr(item, "kind", "") != "image":
            return False
    return True


def _prompt_texts(value: Value) -> list[str] | None:
    """The written-out prompts, or None if one of them is not known."""
    texts: list[str] = []
    for alt in value:
        if isinstance(alt.item, ListItem):
            for element in alt.item.elements:
                inner = _prompt_texts(element)
                if inner is None:
                    return None
                texts += inner
        elif isinstance(alt.item, (Const, Text)) and (text := text_of(alt.item)) is not None:
            texts.append(text)
        else:
            return None
    return texts


def _placeholders(encode: Encode) -> Report | None:
    texts = _prompt_texts(_text(encode))
    if not texts or encode.template or not _certainly_images(_images(encode)):
        return None
    written = encode.site.module.text
    if all("<|image_pad|>" not in text for text in texts) and not any(
        _hole_may_hide(text, written) for text in texts
    ):
        return RULE.at(
            encode.site,
            "error",
            "Images are passed, but this hand-written prompt has no <|image_pad|> where they"
            " belong.",
            "Build the prompt with processor.apply_chat_template from messages that contain the"
            " images.",
        )
    lists = items_of(_images(encode), ListItem)
    if len(texts) == 1 and "\0" not in texts[0] and len(lists) == 1 and lists[0].exact:
        count, given = texts[0].count("<|image_pad|>"), len(lists[0].elements)
        if count != given:
            return RULE.at(
                encode.site,
                "error",
                f"The prompt has {count} image placeholders for {given} images.",
                "Write one <|vision_start|><|image_pad|><|vision_end|> per image.",
            )
    return None


def _hole_may_hide(text: str, written: str) -> bool:
    """An unknown part may hold the placeholder, unless the prompt is visibly a whole turn of a chat
    and the file never speaks of placeholders.
    """
    return "\0" in text and (TURN.search(text) is None or PLACEHOLDER.search(written) is not None)


def _truncated(program: Program, encode: Encode) -> Report | None:
    keywords = encode.keywords
    value = literal(keywords.get("truncation", encode.path))
    if value not in (True, "longest_first", "only_first"):
        return None
    if (
        not encode.template
        and not is_given(_images(encode))
        and not is_given(keywords.get("videos", encode.path))
    ):
        return None
    if (
        literal(_images(encode), False) is None
        and literal(keywords.get("videos", encode.path), False) is None
    ):
        return None
    limit = literal(keywords.get("max_length", encode.path))
    small = isinstance(limit, int) and limit <= SMALL and not _fits(encode, limit)
    return RULE.at(
        keywords.keys.get("truncation", encode.site),
        "warning" if small else "info",
        f"Truncation{f' at {limit} tokens' if small else ''} cuts image placeholders off, and the"
        " image features no longer match.",
        "Drop truncation and limit max_pixels instead.",
    )


def _fits(encode: Encode, limit: int) -> bool:
    """Whether one image at the processor's own pixel limit and a question stay below the limit, or
    the program makes its images smaller itself and leaves them room.
    """
    if limit >= ROOM and RESIZES.search(encode.site.module.text):
        return True
    load = encode.processor.data if encode.processor is not None else None
    pixels = literal(load.keywords.get("max_pixels", load.path)) if load is not None else None
    return isinstance(pixels, int) and pixels / PIXELS_PER_TOKEN + QUESTION <= limit


def _unused(program: Program, encode: Encode) -> Report | None:
    """Messages announce images that the processor call does not get."""
    if encode.template or encode.keywords.open or len(encode.args) > 0:
        return None
    if is_given(_images(encode)) and not _surely_none(_images(encode)):
        return None
    for prompt in prompts(encode):
        if contradicts(encode.path, prompt.data.path):
            continue
        entries = list(contents(prompt.data.messages))
        if any(kind_of(content) == "image" for content in entries) and fully_known(
            prompt.data.messages
        ):
            return RULE.at(
                encode.site,
                "warning",
                "The messages contain an image, but the processor gets none: the model answers"
                " without seeing it.",
                "Pass images= to the processor.",
            )
    return None


def _surely_none(value: Value) -> bool:
    return bool(value) and all(isinstance(a.item, Const) and a.item.value is None for a in value)


def _unannounced(program: Program, encode: Encode) -> Report | None:
    """Images go in, but the rendered messages have no place for them."""
    if encode.template or not _certainly_images(_images(encode)):
        return None
    found = prompts(encode)
    if not found or any(
        isinstance(a.item, ObjectItem) and a.item.kind.startswith("vision") for a in _images(encode)
    ):
        return None
    for prompt in found:
        messages = prompt.data.messages
        if not fully_known(messages) or any(
            kind_of(c) in ("image", "video") for c in contents(messages)
        ):
            return None
        if any(a.item.elements == [] for a in messages if isinstance(a.item, ListItem)):
            return None
    return RULE.at(
        encode.site,
        "error",
        "Images are passed, but the messages contain no image entry, so the prompt has no place for"
        " them.",
        'Add {"type": "image"} to the content of the message.',
    )


def _miscounted(encode: Encode) -> Report | None:
    """One conversation that announces another number of images than go in."""
    found = prompts(encode)
    if encode.template or len(found) != 1 or len(_text(encode)) != 1 or len(_images(encode)) != 1:
        return None
    text, images = _text(encode)[0].item, _images(encode)[0].item
    if isinstance(text, ListItem) and (not text.exact or len(text.elements) != 1):
        return None
    messages = found[0].data.messages
    if not fully_known(messages):
        return None
    given = 1 if getattr(images, "kind", "") == "image" else _exact_length(images)
    announced = sum(kind_of(content) == "image" for content in contents(messages))
    if given is None and announced == 1 and _collected(images):
        return RULE.at(
            encode.site,
            "info",
            "The messages announce one image, and the processor gets a list of as many as there"
            " are.",
            'Add one {"type": "image"} to the message for each image.',
        )
    if given is None or given == announced or not announced:
        return None
    return RULE.at(
        encode.site,
        "error",
        f"The messages announce {announced} images, and the processor gets {given}.",
        "Pass one image per image entry of the messages.",
    )


def _collected(item: Item) -> bool:
    """Whether it is a list of images of unknown length, which a loop made."""
    if not isinstance(item, ListItem) or item.exact or item.at_most_one:
        return False
    return bool(item.elements) and all(
        getattr(alt.item, "kind", "") == "image" for element in item.elements for alt in element
    )


def _exact_length(item: Item) -> int | None:
    if not isinstance(item, ListItem) or not item.exact:
        return None
    single = all(not isinstance(a.item, ListItem) for element in item.elements for a in element)
    return len(item.elements) if single else None
