"""Different attention implementations for the parts, and keys that name no part."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Call, Load
from ..flow.values import DictItem, Site, Value, items_of, literal, objects
from ..knowledge import BIASED
from ..rule import Report, Rule, rename_keyword

RULE = Rule(
    "attention.mixed-attention-implementations",
    "Parts of the model get attention implementations that do not fit.",
)
PARTS = {
    "",
    "text_config",
    "vision_config",
    "audio_config",
    "thinker_config",
    "talker_config",
    "token2wav_config",
    "code2wav_config",
}
MEANT = {
    "visual": "vision_config",
    "vision": "vision_config",
    "vision_tower": "vision_config",
    "vision_model": "vision_config",
    "text": "text_config",
    "language_model": "text_config",
    "llm": "text_config",
    "text_model": "text_config",
    "model": "text_config",
}


def check(program: Program) -> Iterator[Report]:
    """Dicts given as attn_implementation, at load or later."""
    for load, families in program.loads():
        value = program.either(load, "attn_implementation")
        yield from _judge(
            program, load, families, value, load.keywords.keys.get("attn_implementation", load.site)
        )
    for call in program.of(Call):
        if call.name == "model.set_attn_implementation" and len(call.args) == 2:
            for model in objects(call.args[0], "model"):
                yield from _judge(
                    program, model.data, program.model_families(model), call.args[1], call.site
                )


def _judge(
    program: Program, load: Load, families: frozenset[str], value: Value, site: Site
) -> Iterator[Report]:
    if not families:
        return
    for mapping in items_of(value, DictItem):
        for key in mapping.entries:
            if isinstance(key, str) and key not in PARTS:
                place = mapping.keys.get(key, site)
                meant = MEANT.get(key)
                yield RULE.at(
                    place,
                    "warning",
                    f'transformers silently ignores the key "{key}": the keys are names of'
                    " sub-configs.",
                    f'Use "{meant}".' if meant else 'Use "text_config" and "vision_config".',
                    *(
                        rename_keyword(place, meant)
                        if meant and meant not in mapping.entries
                        else ()
                    ),
                )
        top = literal(mapping.get(""))
        text, vision = (
            literal(mapping.get("text_config"), top),
            literal(mapping.get("vision_config"), top),
        )
        if text == "eager" and vision not in ("eager", None) and families <= BIASED:
            yield RULE.at(
                mapping.keys.get("text_config", site),
                "warning",
                f"An eager language model under a {vision} vision tower nearly lost all accuracy on"
                " Qwen2.5-VL.",
                'Use "sdpa" or "flash_attention_2" for "text_config", too.',
            )
