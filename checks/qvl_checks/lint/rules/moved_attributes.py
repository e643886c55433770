"""Attributes of models and configs that moved between releases."""

from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from ..facts import Program
from ..flow.events import ReadAttribute
from ..flow.values import is_given
from ..knowledge import ANY_VL, QWEN2, QWEN3
from ..rule import Report, Rule

RULE = Rule(
    "versions.moved-attributes", "An attribute of the model or config moved in another release."
)
_TEXT_FIELDS = (
    "hidden_size",
    "vocab_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
)
_MOVES: tuple[tuple[str, frozenset[str], str, str], ...] = (
    ("get_rope_index", QWEN2, ">=4.52", "model.model.get_rope_index"),
    ("get_rope_index", QWEN3, ">=4.57", "model.model.get_rope_index"),
    ("rope_deltas", QWEN2, ">=4.52", "model.model.rope_deltas"),
    ("visual", ANY_VL, ">=5.0", "model.model.visual"),
    ("language_model", ANY_VL, ">=5.0", "model.model.language_model"),
    ("model.embed_tokens", ANY_VL, ">=4.52", "model.model.language_model.embed_tokens"),
    ("model.layers", ANY_VL, ">=4.52", "model.model.language_model.layers"),
    ("model.norm", ANY_VL, ">=4.52", "model.model.language_model.norm"),
    ("model.visual", QWEN2, "<4.52", "model.visual"),
    ("model.language_model", QWEN2, "<4.52", "model.model"),
    ("model.get_rope_index", QWEN2, "<4.52", "model.get_rope_index"),
    *(
        (f"config.{name}", ANY_VL, ">=5.0", f"model.config.text_config.{name}")
        for name in _TEXT_FIELDS
    ),
    *(
        (f"config.text_config.{name}", QWEN2, "<4.52", f"model.config.{name}")
        for name in _TEXT_FIELDS
    ),
)


def check(program: Program) -> Iterator[Report]:
    """Reads of the old paths on models whose family is known."""
    for event in program.of(ReadAttribute):
        families = program.model_families(event.what)
        if (
            not families
            or event.what is None
            or (is_given(event.what.attributes.get("peft", ())) and "peft" in event.what.attributes)
        ):
            continue
        if event.catches & {"AttributeError", "Exception", "BaseException"}:
            continue
        if any("hasattr" in test or "version" in test.lower() for test in event.conditions):
            continue
        for name, concerned, releases, path in _MOVES:
            if (
                event.name == name
                and families <= concerned
                and SpecifierSet(releases).contains(program.transformers, prereleases=True)
            ):
                yield RULE.at(
                    event.site,
                    "error",
                    f"In transformers {program.transformers} this is not at model.{name} but at"
                    f" {path}.",
                    f"Use {path}.",
                )
