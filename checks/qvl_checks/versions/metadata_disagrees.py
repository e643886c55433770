"""What is imported is not what the metadata describes."""

from __future__ import annotations

import os

from packaging.version import InvalidVersion, Version

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ImportsFacts, ProbeStatus, TargetFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, passed

COMPARED = {
    "accelerate": "accelerate",
    "huggingface-hub": "huggingface_hub",
    "numpy": "numpy",
    "peft": "peft",
    "pillow": "PIL",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "torchvision": "torchvision",
    "transformers": "transformers",
}
"""Distributions whose ``__version__`` follows their metadata in every release."""


@check("versions.metadata-disagrees")
def metadata_disagrees(
    packages: PackagesFacts, target: TargetFacts, imports: ImportsFacts | None
) -> Judgement:
    """Version and place of each module, as imported or as its source says, against metadata."""
    compared = [name for name in COMPARED if name in packages.copies]
    if not compared:
        return blocked("none of the packages that would be compared is installed")
    disagreements = {
        name: words for name in compared if (words := _disagreement(name, packages, imports))
    }
    shadows = packages.shadowed_by_working_folder
    evidence = {
        "compared": compared,
        "disagreements": disagreements,
        "shadowed_by_working_folder": list(shadows),
    }
    if disagreements:
        name, words = next(iter(disagreements.items()))
        version = packages.installed.get(name, "")
        return failed(
            f"{name}: {words}",
            "The metadata describes another copy than the one that runs, so version checks and "
            "advice that rely on it go wrong.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[
                Fix.run(
                    *target.install("--force-reinstall", "--no-deps", f"{name}=={version}"),
                    summary=f"makes the files of {name} those that its metadata describes",
                )
            ],
        )
    if shadows:
        return failed(
            f"{shadows[0]} hides an installed package from programs started in this folder",
            "Python looks in the program's own folder first, so this file is imported in place of "
            "the package of the same name.",
            confidence=Confidence.DERIVED,
            evidence=evidence,
            fixes=[
                Fix.advise(
                    f"Rename {shadows[0]}, or start programs from another folder.",
                    safety=Safety.REVIEW,
                )
            ],
        )
    return passed(
        f"Modules and metadata agree for {len(compared)} packages",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def _disagreement(name: str, packages: PackagesFacts, imports: ImportsFacts | None) -> str:
    """What does not fit, as a clause; empty when all fits or cannot be compared."""
    module = COMPARED[name]
    copy = packages.copies[name][0]
    found = packages.modules.get(module)
    if found is None:
        return f"its metadata is installed ({copy.version}), but import would not find {module}"
    if found.reason:
        return f"import cannot look for {module}: {found.reason}"
    if found.namespace:
        return f"its metadata is installed ({copy.version}), but the package's folder has no code"
    state = imports.modules.get(module) if imports else None
    imported = state if state is not None and state.status is ProbeStatus.OK else None
    file = (imported.file if imported else None) or found.file or ""
    version = (imported.version if imported else "") or found.source_version
    if _other_release(version, copy.version):
        return f"the module is version {version}, the metadata says {copy.version} ({file})"
    if not copy.editable and file and not _below(file, copy.location):
        return f"the module comes from {file}, the metadata from {copy.location}"
    return ""


def _other_release(one: str | None, other: str | None) -> bool:
    """Local labels (``+cu128``) do not count."""
    try:
        return bool(one and other) and Version(one or "").public != Version(other or "").public
    except InvalidVersion:
        return False


def _below(file: str, folder: str) -> bool:
    return os.path.normpath(file).startswith(os.path.normpath(folder) + os.sep)
