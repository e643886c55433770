"""checkpoint.wrong-model-class: do config.json and the weights speak of one family?"""

from __future__ import annotations

from qvl_checks.checkpoint.families import architectures, contradiction, family_of_class, known
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import names_complete, without_folder
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("checkpoint.wrong-model-class")
def wrong_model_class(files: CheckpointFilesFacts, model: ModelFacts) -> Judgement:
    """``model_type`` against ``architectures`` and against what the tensor names tell."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    if model.model_type not in known():
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    named = architectures(model)
    tensors = files.tensors
    evidence = {
        "model_type": model.model_type,
        "architectures": named,
        "class": model.class_name,
        "k_proj_biases": tensors.k_proj_biases.count,
        "qk_norms": tensors.qk_norms,
        "vision_tensors": tensors.vision_tensors,
        "vision_gates": tensors.vision_gates,
    }
    other = family_of_class(named[0]) if named else None
    if other is not None and other != model.model_type:
        return failed(
            f"config.json says {model.model_type}, but names {named[0]} as its class",
            "The two belong to different families. Loaders that follow the one or the other build "
            "different layers; weights that a class wants and the files lack get random values.",
            evidence=evidence,
            explains=("checkpoint.weights-not-loaded",),
            fixes=[_base_config()],
        )
    if not tensors.count or not names_complete(files):
        return blocked("not all tensor names could be read from the folder", evidence=evidence)
    odd = contradiction(model.model_type, tensors)
    if odd is not None:
        return failed(
            f"The weights are not those of a {model.family}",
            f"config.json says {model.model_type}, but the files hold {odd}. The class that is "
            "built fills what it does not find with random values.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            explains=("checkpoint.weights-not-loaded",),
            fixes=[_base_config()],
        )
    return passed(
        f"config.json and the weights are both {model.family}: load them as {model.class_name}",
        "Which class a program really uses is decided in its code.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _base_config() -> Fix:
    return Fix.advise(
        "Put the config.json back that these weights were saved with (of the base model if it was "
        "copied from another one); train and evaluate again what was made with the wrong one.",
        safety=Safety.REVIEW,
    )
