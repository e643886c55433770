"""`from_pretrained` and the classes of transformers."""

from __future__ import annotations

import ast

from . import expressions
from .events import Call, Load, LoadProcessor
from .frame import Frame
from .values import (
    ABSENT,
    UNKNOWN,
    Alt,
    DictItem,
    MethodItem,
    ObjectItem,
    Value,
    const,
    items_of,
    objects,
    of,
)

PROCESSOR_ENDINGS = (
    "Processor",
    "ProcessorFast",
    "Tokenizer",
    "TokenizerFast",
    "FeatureExtractor",
    "ImageProcessorPil",
)


OTHER_FRAMEWORKS = {
    "auto_gptq",
    "awq",
    "gptqmodel",
    "ipex_llm",
    "mlx_vlm",
    "openvino_genai",
    "optimum",
    "unsloth",
}
"""Their loaders have defaults of their own: dtype, placement, what is quantised."""


def call(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """The value of a call into transformers, or None if nothing special is known of it."""
    owner, _, method = name.rpartition(".")
    cls = owner.rpartition(".")[2]
    if method == "from_pretrained":
        return from_pretrained(frame, name, cls, args, keywords, node)
    if method in ("from_config", "_from_config"):
        return _model(frame, name, cls, ABSENT, args, keywords, node)
    if method == "pipeline":
        return _pipeline(frame, name, args, keywords, node)
    if method == "GenerationConfig" or name.endswith("GenerationConfig.from_model_config"):
        return _generation_config(frame, keywords, node)
    if method == "HfArgumentParser":
        return of(ObjectItem("hf_parser", data=args))
    return None


def from_pretrained(
    frame: Frame, name: str, cls: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value | None:
    """A model, a processor, a config, an adapter: what the class name says."""
    source = args[0] if args else keywords.get("pretrained_model_name_or_path")
    if name.partition(".")[0] in OTHER_FRAMEWORKS:
        return None
    if cls.startswith("Peft") or cls in ("AutoPeftModel",):
        frame.emit(Call(frame.site(node), name=name, args=args, keywords=keywords))
        for model in objects(source, "model"):
            model.attributes["peft"] = const(True)
        return source if objects(source, "model") else UNKNOWN
    if cls.endswith("GenerationConfig"):
        return _generation_config(frame, keywords, node)
    if cls.endswith("Config"):
        config = ObjectItem("config", dict(keywords.entries), (None, ""))
        config.attributes["source"] = source
        return of(config, frame.site(node))
    if cls.endswith(PROCESSOR_ENDINGS):
        kind = (
            "tokenizer"
            if "Tokenizer" in cls
            else "image_processor"
            if "ImageProc" in cls
            else "processor"
        )
        event = frame.emit(
            LoadProcessor(
                frame.site(node), name=name, args=args, keywords=keywords, cls=cls, source=source
            )
        )
        event.result = ObjectItem(kind, data=event)
        for key in ("padding_side", "min_pixels", "max_pixels", "size"):
            if key in keywords.entries:
                event.result.attributes[key] = tuple(
                    Alt(a.item, keywords.keys.get(key), a.guard, a.soft)
                    for a in keywords.entries[key]
                )
        return of(event.result, frame.site(node))
    if not cls[:1].isupper():
        return None
    return _model(frame, name, cls, source, args, keywords, node)


def _model(
    frame: Frame,
    name: str,
    cls: str,
    source: Value,
    args: list[Value],
    keywords: DictItem,
    node: ast.AST,
) -> Value:
    event = frame.emit(
        Load(frame.site(node), name=name, args=args, keywords=keywords, cls=cls, source=source)
    )
    event.result = ObjectItem("model", data=event)
    event.result.attributes["training"] = const(False)
    for config in objects(keywords.get("config"), "config"):
        event.result.attributes["given_config"] = of(config)
    return of(event.result, frame.site(node))


def _pipeline(
    frame: Frame, name: str, args: list[Value], keywords: DictItem, node: ast.AST
) -> Value:
    merged = DictItem(dict(keywords.entries), dict(keywords.keys), keywords.open)
    extra = merged.entries.pop("model_kwargs", None)
    if extra:
        expressions.spread(frame, merged, extra)
    source = (
        keywords.get("model")
        if "model" in keywords.entries
        else (args[1] if len(args) > 1 else UNKNOWN)
    )
    if objects(source, "model"):
        return UNKNOWN
    event = frame.emit(
        Load(frame.site(node), name=name, args=args, keywords=merged, cls="pipeline", source=source)
    )
    event.result = ObjectItem("pipeline", data=event)
    return of(event.result, frame.site(node))


def _generation_config(frame: Frame, keywords: DictItem, node: ast.AST) -> Value:
    return of(ObjectItem("generation_config", dict(keywords.entries), (None, "")), frame.site(node))


def is_method(value: Value, name: str) -> bool:
    """Whether the value is surely an attribute of that name, of whatever object."""
    found: list[MethodItem] = items_of(value, MethodItem)
    return bool(found) and len(found) == len(value) and all(item.name == name for item in found)
