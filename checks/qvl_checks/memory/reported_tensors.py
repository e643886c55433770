"""Which tensors of one model have the size that a message names, and what speaks for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import sqrt
from typing import Any, Literal

import msgspec
from packaging.version import InvalidVersion, Version

from qvl_checks.memory.inversion import WIDTHS, Dimensions, consistent, invert
from qvl_checks.memory.oom_message import Amount, requests_of

Kind = Literal["vision", "text", "logits", "weight", "activation"]
UNIT = {"vision": "patches", "text": "tokens", "logits": "tokens"}
FOUR_DIMENSIONS = Version("4.51")
"""transformers release from which vision sdpa reaches a kernel that writes no scores."""
ONE_BY_ONE = Version("4.54")
"""From which every image is attended alone."""
LAST_LOGITS = {"qwen2_5_vl": Version("4.54"), "qwen2_vl": Version("5.0")}
"""From which ``generate`` asks for the last logits only; later families always did."""
NEVER_LAST = ("omni",)


class Clues(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the size."""

    model_type: str = ""
    stage: str | None = None
    """``vision``, ``text`` or ``logits``: where the traceback ends."""
    families: tuple[str, ...] = ()
    """Model types whose code is in the traceback."""
    transformers: str = ""
    attention: str | None = None
    mode: str = "generate"
    patches: tuple[int, ...] = ()
    """Of each stated image."""
    tokens: int = 0
    """Of one stated prompt."""
    batch: int = 1

    @property
    def release(self) -> Version | None:
        """The transformers version, if it is one."""
        try:
            return Version(self.transformers)
        except InvalidVersion:
            return None

    def implementation(self, part: str) -> str:
        """The attention that was asked for in ``vision`` or ``text``; sdpa if nothing was."""
        wish = self.attention or "sdpa"
        if "=" not in wish:
            return wish
        return dict(one.split("=", 1) for one in wish.split(",")).get(part, "sdpa")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of that size."""

    kind: Kind
    words: str
    """``16 heads × 14308 × 14308 patches × 4 B``."""
    width: int
    """Bytes per element."""
    fewest: int | None = None
    most: int | None = None
    """The counts (patches, tokens) that the printed size allows."""
    count: int | None = None
    """The stated workload's own, where it is among them, else the middle."""
    agrees: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    needs: str = ""
    """What must have been so although nobody stated it."""

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sorts the likeliest first; chance finds more weights and activations than scores."""
        chance = {"weight": 1, "activation": 2}.get(self.kind, 0)
        clues = len(self.contradicts) - len(self.agrees)
        return 2 * clues + bool(self.needs), chance, -self.width

    def row(self, patch: int | None) -> dict[str, Any]:
        """As evidence."""
        return {
            "tensor": self.kind,
            "size": self.words,
            "count": self.count,
            "between": None if self.fewest is None else f"{self.fewest} and {self.most}",
            "square_image_px": side_of(self.count, patch) if self.kind == "vision" else None,
            "agrees_with": list(self.agrees),
            "contradicts": list(self.contradicts),
            "needs": self.needs,
        }


def side_of(patches: int | None, patch: int | None) -> int | None:
    """Side in pixels of a square image of so many patches."""
    return None if patches is None or patch is None else round(sqrt(patches)) * patch


def readings(size: Amount, config: Mapping[str, Any], clues: Clues) -> list[Reading]:
    """Every tensor of this model that the size can mean, likeliest first."""
    found = [
        *_buffers(size, config, clues),
        *_weights(size, config, clues),
        *_activations(size, config, clues),
    ]
    return sorted(found, key=lambda reading: reading.rank)


def _buffers(size: Amount, config: Mapping[str, Any], clues: Clues) -> Iterator[Reading]:
    dimensions = Dimensions.of(config)
    candidates = {
        one for batch in {1, clues.batch} for one in invert(size, dimensions, batch=batch)
    }
    for candidate in sorted(candidates, key=lambda one: (one.kind, -one.width, one.batch)):
        confirmed = consistent(
            [candidate], patches=clues.patches, tokens=clues.tokens or None, batch=clues.batch
        )
        count = confirmed[0][1] if confirmed else candidate.nearest(size.middle)
        agrees, contradicts, needs = _judged(candidate.kind, candidate.width, clues)
        if confirmed:
            stated = "images" if candidate.kind == "vision" else "prompt"
            agrees.append(f"the stated {stated}: {count} {UNIT[candidate.kind]}")
        yield Reading(
            kind=candidate.kind,
            words=candidate.formula(count),
            width=candidate.width,
            fewest=candidate.low,
            most=candidate.high,
            count=count,
            agrees=tuple(agrees),
            contradicts=tuple(contradicts),
            needs=needs,
        )


def _judged(kind: str, width: int, clues: Clues) -> tuple[list[str], list[str], str]:
    """(what agrees, what contradicts, what it needs): the traceback, the family, the versions."""
    agrees, contradicts = _by_traceback(kind, clues)
    wrong, needs = _by_version(kind, width, clues), ""
    if wrong and kind != "logits" and clues.attention is None:
        needs = f"eager attention: {wrong}"
    elif wrong:
        contradicts.append(wrong)
    elif kind in ("vision", "text") and clues.implementation(kind) == "eager":
        agrees.append("eager attention, which writes these scores")
    return agrees, contradicts, needs


def _by_traceback(kind: str, clues: Clues) -> tuple[list[str], list[str]]:
    agrees, contradicts = [], []
    if clues.stage == kind:
        agrees.append("the traceback's last frames")
    elif clues.stage is not None:
        contradicts.append(f"the traceback, which ends in the {clues.stage} part")
    if clues.families and clues.model_type not in clues.families:
        contradicts.append(f"the traceback, which runs through {' and '.join(clues.families)}")
    return agrees, contradicts


def _by_version(kind: str, width: int, clues: Clues) -> str:
    """Why the installed release writes no such tensor; empty if it may."""
    release = clues.release
    if release is None:
        return ""
    if kind == "logits":
        if clues.mode == "forward" or any(name in clues.model_type for name in NEVER_LAST):
            return ""
        since = LAST_LOGITS.get(clues.model_type, Version("0"))
        if release >= since:
            return f"transformers {release}, whose generate() asks for the last logits only"
        return ""
    used = clues.implementation(kind)
    if kind == "vision" and used == "sdpa":
        if release >= FOUR_DIMENSIONS:
            return f"transformers {release} with sdpa, which writes no scores"
        if width == 2:
            return f"transformers {release} with sdpa, whose math kernel computes in fp32"
    elif used.startswith("flash"):
        return f"{used}, which writes no scores"
    return ""


def _weights(size: Amount, config: Mapping[str, Any], clues: Clues) -> Iterator[Reading]:
    """Single weights of that size, and those that were fused or are loaded as one."""
    for name, shape in weight_shapes(config):
        elements = shape[0] * shape[1]
        for width in WIDTHS:
            if may_be(size, elements * width):
                _, contradicts = _by_traceback("weight", clues)
                yield Reading(
                    kind="weight",
                    words=f"{name}: {shape[0]} × {shape[1]} × {width} B",
                    width=width,
                    contradicts=tuple(contradicts),
                )


def weight_shapes(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, int]]]:
    """The large matrices of a model, by what they are; those of one shape once."""
    text = {**config, **(config.get("text_config") or {})}
    vision = config.get("vision_config") or {}
    hidden, wide = text.get("hidden_size"), text.get("intermediate_size")
    if hidden and text.get("vocab_size"):
        yield "the embedding or lm_head", (text["vocab_size"], hidden)
    if hidden and wide:
        yield "an MLP projection of a decoder layer", (wide, hidden)
        yield "gate_up_proj, fused, of a decoder layer", (2 * wide, hidden)
    experts, moe = text.get("num_experts"), text.get("moe_intermediate_size")
    if hidden and experts and moe:
        yield "gate_up_proj of all experts of a layer", (experts * 2 * moe, hidden)
        yield "down_proj of all experts of a layer", (experts * moe, hidden)
    if hidden and vision.get("hidden_size"):
        merged = 4 * vision["hidden_size"]
        yield "the vision merger's first projection", (merged, merged)


def _activations(size: Amount, config: Mapping[str, Any], clues: Clues) -> Iterator[Reading]:
    """MLP and hidden states, only where the stated workload's own count gives that size."""
    text = {**config, **(config.get("text_config") or {})}
    vision = config.get("vision_config") or {}
    rows: list[tuple[str, str, int, Any]] = [
        ("text", "tokens", clues.tokens * clues.batch, text),
        ("vision", "patches", sum(clues.patches) * clues.batch, vision),
    ]
    for part, unit, count, numbers in rows:
        for what in ("intermediate_size", "hidden_size"):
            columns = numbers.get(what)
            for width in WIDTHS:
                if count and columns and may_be(size, count * columns * width):
                    agrees, contradicts = _by_traceback(part, clues)
                    yield Reading(
                        kind="activation",
                        words=f"{count} {unit} × {columns} ({what}) × {width} B",
                        width=width,
                        count=count,
                        agrees=(*agrees, f"the stated workload: {count} {unit}"),
                        contradicts=tuple(contradicts),
                    )


def may_be(size: Amount, tensor: int) -> bool:
    """Whether an allocator prints this amount for a tensor of so many bytes."""
    return any(size.low <= request <= size.high for request in requests_of(tensor))


def likely(found: Iterable[Reading]) -> list[Reading]:
    """Those that nothing contradicts and at least one clue supports, of the best rank."""
    several = list(found)
    best = [one for one in several if one.agrees and not one.contradicts]
    return [one for one in best if one.rank[0] == best[0].rank[0]] if best else []
