"""A 4-bit KV cache on a model with large key biases."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, judge
from ..flow.events import Run
from ..flow.values import (
    Alt,
    Const,
    DictItem,
    Item,
    ObjectItem,
    Site,
    Value,
    items_of,
    literal,
    objects,
)
from ..knowledge import BIASED
from ..rule import Report, Rule

RULE = Rule(
    "kv-cache.quantized-cache-corruption", "A quantised KV cache corrupts this model's text."
)


def check(program: Program) -> Iterator[Report]:
    """cache_implementation="quantized" and quantised cache objects, below 8 bits."""
    for run in program.of(Run):
        families = program.model_families(run.model)
        if not families & BIASED:
            continue
        site = _quantised(run)
        if site is not None:
            yield RULE.at(
                site,
                "warning" if families <= BIASED else "info",
                "This model's key biases do not survive a 4-bit KV cache: the text comes out"
                " corrupted.",
                "Leave the cache unquantised, or use 8 bits.",
            )


def _quantised(run: Run) -> Site | None:
    certainty, alt = judge(
        run.path,
        [run.keywords.get("cache_implementation"), run.keywords.get("cache_config")],
        lambda cache, config: _is_quantized(cache) and not _eight_bits((Alt(config),)),
    )
    if certainty == CERTAIN and alt is not None:
        return run.keywords.keys.get("cache_implementation") or alt.site or run.site
    for config in objects(run.keywords.get("generation_config", run.path), "generation_config"):
        value = config.attributes.get("cache_implementation", ())
        if (
            value
            and literal(value) == "quantized"
            and not _eight_bits(config.attributes.get("cache_config", ()))
        ):
            return value[0].site or run.site
    for values in items_of(run.state.get("generation_config values", ()), DictItem):
        value = values.entries.get("cache_implementation", ())
        if (
            value
            and literal(value) == "quantized"
            and not _eight_bits(values.entries.get("cache_config", ()))
        ):
            return value[0].site or run.site
    for cache in objects(run.keywords.get("past_key_values", run.path), "cache"):
        name = cache.data.name.rpartition(".")[2]
        if "Quant" not in name and "HQQ" not in name:
            continue
        keywords = cache.data.keywords
        if literal(keywords.get("nbits")) == 8 or keywords.open:
            return None
        if _eight_bits(keywords.get("cache_config")):
            return None
        return Site(cache.data.site.module, cache.data.site.node)
    return None


def _is_quantized(item: Item) -> bool:
    return isinstance(item, Const) and item.value == "quantized"


def _eight_bits(value: Value) -> bool:
    """Whether a cache config says 8 bits, or cannot be read."""
    for alt in value:
        item = alt.item
        if isinstance(item, DictItem):
            return item.open or literal(item.get("nbits")) == 8
        if isinstance(item, ObjectItem):
            return (
                literal(item.data.keywords.get("nbits")) == 8
                if hasattr(item.data, "keywords")
                else True
            )
        if type(item).__name__ in ("Unknown", "MethodItem"):
            return True
    return False
