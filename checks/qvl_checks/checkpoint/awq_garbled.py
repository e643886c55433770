"""checkpoint.awq-garbled: is the output head of an AWQ checkpoint left alone by this release?"""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.checkpoint.quantization import method
from qvl_checks.checkpoint.skip_list import entries
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FIRST_BAD, FIRST_GOOD = Version("4.50"), Version("4.52.1")
HEAD = "lm_head"


@check("checkpoint.awq-garbled")
def awq_garbled(
    files: CheckpointFilesFacts, packages: PackagesFacts, target: TargetFacts
) -> Judgement:
    """The range in which a skip list replaces the default one, and what the list lacks then."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    quantization = files.quantization_config or {}
    if method(quantization) != "awq":
        return not_applicable("the checkpoint is not quantised with AWQ")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    listed = entries(quantization)
    evidence = {"transformers": str(release), "modules_to_not_convert": listed}
    affected = FIRST_BAD <= Version(release.base_version) < FIRST_GOOD
    if not affected or not listed or any(entry in HEAD for entry in listed):
        return passed(
            f"transformers {release} leaves the output head of this AWQ checkpoint alone",
            evidence=evidence,
        )
    return failed(
        f"transformers {release} drops the output head of this AWQ checkpoint",
        "From 4.50 to 4.52.0 the checkpoint's list of layers that stay as they are replaces the "
        f"default one instead of adding to it. This list ({', '.join(listed[:4])}) lacks lm_head, "
        "so the head becomes an empty 4-bit layer, its weight is 'not used', and the logits are "
        "noise.",
        confidence=Confidence.DERIVED,
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("transformers==4.57.6", "autoawq==0.2.9"),
                summary="installs the last 4.x, which adds the default list again",
            ),
            Fix.edit(
                f'"modules_to_not_convert": {[*listed, HEAD]}'.replace("'", '"'),
                summary="names the head in config.json, so that this release leaves it alone",
            ),
        ],
    )
