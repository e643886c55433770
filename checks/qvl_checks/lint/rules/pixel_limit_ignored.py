"""Ways to limit pixels that a release ignores."""

from collections.abc import Iterator

from ..facts import Program
from ..finding import Edit
from ..flow.events import Encode, LoadProcessor
from ..flow.library import HUBS
from ..flow.values import is_given, literal
from ..knowledge import family_of_class
from ..pixel_matrix import IGNORED, outcome
from ..pixels import attribute_writes, contents, entry_keys, fast, kind_of, style_of
from ..rule import Report, Rule, add_keyword

RULE = Rule("images.pixel-limit-ignored", "This release ignores this way to limit the pixels.")
FIX = "Pass both min_pixels and max_pixels to from_pretrained; that works in every release."
SMALLEST = {"A": "4 * 28 * 28", "B": "64 * 32 * 32"}


def check(program: Program) -> Iterator[Report]:
    """Every way that a program uses, against the measured matrix."""
    for load, _ in program.processors():
        style = style_of(program, load)
        if style is None or load.keywords.open or not _of_transformers(load):
            continue
        if load.cls.endswith(("Tokenizer", "TokenizerFast")):
            continue
        quick = fast(program, load, style)
        if quick is None:
            continue
        ways = _ways(program, load)
        verdicts = {way: outcome(program.transformers, style, quick, way) for way, _ in ways}
        if any(verdict is False for verdict in verdicts.values()):
            continue
        for way, site in ways:
            ignored = verdicts[way]
            if ignored is not IGNORED and ignored is not None:
                continue
            edits: tuple[Edit, ...] = ()
            if way == "load max_pixels" and "size" not in load.keywords.entries:
                edits = add_keyword(load.site, f"min_pixels={SMALLEST[style]}")
            yield RULE.at(
                site,
                "warning" if ignored is IGNORED else "info",
                f"transformers {program.transformers}"
                f" {'ignores' if ignored is IGNORED else 'may ignore'} this pixel limit without a"
                f" word ({_named(way)}).",
                FIX,
                *edits,
            )
    yield from _in_messages(program)


def _ways(program: Program, load: LoadProcessor):  # type: ignore[no-untyped-def]
    keywords = load.keywords
    given = {
        k
        for k in ("min_pixels", "max_pixels", "size")
        if is_given(keywords.get(k, load.path)) and k in keywords.entries
    }
    ways = []
    if {"min_pixels", "max_pixels"} <= given:
        ways.append(("load both", load.site))
    elif "max_pixels" in given:
        ways.append(("load max_pixels", keywords.keys.get("max_pixels", load.site)))
    elif "size" in given:
        ways.append(("load size", keywords.keys.get("size", load.site)))
    for event in attribute_writes(program, load):
        if event.what is not None and event.what.kind == "processor":
            continue
        if event.name in ("max_pixels", "size"):
            ways.append((f"attribute {event.name}", event.site))
    for encode in program.encodes_of(load):
        if encode.template:
            continue
        called = {k for k in ("min_pixels", "max_pixels", "size") if k in encode.keywords.entries}
        if {"min_pixels", "max_pixels"} <= called:
            ways.append(("call both", encode.site))
        elif "max_pixels" in called:
            ways.append(("call max_pixels", encode.keywords.keys.get("max_pixels", encode.site)))
        elif "size" in called:
            ways.append(("call size", encode.keywords.keys.get("size", encode.site)))
    return ways


def _of_transformers(load: LoadProcessor) -> bool:
    """A copy of a processor that lives in another package, or that the program wrote itself, may
    read what it likes.
    """
    known = load.cls.startswith("Auto") or family_of_class(load.cls) is not None
    return known and load.name.partition(".")[0] in HUBS


def _named(way: str) -> str:
    kind, _, what = way.partition(" ")
    return {
        "load": f"{what} in from_pretrained",
        "attribute": f"setting .{what} on the image processor",
        "call": f"{what} in the processor call",
    }[kind]


def _in_messages(program: Program) -> Iterator[Report]:
    """Limits in messages are read by qwen-vl-utils only, not by apply_chat_template."""
    for encode in program.of(Encode):
        if not encode.template or not program.processor_families(encode.processor):
            continue
        for content in contents(
            encode.args[0] if encode.args else encode.keywords.get("conversation")
        ):
            keys = entry_keys(content) & {"max_pixels", "min_pixels", "resized_height"}
            if kind_of(content) in ("image", "video") and keys and literal(content.get("type")):
                key = sorted(keys)[0]
                yield RULE.at(
                    content.keys.get(key, encode.site),
                    "info",
                    "apply_chat_template(tokenize=True) does not read pixel limits in messages;"
                    " only qwen-vl-utils does.",
                    FIX,
                )
                break
