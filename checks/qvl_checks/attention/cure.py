"""Eager attention with float32 logits: the cure, as code that users paste and probes execute.

Runs in the target; standard library only at module level. `Cure.source` is the text that was
executed, so that a measurement with it is a measurement of what a report prints.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple

NAME = "eager_fp32_logits"
CURED_CLASS = "EagerFp32Logits"
"""Name of the classes that the cure derives, where attention is a class."""
FOLDER = Path(__file__).with_name("cures")


class Cure(NamedTuple):
    """One executed cure."""

    style: str
    """``function``: registered under `NAME` (transformers 4.53 and later, where attention is a
    function); ``class``: the eager class of the model's module was replaced."""
    source: str
    use: str
    """The statement that makes a loaded model use it; empty for ``class``, which comes before."""
    namespace: dict[str, Any]


def apply_cure(model_type: str) -> Cure:
    """Execute the cure for the installed transformers.

    Raises:
        ImportError, AttributeError, KeyError: this release has neither door.
    """
    if has_attention_functions():
        source = (FOLDER / "fp32_logits.py.txt").read_text(encoding="utf-8")
        return _execute("function", source, switch_statement(NAME))
    template = (FOLDER / "fp32_logits_classes.py.txt").read_text(encoding="utf-8")
    source = template.replace("FAMILY", model_type)
    # The longer name first: the other is a part of it.
    source = source.replace("VISION_CLASSES", classes_name(model_type, "vision"))
    source = source.replace("modeling.CLASSES", f"modeling.{classes_name(model_type)}")
    return _execute("class", source, "")


def switch_statement(implementation: str, tower: str = "text") -> str:
    """Python that makes one tower (``text`` or ``vision``) of a loaded ``model``, and only it, run
    this; empty before 4.53, where the implementation is settled when the model is built."""
    if not has_attention_functions():
        return ""
    from transformers import PreTrainedModel

    if hasattr(PreTrainedModel, "set_attn_implementation"):  # from 4.54 on
        return f'model.set_attn_implementation({{"{tower}_config": "{implementation}"}})'
    part = "language_model" if tower == "text" else "visual"
    return f'model.{part}.config._attn_implementation = "{implementation}"'


def has_attention_functions() -> bool:
    """Whether the mask of a registered attention function can be registered too (4.53)."""
    try:
        masking = importlib.import_module("transformers.masking_utils")
    except ImportError:
        return False
    return hasattr(masking, "AttentionMaskInterface")


def classes_name(model_type: str, tower: str = "text") -> str:
    """Name of the table of a tower's attention classes in releases before 4.53."""
    vision = "VISION_" if tower == "vision" else ""
    return f"{model_type.upper()}_{vision}ATTENTION_CLASSES"


def modeling_module(model_type: str) -> Any | None:
    """The model's module, if this release has one."""
    try:
        return importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    except ImportError:
        return None


def _execute(style: str, source: str, use: str) -> Cure:
    namespace: dict[str, Any] = {"__name__": NAME}
    exec(compile(source, f"<{NAME}>", "exec"), namespace)
    return Cure(style, source, use, namespace)
