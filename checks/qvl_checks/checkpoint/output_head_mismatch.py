"""checkpoint.output-head-mismatch: is there a head where the installed release wants one?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import names_complete, without_folder
from qvl_checks.checkpoint.tied_weights import TOP_SINCE, ties
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

OTHER_RELEASES = (Version("4.57.6"), Version("5.0.0"), Version("5.23.0"))
"""One for each way in which releases read the flag."""


@check("checkpoint.output-head-mismatch")
def output_head_mismatch(
    files: CheckpointFilesFacts, model: ModelFacts, packages: PackagesFacts
) -> Judgement:
    """``lm_head`` and ``embed_tokens`` in the files against the flag as this release reads it."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    if not model.class_name:
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    tensors = files.tensors
    if not tensors.count:
        return blocked("no tensor names could be read from the folder")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed, and releases read the flag differently")
    nested = isinstance(model.config.get("text_config"), dict)
    flags = files.tie_word_embeddings
    tied = ties(release, model.model_type, nested, flags)
    evidence: dict[str, Any] = {
        "transformers": str(release),
        "lm_head": list(tensors.output_head.examples),
        "embed_tokens": list(tensors.embeddings.examples),
        "tie_word_embeddings": {"top": flags.top, "text_config": flags.text_config},
        "tied_here": tied,
    }
    has_head = tensors.output_head.count > 0
    if has_head and tied:
        return _both(release, evidence)
    if has_head:
        return passed(
            "The output head is in the files, and this release uses it",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if not names_complete(files) or not tensors.embeddings.count:
        return blocked(
            "the tensor names are incomplete: a weight file cannot be read, and no index tells "
            "what it holds",
            evidence=evidence,
        )
    if tied:
        return _tied(release, model, nested, files, evidence)
    elsewhere = flags.top or flags.text_config
    return failed(
        f"The files hold no output head, and transformers {release} makes a random one",
        (
            "One of the two tie_word_embeddings flags is true, but not the one that this release "
            "reads."
            if elsewhere
            else "tie_word_embeddings is false or absent, so the head should be in the files."
        )
        + " The answers become random words, after a warning that is easily missed. A model that "
        "only embeds and never generates is not harmed.",
        confidence=Confidence.DERIVED if elsewhere else Confidence.MEASURED,
        evidence=evidence,
        fixes=[_set_flags(nested)] if elsewhere else [_find_out(nested)],
    )


def _both(release: Version, evidence: dict[str, Any]) -> Judgement:
    if release >= TOP_SINCE:
        return passed(
            "The files hold an output head although it is declared shared; this release compares "
            "the two and keeps them apart if they differ",
            evidence=evidence,
        )
    return inconclusive(
        f"the files hold an output head, and transformers {release} drops it for the embeddings "
        "because tie_word_embeddings is true; that is right only if both are equal, and values "
        "were not compared",
        evidence=evidence,
    )


def _tied(
    release: Version,
    model: ModelFacts,
    nested: bool,
    files: CheckpointFilesFacts,
    evidence: dict[str, Any],
) -> Judgement:
    flags = files.tie_word_embeddings
    broken = [
        str(other) for other in OTHER_RELEASES if not ties(other, model.model_type, nested, flags)
    ]
    return passed(
        "The output head is shared with the embeddings, and this release knows it",
        f"Other releases would not: the flag is set in one place only, and {', '.join(broken)} "
        "read the other."
        if broken
        else "",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "not_tied_on": broken},
        fixes=[_set_flags(nested)] if broken else (),
    )


def _set_flags(nested: bool) -> Fix:
    inner = ', "text_config": {"tie_word_embeddings": true}' if nested else ""
    return Fix.edit(
        '{"tie_word_embeddings": true' + inner + "}",
        summary="merged into config.json, every release knows that the head is shared; only for "
        "a model whose base shares it",
        safety=Safety.REVIEW,
    )


def _find_out(nested: bool) -> Fix:
    where = "at the top and in text_config" if nested else "at the top of config.json"
    return Fix.advise(
        f"If the base model shares its head (2B, 3B and 4B do), set tie_word_embeddings to true "
        f"{where}; if not, copy lm_head.weight from the base model or export the model again.",
        safety=Safety.REVIEW,
    )
