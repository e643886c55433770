"""One examination: order, inputs, isolation of failures, restarts, and partial records."""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from qvl_doctor.facts import (
    ImportsFacts,
    ModelFacts,
    ProbeStatus,
    Record,
    TargetFacts,
    WorkloadFacts,
)
from qvl_doctor.probe import Facts, Level, Probe
from qvl_doctor.running import room
from qvl_doctor.running.child import process_state
from qvl_doctor.running.examine import Examination
from qvl_doctor.running.lanes import in_order
from qvl_doctor.target import Choice

PROBES = Path(__file__).with_name("lane_probes")


def facts_type(probe_id: str) -> type[Facts]:
    """A facts type for a probe that exists only here."""
    return type("AnyFacts", (Facts,), {"__annotations__": {"probe": "ClassVar[str]"},
                                       "probe": probe_id, "__module__": __name__})  # fmt: skip


def probe(probe_id: str, function: str, **fields: Any) -> Probe:
    return Probe(
        id=probe_id,
        title=probe_id,
        facts=facts_type(probe_id),
        entry=f"lane_probes.some_probe:{function}",
        budget_s=fields.pop("budget_s", 10),
        **fields,
    )


def examine(*probes: Probe, level: Level = Level.QUICK, model: ModelFacts | None = None,
            python: str = sys.executable, **fields: Any) -> Record:  # fmt: skip
    return Examination(
        choice=Choice(python, "the test said so"),
        probes={item.id: item for item in probes},
        wanted=[item.id for item in probes],
        roots={"lane_probes": str(PROBES)},
        model=model,
        workload=WorkloadFacts(),
        level=level,
        **fields,
    ).run()


def test_every_lane_runs_and_inputs_cross_lanes() -> None:
    record = examine(
        probe("a.light", "interpreter"),
        probe("b.heavy", "module_count", imports=("json",)),
        probe("c.doctor", "inputs", where="doctor", inputs=("a.light", "b.heavy")),
    )
    assert {name: record.probes[name].status for name in ("a.light", "b.heavy", "c.doctor")} == {
        "a.light": ProbeStatus.OK,
        "b.heavy": ProbeStatus.OK,
        "c.doctor": ProbeStatus.OK,
    }
    assert set(record.probes["c.doctor"].data) == {"a.light", "b.heavy"}
    assert record.probes[TargetFacts.probe].data["chosen_because"] == "the test said so"


def test_heavy_imports_are_paid_once_and_shared_by_fork() -> None:
    record = examine(
        probe("a.one", "loads_of_slow_module", imports=("lane_probes.slow_module",)),
        probe("a.two", "loads_of_slow_module", imports=("lane_probes.slow_module",)),
    )
    one, two = record.probes["a.one"].data, record.probes["a.two"].data
    assert one["loaded_by"] == two["loaded_by"] != one["pid"] != two["pid"]


def test_probes_are_isolated_from_each_other() -> None:
    record = examine(
        probe("a.first", "pollute", imports=("json",)),
        probe("a.second", "polluted", imports=("json",)),
    )
    assert record.probes["a.second"].data == {"polluted": False}


def test_a_probe_whose_import_fails_is_blocked_with_the_reason() -> None:
    record = examine(
        probe("a.x", "interpreter", imports=("no_such_module_here",)),
        probe("a.y", "interpreter", imports=("json",)),
    )
    assert record.probes["a.x"].status is ProbeStatus.BLOCKED
    assert "no_such_module_here" in record.probes["a.x"].reason
    assert record.probes["a.y"].status is ProbeStatus.OK


def test_an_import_that_ends_the_interpreter_blocks_the_rest_and_spares_the_earlier() -> None:
    record = examine(
        probe("a.early", "interpreter", imports=("json",)),
        probe("b.crash", "interpreter", imports=("lane_probes.aborts",)),
        probe("c.later", "interpreter", imports=("csv",)),
    )
    imports = record.probes[ImportsFacts.probe].data["modules"]
    assert imports["lane_probes.aborts"]["status"] == "crashed"
    assert imports["lane_probes.aborts"]["signal"] == "SIGABRT"
    assert imports["csv"]["status"] == "blocked"
    assert record.probes["a.early"].status is ProbeStatus.OK
    assert record.probes["b.crash"].status is ProbeStatus.BLOCKED
    assert record.probes["c.later"].status is ProbeStatus.BLOCKED


def test_an_import_that_hangs_ends_at_its_budget() -> None:
    began = time.monotonic()
    record = examine(
        probe("a.x", "interpreter", imports=("lane_probes.hangs",)), import_budget_s=1.5
    )
    state = record.probes[ImportsFacts.probe].data["modules"]["lane_probes.hangs"]
    assert state["status"] == "timed_out"
    assert time.monotonic() - began < 8


def test_what_depends_on_a_failed_probe_is_blocked() -> None:
    record = examine(probe("a.bad", "raises"), probe("b.needs", "inputs", inputs=("a.bad",)))
    assert record.probes["b.needs"].status is ProbeStatus.BLOCKED
    assert "a.bad" in record.probes["b.needs"].reason


def test_a_probe_that_kills_the_agent_costs_only_itself() -> None:
    record = examine(
        probe("a.killer", "kill_parent", imports=("json",)),
        probe("b.next", "interpreter", imports=("json",)),
    )
    assert record.probes["a.killer"].status is ProbeStatus.CRASHED
    assert record.probes["b.next"].status is ProbeStatus.OK


def test_a_level_leaves_out_what_costs_more_and_says_so() -> None:
    record = examine(probe("a.deep", "interpreter", level=Level.DEEP))
    assert record.probes["a.deep"].status is ProbeStatus.NOT_RUN
    assert "--level deep" in record.probes["a.deep"].reason


def test_the_models_imports_stand_for_model() -> None:
    model = ModelFacts(name="m", source="tiny", heavy_imports=("json", "csv:reader"))
    record = examine(probe("a.x", "interpreter", imports=("model",)), model=model)
    assert list(record.probes[ImportsFacts.probe].data["modules"]) == ["json", "csv:reader"]


def test_a_target_that_does_not_start_blocks_its_probes_and_not_the_doctors() -> None:
    record = examine(
        probe("a.light", "interpreter"),
        probe("b.heavy", "interpreter", imports=("json",)),
        probe("c.doctor", "interpreter", where="doctor"),
        python="/bin/false",
    )
    assert record.probes[TargetFacts.probe].data["runs"] is False
    assert record.probes["a.light"].status is ProbeStatus.BLOCKED
    assert record.probes["b.heavy"].status is ProbeStatus.BLOCKED
    assert record.probes["c.doctor"].status is ProbeStatus.OK


def stoppable(*probes: Probe, python: str = sys.executable) -> Examination:
    return Examination(
        choice=Choice(python, "test"),
        probes={item.id: item for item in probes},
        wanted=[item.id for item in probes],
        roots={"lane_probes": str(PROBES)},
        model=None,
        workload=WorkloadFacts(),
        level=Level.QUICK,
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('case "$*" in *agent.py*) exit 1;; esac; printf "\\nPython 2.7.18\\n"', "2.7.18 is older"),
        ("echo out of order >&2; exit 3", "not work as a Python.*exit code 3.*: out of order$"),
        ('case "$*" in *agent.py*) exit 4;; esac; printf "\\nPython 3.12.1\\n"', "exit code 4"),
    ],
)
def test_an_interpreter_that_cannot_be_used_is_explained_in_one_sentence(
    tmp_path: Path, script: str, expected: str
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    record = examine(probe("a.light", "interpreter"), python=str(fake))
    reason = record.probes[TargetFacts.probe].data["reason"]
    assert re.search(expected, reason)
    assert "\n" not in reason
    assert record.probes["a.light"].reason == reason


def test_stopping_keeps_what_is_known() -> None:
    examination = stoppable(probe("a.quick", "interpreter"), probe("b.slow", "hang", budget_s=60))
    threading.Timer(2.0, examination.stop).start()
    began = time.monotonic()
    record = examination.run()
    assert time.monotonic() - began < 5
    assert record.interrupted
    assert record.probes["a.quick"].status is ProbeStatus.OK
    assert record.probes["b.slow"].status is ProbeStatus.INTERRUPTED


def test_stopping_before_the_interpreter_answers_leaves_nothing_behind(tmp_path: Path) -> None:
    fake, pid = tmp_path / "python", tmp_path / "pid"
    fake.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 600\n")
    fake.chmod(0o755)
    examination = stoppable(probe("a.quick", "interpreter"), python=str(fake))
    threading.Timer(0.5, examination.stop).start()
    began = time.monotonic()
    record = examination.run()
    assert time.monotonic() - began < 5
    assert record.interrupted
    assert process_state(int(pid.read_text())) == ""


def test_a_failure_of_the_doctor_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    examination = stoppable(
        probe("a.quick", "interpreter"), probe("b.heavy", "interpreter", imports=("json",))
    )

    def broken(*_: str) -> None:
        examination._done["a.quick"].wait()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(examination, "_heavy", broken)
    record = examination.run()
    assert record.failure == "RuntimeError: can't start new thread"
    assert not record.interrupted
    assert record.probes["a.quick"].status is ProbeStatus.OK
    assert record.probes["b.heavy"].status is ProbeStatus.CRASHED


def test_inputs_come_first_and_gpu_probes_last() -> None:
    probes = {
        item.id: item
        for item in (
            probe("a.gpu", "interpreter", gpu=True),
            probe("b.needs", "inputs", inputs=("c.source",)),
            probe("c.source", "interpreter"),
        )
    }
    assert in_order(["a.gpu", "b.needs"], probes) == ["c.source", "b.needs", "a.gpu"]


def test_a_circle_of_inputs_is_refused() -> None:
    probes = {
        item.id: item
        for item in (
            probe("a.x", "inputs", inputs=("b.y",)),
            probe("b.y", "inputs", inputs=("a.x",)),
        )
    }
    with pytest.raises(ValueError, match="waits for itself"):
        in_order(["a.x"], probes)


def test_a_probe_must_carry_the_id_of_its_facts() -> None:
    class WrongFacts(Facts):
        probe: ClassVar[str] = "another.id"

    with pytest.raises(ValueError, match=r"another\.id"):
        Probe(id="a.x", title="", facts=WrongFacts, entry="m:f", budget_s=1)


def test_what_uses_the_gpu_has_an_interpreter_of_its_own_where_there_is_room() -> None:
    slow = {"imports": ("lane_probes.slow_module",)}
    probes = [
        probe("a.cpu", "loads_of_slow_module", **slow),
        probe("b.gpu", "loads_of_slow_module", gpu=True, inputs=("a.cpu",), **slow),
        probe("c.after", "inputs", inputs=("b.gpu",), **slow),
        probe("d.broken", "interpreter", gpu=True, imports=("no_such_module_here",)),
    ]
    apart, together = (examine(*probes, gpu_apart=way) for way in (True, False))
    for record, loads in ((apart, 2), (together, 1)):
        names = ("a.cpu", "b.gpu", "c.after")
        assert {record.probes[name].status for name in names} == {ProbeStatus.OK}
        loaded_by = {record.probes[name].data["loaded_by"] for name in ("a.cpu", "b.gpu")}
        assert len(loaded_by) == loads
        assert record.probes["c.after"].data == {"b.gpu": record.probes["b.gpu"].data}
        assert record.probes["d.broken"].status is ProbeStatus.BLOCKED
        modules = record.probes[ImportsFacts.probe].data["modules"]
        assert set(modules) == {"lane_probes.slow_module", "no_such_module_here"}


def test_an_import_that_ends_the_gpu_s_interpreter_spares_the_other() -> None:
    record = examine(
        probe("a.cpu", "interpreter", imports=("json",)),
        probe("b.gpu", "interpreter", gpu=True, imports=("lane_probes.aborts",)),
        gpu_apart=True,
    )
    assert record.probes["a.cpu"].status is ProbeStatus.OK
    assert record.probes["b.gpu"].status is ProbeStatus.BLOCKED
    assert "SIGABRT" in record.probes["b.gpu"].reason


@pytest.mark.parametrize(
    ("level", "room_for_two", "interpreters"),
    [
        (Level.STANDARD, True, 2),
        (Level.STANDARD, False, 1),
        (Level.QUICK, True, 1),
    ],
)
def test_a_second_interpreter_needs_room_and_more_than_a_quick_look(
    level: Level, room_for_two: bool, interpreters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "for_two", lambda: room_for_two)
    slow = {"imports": ("lane_probes.slow_module",)}
    record = examine(
        probe("a.cpu", "loads_of_slow_module", **slow),
        probe("b.gpu", "loads_of_slow_module", gpu=True, **slow),
        level=level,
    )
    loaded_by = {record.probes[name].data["loaded_by"] for name in ("a.cpu", "b.gpu")}
    assert len(loaded_by) == interpreters
