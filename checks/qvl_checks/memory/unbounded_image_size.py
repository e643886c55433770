"""memory.unbounded-image-size: how large may one image become with this checkpoint?"""

from __future__ import annotations

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import without_folder
from qvl_checks.checkpoint.image_limits import ImageLimits, image_limits
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Fix, Safety
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed

RECOMMENDED = 1280
"""Visual tokens per image, the upper end of the range that Qwen's README recommends."""
RECOMMENDED_LEAST = 256
PATCHES_PER_TOKEN = 4


@check("memory.unbounded-image-size")
def unbounded_image_size(files: CheckpointFilesFacts, model: ModelFacts) -> Judgement:
    """Fails above the published ceiling; at the ceiling, which every published checkpoint has, it
    passes and says what one large image may cost: it is a risk of the images, not of the machine.
    """
    absent = without_folder(files)
    if absent is not None:
        return absent
    if not model.class_name:
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    limits = image_limits(files, model)
    tokens = limits.most_tokens
    published = image_limits(CheckpointFilesFacts(state="not-given"), model).most_tokens
    evidence = {
        "max_pixels": limits.most,
        "max_visual_tokens": tokens,
        "max_patches": tokens * PATCHES_PER_TOKEN,
        "from": f"{limits.source}: {limits.key}" if limits.key else "the published default",
        "recommended_tokens": RECOMMENDED,
        "published_tokens": published,
    }
    if tokens <= RECOMMENDED:
        return passed(
            f"An image has at most {tokens} visual tokens ({limits.most} pixels)",
            f"{limits.source} sets {limits.key}. Whether the installed processor obeys it is "
            "measured by images.pixel-limit-ignored.",
            evidence=evidence,
        )
    if limits.key and tokens < published:
        return passed(
            f"{limits.source} limits an image to {tokens} visual tokens, "
            f"{tokens / RECOMMENDED:.1f} times the recommended {RECOMMENDED}",
            "It is a chosen limit, below the published ceiling. State the largest image with "
            "--image to have the memory for it predicted.",
            evidence=evidence,
            fixes=[_set_limits(limits)],
        )
    cost = (
        f"That is {limits.most} pixels or {tokens * PATCHES_PER_TOKEN} vision patches. A large "
        "photo or scan costs that much memory and time, while smaller images run well."
    )
    if tokens > published:
        return failed(
            f"One image may become {tokens} visual tokens, above the published {published}",
            cost,
            evidence=evidence,
            fixes=[_set_limits(limits)],
            explains=("memory.vision-attention-memory",),
        )
    return passed(
        f"One image may become {tokens} visual tokens, as published: cap it if images can be large",
        cost,
        evidence=evidence,
        fixes=[_set_limits(limits)],
    )


def _set_limits(limits: ImageLimits) -> Fix:
    unit = limits.unit
    return Fix.edit(
        "processor = AutoProcessor.from_pretrained(\n"
        "    path,\n"
        f"    min_pixels={RECOMMENDED_LEAST} * {unit} * {unit},\n"
        f"    max_pixels={RECOMMENDED} * {unit} * {unit},\n"
        ")\n",
        summary="limits images to 1280 visual tokens; give both limits, and the largest that fits "
        "if small print matters",
        safety=Safety.REVIEW,
    )
