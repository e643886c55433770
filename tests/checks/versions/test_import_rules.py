"""Imports that fail in every way there is, made for real in environments of a few lines."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from qvl_checks.host.system_facts import HostFacts
from qvl_checks.versions.import_outcome import headline
from qvl_checks.versions.torch_import_failed import torch_import_failed
from qvl_checks.versions.transformers_import_failed import transformers_import_failed
from qvl_doctor.facts import ImportsFacts, ImportState, ProbeStatus, TargetFacts
from qvl_doctor.findings import Outcome

CAUSE = """
try:
    raise OSError("libcudart.so.13: cannot open shared object file")
except OSError as error:
    raise ImportError("torch is broken") from error
"""
BROKEN = {
    "absent": ("", "is not installed"),
    "raises": (CAUSE, "raises ImportError"),
    "segfaults": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    "aborts": ("import os; os.abort()", "SIGABRT"),
    "leaves": ("import os; os._exit(7)", "exit code 7"),
    "hangs": ("import time; time.sleep(600)", "hangs"),
    "ignores SIGTERM and hangs": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "hangs",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_torch_that_cannot_be_imported(how: str, environment: Any, target: TargetFacts) -> None:
    source, words = BROKEN[how]
    if how != "absent":
        environment.install("torch", "2.8.0", source)
    began = time.monotonic()
    client = environment.client()
    try:
        state = client.import_module("torch", 3)
    finally:
        client.close()
    assert time.monotonic() - began < 12
    judgement = torch_import_failed.judge(
        imports=ImportsFacts(modules={"torch": state}), target=target, host=None, torch=None
    )
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.title
    assert judgement.fixes
    if how == "raises":
        assert "libcudart.so.13" in judgement.cause, "the root, not the last error, is named"


def test_a_torch_that_works(environment: Any, target: TargetFacts) -> None:
    environment.install("torch", "2.8.0")
    client = environment.client()
    try:
        state = client.import_module("torch", 10)
    finally:
        client.close()
    judgement = torch_import_failed.judge(
        imports=ImportsFacts(modules={"torch": state}), target=target, host=None, torch=None
    )
    assert judgement.outcome is Outcome.PASS
    assert judgement.evidence["version"] == "2.8.0"


def test_torch_that_was_not_tried(target: TargetFacts) -> None:
    nothing = torch_import_failed.judge(
        imports=ImportsFacts(), target=target, host=None, torch=None
    )
    assert nothing.outcome is Outcome.NOT_APPLICABLE
    waiting = ImportState(status=ProbeStatus.BLOCKED, reason="not tried")
    judgement = torch_import_failed.judge(
        imports=ImportsFacts(modules={"torch": waiting}), target=target, host=None, torch=None
    )
    assert judgement.outcome is Outcome.BLOCKED


def test_a_foreign_library_path_is_tried_first(target: TargetFacts) -> None:
    state = ImportState(status=ProbeStatus.CRASHED, signal="SIGSEGV", reason="ended by SIGSEGV")
    judgement = torch_import_failed.judge(
        imports=ImportsFacts(modules={"torch": state}),
        target=target,
        host=HostFacts(environment={"LD_LIBRARY_PATH": "/opt/lib"}),
        torch=None,
    )
    assert judgement.fixes[0].command[:3] == ("env", "-u", "LD_LIBRARY_PATH")


def test_transformers_that_hides_its_first_error(environment: Any, target: TargetFacts) -> None:
    environment.install("transformers", "5.0.0")
    module = environment.site_packages / "transformers" / "models.py"
    module.write_text(CAUSE.replace("torch is broken", "Could not import module 'X'"))
    client = environment.client()
    try:
        states = {
            name: client.import_module(name, 10) for name in ("transformers", "transformers.models")
        }
    finally:
        client.close()
    judgement = transformers_import_failed.judge(
        imports=ImportsFacts(modules=states), target=target, imported=None
    )
    assert judgement.outcome is Outcome.FAIL
    assert "libcudart.so.13" in judgement.title
    assert judgement.fixes[0].command == (target.python, "-c", "import transformers.models")


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (ImportState(status=ProbeStatus.OK, version="5.23.0"), Outcome.PASS),
        (ImportState(status=ProbeStatus.BLOCKED, reason="torch ended it"), Outcome.BLOCKED),
        (ImportState(status=ProbeStatus.TIMED_OUT, reason="no answer"), Outcome.FAIL),
        (ImportState(status=ProbeStatus.CRASHED, reason="x", signal="SIGILL"), Outcome.FAIL),
        (
            ImportState(
                status=ProbeStatus.RAISED,
                error_type="ModuleNotFoundError",
                reason="ModuleNotFoundError: No module named 'transformers'",
            ),
            Outcome.FAIL,
        ),
        (None, Outcome.NOT_APPLICABLE),
    ],
)
def test_transformers_import(
    state: ImportState | None, outcome: Outcome, target: TargetFacts
) -> None:
    modules = {"transformers": state} if state else {}
    judgement = transformers_import_failed.judge(
        imports=ImportsFacts(modules=modules), target=target, imported=None
    )
    assert judgement.outcome is outcome
    if state and state.error_type:
        assert judgement.title == "transformers is not installed in the examined interpreter"


def test_a_missing_part_of_torch_is_not_a_missing_torch(target: TargetFacts) -> None:
    state = ImportState(
        status=ProbeStatus.RAISED,
        error_type="ModuleNotFoundError",
        reason="ModuleNotFoundError: No module named 'torch._C'",
    )
    judgement = torch_import_failed.judge(
        imports=ImportsFacts(modules={"torch": state}),
        target=msgspec.structs.replace(target, has_pip=False),
        host=None,
        torch=None,
    )
    assert "not installed" not in judgement.title
    assert judgement.fixes[-1].command[0] == "uv"


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (
            "ImportError: /a/b.c/lib.so: undefined symbol: x",
            "ImportError: lib.so: undefined symbol: x",
        ),
        (
            "OSError: see https://host.org/a/b for help",
            "OSError: see https://host.org/a/b for help",
        ),
        ("RuntimeError: a/b/c and '/x/y z'", "RuntimeError: a/b/c and 'y z'"),
        ("first\nsecond", "first"),
        ("", ""),
    ],
)
def test_titles_are_short(error: str, title: str) -> None:
    assert headline(error) == title
