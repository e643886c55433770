"""Quantising the vision tower along with the language model."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, NEVER, judge
from ..flow.events import Call, Load
from ..flow.values import (
    Absent,
    Const,
    DictItem,
    Item,
    ListItem,
    ObjectItem,
    Value,
    is_absent,
    literal,
    text_of,
)
from ..knowledge import is_prequantised
from ..rule import Report, Rule

RULE = Rule("checkpoint.vision-tower-quantized", "The vision tower is quantised, too.")
SKIPS = {
    "BitsAndBytesConfig": "llm_int8_skip_modules",
    "HqqConfig": "skip_modules",
    "QuantoConfig": "modules_to_not_convert",
    "TorchAoConfig": "modules_to_not_convert",
}
FIX = 'Leave it out: {skip}=["visual", "lm_head"].'


def check(program: Program) -> Iterator[Report]:
    """Quantisation configs that do not skip `visual`."""
    for load, _ in program.loads():
        if is_prequantised(program.source_text(load)):
            # The checkpoint's own settings win over what is passed.
            continue
        direct = _direct(load)
        if direct is not None:
            yield direct
            continue
        value = load.keywords.get("quantization_config", load.path)
        certainty, alt = judge(load.path, [value], _quantises_all)
        if certainty == NEVER or alt is None:
            continue
        item = alt.item
        if isinstance(item, DictItem):
            site, skip, four = (
                alt.site or load.site,
                SKIPS["BitsAndBytesConfig"],
                literal(item.get("load_in_4bit")),
            )
        elif isinstance(item, ObjectItem):
            call: Call = item.data
            site, skip = call.site, SKIPS[call.name.rpartition(".")[2]]
            four = literal(call.keywords.get("load_in_8bit")) is not True
        else:
            continue
        certain = certainty == CERTAIN or all(
            _quantises_all(a.item) or _nothing(a.item) for a in value
        )
        yield RULE.at(
            site,
            "warning" if certain and four else "info",
            "This quantises the vision tower along with the language model, which makes the model"
            " talk nonsense about images.",
            FIX.format(skip=skip),
        )


def _nothing(item: Item) -> bool:
    return isinstance(item, Absent) or (isinstance(item, Const) and item.value is None)


def _quantises_all(item: Item) -> bool:
    if isinstance(item, DictItem):
        loaded = (
            literal(item.get("load_in_4bit")) is True or literal(item.get("load_in_8bit")) is True
        )
        return loaded and not item.open and not _skips(item.get("llm_int8_skip_modules"))
    if not isinstance(item, ObjectItem) or item.kind != "quant":
        return False
    name = item.data.name.rpartition(".")[2]
    keywords: DictItem = item.data.keywords
    if name not in SKIPS or keywords.open:
        return False
    if name == "BitsAndBytesConfig":
        on = [
            literal(item.attributes.get(key) or keywords.get(key))
            for key in ("load_in_4bit", "load_in_8bit")
        ]
        if True not in on:
            return False
    later = item.attributes.get(SKIPS[name], ())
    return not _skips(later or keywords.get(SKIPS[name]))


def _skips(value: Value) -> bool:
    """Whether a list of modules names the vision tower, or is not known."""
    if is_absent(value) or (value and literal(value, 0) is None):
        return False
    for alt in value:
        if not isinstance(alt.item, ListItem) or not alt.item.exact:
            return True
        for element in alt.item.elements:
            text = text_of(element[0].item)
            if text is None or "vis" in text:
                return True
    return False


def _direct(load: Load) -> Report | None:
    for key in ("load_in_4bit", "load_in_8bit"):
        if (
            literal(load.keywords.get(key, load.path)) is True
            and "quantization_config" not in load.keywords.entries
        ):
            return RULE.at(
                load.keywords.keys.get(key, load.site),
                "warning" if key == "load_in_4bit" else "info",
                "This quantises the vision tower along with the language model, which makes the"
                " model talk nonsense about images.",
                'Pass quantization_config=BitsAndBytesConfig(..., llm_int8_skip_modules=["visual",'
                ' "lm_head"]).',
            )
    return None
