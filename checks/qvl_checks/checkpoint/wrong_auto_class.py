"""checkpoint.wrong-auto-class: does the folder hold the whole vision-language model?"""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.families import CONDITIONAL, architectures, family_of_class, known
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import names_complete, vision_part, without_folder
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FULL = "AutoModelForImageTextToText"
LEGACY = "AutoModelForCausalLM"
LEGACY_TYPE = "qwen"
TEXT_SUFFIX = "_text"


@check("checkpoint.wrong-auto-class")
def wrong_auto_class(
    files: CheckpointFilesFacts, model: ModelFacts, surface: TransformersSurfaceFacts | None
) -> Judgement:
    """A folder that an auto class of another kind has saved lacks the vision tower or the head."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    evidence: dict[str, Any] = {
        "model_type": model.model_type,
        "architectures": model.config.get("architectures"),
        "vision_tensors": files.tensors.vision_tensors,
        "auto_map": list(files.remote_code.auto_map),
    }
    if model.model_type == LEGACY_TYPE:
        return _legacy(files, evidence)
    if model.model_type.removesuffix(TEXT_SUFFIX) in known() and model.model_type not in known():
        return failed(
            "The folder holds the language model only, without the vision tower",
            f"config.json says {model.model_type}: it was saved from the text part, which is what "
            f"{LEGACY} gives for this family. It answers, and does not see images.",
            evidence=evidence,
            fixes=[_save_again()],
        )
    if model.model_type not in known():
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    if not files.tensors.count or not names_complete(files):
        return blocked("not all tensor names could be read from the folder", evidence=evidence)
    if vision_part(model.config) and not files.tensors.vision_tensors:
        return failed(
            "config.json describes a vision tower that the weights do not hold",
            "The model was saved through an auto class that builds the language model alone. "
            "Loaded as a vision-language model, its vision tower gets random values.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_save_again()],
        )
    first = next(iter(architectures(model)), "")
    if family_of_class(first) == model.model_type and not first.endswith(CONDITIONAL):
        return failed(
            f"The folder was saved from {first}, not from {model.class_name}",
            "Programs that build the class named in architectures get a model without its output "
            "head or without its vision tower.",
            evidence=evidence,
            fixes=[_save_again()],
        )
    return passed(
        f"The folder holds a whole {model.family}; {_loaded_with(model, surface)}",
        f"{LEGACY} refuses this family or gives its text part; which class a program uses is "
        "decided in its code.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _loaded_with(model: ModelFacts, surface: TransformersSurfaceFacts | None) -> str:
    offered = surface.auto_classes if surface is not None else None
    if offered is not None and FULL not in offered:
        return f"the installed transformers has no {FULL}, so load it with {model.class_name}"
    return f"load it with {FULL}"


def _legacy(files: CheckpointFilesFacts, evidence: dict[str, Any]) -> Judgement:
    if LEGACY in files.remote_code.auto_map:
        return passed(
            f"Qwen-VL-Chat is loaded with {LEGACY} and its own code, as its config.json says",
            evidence=evidence,
        )
    return failed(
        f"config.json does not say that {LEGACY} loads this Qwen-VL-Chat",
        "This family is not part of transformers: without auto_map no auto class finds its code.",
        evidence=evidence,
        fixes=[
            Fix.advise(
                "Copy config.json and the .py files of the original Qwen-VL-Chat into the folder."
            )
        ],
    )


def _save_again() -> Fix:
    return Fix.edit(
        f"from transformers import {FULL}\n\n"
        f'model = {FULL}.from_pretrained(base, dtype="auto")  # torch_dtype before 4.56\n'
        "# load the fine-tuned text weights or the adapter into it, then\n"
        "model.save_pretrained(folder)\n",
        summary="saves the whole vision-language model instead of its text part",
    )
