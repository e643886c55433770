"""Which Qwen-VL family a class name or a set of tensor names belongs to."""

from __future__ import annotations

from qvl_checks.checkpoint.files_facts import Tensors
from qvl_checks.models.catalogue import Family, families
from qvl_doctor.facts import ModelFacts

CONDITIONAL = "ForConditionalGeneration"


def family_of_class(name: str) -> str | None:
    """The ``model_type`` whose classes begin so; the longest match wins (Qwen3VLMoe, Qwen3VL)."""
    stems = {kind: family.class_name.removesuffix(CONDITIONAL) for kind, family in known().items()}
    fitting = [
        kind
        for kind, stem in stems.items()
        if name.startswith(stem) and not name[len(stem) :].startswith("Moe")
    ]
    return max(fitting, key=lambda kind: len(stems[kind]), default=None)


def known() -> dict[str, Family]:
    """The families by ``model_type``."""
    return families()


def contradiction(model_type: str, tensors: Tensors) -> str | None:
    """What in the tensor names cannot belong to this ``model_type``; None: nothing.

    Qwen2-VL and Qwen2.5-VL have biases on the key projections and no norms on q and k, the later
    families the reverse; the vision MLP of Qwen2.5-VL is gated, that of Qwen2-VL is not.
    """
    family = known()[model_type]
    biases, norms = tensors.k_proj_biases.count, tensors.qk_norms
    if family.k_bias and norms and not biases:
        return f"{norms} norms on q and k and no k_proj bias, as Qwen3-VL and later have"
    if not family.k_bias and biases and not norms:
        return f"{biases} k_proj biases and no norms on q and k, as Qwen2-VL and Qwen2.5-VL have"
    if model_type == "qwen2_vl" and tensors.vision_gates:
        return "a vision tower with gated MLPs, as Qwen2.5-VL has"
    if model_type == "qwen2_5_vl" and tensors.vision_tensors and not tensors.vision_gates:
        return "a vision tower without gated MLPs, as Qwen2-VL has"
    return None


def architectures(model: ModelFacts) -> list[str]:
    """The class names in ``architectures``; nonsense is left out."""
    named = model.config.get("architectures")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
