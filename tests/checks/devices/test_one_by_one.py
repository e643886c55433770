"""Pieces of work in one child: a piece that hangs or dies is named, and the rest is done."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from qvl_checks.devices.one_by_one import one_by_one

QUICK = {"prepare_s": 10.0, "each_s": 10.0, "total_s": 30.0}


def own_pid(context: Any, index: int) -> int:
    return os.getpid()


def test_pieces_share_one_child_that_is_not_this_process() -> None:
    outcomes = one_by_one(3, lambda: None, own_pid, **QUICK)
    pids = {outcome["data"] for outcome in outcomes}
    assert [outcome["status"] for outcome in outcomes] == ["ok"] * 3
    assert len(pids) == 1 and os.getpid() not in pids


def test_what_was_prepared_is_handed_to_every_piece() -> None:
    outcomes = one_by_one(2, lambda: [10, 20], lambda known, index: known[index], **QUICK)
    assert [outcome["data"] for outcome in outcomes] == [10, 20]


def test_a_piece_that_dies_costs_only_itself() -> None:
    def work(context: Any, index: int) -> int:
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    outcomes = one_by_one(3, lambda: None, work, **QUICK)
    assert [outcome["status"] for outcome in outcomes] == ["ok", "crashed", "ok"]
    assert "SIGKILL" in outcomes[1]["reason"]


def test_a_piece_that_leaves_says_its_exit_code() -> None:
    [outcome] = one_by_one(1, lambda: None, lambda context, index: os._exit(7), **QUICK)
    assert outcome["status"] == "crashed" and "exit code 7" in outcome["reason"]


def test_a_piece_that_hangs_is_killed_and_costs_only_itself() -> None:
    def work(context: Any, index: int) -> int:
        if index == 0:
            time.sleep(60)
        return index

    started = time.monotonic()
    outcomes = one_by_one(3, lambda: None, work, prepare_s=10, each_s=0.5, total_s=30)
    assert time.monotonic() - started < 10
    assert [outcome["status"] for outcome in outcomes] == ["timed_out", "ok", "ok"]


def test_a_piece_that_raises_goes_on_in_the_same_child() -> None:
    def work(context: Any, index: int) -> int:
        if index == 0:
            raise ValueError("first")
        return os.getpid()

    first, second = one_by_one(2, lambda: None, work, **QUICK)
    assert first["status"] == "raised" and "first" in first["reason"]
    assert second["status"] == "ok"


def test_without_a_preparation_nothing_is_run() -> None:
    def refuse() -> None:
        raise RuntimeError("no room")

    outcomes = one_by_one(2, refuse, own_pid, **QUICK)
    assert [outcome["status"] for outcome in outcomes] == ["not_run", "not_run"]
    assert "no room" in outcomes[1]["reason"]


def test_time_for_all_is_bounded_and_the_rest_is_told() -> None:
    def work(context: Any, index: int) -> int:
        time.sleep(0.4)
        return index

    outcomes = one_by_one(20, lambda: None, work, prepare_s=10, each_s=5, total_s=1.0)
    states = [outcome["status"] for outcome in outcomes]
    assert states[0] == "ok" and states[-1] == "not_run" and len(states) == 20
    assert "over" in outcomes[-1]["reason"]


def test_a_piece_that_is_cut_off_by_the_total_is_not_said_to_hang() -> None:
    def work(context: Any, index: int) -> int:
        time.sleep(60)
        return index

    started = time.monotonic()
    outcomes = one_by_one(2, lambda: None, work, prepare_s=10, each_s=50, total_s=1.0)
    assert time.monotonic() - started < 10
    assert [outcome["status"] for outcome in outcomes] == ["not_run", "not_run"]


def test_nothing_stays_behind() -> None:
    [outcome] = one_by_one(1, lambda: None, own_pid, **QUICK)
    try:
        os.kill(outcome["data"], 0)
    except ProcessLookupError:
        return
    raise AssertionError("the child still exists")
