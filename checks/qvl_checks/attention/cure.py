"""Eager attention with float32 logits: the cure, as code that a user pastes and that probes execute.

Runs in the target; standard library only at module level. The text that is returned as `Cure.source`
is the text that was executed, so that a measurement with it is a measurement of what is printed.
"""

import importlib
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

NAME = "eager_fp32_logits"
USE = f'model.set_attn_implementation({{"text_config": "{NAME}"}})'
USE_4_53 = f'model.language_model.config._attn_implementation = "{NAME}"'
"""set_attn_implementation came with 4.54."""
FOLDER = Path(__file__).with_name("cures")


class Cure(NamedTuple):
    """One executed cure."""

    style: str
    """``function``: registered under `NAME` (transformers 4.53 and later, where attention is a
    function); ``class``: the eager class of the model's module was replaced."""
    source: str
    use: str
    """The statement that makes a loaded model use it; empty for ``class``, which comes before."""
    namespace: Dict[str, Any]


def apply_cure(model_type: str) -> Cure:
    """Execute the cure for the installed transformers.

    Raises:
        ImportError, AttributeError, KeyError: this release has neither door.
    """
    if has_attention_functions():
        from transformers import PreTrainedModel

        use = USE if hasattr(PreTrainedModel, "set_attn_implementation") else USE_4_53
        source = (FOLDER / "fp32_logits.py").read_text(encoding="utf-8")
        return _execute("function", source, use)
    template = (FOLDER / "fp32_logits_classes.py").read_text(encoding="utf-8")
    source = template.replace("FAMILY", model_type).replace("CLASSES", classes_name(model_type))
    return _execute("class", source, "")


def has_attention_functions() -> bool:
    """Whether the mask of a registered attention function can be registered too (4.53)."""
    try:
        masking = importlib.import_module("transformers.masking_utils")
    except ImportError:
        return False
    return hasattr(masking, "AttentionMaskInterface")


def classes_name(model_type: str) -> str:
    """Name of the table of the language model's attention classes in releases before 4.53."""
    return f"{model_type.upper()}_ATTENTION_CLASSES"


def modeling_module(model_type: str) -> Optional[Any]:
    """The model's module, if this release has one."""
    try:
        return importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    except ImportError:
        return None


def _execute(style: str, source: str, use: str) -> Cure:
    namespace: Dict[str, Any] = {"__name__": NAME}
    exec(compile(source, f"<{NAME}>", "exec"), namespace)
    return Cure(style, source, use, namespace)
