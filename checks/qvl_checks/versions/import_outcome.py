"""Reading how the import of a heavy module ended."""

from __future__ import annotations

import re
from typing import Any

from qvl_doctor.facts import ImportsFacts, ImportState, ProbeStatus

CAUSE_SEPARATOR = " <- "
"""Between an exception and the one that caused it, in `ImportState.reason`."""
OUTPUT_SHOWN = 1500
HEADLINE_LIMIT = 240
FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^/\s:'\"]+/)+")
"""The folders of an absolute path; not the middle of a URL."""

ENDINGS = {
    ProbeStatus.RAISED: "raised an exception",
    ProbeStatus.CRASHED: "ended the interpreter",
    ProbeStatus.TIMED_OUT: "did not come back",
}
SIGNALS = {
    "SIGILL": "an instruction that this processor does not have: a build for newer processors",
    "SIGSEGV": "a compiled library reads memory that is not its own: mixed or damaged binaries",
    "SIGABRT": "a compiled library gave up on its own accord; its last words are in the output",
    "SIGBUS": "a mapped file is shorter than expected: a damaged installation or a full disk",
    "SIGKILL": "it was killed from outside, as the kernel does when memory runs out",
    "SIGFPE": "a compiled library divided by zero",
}


def failures(imports: ImportsFacts, package: str) -> dict[str, ImportState]:
    """The modules of one package whose import was tried and failed, in the order of trying."""
    return {
        name: state
        for name, state in imports.modules.items()
        if belongs(name, package) and state.status in ENDINGS
    }


def tried(imports: ImportsFacts, package: str) -> dict[str, ImportState]:
    """The modules of one package that were asked for."""
    return {name: state for name, state in imports.modules.items() if belongs(name, package)}


def belongs(name: str, package: str) -> bool:
    """``transformers.models.x:Class`` belongs to ``transformers``."""
    return name.partition(":")[0].partition(".")[0] == package


def root_cause(state: ImportState) -> str:
    """The first error of the chain; an importer that is lazy shows only the last one."""
    return state.reason.rsplit(CAUSE_SEPARATOR, 1)[-1].strip()


def headline(error: str) -> str:
    """The first line of an error for a title: folders of paths left out, at most 240 characters."""
    first = next(iter(error.strip().splitlines()), "")
    return FOLDERS.sub("", first)[:HEADLINE_LIMIT]


def is_missing(state: ImportState, package: str) -> bool:
    """The package is simply not installed."""
    return (
        state.error_type == "ModuleNotFoundError"
        and f"No module named '{package}'" in state.reason
        and CAUSE_SEPARATOR not in state.reason
    )


def explain(name: str, state: ImportState) -> str:
    """Why the import failed, in one or two sentences."""
    if state.status is ProbeStatus.RAISED:
        return f"importing {name} raises: {root_cause(state)}"
    if state.status is ProbeStatus.TIMED_OUT:
        return f"{state.reason}; the stack that it hung in is in the output"
    meaning = SIGNALS.get(state.signal)
    return f"{state.reason}: {meaning}" if meaning else state.reason


def evidence(name: str, state: ImportState) -> dict[str, Any]:
    """What is known about a failed import."""
    known = {
        "module": name,
        "ended": ENDINGS[state.status],
        "reason": state.reason,
        "root_cause": root_cause(state) if state.status is ProbeStatus.RAISED else "",
        "signal": state.signal,
        "exit_code": state.exit_code,
        "seconds": state.seconds,
        "output": state.output[-OUTPUT_SHOWN:],
    }
    return {key: value for key, value in known.items() if value not in ("", None)}
