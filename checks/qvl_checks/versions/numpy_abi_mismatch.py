"""torch cannot take NumPy arrays: it was built for another NumPy."""

from __future__ import annotations

from qvl_checks.devices.torch_facts import TorchFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, inconclusive, not_applicable, passed

REFUSALS = ("numpy is not available", "_array_api", "numpy.core.multiarray failed to import")
"""How a torch of another NumPy generation says no, in lower case."""
TORCH_FOR_NUMPY_2 = (2, 3)


@check("versions.numpy-abi-mismatch")
def numpy_abi_mismatch(torch: TorchFacts, target: TargetFacts) -> Judgement:
    """A tensor was made from a small array."""
    evidence = {"torch": torch.version, "numpy": torch.numpy_version}
    if torch.numpy_bridge:
        return passed(
            f"torch {torch.version} takes arrays of NumPy {torch.numpy_version}",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    reason = torch.unread.get("numpy_bridge", "no reason was recorded")
    if torch.numpy_version is None and "No module named 'numpy'" in reason:
        return not_applicable("NumPy is not installed")
    if not any(words in reason.lower() for words in REFUSALS):
        return inconclusive(f"torch did not take an array, for another reason: {reason}")
    fixes = []
    if (torch.numpy_version or "").startswith("2"):
        fixes.append(
            Fix.run(
                *target.install("numpy<2"),
                summary="goes back to NumPy 1, for which this torch was built",
            )
        )
    if torch.release is not None and torch.release < TORCH_FOR_NUMPY_2:
        fixes.append(
            Fix.run(
                *target.install("--upgrade", "torch>=2.3", "torchvision"),
                summary="upgrades torch to a release built for NumPy 2; compiled packages follow",
            )
        )
    return failed(
        f"torch {torch.version} cannot use NumPy {torch.numpy_version}",
        "torch was compiled for another NumPy generation and has switched its bridge off; the "
        "image processor later reports this as a matter of padding.",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "reason": reason},
        fixes=fixes,
    )
