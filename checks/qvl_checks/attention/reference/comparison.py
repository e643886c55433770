"""What a run of the installed model differs in from the reference, from which token on, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from qvl_checks.attention.reference.positions import DIMENSIONS, rule_positions
from qvl_checks.attention.reference.prompts import Batch, Span, kinds_of
from qvl_checks.attention.reference.subject import Run, Subject
from qvl_checks.attention.reference.vision import Seen

TOLERANCE = 1e-3
"""Relative L2 difference of one token's float32 logits: rounding gives 1e-7 to 2e-5, a position
that is off by one 1e-2 and more."""


class Expected(NamedTuple):
    """One row without padding, generated tokens included."""

    words: Any
    visual: Any
    kinds: list[str]
    positions: Any
    prompt: int
    """Tokens before the generated ones."""


def expected_of(subject: Subject, batch: Batch, run: Run, number: int) -> Expected:
    """The row as the rule has it."""
    import torch

    row = batch.rows[number]
    new = run.words.shape[1] - batch.inputs["input_ids"].shape[1]
    kinds = kinds_of(row) + ["new"] * new
    extended = (*row, Span("text", new)) if new else row
    return Expected(
        words=run.words[number][_real(batch, number, new)],
        visual=torch.tensor([kind in ("image", "video") for kind in kinds]),
        kinds=kinds,
        positions=torch.tensor(rule_positions(extended, subject.family.merge)).T,
        prompt=len(kinds) - new,
    )


def compare(subject: Subject, batch: Batch, run: Run, path: str) -> dict[str, Any]:
    """``error``: the largest of any token; ``differences``: one entry per row and kind."""
    differences: list[dict[str, Any]] = []
    worst: float | None = 0.0
    for number in range(len(batch.rows)):
        expected = expected_of(subject, batch, run, number)
        found = observed_positions(batch, run, number)
        difference = positions_difference(expected, found)
        if difference:
            differences.append({"row": number, "path": path, **difference})
        errors, first = logits_errors(subject, batch, run, number, expected, path)
        largest = max(errors) if all(map(math.isfinite, errors)) else None
        wrong = [index for index, error in enumerate(errors) if not error <= TOLERANCE]
        if wrong:
            token = first + wrong[0]
            differences.append(
                {
                    "row": number,
                    "path": path,
                    "what": "logits",
                    "phase": "decode" if token >= expected.prompt else "prefill",
                    "token": token,
                    "kind": expected.kinds[token],
                    "wrong": len(wrong),
                    "of": len(errors),
                    "error": rounded(largest),
                    "cause": cause(subject, batch, run, number, expected, found, path),
                }
            )
        worst = None if worst is None or largest is None else max(worst, largest)
    return {"error": rounded(worst), "differences": differences}


def rounded(value: float | None) -> float | None:
    """Three digits; None stays None."""
    return None if value is None else float(f"{value:.3g}")


def _real(batch: Batch, number: int, new: int) -> Any:
    """(columns,) which columns of the row are not padding, generated ones included."""
    import torch

    mask = batch.inputs["attention_mask"][number].bool()
    return torch.cat([mask, torch.ones(new, dtype=torch.bool)])


def observed_positions(batch: Batch, run: Run, number: int) -> Any:
    """(3, tokens) that the model used for the row's real tokens, prefill and decoding together."""
    import torch

    parts = [
        passed[:, number] if index == 0 else passed[:, number, -1:]
        for index, passed in enumerate(run.positions)
    ]
    joined = torch.cat(parts, dim=1)
    new = joined.shape[1] - batch.inputs["input_ids"].shape[1]
    return joined[:, _real(batch, number, new)]


def positions_difference(expected: Expected, found: Any) -> dict[str, Any] | None:
    """The first token whose position is not the rule's.

    Only distances count for rotary embeddings: a row may start anywhere, as long as all of it is
    shifted by one number.
    """
    rule = expected.positions[:, : found.shape[1]]
    shift = (found[:, :1] - rule[:, :1]).round()
    shift = shift if bool((shift == shift[0]).all()) else shift[:1]
    off = (found - rule - shift) != 0
    wrong = off.any(dim=0).nonzero().flatten().tolist()
    if not wrong:
        return None
    token = wrong[0]
    return {
        "what": "positions",
        "phase": "decode" if token >= expected.prompt else "prefill",
        "token": token,
        "kind": expected.kinds[token],
        "dimensions": [name for index, name in enumerate(DIMENSIONS) if bool(off[index].any())],
        "expected": [float(value) for value in rule[:, token]],
        "found": [float(value) for value in (found[:, token] - shift[:, 0])],
        "wrong": len(wrong),
        "of": int(found.shape[1]),
        "wrong_kinds": sorted({expected.kinds[index] for index in wrong}),
    }


def logits_errors(
    subject: Subject, batch: Batch, run: Run, number: int, expected: Expected, path: str
) -> tuple[list[float], int]:
    """Relative error per token, and which token the first of them belongs to.

    generate's logits of a step are those behind the token before it; they are booked under the
    token that they were computed from.
    """
    seen = subject.seen(batch, number)
    wanted = subject.text.logits(expected.words, expected.visual, seen, expected.positions)
    return errors_of(batch, run, number, expected, wanted, path)


def errors_of(
    batch: Batch, run: Run, number: int, expected: Expected, wanted: Any, path: str
) -> tuple[list[float], int]:
    """See `logits_errors`; ``wanted`` (tokens, vocabulary)."""
    if path == "generate":
        first = expected.prompt - 1
        found, wanted = run.logits[number], wanted[first:-1]
    else:
        first = 0
        found = run.logits[number][_real(batch, number, 0)]
    errors = (found - wanted).norm(dim=-1) / wanted.norm(dim=-1)
    return [float(error) for error in errors], first


def differences_between(
    batch: Batch, number: int, together: Run, single: Run, path: str
) -> list[float]:
    """Relative difference of each token's logits between a row of a batch and the row alone; in
    generate, as long as both have generated the same."""
    ours, theirs = together.logits[number], single.logits[0]
    if path == "forward":
        ours = ours[_real(batch, number, 0)]
    else:
        count = ours.shape[0]
        agree = (together.words[number, -count:] == single.words[0, -count:]).tolist()
        steps = 1 + next((index for index, same in enumerate(agree) if not same), count - 1)
        ours, theirs = ours[:steps], theirs[:steps]
    return [float(error) for error in (ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)]


def cause(
    subject: Subject,
    batch: Batch,
    run: Run,
    number: int,
    expected: Expected,
    found: Any,
    path: str,
) -> str:
    """The one mistake that gives exactly these logits; empty when none of the known ones does."""
    seen = subject.seen(batch, number)
    own = subject.seen(batch, number, own=True)
    positions = expected.positions
    if found.shape[1] <= positions.shape[1]:
        # The last new token was never fed, so its position was not seen; nothing depends on it.
        used = positions.clone()
        used[:, : found.shape[1]] = found
        positions = used
    layers = len(subject.text.tower.layers)
    narrow: list[int | None] = [subject.text.configured_window] * layers
    wide: list[int | None] = [None] * layers
    # What a mask for packed prompts makes of temporal positions: a new prompt at every step but 1.
    jumps = (expected.positions[0].diff(prepend=expected.positions[0, :1] - 1) != 1).cumsum(0)
    tries: list[tuple[str, Seen | None, Any, dict[str, Any]]] = [
        ("positions", seen, positions, {}),
        ("vision", own, expected.positions, {}),
        ("positions and vision", own, positions, {}),
        ("sliding window in every layer", seen, expected.positions, {"windows": narrow}),
        ("no sliding window", seen, expected.positions, {"windows": wide}),
        ("not causal", seen, expected.positions, {"causal": False}),
        ("masked like packed prompts", seen, expected.positions, {"groups": jumps}),
        ("key heads taken in turn", seen, expected.positions, {"shared_in_turn": True}),
        *(
            (f"visual tokens {what}", mixed, expected.positions, {})
            for what, mixed in _mixed_up(batch, number, seen)
        ),
        *(
            ("rotary pairs of other dimensions", seen, expected.positions, {"pairs": pairs})
            for pairs in subject.text.other_pairs()
        ),
    ]
    for name, eyes, places, changes in tries:
        if "vision" in name and own is None:
            continue
        wanted = subject.text.logits(expected.words, expected.visual, eyes, places, **changes)
        errors, _ = errors_of(batch, run, number, expected, wanted, path)
        if all(error <= TOLERANCE for error in errors):
            return name
    return ""


def _mixed_up(batch: Batch, number: int, seen: Seen | None) -> Iterator[tuple[str, Seen]]:
    """Visual tokens that reach another place than theirs."""
    import torch

    if seen is None:
        return
    sizes = [span.tokens for span in batch.rows[number] if span.kind != "text"]
    if len(sizes) > 1:
        parts = [part.split(sizes)[::-1] for part in (seen.embeddings, *seen.deepstack)]
        first, *rest = (torch.cat(part) for part in parts)
        yield "of the images in reverse", Seen(first, rest)
    if len(seen.deepstack) > 1:
        yield "of deepstack in reverse", Seen(seen.embeddings, seen.deepstack[::-1])
    if seen.deepstack:
        nothing = torch.zeros_like(seen.deepstack[0])
        late = [nothing, *seen.deepstack]
        yield "of deepstack a layer too late", Seen(seen.embeddings, late)
        yield "of deepstack a layer too early", Seen(seen.embeddings, seen.deepstack[1:])
        yield "without deepstack", Seen(seen.embeddings, [])
