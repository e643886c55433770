"""What limits the pixels of a processor call."""

from collections.abc import Iterator

from . import knowledge
from .facts import Program
from .flow.events import Encode, LoadProcessor, SetAttribute, VisionInfo
from .flow.values import (
    Absent,
    Const,
    DictItem,
    ListItem,
    ObjectItem,
    Site,
    Text,
    Value,
    is_given,
    literal,
    objects,
)

KEYS = ("max_pixels", "size")
MESSAGE_KEYS = {"max_pixels", "resized_height", "total_pixels"}


def fast(program: Program, load: LoadProcessor, style: str) -> bool | None:
    """Whether the fast image processor class is used; None if not known."""
    given = load.keywords.get("use_fast", load.path)
    if "use_fast" in load.keywords.entries:
        known = literal(given)
        return known if isinstance(known, bool) else None
    if load.keywords.open:
        return None
    if load.cls.endswith("ImageProcessorFast"):
        return True
    if program.transformers.release < (4, 57):
        return style == "B"
    return True


def attribute_writes(program: Program, load: LoadProcessor) -> Iterator[SetAttribute]:
    """`processor.image_processor.max_pixels = ...` and the like, for one processor."""
    for event in program.writes_to(load):
        if event.what is not None and event.what.kind in ("image_processor", "processor"):
            yield event


def limits(program: Program, load: LoadProcessor) -> bool:
    """Whether anything was tried to limit the pixels of this processor."""
    if load.keywords.open or any(is_given(load.keywords.get(key, load.path)) for key in KEYS):
        return True
    return any(
        event.name in KEYS or event.name.startswith("size")
        for event in attribute_writes(program, load)
    )


def capped(program: Program, encode: Encode) -> bool:
    """Whether a processor call has some limit on pixels."""
    if encode.processor is not None and isinstance(encode.processor.data, LoadProcessor):
        if limits(program, encode.processor.data):
            return True
    else:
        return True
    if any(key in encode.keywords.entries for key in (*KEYS, "images_kwargs", "videos_kwargs")):
        return True
    return any(
        entry_keys(content) & MESSAGE_KEYS for content in contents(messages_of(program, encode))
    )


def messages_of(program: Program, encode: Encode) -> Value:
    """The messages that a processor call stems from."""
    if encode.template:
        return encode.args[0] if encode.args else encode.keywords.get("conversation")
    for name in ("images", "videos"):
        for item in (a.item for a in encode.keywords.get(name, encode.path)):
            if isinstance(item, ObjectItem) and isinstance(item.data, VisionInfo):
                return item.data.messages
    for item in prompts(encode):
        messages: Value = item.data.messages
        return messages
    return ()


def prompts(encode: Encode) -> list[ObjectItem]:
    """The rendered chat templates in the text of a processor call."""
    value = (
        encode.keywords.get("text", encode.path)
        if "text" in encode.keywords.entries
        else (encode.args[0] if encode.args and not encode.template else ())
    )
    found = list(objects(value, "prompt"))
    for alt in value:
        if isinstance(alt.item, ListItem):
            for element in alt.item.elements:
                found += objects(element, "prompt")
    return found


def has_images(program: Program, encode: Encode) -> bool:
    """Whether a processor call gets images."""
    if is_given(encode.keywords.get("images", encode.path)) and "images" in encode.keywords.entries:
        return True
    return any(kind_of(content) == "image" for content in contents(messages_of(program, encode)))


def contents(messages: Value, depth: int = 0) -> Iterator[DictItem]:
    """Every content entry ({"type": ...}) in messages, whatever their nesting."""
    if depth > 6:
        return
    for alt in messages:
        if isinstance(alt.item, ListItem):
            for element in alt.item.elements:
                yield from contents(element, depth + 1)
        elif isinstance(alt.item, DictItem):
            if "type" in alt.item.entries or ({"image", "video"} & set(alt.item.entries)):
                yield alt.item
            elif "content" in alt.item.entries:
                yield from contents(alt.item.entries["content"], depth + 1)


def fully_known(messages: Value, depth: int = 0) -> bool:
    """Whether messages hold nothing but what `contents` yields."""
    if not messages or depth > 6:
        return False
    for alt in messages:
        if isinstance(alt.item, ListItem):
            if not alt.item.exact or not all(
                fully_known(element, depth + 1) for element in alt.item.elements
            ):
                return False
        elif isinstance(alt.item, DictItem):
            if alt.item.open or alt.item.spreads:
                return False
            if "type" in alt.item.entries:
                continue
            if "content" not in alt.item.entries or not fully_known(
                alt.item.entries["content"], depth + 1
            ):
                return False
        elif depth <= 1 or not isinstance(alt.item, (Const, Text)):
            return False
    return True


def entry_keys(content: DictItem) -> set[str]:
    """The keys of a content entry that may be set."""
    return {
        key
        for key, value in content.entries.items()
        if isinstance(key, str) and not all(isinstance(a.item, Absent) for a in value)
    }


def kind_of(content: DictItem) -> str | None:
    """'image', 'video' or 'text' of a content entry."""
    known = literal(content.get("type"))
    if known in ("image", "image_url"):
        return "image"
    if isinstance(known, str):
        return known
    return next((key for key in ("image", "video") if key in content.entries), None)


def site_of(content: DictItem, key: str, default: Site) -> Site:
    """Where a key of a content entry is written."""
    return content.keys.get(key, default)


def style_of(program: Program, load: LoadProcessor) -> str | None:
    """The style of the preprocessor file of a processor."""
    return knowledge.pixel_style(program.families(load))
