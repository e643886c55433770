"""Which buffer has the size that was asked for: attention scores or logits, of how many patches,
tokens, rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from qvl_checks.memory.frames import LOADING, ours, stage
from qvl_checks.memory.inversion import Candidate, Dimensions, Kind, invert
from qvl_checks.memory.oom_message import GIB, Amount

from ...failures import Failure
from ...knowledge import knowledge
from ...model import Computed
from ...pictures import image_for, patches_of
from ...rule import Case, Hit

IDS = {
    "vision": "memory.vision-attention-memory",
    "text": "memory.text-attention-memory",
    "logits": "memory.full-prompt-logits",
}
_MOVED = re.compile(r"\.to\(['\"]?cuda|\.cuda\(\)")
FEWEST_ROWS = 256
"""Fewer rows of logits explain a buffer only by chance."""


class Reading(msgspec.Struct, frozen=True):
    """One way to read a buffer of the model `label`; `count` is patches, tokens or rows."""

    candidate: Candidate
    count: int
    label: str
    exact: bool

    @property
    def kind(self) -> Kind:
        """What the buffer holds."""
        return self.candidate.kind

    @property
    def width(self) -> int:
        """Bytes per element."""
        return self.candidate.width


def _readings(case: Case, size: Amount) -> list[Reading]:
    heads = case.clues.family.vision_heads if case.clues.family else 16
    found = [("vision tower", c) for c in invert(size, Dimensions(vision_heads=heads))]
    for label, numbers in case.clues.sizes:
        dimensions = Dimensions(text_heads=numbers.heads, vocabulary=numbers.vocab)
        found += [(label, candidate) for candidate in invert(size, dimensions)]
    readings = [Reading(c, c.nearest(size.middle), label, size.exact) for label, c in found]
    return [r for r in readings if r.kind != "logits" or r.count >= FEWEST_ROWS]


def _stated_patches(case: Case) -> list[int]:
    clues = case.clues
    family = clues.family or knowledge().families["qwen2_5_vl"]
    counts = (
        [h * w for _, h, w in clues.grids]
        + [t * h * w for t, h, w in clues.grids]
        + list(clues.patch_counts)
    )
    images = [patches_of(w, h, family) for w, h in clues.image_sizes]
    counts += images
    if len(images) > 1:
        counts.append(sum(images))
    repeat = re.search(r"(\d{1,3}) (?:\w{1,12} )?images|(\d{1,3}) ?张", clues.prose)
    if repeat and images:
        number = int(repeat.group(1) or repeat.group(2))
        counts += [number * image for image in images]
    return counts


def _weight(case: Case, reading: Reading, frame: str | None, stated: list[int]) -> float:
    """How well a reading fits the frame, the image and the token counts of the text, 0-100."""
    score = 40.0
    if reading.exact:
        score += 25
    if reading.kind == frame:
        score += 35
    elif frame is not None:
        score -= 25
    if reading.kind == "vision" and any(
        abs(reading.count - count) <= max(8, 0.004 * count) for count in stated
    ):
        score += 40
    if reading.kind in ("text", "logits") and any(
        abs(reading.count - count) <= max(2, 0.006 * count) for count in case.clues.token_counts
    ):
        score += 40
    if reading.kind == "vision":
        score += 8 if case.clues.concept("image") or case.clues.concept("video") else 2
        if case.page.says("no image in the prompt") is not None or reading.count % 4:
            score -= 20
    if reading.kind == "text" and not case.clues.size_known:
        score -= 12
    if reading.kind == "logits":
        score += 12 if case.clues.concept("logits") else -8
        if reading.count > 60_000:
            score -= 15
    return score


def by_size(case: Case, event: Failure | None) -> Iterator[Hit]:
    """Which materialised buffer has the size that was asked for."""
    low = case.page.low
    if event is None or (not case.clues.qwen_vl and not ours(low)):
        return
    frame = stage(low)
    if event.requested.middle < 0.9 * GIB and frame is None:
        return
    stated = _stated_patches(case)
    ranked = sorted(
        _readings(case, event.requested), key=lambda r: -_weight(case, r, frame, stated)
    )
    if not ranked:
        return
    best = ranked[0]
    weight = _weight(case, best, frame, stated)
    if weight < 45 and event.requested.middle < 2 * GIB:
        return
    loading = frame is None and LOADING.search(low) is not None and not _MOVED.search(low)
    if loading and weight < 70:
        return
    score = min(97.0, 44 + weight / 2 + (6 if event.requested.middle > 4 * GIB else 0))
    same = [
        r
        for r in ranked
        if r.kind == best.kind and (r.label == best.label or best.kind == "vision")
    ]
    yield _hit(case, event, best, same, score, stated)


def _hit(
    case: Case,
    event: Failure,
    best: Reading,
    same: list[Reading],
    score: float,
    stated: list[int],
) -> Hit:
    family = case.clues.family or knowledge().families["qwen2_5_vl"]
    computed: dict[str, Computed] = {"tried_bytes": event.requested.middle}
    notes: list[str] = []
    seen: set[int] = set()
    for reading in same[:4]:
        if reading.width in seen:
            continue
        seen.add(reading.width)
        kind = {4: "fp32", 2: "bf16 or fp16"}[reading.width]
        scores = f"{event.requested} = {reading.candidate.factor} heads x {reading.count}^2"
        if reading.kind == "vision":
            computed[f"patches_at_{reading.width}_bytes"] = reading.count
            tokens = reading.count // (family.merge**2)
            notes.append(
                f"{scores} patches x {reading.width} B ({kind}): {reading.count} patches = "
                f"{tokens} visual tokens, {image_for(reading.count, family.patch)}"
                f"{_several(reading.count, case)}."
            )
        elif reading.kind == "text":
            computed[f"prompt_tokens_at_{reading.width}_bytes"] = reading.count
            notes.append(
                f"{scores} tokens x {reading.width} B ({kind}, {reading.label}): a prompt of "
                f"{reading.count} tokens."
            )
        else:
            vocab = next(n.vocab for label, n in case.clues.sizes if label == reading.label)
            computed[f"logits_rows_at_{reading.width}_bytes"] = reading.count
            notes.append(
                f"{event.requested} = {reading.count} rows x {vocab} vocabulary entries x "
                f"{reading.width} B ({kind}): logits for {reading.count} prompt tokens."
            )
    if best.kind == "vision" and stated:
        match = next((c for c in stated if abs(best.count - c) <= max(8, 0.004 * c)), None)
        if match:
            computed["patches"] = match
            notes.append(f"That agrees with the image of the text: {match} patches.")
    return Hit(IDS[best.kind], score, [event.line], computed, notes)


def _several(count: int, case: Case) -> str:
    return (
        " (or all images and frames of the call together, on transformers 4.53 and older)"
        if case.clues.concept("multi_image") or case.clues.concept("video")
        else ""
    )
