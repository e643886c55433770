"""attention.sliding-window-ignored-config: is this prompt cut at a window that is switched off?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import text_part, whole_number
from qvl_checks.checkpoint.image_limits import image_limits
from qvl_checks.memory.pixels import resized
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

FIRST_BAD, FIRST_GOOD = Version("4.46"), Version("4.52")
FAMILIES = ("qwen2_vl", "qwen2_5_vl")
DEFAULT_WINDOW = 4096
"""What the configuration class assumes when config.json has no ``sliding_window``."""
FRAMES_PER_STEP = 2
"""Pictures of a video that make one step in time; frames are stated in the size that the model is
given."""


@check("attention.sliding-window-ignored-config")
def sliding_window_ignored_config(
    model: ModelFacts,
    workload: WorkloadFacts,
    packages: PackagesFacts,
    target: TargetFacts,
    files: CheckpointFilesFacts | None,
) -> Judgement:
    """The length of the stated prompt against the window that the mask obeys all the same."""
    if model.model_type not in FAMILIES:
        return not_applicable(f"{model.family or model.name} has no such window")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    if not FIRST_BAD <= Version(release.base_version) < FIRST_GOOD:
        return passed(
            f"transformers {release} obeys use_sliding_window",
            evidence={"transformers": str(release)},
        )
    if "flash" in (workload.attention or ""):
        return passed(
            "flash-attention obeys use_sliding_window", evidence={"transformers": str(release)}
        )
    text = text_part(model.config)
    window = text.get("sliding_window", DEFAULT_WINDOW)
    if text.get("use_sliding_window") or not whole_number(window):
        return not_applicable("the window is in use, or the config sets none")
    length = prompt_tokens(model, workload, files)
    evidence: dict[str, Any] = {
        "transformers": str(release),
        "sliding_window": window,
        "use_sliding_window": bool(text.get("use_sliding_window")),
        "tokens": length,
        "max_position_embeddings": text.get("max_position_embeddings"),
        "attention": workload.attention or "the default",
    }
    if length <= window:
        return passed(
            f"The stated prompt of {length} tokens stays below the window of {window}",
            f"Longer ones would be cut there with eager and sdpa: transformers {release} masks "
            "what lies further back although use_sliding_window is false.",
            evidence=evidence,
        )
    return failed(
        f"{length - window} of {length} tokens are masked by a window that is switched off",
        f"transformers {release} builds the mask of eager and sdpa from sliding_window ({window}) "
        "without asking use_sliding_window. The beginning of the prompt is invisible to its end.",
        confidence=Confidence.DERIVED,
        evidence=evidence,
        fixes=[
            Fix.edit(
                "from transformers import AutoConfig\n\n"
                "config = AutoConfig.from_pretrained(path)\n"
                "config.sliding_window = None\n"
                f"model = {model.class_name}.from_pretrained(path, config=config)\n",
                summary="takes the window away; answers to long prompts change, as they then see "
                "all of it",
            ),
            Fix.run(
                *target.install("transformers==4.57.1"),
                summary="installs a release that asks for the switch",
            ),
        ],
    )


def prompt_tokens(
    model: ModelFacts, workload: WorkloadFacts, files: CheckpointFilesFacts | None
) -> int:
    """Text, visual and new tokens of one prompt of the workload."""
    limits = image_limits(files or CheckpointFilesFacts(state="not-given"), model)
    visual = 0
    for width, height in workload.images:
        new = resized(width, height, limits.unit, limits.fewest, limits.most)
        visual += new[0] * new[1] // limits.unit**2
    for width, height, frames in workload.videos:
        steps = -(-frames // FRAMES_PER_STEP)
        visual += steps * round(width / limits.unit) * round(height / limits.unit)
    return workload.text_tokens + visual + workload.new_tokens
