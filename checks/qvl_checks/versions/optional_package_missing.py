"""A package that the stated use needs, and that transformers does not bring along."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

QUANTISATION = {
    "awq": ("gptqmodel", "autoawq"),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed-tensors",),
    "gptq": ("gptqmodel", "auto-gptq"),
    "hqq": ("hqq",),
    "quanto": ("optimum-quanto",),
    "torchao": ("torchao",),
}
"""``quant_method`` of a checkpoint -> distributions of which one is needed."""


@check("versions.optional-package-missing")
def optional_package_missing(
    packages: PackagesFacts, workload: WorkloadFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """What the workload and the checkpoint ask for, against what is installed."""
    needs = _needs(workload, model)
    if not needs:
        return not_applicable("neither the workload nor the checkpoint asks for a further package")
    missing = {
        reason: choices
        for reason, choices in needs.items()
        if not any(name in packages.installed for name in choices)
    }
    evidence = {"needed": {reason: list(choices) for reason, choices in needs.items()}}
    if not missing:
        return passed(
            "The further packages that this use needs are installed",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    reason, choices = next(iter(missing.items()))
    return failed(
        f"{choices[0]} is not installed, and {reason} needs it",
        "transformers does not install it, and stops with an ImportError or ValueError when the "
        "model is loaded.",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "missing": sorted(choices[0] for choices in missing.values())},
        fixes=[
            Fix.run(
                *target.install(*sorted({choices[0] for choices in missing.values()})),
                summary="installs what is missing into the examined interpreter",
            )
        ],
    )


def _needs(workload: WorkloadFacts, model: ModelFacts) -> dict[str, tuple[str, ...]]:
    """Who asks -> distributions of which one is needed."""
    needs: dict[str, tuple[str, ...]] = {}
    if workload.device_map is not None:
        needs[f"device_map={workload.device_map!r}"] = ("accelerate",)
    quantisation = model.config.get("quantization_config")
    method = quantisation.get("quant_method") if isinstance(quantisation, dict) else None
    if isinstance(method, str) and method.lower() in QUANTISATION:
        needs[f"the checkpoint's {method} quantisation"] = QUANTISATION[method.lower()]
    return needs
