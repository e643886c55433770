"""process_vision_info with the patch size of another family."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode, VisionInfo
from ..flow.values import Absent, ObjectItem, Value, literal
from ..knowledge import QWEN2, QWEN3
from ..rule import Report, Rule, add_keyword

RULE = Rule("images.wrong-image-patch-size", "process_vision_info resizes for another patch size.")


def check(program: Program) -> Iterator[Report]:
    """Calls whose result goes to a processor of a known family."""
    for call in program.of(VisionInfo):
        families = _consumers(program, call)
        if not families:
            continue
        value = call.keywords.get("image_patch_size", call.path)
        size = literal(value)
        missing = all(isinstance(a.item, Absent) for a in value)
        if families <= QWEN3 and (missing or size == 14):
            edits = (
                add_keyword(call.site, "image_patch_size=16")
                if missing and not call.keywords.open
                else ()
            )
            yield RULE.at(
                call.site if missing else call.keywords.keys.get("image_patch_size", call.site),
                "warning",
                "Qwen3-VL has 16-pixel patches; without image_patch_size=16 the images are resized"
                " for 14 and then resized again.",
                "Pass image_patch_size=16, and do_resize=False to the processor.",
                *edits,
            )
        elif families <= QWEN2 and size == 16:
            yield RULE.at(
                call.keywords.keys.get("image_patch_size", call.site),
                "warning",
                "Qwen2-VL and Qwen2.5-VL have 14-pixel patches, not 16.",
                "Drop image_patch_size.",
            )


def _consumers(program: Program, call: VisionInfo) -> frozenset[str]:
    """The families of the processors that get this call's images, else those of the file's
    models.
    """
    found: set[str] = set()
    for encode in program.of(Encode):
        for name in ("images", "videos"):
            if _comes_from(encode.keywords.get(name, encode.path), call):
                found |= program.processor_families(encode.processor) or program.processor_families(
                    None
                )
    if not found:
        for load, families in (*program.loads(), *program.processors()):
            if load.site.module is call.site.module:
                found |= families
    return frozenset(found)


def _comes_from(value: Value, call: VisionInfo) -> bool:
    return any(isinstance(a.item, ObjectItem) and a.item.data is call for a in value)
