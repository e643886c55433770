"""Groups of files judged in several processes; a process that dies costs only its own group."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from packaging.version import Version

from .deep_stack import with_deep_stack
from .finding import LintFinding
from .imports import Project
from .judging import Judge, not_analysed
from .source import Source, read

WORTH_BYTES = 2_000_000
"""Below this much code to interpret, starting processes costs more than it saves."""
TASKS_PER_JOB = 8

_judge: Judge | None = None


def judge_groups(
    groups: list[list[Source]],
    project: Project,
    transformers: Version,
    jobs: int,
) -> list[LintFinding]:
    """The findings of all groups, in up to `jobs` processes."""
    size = sum(len(source.text) for group in groups for source in group)
    jobs = min(jobs, len(groups))
    if jobs < 2 or size < WORTH_BYTES:
        judge = Judge(project, _load, transformers)
        return with_deep_stack(lambda: [f for group in groups for f in judge.judge(group)])
    tasks = _shared_out(groups, jobs * TASKS_PER_JOB)
    results = _run(tasks, jobs, project, transformers)
    lost = [
        group
        for task, result in zip(tasks, results, strict=True)
        if result is None
        for group in task
    ]
    findings = [finding for result in results if result is not None for finding in result]
    for group in lost:
        (again,) = _run([[group]], 1, project, transformers)
        if again is None:
            again = [
                not_analysed(source.path, 1, "This file could not be analysed: it crashes Python.")
                for source in group
            ]
        findings += again
    return findings


def _run(
    tasks: list[list[list[Source]]], jobs: int, project: Project, transformers: Version
) -> list[list[LintFinding] | None]:
    """The findings of each task; None for those that no process lived to finish."""
    # spawn: the same on every system, and nothing of this process (threads, memory) comes along.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _prepare, (project, transformers))
    try:
        futures = [pool.submit(_work, task) for task in tasks]
        return [_result(future) for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future[list[LintFinding]]) -> list[LintFinding] | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return None


def _shared_out(groups: list[list[Source]], parts: int) -> list[list[list[Source]]]:
    """The groups in at most `parts` tasks of similar size, the largest first."""
    tasks: list[list[list[Source]]] = [[] for _ in range(min(parts, len(groups)))]
    sizes = [0] * len(tasks)
    for group in sorted(groups, key=_size, reverse=True):
        smallest = sizes.index(min(sizes))
        tasks[smallest].append(group)
        sizes[smallest] += _size(group)
    return tasks


def _size(group: Iterable[Source]) -> int:
    return sum(len(source.text) for source in group)


def _load(path: str) -> Source:
    return read(Path(path))


def _prepare(project: Project, transformers: Version) -> None:
    global _judge
    gc.disable()
    _judge = Judge(project, _load, transformers)


def _work(groups: list[list[Source]]) -> list[LintFinding]:
    judge = _judge
    assert judge is not None
    findings = with_deep_stack(lambda: [f for group in groups for f in judge.judge(group)])
    # Millions of small objects are left over; to collect them when the process ends takes longer
    # than the work.
    gc.freeze()
    return findings
