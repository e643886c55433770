"""checkpoint.adapter-keys-unmatched: do the adapter's tensors find their modules here?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.checkpoint.adapter_layout import Layout, layouts, matches
from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.releases import first_release
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

RENAME = """import re

from safetensors.torch import load_file, save_file


def rename(key: str) -> str:
    key = re.sub(r"^base_model\\.model\\.visual\\.", "base_model.model.model.visual.", key)
    return re.sub(
        r"^base_model\\.model\\.model\\.(?!language_model\\.|visual\\.)",
        "base_model.model.model.language_model.",
        key,
    )


state = load_file("old/adapter_model.safetensors")
save_file({rename(key): value for key, value in state.items()}, "new/adapter_model.safetensors")
"""


@check("checkpoint.adapter-keys-unmatched")
def adapter_keys_unmatched(
    files: CheckpointFilesFacts, model: ModelFacts, packages: PackagesFacts, target: TargetFacts
) -> Judgement:
    """The module paths in the adapter against those of the installed transformers and PEFT."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    if not files.adapter.count:
        return not_applicable("the folder holds no adapter_*.safetensors")
    if not model.class_name:
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    release, peft = packages.version("transformers"), packages.version("peft")
    if release is None:
        return blocked("transformers is not installed, and releases name their modules differently")
    found = layouts(files.adapter)
    if not found:
        return inconclusive(
            "the adapter's tensors belong to no numbered layer, so their place is not known",
            evidence={"tensors": list(files.adapter.examples)},
        )
    old_family = Version(first_release(model.model_type) or "5") < Version("4.52")
    lost = {
        layout: count
        for layout, count in found.items()
        if not matches(layout, old_family, release, peft)
    }
    evidence: dict[str, Any] = {
        "transformers": str(release),
        "peft": str(peft) if peft else None,
        "adapter_paths": files.adapter.prefixes,
        "layouts": {layout.value: count for layout, count in found.items()},
        "unmatched": sum(lost.values()),
    }
    if not lost:
        return passed(
            f"All {sum(found.values())} adapter tensors in layers name modules that this "
            "transformers and PEFT find",
            evidence=evidence,
        )
    return failed(
        f"{sum(lost.values())} of {sum(found.values())} adapter tensors find no module in "
        f"transformers {release}",
        _cause(set(lost), release, peft)
        + " What is not found stays at its start value, which has no effect: the answers are those "
        "of the base model, after a single warning.",
        evidence=evidence,
        fixes=_fixes(set(lost), old_family, release, target),
    )


def _cause(lost: set[Layout], release: Version, peft: Version | None) -> str:
    if Layout.OLD in lost:
        with_peft = f" and PEFT {peft}" if peft else ""
        return (
            "They were saved before transformers 4.52 moved the modules, or from a text model, "
            f"and transformers {release}{with_peft} does not translate the old paths."
        )
    if Layout.NEW in lost:
        return (
            "They were saved with transformers 4.52 or later, whose module paths this release "
            "does not have yet."
        )
    return "Their module paths are those of another model."


def _fixes(lost: set[Layout], old_family: bool, release: Version, target: TargetFacts) -> list[Fix]:
    if Layout.OLD in lost:
        fixes = [
            Fix.edit(
                RENAME,
                summary="writes the adapter under the new paths; copy adapter_config.json too. "
                "Values do not change",
            )
        ]
        if old_family and release < Version("5.4"):
            fixes.insert(
                0,
                Fix.run(
                    *target.install("--upgrade", "peft>=0.17"),
                    summary="installs a PEFT that translates the old paths on this transformers",
                ),
            )
        return fixes
    if Layout.NEW in lost:
        return [
            Fix.run(
                *target.install("transformers>=4.57.1,<5"),
                summary="installs a release with the module paths that the adapter names",
            )
        ]
    return [
        Fix.advise(
            "Load the adapter with the model named in base_model_name_or_path of its "
            "adapter_config.json.",
            safety=Safety.REVIEW,
        )
    ]
