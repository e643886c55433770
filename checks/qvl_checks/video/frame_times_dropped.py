"""The installed qwen-vl-utils cannot say how far apart in time the frames are."""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.video.readers_facts import ReadersFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

FAMILY = "qwen2_5_vl"
METADATA_SINCE = Version("5.0")
"""From here on the frame rate comes from video_metadata, before from the keyword fps."""
UTILS = "qwen-vl-utils>=0.0.13"


@check("video.frame-times-dropped")
def frame_times_dropped(
    readers: ReadersFacts, packages: PackagesFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """Whether ``process_vision_info`` has the parameter that this release needs the answer of."""
    if model.model_type != FAMILY:
        return not_applicable(f"{model.family or model.name} has no second_per_grid_ts")
    utils = readers.qwen_vl_utils
    if not utils.installed:
        return not_applicable("qwen-vl-utils is not installed; transformers keeps what it reads")
    transformers = packages.version("transformers")
    if transformers is None:
        return blocked("transformers is not installed, or its version cannot be read")
    by_metadata = transformers >= METADATA_SINCE
    parameter = "return_video_metadata" if by_metadata else "return_video_kwargs"
    accepts = utils.accepts(parameter)
    evidence = {
        "transformers": str(transformers),
        "qwen_vl_utils": utils.version,
        "process_vision_info": utils.parameters,
        "needs": parameter,
    }
    if accepts is None:
        return inconclusive(
            f"the parameters of process_vision_info are not known: {utils.reason}",
            evidence=evidence,
        )
    if accepts:
        return passed(
            f"qwen-vl-utils {utils.version} can hand on the frame rate",
            f"It does so only when asked: {parameter}=True.",
            evidence=evidence,
        )
    assumed = "24 frames" if by_metadata else "2 frames"
    return failed(
        f"qwen-vl-utils {utils.version} loses the time between video frames",
        f"process_vision_info has no parameter {parameter}, so transformers {transformers} assumes "
        f"{assumed} per second whatever the sampling was, and times in the answers are off by a "
        "constant factor.",
        evidence=evidence,
        fixes=[
            Fix.run(
                *target.install("--upgrade", UTILS),
                summary=f"installs a release with {parameter}; pass what it returns to the "
                "processor",
            )
        ],
    )
