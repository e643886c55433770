"""What a load is given: dtype, attention implementation, placement."""

from __future__ import annotations

from . import knowledge
from .flow import events as ev
from .flow.values import ABSENT, Absent, Value, literal, merge, objects, text_of


class Arguments:
    """Answers about the arguments of one load."""

    def source_text(self, load: ev.Load | ev.LoadProcessor) -> str:
        """Every text that the source may be, joined."""
        return " ".join(text_of(alt.item) or "" for alt in load.source)

    def dtype(self, load: ev.Load) -> Value:
        """The dtype argument under either name; Absent alternatives where none is given."""
        return self.either(load, "dtype", "torch_dtype")

    def either(self, call: ev.Call, *names: str) -> Value:
        """The first of several keywords that is given."""
        values = [call.keywords.get(name, call.path) for name in names]
        given = [value for value in values if not all(isinstance(a.item, Absent) for a in value)]
        if not given:
            return ABSENT
        if len(given) == 1:
            return given[0]
        return merge(
            *(tuple(a for a in value if not isinstance(a.item, Absent)) for value in given)
        )

    def attention(self, load: ev.Load) -> Value:
        """The attention implementation that a load asks for."""
        value = self.either(load, "attn_implementation", "_attn_implementation")
        if (
            value is ABSENT
            and literal(load.keywords.get("use_flash_attention_2", load.path)) is True
        ):
            return load.keywords.get("use_flash_attention_2")
        model = load.result
        if model is not None and value is ABSENT:
            for config in objects(model.attributes.get("given_config", ()), "config"):
                value = next(
                    (
                        config.attributes[k]
                        for k in ("_attn_implementation", "attn_implementation")
                        if k in config.attributes
                    ),
                    value,
                )
        if model is not None and "attention" in model.attributes:
            value = model.attributes["attention"]
        return value

    def quantised(self, load: ev.Load) -> bool:
        """Whether a load quantises, or reads a checkpoint that says it is quantised."""
        names = ("quantization_config", "load_in_4bit", "load_in_8bit")
        given = any(name in load.keywords.entries for name in names)
        return given or knowledge.is_prequantised(self.source_text(load))

    def placement(self, load: ev.Load) -> Value:
        """device_map as given."""
        return load.keywords.get("device_map", load.path)
