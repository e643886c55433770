"""checkpoint.vision-tower-quantized: are the vision weights, and do they stay, unquantised?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import vision_part, whole_number, without_folder
from qvl_checks.checkpoint.quantization import bits, method
from qvl_checks.checkpoint.skip_list import ANCHORED_SINCE, covers, entries, undecidable
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

BY_SKIP_LIST = ("bitsandbytes", "awq", "fp8")
"""Methods whose loader converts every linear layer that the skip list does not cover."""
LINEAR = ("attn.qkv", "attn.proj")
"""Linear layers that every block of every family's vision tower has."""
BLOCKS_LIMIT = 256
MOVED = Version("4.52.0.dev0")
HARMFUL_BITS = 4
CONSEQUENCE = (
    "Weights that arrive in full precision are quantised, which destroys the picture; in a "
    "checkpoint that was saved quantised, these layers wait for packed weights, load without a "
    "word, and stop at the first image."
)


@check("checkpoint.vision-tower-quantized")
def vision_tower_quantized(
    files: CheckpointFilesFacts, model: ModelFacts, packages: PackagesFacts
) -> Judgement:
    """First what the files hold, then what the installed release would make of the skip list."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    quantization = files.quantization_config
    if not quantization:
        return not_applicable("the checkpoint is not quantised")
    if not model.class_name:
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    how, width = method(quantization), bits(quantization)
    listed = entries(quantization)
    stored = files.tensors.vision_quantized
    release = packages.version("transformers")
    evidence: dict[str, Any] = {
        "quant_method": how,
        "bits": width,
        "skip_list": listed,
        "quantised_vision_tensors": stored.count,
        "vision_tensors": files.tensors.vision_tensors,
        "transformers": str(release) if release else None,
    }
    if stored.count:
        return _stored(stored.count, width, how, evidence, stored.examples)
    if not files.tensors.vision_tensors:
        return blocked("the files name no vision tensors, so nothing can be said about them")
    if how not in BY_SKIP_LIST:
        return passed(
            f"None of the {files.tensors.vision_tensors} vision tensors is stored quantised",
            f"Whether {how or 'this method'} leaves them so while loading was not judged.",
            evidence=evidence,
        )
    if release is None:
        return blocked(
            "transformers is not installed, and releases match the skip list differently"
        )
    strange = undecidable(listed)
    modules = _modules(model, release)
    bare = [
        module
        for module in modules
        if not any(covers(entry, module, release, how) for entry in listed)
    ]
    evidence["not_covered"] = bare[:4]
    if bare and strange:
        return inconclusive(
            f"the skip list uses patterns that are not interpreted here: {', '.join(strange[:3])}",
            evidence=evidence,
        )
    if not bare:
        return passed(
            f"The vision tower is stored unquantised, and transformers {release} leaves it so",
            evidence=evidence,
        )
    return failed(
        f"transformers {release} builds quantised layers for {len(bare)} of {len(modules)} vision "
        "layers that the checkpoint stores unquantised",
        _cause(listed, release),
        evidence=evidence,
        fixes=[_edit(listed, how)],
    )


def _modules(model: ModelFacts, release: Version) -> list[str]:
    """Paths of vision layers in this release."""
    root = "model.visual" if release >= MOVED else "visual"
    depth = whole_number(vision_part(model.config).get("depth")) or 1
    return [
        f"{root}.blocks.{block}.{name}"
        for block in range(min(depth, BLOCKS_LIMIT))
        for name in LINEAR
    ]


def _stored(
    count: int, width: int | None, how: str, evidence: dict[str, Any], names: tuple[str, ...]
) -> Judgement:
    if width is None or width > HARMFUL_BITS:
        shown = f"{width} bit" if width else "an unknown width"
        return inconclusive(
            f"{count} vision tensors are stored quantised ({shown}); harm is known from 4 bits, "
            "and pictures were not compared",
            evidence=evidence,
        )
    return failed(
        f"The vision tower is stored in {width} bits: {count} quantised tensors below visual",
        f"A few channels of the vision activations are very large, which {width}-bit weights do "
        "not survive: the text stays fluent and has nothing to do with the picture. Saved less "
        "than 1 GiB. The values cannot be brought back from these files.",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "examples": list(names[:4])},
        fixes=[
            Fix.advise(
                f"Quantise the original again with {how or 'the same method'} and leave visual, "
                "its merger and lm_head out, or use a checkpoint that was made so.",
                safety=Safety.REVIEW,
            )
        ],
    )


def _cause(listed: list[str], release: Version) -> str:
    if not listed:
        return (
            "The quantisation config has no skip list, so every linear layer but the output head "
            f"is converted while loading. {CONSEQUENCE}"
        )
    if release >= ANCHORED_SINCE and any("visual" in entry for entry in listed):
        return (
            "From 5.0 on an entry matches from the start of a module's path or at its end; "
            f"'visual' does not match model.visual.blocks.0.attn.qkv any more. {CONSEQUENCE}"
        )
    return f"The skip list does not name the vision tower as this release calls it. {CONSEQUENCE}"


def _edit(listed: list[str], how: str) -> Fix:
    key = "llm_int8_skip_modules" if how == "bitsandbytes" else "modules_to_not_convert"
    wanted = list(dict.fromkeys([*listed, "visual", "model.visual", "lm_head"]))
    shown = ", ".join(f'"{entry}"' for entry in wanted[:64])
    return Fix.edit(
        f'"{key}": [{shown}]',
        summary="as the skip list in quantization_config of config.json: both spellings of the "
        "tower, and the output head",
        safety=Safety.REVIEW,
    )
