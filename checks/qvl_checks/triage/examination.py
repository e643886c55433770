"""Confirm or refute diagnoses by examining the environment that the text is said to come from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from qvl_checks.devices.nvml_facts import DEVICES_NVML, NvmlFacts
from qvl_checks.versions.packages_facts import VERSIONS_PACKAGES, PackagesFacts
from qvl_doctor.cli.progress import progress
from qvl_doctor.errors import EXIT_INCOMPLETE, EXIT_OK, EXIT_PROBLEMS, UsageError
from qvl_doctor.facts import ModelFacts, Record, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Finding, Outcome
from qvl_doctor.judge import find
from qvl_doctor.probe import Facts, Level
from qvl_doctor.registry import Registry
from qvl_doctor.running.examine import Examination
from qvl_doctor.running.watching import Progress
from qvl_doctor.selection import probes_for
from qvl_doctor.target import Choice, choose

from .clues import Clues
from .diagnosing import diagnose
from .language import Wanted
from .model import Diagnosis, Environment, Triage, Verdict
from .page import Page
from .related import Related, related

DEFAULT_IMAGE = (2048, 1365)
MOST_IMAGES = 8
_F = TypeVar("_F", bound=Facts)


class Examined(msgspec.Struct, frozen=True):
    """A triage whose diagnoses have verdicts, and the machine it was checked on."""

    triage: Triage
    python: str
    model: str
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """1: a cause is confirmed; 0: every cause is refuted; 4: something stays open."""
        status = {d.verdict.status for d in self.triage.diagnoses if d.verdict}
        if "confirmed" in status:
            return EXIT_PROBLEMS
        return EXIT_OK if status == {"refuted"} else EXIT_INCOMPLETE


def examine(
    text: str, python: str | None, model: str | None, language: Wanted = "auto"
) -> Examined:
    """Diagnose a text in the light of a machine, then check each diagnosis on it.

    First only the installed packages and the GPUs are read, because advice and sometimes the cause
    depend on them; then the few checks that settle the diagnoses run, at the quick level.

    Raises:
        UsageError: `python` or `model` names nothing that can be used.
    """
    choice = choose(python)
    registry = Registry()
    clues = Clues(Page(text))
    subject = _subject(registry, model, clues)
    if not diagnose(text).recognised:
        return Examined(Triage(False), choice.python, subject.name, False)
    machine = _run(registry, choice, {VERSIONS_PACKAGES.id, DEVICES_NVML.id}, subject)
    triage = diagnose(text, environment_of(machine, subject if model else None), language)
    verdicts, interrupted = _verdicts(registry, choice, subject, clues, triage.diagnoses)
    diagnoses = tuple(
        msgspec.structs.replace(diagnosis, verdict=verdicts[diagnosis.id])
        for diagnosis in triage.diagnoses
    )
    return Examined(
        Triage(triage.recognised, diagnoses),
        choice.python,
        subject.name,
        machine.interrupted or interrupted,
    )


def environment_of(record: Record, model: ModelFacts | None) -> Environment:
    """What a record tells about a machine, as `diagnose` takes it."""
    packages = _facts(record, PackagesFacts)
    nvml = _facts(record, NvmlFacts)
    target = _facts(record, TargetFacts)
    return Environment(
        python=target.version or None if target else None,
        packages=packages.installed if packages else {},
        gpus=tuple(gpu.name for gpu in nvml.devices if gpu.name) if nvml else (),
        model_type=model.model_type or None if model else None,
    )


def verdict(diagnosis_id: str, row: Related, findings: Mapping[str, Finding]) -> Verdict:
    """What the findings of the related checks say about a diagnosis.

    Any failure confirms. Only the passing of the diagnosis' own check refutes, and only where the
    row says that a pass settles it.
    """
    for finding in findings.values():
        if finding.outcome is Outcome.FAIL:
            return Verdict("confirmed", finding.title, finding.cause, finding.id)
    own = findings.get(diagnosis_id)
    if own is None:
        return Verdict("not-checkable", "Not checkable here", row.elsewhere)
    if own.outcome is Outcome.PASS and row.pass_settles:
        return Verdict("refuted", own.title, own.cause, own.id)
    if own.outcome is Outcome.PASS:
        reason = f"{own.title}; that does not rule out what the text describes."
        return Verdict("not-checkable", "Not settled by what can be seen now", reason, own.id)
    return Verdict("not-checkable", own.title, own.cause, own.id)


def _verdicts(
    registry: Registry,
    choice: Choice,
    subject: ModelFacts,
    clues: Clues,
    diagnoses: Iterable[Diagnosis],
) -> tuple[dict[str, Verdict], bool]:
    """Verdicts by id, and whether the user stopped the run: one examination per workload."""
    groups: dict[tuple[str | None, str], dict[str, Related]] = {}
    for diagnosis in diagnoses:
        row = related(diagnosis.id)
        groups.setdefault((row.attention, row.dtype), {})[diagnosis.id] = row
    images = clues.image_sizes[:MOST_IMAGES] or (DEFAULT_IMAGE,)
    verdicts: dict[str, Verdict] = {}
    interrupted = False
    for (attention, dtype), rows in groups.items():
        wanted = {
            name: [
                registry.checks[id_] for id_ in (name, *row.confirmed_by) if id_ in registry.checks
            ]
            for name, row in rows.items()
        }
        checks = [check for group in wanted.values() for check in group]
        findings: dict[str, Finding] = {}
        if checks and not interrupted:
            workload = WorkloadFacts(images=images, attention=attention, dtype=dtype)
            with (shown := progress(sys.stderr, choice, Level.QUICK)):
                record = _run(registry, choice, probes_for(checks), subject, workload, shown)
            interrupted = record.interrupted
            findings = {check.id: find(check, record, registry) for check in checks}
        for name, row in rows.items():
            found = {c.id: findings[c.id] for c in wanted[name] if c.id in findings}
            verdicts[name] = verdict(name, row, found)
    return verdicts, interrupted


def _run(
    registry: Registry,
    choice: Choice,
    wanted: Iterable[str],
    subject: ModelFacts,
    workload: WorkloadFacts | None = None,
    shown: Progress | None = None,
) -> Record:
    return Examination(
        choice=choice,
        probes=registry.probes,
        wanted=wanted,
        roots=registry.probe_roots,
        model=subject,
        workload=workload or WorkloadFacts(),
        level=Level.QUICK,
        progress=shown,
    ).run()


def _subject(registry: Registry, name: str | None, clues: Clues) -> ModelFacts:
    """The model that was named, else the one that the text names, else the usual stand-in."""
    named = next((label for label, _ in clues.sizes), None) if clues.families else None
    subject = registry.resolve_model(name or named)
    if subject is None:
        raise UsageError(
            f"--model {name}: neither a checkpoint folder nor a published size that is known here"
        )
    return subject


def _facts(record: Record, kind: type[_F]) -> _F | None:
    """Facts of a probe, where it ran and gave what it promises."""
    probe = record.probes.get(kind.probe)
    if probe is None or probe.data is None:
        return None
    try:
        return msgspec.convert(probe.data, kind)
    except msgspec.ValidationError:
        return None
