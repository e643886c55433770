"""Asks the target for the parts of a plan and puts the answer together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from qvl_checks.memory.placement import PLANNED
from qvl_checks.memory.plan import answer
from qvl_checks.memory.plan.answer import Cure, Device, Plan
from qvl_checks.memory.plan.fleet import Fleet, Part
from qvl_checks.memory.plan.limits import LIMITS, SQUARE
from qvl_checks.memory.plan.loading_code import code, summary
from qvl_checks.memory.plan.request import Question
from qvl_checks.memory.plan.tasks_probe import CURES, STATED
from qvl_doctor.errors import EXIT_INCOMPLETE, DoctorError

STATED_SECONDS = 120.0
SQUARE_SECONDS = 40.0
LIMIT_SECONDS = 15.0
CURES_SECONDS = 45.0
"""Of work for the predictions of each; several run at once, so that a plan takes a minute on two
cores."""


class Unpredicted(DoctorError):
    """The workload as stated cannot be predicted with what is installed."""

    exit_code = EXIT_INCOMPLETE


def make_plan(
    question: Question, fleet: Fleet, python: str, *, searched: bool, say: Callable[[str], None]
) -> Plan:
    """The whole answer; without ``searched`` only whether it fits.

    Raises:
        Unpredicted: there is no prediction; the message says why.
    """
    say("predicting the workload as stated")
    wanted = {STATED: STATED_SECONDS}
    if searched:
        wanted |= dict.fromkeys(LIMITS, LIMIT_SECONDS) | {SQUARE: SQUARE_SECONDS}
    waiting = fleet.work(question, wanted)
    stated = waiting[STATED]()
    if stated.status != "done":
        raise Unpredicted(f"this cannot be predicted: {stated.reason}")
    prediction = stated.answer
    fits = bool(prediction["fits"])
    if searched and not fits:
        say("searching for the smallest change that makes it fit")
        waiting.update(fleet.work(question, {CURES: CURES_SECONDS}))
    if searched:
        say("searching for the largest image, prompt, video and batch that still fit")
    parts = {name: wait() for name, wait in waiting.items()}
    return _plan(question, prediction, parts, python)


def _plan(
    question: Question, prediction: Mapping[str, Any], parts: Mapping[str, Part], python: str
) -> Plan:
    devices = tuple(
        answer.device(row, _capacity(question, row["device"])) for row in prediction["devices"]
    )
    found = parts[CURES] if CURES in parts else Part("done")
    release = prediction["transformers"]
    cures = [_cure(row, question, release, devices) for row in found.answer.get("tried", ())]
    notes = [prediction["note"]] if prediction.get("note") else []
    notes += found.answer.get("notes", ())
    if found.status != "done":
        notes.append(f"no cure was searched for: {found.reason}")
    return Plan(
        fits=bool(prediction["fits"]),
        devices=devices,
        limits=answer.limits(parts),
        fixes=tuple(cure for cure in cures if cure.fits),
        no_help=tuple(cure for cure in cures if not cure.fits),
        needs_bytes=_needs(question, devices),
        notes=tuple(notes),
        model=question.model.name,
        workload={
            **msgspec.to_builtins(question.workload),
            "max_memory": question.max_memory,
            "expandable_segments": question.expandable_segments,
        },
        images=tuple(tuple(size) for size in prediction["images"]),
        patches=tuple(prediction["patches"]),
        prompt_tokens=prediction["prompt_tokens"],
        placement=prediction.get("placement") or {},
        offloaded_bytes=prediction.get("offloaded_bytes") or {},
        torch=prediction["torch"],
        transformers=release,
        python=python,
    )


def _cure(
    row: Mapping[str, Any], question: Question, release: str, devices: tuple[Device, ...]
) -> Cure:
    workload = {**msgspec.to_builtins(question.workload), "max_memory": question.max_memory}
    patch = int(question.model.config.get("vision_config", {}).get("patch_size", 14))
    return Cure(
        summary=summary(row["fields"]),
        change=row["fields"],
        costs=row["costs"],
        condition=row["condition"],
        fits=row["fits"],
        reason=row["reason"],
        devices=answer.effects(row["devices"], devices),
        code=code(
            row["fields"], workload, question.model.class_name, release, patch, len(question.gpus)
        ),
    )


def _needs(question: Question, devices: tuple[Device, ...]) -> int | None:
    """The card that would hold everything as stated: what is reserved, and the context."""
    if len(devices) != 1 or devices[0].fits or question.workload.device_map in PLANNED:
        return None
    return devices[0].peak_reserved_bytes + devices[0].terms["context_bytes"]


def _capacity(question: Question, device: str) -> int:
    index = int(device.rpartition(":")[2]) if ":" in device else 0
    return question.gpus[index].capacity_bytes
