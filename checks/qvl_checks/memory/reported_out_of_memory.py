"""What was it that did not fit, in the log that the user hands over?"""

from __future__ import annotations

import re
from typing import Any

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.image_limits import image_limits
from qvl_checks.memory.frames import stage
from qvl_checks.memory.inversion import Dimensions
from qvl_checks.memory.oom_message import Message, is_out_of_memory, messages, sizes_in_words
from qvl_checks.memory.pixels import resized
from qvl_checks.memory.reported_tensors import (
    Clues,
    Reading,
    likely,
    readings,
    side_of,
)
from qvl_checks.models.build import MERGE
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import LogFacts, ModelFacts, WorkloadFacts
from qvl_doctor.findings import Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, inconclusive, not_applicable

MODELING = re.compile(r"transformers/models/(\w{1,40})/modeling_")
FRAMES = 6000
"""Characters before a message in which its traceback stands."""
RULES = {
    "vision": "memory.vision-attention-memory",
    "text": "memory.text-attention-memory",
    "logits": "memory.full-prompt-logits",
    "weight": "memory.weights-in-fp32",
}
MOST_SHOWN = 12


@check("memory.reported-out-of-memory")
def reported_out_of_memory(
    log: LogFacts | None,
    model: ModelFacts | None,
    workload: WorkloadFacts | None,
    packages: PackagesFacts | None,
    files: CheckpointFilesFacts | None,
) -> Judgement:
    """Reads the last allocator's message of the log back to tensors of the named model."""
    if log is None:
        return not_applicable("no log was handed over; --from-log names one")
    text = log.text.replace("\\", "/")
    found = [one for one in (*messages(text), *sizes_in_words(text)) if one.requested is not None]
    if not found:
        if is_out_of_memory(text):
            return inconclusive("the log tells of memory that ran out, and not of how much")
        return not_applicable("the log has no out-of-memory message")
    message = next((one for one in reversed(list(messages(text))) if one.requested), found[0])
    assert message.requested is not None
    if model is None or not model.config or model.source == "tiny":
        return blocked(
            f"{message.requested} could not be allocated; --model names the model whose tensors "
            "are to be compared with it"
        )
    clues = _clues(text, message, model, workload or WorkloadFacts(), packages, files)
    every = readings(message.requested, model.config, clues)
    return _judged(message, every, clues, model)


def _judged(message: Message, every: list[Reading], clues: Clues, model: ModelFacts) -> Judgement:
    patch = Dimensions.of(model.config).patch
    size = message.requested
    best = likely(every)
    evidence: dict[str, Any] = {
        **_numbers(message),
        "model": model.name,
        "transformers": clues.transformers or "unknown",
        "traceback_ends_in": clues.stage or "unknown",
        "stated": {
            "patches": list(clues.patches),
            "prompt_tokens": clues.tokens,
            "batch": clues.batch,
            "attention": clues.attention or "the default",
        },
        "readings": [reading.row(patch) for reading in every[:MOST_SHOWN]],
    }
    if not every:
        return failed(
            f"{size} could not be allocated; no large tensor of {model.name} has that size",
            "It is neither attention scores nor logits nor a weight matrix, and no MLP of the "
            f"stated workload has that size.{_elsewhere(message)}",
            evidence=evidence,
            fixes=[_measure(model)],
        )
    if not best:
        return failed(
            f"{size} could not be allocated; {_many(every)} of {model.name} can have that size",
            "The traceback, the versions and the stated workload confirm none of them. State the "
            f"images, the prompt and the attention implementation of the run that failed."
            f"{_elsewhere(message)}",
            evidence=evidence,
            fixes=[_measure(model)],
        )
    named = best[0]
    others = " or ".join(one.words for one in best[1:3])
    alternatives = f" The same clues also allow {others}." if others else ""
    return failed(
        f"The {size} that did not fit are {_subject(named)}",
        f"{named.words}; that agrees with {_and(named.agrees)}."
        f"{_image(named, patch)}{_needed(named)}"
        f"{alternatives}{_elsewhere(message)}",
        evidence=evidence,
        fixes=[*_fixes(named, patch), _measure(model)],
        explains=(RULES[named.kind],) if named.kind in RULES else (),
    )


def _clues(
    text: str,
    message: Message,
    model: ModelFacts,
    workload: WorkloadFacts,
    packages: PackagesFacts | None,
    files: CheckpointFilesFacts | None,
) -> Clues:
    frames = text[max(0, message.position - FRAMES) : message.position]
    limits = image_limits(files or CheckpointFilesFacts(state="not-given"), model)
    patch = limits.unit // MERGE
    patches = []
    for width, height in workload.images:
        new = resized(width, height, limits.unit, limits.fewest, limits.most)
        patches.append(new[0] * new[1] // patch**2)
    return Clues(
        model_type=model.model_type,
        stage=stage(frames.lower()),
        families=tuple(dict.fromkeys(MODELING.findall(frames))),
        transformers=(packages.installed.get("transformers") or "") if packages else "",
        attention=workload.attention,
        mode=workload.mode,
        patches=tuple(patches),
        tokens=workload.text_tokens + sum(count // MERGE**2 + 2 for count in patches),
        batch=workload.batch,
    )


def _numbers(message: Message) -> dict[str, Any]:
    fields = ("requested", "capacity", "free", "this_process", "allocated", "idle", "allowed")
    found = {name: getattr(message, name) for name in fields}
    return {
        "message": {name: str(value) for name, value in found.items() if value is not None},
        "gpu": message.gpu,
    }


def _elsewhere(message: Message) -> str:
    """What else the message tells: memory that nobody uses, memory of others."""
    said = []
    if message.idle is not None and message.requested is not None:
        idle, wanted = message.idle.middle, message.requested.middle
        if idle >= wanted // 2:
            said.append(
                f" The allocator held {message.idle} that no tensor used: "
                "memory.memory-fragmentation."
            )
    others = message.held_by_others
    if others is not None and others > 2**30:
        said.append(f" Other processes held {others / 2**30:.2f} GiB: memory.co-tenant-memory.")
    return "".join(said)


def _subject(reading: Reading) -> str:
    return {
        "vision": f"the vision tower's attention scores over {reading.count} patches",
        "text": f"attention scores over a prompt of {reading.count} tokens",
        "logits": f"logits for {reading.count} tokens",
        "weight": "one weight matrix",
        "activation": "an activation of the stated workload",
    }[reading.kind]


def _image(reading: Reading, patch: int | None) -> str:
    side = side_of(reading.count, patch)
    if reading.kind != "vision" or side is None:
        return ""
    return f" So many patches are an image of about {side} x {side} pixels."


def _needed(reading: Reading) -> str:
    return f" It takes {reading.needs}." if reading.needs else ""


def _fixes(reading: Reading, patch: int | None) -> list[Fix]:
    if reading.kind == "vision":
        unit = (patch or 14) * MERGE
        return [
            Fix.edit(
                "model = AutoModelForImageTextToText.from_pretrained(\n"
                '    path, attn_implementation="sdpa", device_map="auto"\n)',
                summary="With transformers 4.54 or later, sdpa writes no such scores.",
                safety=Safety.REVIEW,
            ),
            Fix.edit(
                "processor = AutoProcessor.from_pretrained(\n"
                f"    path, min_pixels=256 * {unit**2}, max_pixels=1280 * {unit**2}\n)",
                summary="Limit images to 1280 visual tokens; small print may be lost.",
                safety=Safety.REVIEW,
            ),
        ]
    if reading.kind == "text":
        return [Fix.advise("Use sdpa or FlashAttention 2 for the language model.")]
    if reading.kind == "logits":
        return [
            Fix.edit(
                "output = model(**inputs, logits_to_keep=1)",
                summary="Ask for the logits that are used only, where forward() can.",
                safety=Safety.REVIEW,
            )
        ]
    if reading.kind == "weight" and reading.width == 4:
        return [
            Fix.edit(
                "model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.bfloat16)",
                summary="Load the weights in bfloat16: four bytes per element are float32.",
                safety=Safety.REVIEW,
            )
        ]
    return []


def _measure(model: ModelFacts) -> Fix:
    return Fix.advise(
        f"qvl-doctor check --model {model.name} --level deep with the workload of that run "
        "(--image, --text, --attn, --cap) reproduces it and runs what should make it fit."
    )


def _many(every: list[Reading]) -> str:
    return "1 tensor" if len(every) == 1 else f"{len(every)} tensors"


def _and(words: tuple[str, ...]) -> str:
    return " and ".join(words)
