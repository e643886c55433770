"""Calls that die must leave their story behind."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, NoReturn

import pytest

from qvl_checks.host.guarded import Guarded
from qvl_checks.host.isolated import isolated


def raising() -> NoReturn:
    try:
        raise OSError("libfoo.so: undefined symbol: bar")
    except OSError as error:
        raise ImportError("cannot import name 'x'") from error


def die(number: int) -> NoReturn:
    os.kill(os.getpid(), number)
    raise AssertionError("still alive")


def test_data_comes_back() -> None:
    assert isolated(lambda: {"answer": 42}, 10) == {"status": "ok", "data": {"answer": 42}}


def test_a_large_answer_does_not_block() -> None:
    assert len(isolated(lambda: "x" * 1_000_000, 10)["data"]) == 1_000_000


def test_an_exception_keeps_its_root() -> None:
    outcome = isolated(raising, 10)
    assert outcome["status"] == "raised"
    assert outcome["chain"] == [
        "ImportError: cannot import name 'x'",
        "OSError: libfoo.so: undefined symbol: bar",
    ]


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_signal_is_named(name: str) -> None:
    outcome = isolated(lambda: die(signal.Signals[name]), 10)
    assert (outcome["status"], outcome["signal"]) == ("crashed", name)


def test_a_silent_exit_is_a_crash() -> None:
    outcome: dict[str, Any] = isolated(lambda: os._exit(7), 10)
    assert (outcome["status"], outcome["exit_code"]) == ("crashed", 7)


def test_a_hang_ends_in_time() -> None:
    began = time.monotonic()
    assert isolated(lambda: time.sleep(60), 0.3)["status"] == "timed_out"
    assert time.monotonic() - began < 5


def test_one_unreadable_field_leaves_the_others() -> None:
    row = Guarded()
    row.read("good", lambda: 1)
    row.read("bad", lambda: 1 // 0)
    assert row.row() == {
        "good": 1,
        "bad": None,
        "unread": {"bad": "ZeroDivisionError: integer division or modulo by zero"},
    }
