"""The processor keeps the template's pair of vision markers around the frames' own pairs."""

from __future__ import annotations

from qvl_checks.video.processor_facts import VideoProcessorFacts
from qvl_checks.video.stamped import STAMPED
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable, passed

CURE = """\
text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
text = text.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")
inputs = processor(text=[text], videos=videos, video_metadata=metadata, return_tensors="pt")"""


@check("video.video-markers-doubled")
def video_markers_doubled(
    processor: VideoProcessorFacts, model: ModelFacts, target: TargetFacts
) -> Judgement:
    """Markers in the prompt of a short clip against the number of its blocks of frames."""
    if model.model_type not in STAMPED:
        return not_applicable(
            f"{model.family or model.name} writes no markers around single frames"
        )
    made, prompt = processor.made, processor.prompt
    if made is None or made.status != "ok":
        reason = made.reason if made else processor.reason
        return blocked(
            f"the video processor cannot be made: {' '.join(reason.split())[:160] or 'not tried'}"
        )
    if prompt is None:
        return not_applicable("the video prompt is measured from --level standard on")
    if prompt.status != "ok" or prompt.blocks is None or prompt.vision_starts is None:
        return inconclusive(f"the prompt of a short clip could not be made: {prompt.reason[:160]}")
    evidence = {
        "transformers": processor.transformers,
        "prompt": prompt.text,
        "blocks_of_frames": prompt.blocks,
        "vision_start_tokens": prompt.vision_starts,
        "vision_end_tokens": prompt.vision_ends,
    }
    extra = prompt.vision_starts - prompt.blocks
    if extra == 0:
        return passed(
            "The video prompt has one pair of vision markers for each block of frames",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if extra < 0:
        return inconclusive("the prompt has fewer markers than blocks of frames", evidence=evidence)
    return failed(
        "The video prompt gets an extra pair of vision markers, with the first time stamp inside",
        f"transformers {processor.transformers} replaces only <|video_pad|>, and the pair that the "
        "chat template writes around it stays; releases up to 5.9 replaced the whole group, and "
        "the model's published results come from that form. How much it matters is not known.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[
            Fix.edit(
                CURE,
                summary="drops the template's pair; use one form for training and inference",
            ),
            Fix.run(
                *target.install("transformers<5.10"),
                summary="goes back to a release that writes the original prompt",
            ),
        ],
    )
