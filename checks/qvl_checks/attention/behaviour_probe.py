"""Runs a small model of the installed code and compares positions, masks and answers with what the
doctor computes itself, in float32 on the CPU: it is the code that is examined, not the device.
"""

import math
import time
from typing import Any, Dict, List, Optional

from qvl_checks.attention.behaviour_cases import (
    BOTH,
    WINDOW,
    WINDOWED_FAMILIES,
    Case,
    cases,
    eager_cases,
    window_prompt,
    window_settings,
)
from qvl_checks.attention.reference.comparison import (
    TOLERANCE,
    compare,
    differences_between,
    rounded,
)
from qvl_checks.attention.reference.prompts import Batch, alone, image, make_batch, repeated, text
from qvl_checks.attention.reference.spy import AttentionCalls
from qvl_checks.attention.reference.subject import Run, Subject, rotary_error
from qvl_checks.attention.reference.text import Unsupported
from qvl_checks.host.guarded import reason_of

NEW_TOKENS = 3
LOOPS = (
    ("attention_mask",),
    (),
    ("attention_mask", "cache_position"),
    ("attention_mask", "position_ids"),
)
"""What loops hand over besides the new token and the cache."""
BEAMS = 2
PIECE = 4
"""Tokens of text behind the picture that come in a call of their own."""
VISION_GRIDS = {
    "image": [(1, 10, 14)],
    "two images": [(1, 4, 8), (1, 18, 10)],
    "video": [(3, 10, 6)],
}
"""(frames, rows, columns) of patches; 8 × 8 of them are a window of Qwen2.5-VL."""
IMPLEMENTATIONS = ("sdpa", "eager")


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `BehaviourFacts` for the fields."""
    import torch
    import transformers

    facts = request.get("model") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    began = time.perf_counter()
    # Tiny tensors: a second thread costs more than it brings, most of all on a busy machine.
    torch.set_num_threads(1)
    result: Dict[str, Any] = {
        "transformers": str(transformers.__version__),
        "model_type": facts["model_type"],
        "tolerance": TOLERANCE,
        "window": WINDOW if facts["model_type"] in WINDOWED_FAMILIES else None,
    }
    with torch.no_grad():
        try:
            subject = Subject(facts["tiny_config"])
        except Unsupported as error:
            return {**result, "reason": str(error)}
        result["cases"] = [row for case in cases(subject.family) for row in observed(subject, case)]
        result["rotary_error"] = rotary(subject)
        result["loops"] = loops(subject)
        result["eager"] = eagerly(facts)
        result["windows"] = windows(facts)
        result["vision"] = vision(facts)
    return {**result, "seconds": round(time.perf_counter() - began, 2)}


def observed(subject: Subject, case: Case) -> List[Dict[str, Any]]:
    """One row per path."""
    found = []
    for path in case.paths:
        row: Dict[str, Any] = {
            "name": case.name,
            "path": path,
            "padding": case.side if len(case.rows) > 1 and path in BOTH else None,
            "after_another": case.after,
        }
        try:
            subject.forget()
            if case.after:
                generated_before(subject)
            batch = make_batch(subject.family, case.rows, side=case.side)
            inputs = subject.inputs(batch, case.seconds, case.masked)
            seen = called(subject, inputs, path)
            if path == "beams":
                batch = repeated(batch, BEAMS)
            row.update(compare(subject, batch, seen, "generate" if path == "beams" else path))
            if row["padding"]:
                row["from_alone"] = from_alone(subject, batch, seen, path)
            found.append(row)
        except Exception as error:
            found.append({**row, "reason": reason_of(error)})
    return found


def called(subject: Subject, inputs: Dict[str, Any], path: str) -> Run:
    """One call on this path."""
    if path == "generate":
        return subject.generate(inputs, NEW_TOKENS)
    if path == "beams":
        return subject.beams(inputs, BEAMS)
    if path == "pieces":
        return subject.in_pieces(inputs, PIECE)
    return subject.forward(inputs, use_cache=False)


def from_alone(subject: Subject, batch: Batch, together: Run, path: str) -> Optional[float]:
    """The largest relative difference between a prompt's answers in the batch and without it."""
    errors: List[float] = []
    for number in range(len(batch.rows)):
        subject.forget()
        single = alone(batch, number)
        run = called(subject, subject.inputs(single, None), path)
        errors += differences_between(batch, number, together, run, path)
    worst = max(errors)
    return rounded(worst) if math.isfinite(worst) else None


def generated_before(subject: Subject) -> None:
    """An answer to a prompt with two images, after which the model is asked something else."""
    family = subject.family
    before = (*text(9), *image(family, 4, 16), *text(3), *image(family, 12, 4), *text(4))
    subject.generate(subject.inputs(make_batch(family, (before,), seed=7), None), NEW_TOKENS)


def rotary(subject: Subject) -> Optional[float]:
    """None where this release's embedding wants to be called in another way."""
    try:
        return rounded(rotary_error(subject))
    except Exception:
        return None


def loops(subject: Subject) -> List[Dict[str, Any]]:
    """A decoding loop of one's own, by what it hands over, against generate."""
    row = next(case.rows for case in cases(subject.family) if case.name == "image")
    found: List[Dict[str, Any]] = []
    for given in LOOPS:
        if not set(given) <= subject.accepted:
            continue
        try:
            subject.forget()
            inputs = subject.inputs(make_batch(subject.family, row), None)
            answer = subject.generate(inputs, NEW_TOKENS)
            subject.forget()
            ours = subject.by_hand(inputs, answer, given)
            far = distance(ours, answer.logits)
            found.append({"given": given, "error": rounded(far) if math.isfinite(far) else None})
        except Exception as error:
            found.append({"given": given, "reason": reason_of(error)})
    return found


def eagerly(facts: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The same weights with eager attention."""
    try:
        subject = Subject(facts["tiny_config"], attention="eager")
    except Exception as error:
        return [{"name": "", "path": "", "implementation": "eager", "reason": reason_of(error)}]
    return [
        {**row, "implementation": "eager"}
        for case in eager_cases(subject.family)
        for row in observed(subject, case)
    ]


def windows(facts: Dict[str, Any]) -> List[Dict[str, Any]]:
    """A prompt longer than the sliding window, with the window switched off and on."""
    found: List[Dict[str, Any]] = []
    for name, settings in window_settings(facts["model_type"]):
        for implementation in IMPLEMENTATIONS:
            case = Case(name, (window_prompt(),))
            try:
                subject = Subject(facts["tiny_config"], attention=implementation, **settings)
            except Exception as error:
                row = {"name": name, "path": "", "reason": reason_of(error)}
                found.append({**row, "implementation": implementation})
                continue
            found += [{**row, "implementation": implementation} for row in observed(subject, case)]
    return found


def vision(facts: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Each implementation of the vision tower, in float32 and in bfloat16."""
    found: List[Dict[str, Any]] = []
    for implementation in IMPLEMENTATIONS:
        try:
            subject = Subject(facts["tiny_config"], attention=implementation)
        except Exception as error:
            found.append({"implementation": implementation, "reason": reason_of(error)})
            continue
        found += [
            {"implementation": implementation, "name": name, **seen(subject, grids)}
            for name, grids in VISION_GRIDS.items()
        ]
    return found


def seen(subject: Subject, grids: List[Any]) -> Dict[str, Any]:
    """Relative L2 error of the visual tokens, and which mistake gives exactly the found ones."""
    import torch

    generator = torch.Generator().manual_seed(3)
    patches = sum(t * h * w for t, h, w in grids)
    pixels = torch.randn(patches, subject.family.patch_values, generator=generator)
    pixels = pixels.bfloat16().float()
    for dtype in ("bfloat16", "float32"):  # weights that both precisions hold
        subject.tower_in(dtype)
    wanted = subject.vision.see(pixels, grids)
    try:
        with AttentionCalls() as calls:
            found = subject.own_seen(pixels, grids)
        errors = [distance(found.embeddings, wanted.embeddings)]
        for number, layer in enumerate(wanted.deepstack):
            errors.append(distance(found.deepstack[number], layer))
        error, name = max(errors), ""
        if not error <= TOLERANCE:
            tries = {
                "windows ignored": subject.vision.see(pixels, grids, windows=False),
                "images and frames see one another": subject.vision.see(pixels, grids, apart=False),
            }
            name = next(
                (
                    mistake
                    for mistake, wrong in tries.items()
                    if distance(found.embeddings, wrong.embeddings) <= TOLERANCE
                ),
                "",
            )
        half = subject.own_seen_in_bfloat16(pixels, grids)
        return {
            "error": rounded(error),
            "cause": name,
            **calls.summary(),
            "bfloat16_error": rounded(distance(half.embeddings.float(), wanted.embeddings)),
        }
    except Exception as error:
        return {"reason": reason_of(error)}


def distance(found: Any, wanted: Any) -> float:
    """Relative L2, the worst token's."""
    if found.shape != wanted.shape:
        return float("inf")
    return float(((found - wanted).norm(dim=-1) / wanted.norm(dim=-1)).max())
