"""Which runs are made, in which order, and how long; the runs themselves are played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from qvl_checks.memory import fixes_probe, largest_image_probe
from qvl_checks.memory.fixes_probe import Trials
from qvl_checks.memory.own_process import Lost

Played = Callable[[Mapping[str, Any]], str]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Played], list[Mapping[str, Any]]]:
    """Let runs end as a function of the changes says; returns the list of changes that were run."""

    def playing(ends: Played) -> list[Mapping[str, Any]]:
        made: list[Mapping[str, Any]] = []

        def run_on_gpus(request: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
            made.append(changes)
            return {"status": ends(changes), "obstacle": "in_use", "reason": "others need it"}

        monkeypatch.setattr(fixes_probe, "run_on_gpus", run_on_gpus)
        monkeypatch.setattr(fixes_probe, "in_own_process", lambda work, seconds: work())
        return made

    return playing


def candidate(name: str, fits: bool | None = True) -> dict[str, Any]:
    return {"name": name, "changes": {"attention": name}, "fits": fits}


def request(stated: str, *candidates: dict[str, Any], largest: Any = None) -> dict[str, Any]:
    searched = {
        "status": "searched",
        "candidates": list(candidates),
        "largest_image": largest,
        "notes": ["of this"],
    }
    return {"inputs": {"memory.as_stated": {"status": stated}, "memory.candidates": searched}}


def test_what_is_predicted_to_fit_is_run_in_order_until_enough_is_known(play: Any) -> None:
    made = play(lambda changes: "ran")
    names = ["a", "b", "c", "d", "e"]
    found = fixes_probe.run(
        request("out_of_memory", candidate("x", False), *(candidate(name) for name in names))
    )
    assert [changes["attention"] for changes in made] == ["a", "b", "c"]
    obstacles = [row["run"].get("obstacle") for row in found["runs"]]
    assert obstacles[0] == "predicted_not_to_fit"
    assert obstacles[4:] == ["enough", "enough"]


def test_what_cannot_be_predicted_is_run(play: Any) -> None:
    made = play(lambda changes: "ran")
    fixes_probe.run(request("out_of_memory", candidate("a", None)))
    assert len(made) == 1


def test_a_failed_run_does_not_count_as_enough(play: Any) -> None:
    made = play(lambda changes: "out_of_memory")
    fixes_probe.run(request("out_of_memory", *(candidate(name) for name in "abcde")))
    assert len(made) == 5


def test_where_the_workload_fits_the_others_are_run_to_compare(play: Any) -> None:
    made = play(lambda changes: "out_of_memory")
    fixes_probe.run(request("ran", candidate("eager", False), candidate("sdpa")))
    assert [changes["attention"] for changes in made] == ["eager", "sdpa"]


def test_a_refusal_is_kept_with_its_reason(play: Any) -> None:
    play(lambda changes: "not_run")
    [row] = fixes_probe.run(request("out_of_memory", candidate("sdpa")))["runs"]
    assert (row["run"]["status"], row["run"]["reason"]) == ("not_run", "others need it")


def test_no_run_is_begun_that_may_not_end_in_time(play: Any) -> None:
    made = play(lambda changes: "ran")
    trials = Trials(request("out_of_memory"), seconds=14)
    assert trials.run({"attention": "sdpa"})["obstacle"] == "no_time"
    assert made == []


def test_a_lost_run_is_told(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    play(lambda changes: "ran")

    def lost(work: Any, seconds: float) -> dict[str, Any]:
        raise Lost("its process died with signal 9")

    monkeypatch.setattr(fixes_probe, "in_own_process", lost)
    facts = Trials(request("out_of_memory")).run({})
    assert (facts["obstacle"], facts["reason"]) == ("lost", "its process died with signal 9")


def largest_image(play: Any, limit: int, *, at_the_limit: bool = False) -> dict[str, Any]:
    """The probe on cards on which sides up to ``limit`` run; 1960 is predicted."""
    play(lambda changes: "ran" if changes["images"][0][0] <= limit else "out_of_memory")
    found = {"side": 1960, "unit": 28, "images": 2, "at_the_limit": at_the_limit}
    return largest_image_probe.run(request("ran", largest=found))


@pytest.mark.parametrize(
    ("limit", "fits", "fails", "runs"),
    [
        (1960, 1960, 1988, 2),
        (1988, 1988, 2016, 3),
        (1932, 1932, 1960, 2),
        (1876, 1876, 1904, 4),
        (4000, 2044, None, 4),
        (28, None, 1876, 4),
    ],
)
def test_the_limit_is_looked_for_on_both_sides(
    play: Any, limit: int, fits: int | None, fails: int | None, runs: int
) -> None:
    found = largest_image(play, limit)
    assert (found["fits_side"], found["fails_side"]) == (fits, fails)
    assert len(found["runs"]) == runs
    assert [one["side"] for one in found["runs"]] == sorted(one["side"] for one in found["runs"])


def test_nothing_larger_than_the_processor_makes_is_run(play: Any) -> None:
    found = largest_image(play, 4000, at_the_limit=True)
    assert [one["side"] for one in found["runs"]] == [1960]


def test_every_stated_image_becomes_the_square(play: Any) -> None:
    made = play(lambda changes: "out_of_memory")
    found = {"side": 56, "unit": 28, "images": 3, "at_the_limit": False}
    largest_image_probe.run(request("ran", largest=found))
    assert made[0] == {"images": [[56, 56]] * 3}


def test_without_a_prediction_there_is_nothing_to_run(play: Any) -> None:
    made = play(lambda changes: "ran")
    found = largest_image_probe.run(request("ran"))
    assert (found["status"], found["reason"]) == ("not_run", "of this")
    assert made == []
