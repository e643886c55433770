"""Every way in which a probe can end becomes a record, in time."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qvl_doctor.facts import ProbeRecord, ProbeStatus
from qvl_doctor.running import client as client_module
from qvl_doctor.running.child import Child, process_state
from qvl_doctor.running.client import AgentClient, AgentDied, Interrupted

Run = Callable[..., ProbeRecord]

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="isolation by fork is a Linux matter"
)


def test_a_probe_returns_its_facts_and_its_chatter_is_not_an_answer(run: Run) -> None:
    record = run("fine", value=[1, "é"])
    assert record.status is ProbeStatus.OK
    assert record.data["echo"] == [1, "é"]
    assert record.data["argv"] == [""]
    assert not record.data["first_path"].endswith("running")


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("floating_point", "SIGFPE"),
        ("killed", "SIGKILL"),
    ],
)
def test_a_fatal_signal_is_named(run: Run, name: str, signal: str) -> None:
    record = run(name)
    assert record.status is ProbeStatus.CRASHED
    assert record.signal == signal
    assert signal in record.reason


def test_the_stack_of_a_crash_is_kept(run: Run) -> None:
    assert "in segfault" in run("segfault").output


def test_after_a_crash_the_next_probe_runs(run: Run) -> None:
    run("segfault")
    assert run("fine", value=1).status is ProbeStatus.OK


def test_an_exception_keeps_its_chain_of_causes(run: Run) -> None:
    record = run("raises")
    assert record.status is ProbeStatus.RAISED
    assert "could not start <- ModuleNotFoundError" in record.reason.replace("RuntimeError: ", "")
    assert "Traceback" in record.output


def test_system_exit_is_an_error_not_an_end(run: Run) -> None:
    assert run("leaves").status is ProbeStatus.RAISED


def test_an_exit_without_result_is_a_crash(run: Run) -> None:
    record = run("silent_exit")
    assert record.status is ProbeStatus.CRASHED
    assert "exit code 0 and no result" in record.reason


@pytest.mark.parametrize("name", ["hang", "hang_deaf", "stop_itself"])
def test_a_hang_ends_at_its_budget(run: Run, name: str) -> None:
    began = time.monotonic()
    record = run(name, budget_s=1.5)
    assert record.status is ProbeStatus.TIMED_OUT
    assert time.monotonic() - began < 1.5 + 4
    assert "1.5 s" in record.reason


def test_the_place_of_a_hang_is_kept(run: Run) -> None:
    assert "in hang" in run("hang", budget_s=1.5).output


def test_a_gigabyte_of_output_is_drained_and_not_kept(run: Run) -> None:
    record = run("flood", budget_s=60)
    assert record.data == {"written": 1 << 30}


def test_bytes_that_are_not_utf8_break_nothing(run: Run) -> None:
    record = run("garbage")
    assert record.status is ProbeStatus.RAISED
    record.reason.encode("utf-8", errors="strict")


@pytest.mark.parametrize("name", ["not_json", "not_a_number", "dies_of_recursion"])
def test_what_is_not_json_is_the_probes_error(run: Run, name: str) -> None:
    assert run(name).status is ProbeStatus.RAISED


def test_a_large_answer_arrives_whole(run: Run) -> None:
    assert len(run("large").data["value"]) == 8 << 20


def test_a_forged_answer_is_ignored(run: Run) -> None:
    assert run("spoofs").data == {"honest": True}


def test_an_escaped_grandchild_with_our_pipes_does_not_hold_the_doctor(
    run: Run, client: AgentClient
) -> None:
    assert run("grandchild_keeps_pipes").status is ProbeStatus.OK
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 2


def test_a_grandchild_in_the_group_dies_with_the_probe(run: Run) -> None:
    pid = run("grandchild_in_group").data["pid"]
    for _ in range(100):
        if process_state(pid) in ("", "Z (zombie)"):
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} still runs: {process_state(pid)}")


def test_an_import_error_keeps_type_and_text(client: AgentClient) -> None:
    state = client.import_module("a_module_that_does_not_exist", 10)
    assert state.status is ProbeStatus.RAISED
    assert state.error_type == "ModuleNotFoundError"


def test_a_missing_attribute_of_a_module_is_an_error(client: AgentClient) -> None:
    assert client.import_module("json:no_such_name", 10).error_type == "AttributeError"


def test_an_import_reports_version_and_file(client: AgentClient) -> None:
    state = client.import_module("json", 10)
    assert state.status is ProbeStatus.OK
    assert state.version == "2.0.9"
    assert state.file.endswith("__init__.py")


def test_a_child_that_cannot_be_killed_is_abandoned_and_named(
    client: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Uninterruptible sleep cannot be produced at will; a kill that does nothing looks the same.
    monkeypatch.setattr("qvl_doctor.running.child.kill_group", lambda group: None)
    monkeypatch.setattr("qvl_doctor.running.child.kill_marked", lambda mark: None)
    monkeypatch.setattr("qvl_doctor.running.child.KILL_WAIT_S", 0.3)
    monkeypatch.setattr(client_module, "kill_group", lambda group: None)
    record = client.run("victims.bad_probe:hang", {}, 0.5)
    monkeypatch.undo()
    assert record.status is ProbeStatus.TIMED_OUT
    assert record.abandoned_pid == client._child.pid
    assert "left behind" in record.reason
    client._child.kill(*client._groups)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os, time; os.close(1); os.close(2); time.sleep(60)", "did not answer"),
    ],
)
def test_an_interpreter_that_dies_before_greeting_is_named(
    tmp_path: Path, script: str, expected: str
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}"\n')
    fake.chmod(0o755)
    with pytest.raises(AgentDied, match=expected):
        AgentClient(str(fake), {})


def test_a_program_that_is_not_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentDied):
        AgentClient("/bin/true", {})
    with pytest.raises(AgentDied, match="cannot be started"):
        AgentClient(str(tmp_path / "missing"), {})


def test_the_patients_files_and_network_are_left_alone() -> None:
    environment = client_module.target_environment({"HOME": "/home/somebody"})
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment["HOME"] == "/home/somebody"


def test_it_needs_neither_home_nor_temporary_files() -> None:
    agent = AgentClient(
        sys.executable, {}, environment={"PATH": os.environ["PATH"], "TMPDIR": "/nonexistent"}
    )
    try:
        assert agent.interpreter["version"]
    finally:
        agent.close()


def test_a_child_whose_pipe_is_closed_says_so() -> None:
    child = Child(["/bin/true"], {})
    assert child.ended(5) == 0
    time.sleep(0.05)
    with pytest.raises(BrokenPipeError):
        child.send(memoryview(b"x" * 100_000))


def test_an_agent_that_does_not_read_costs_no_more_than_the_budget(client: AgentClient) -> None:
    os.kill(client._child.pid, signal.SIGSTOP)
    began = time.monotonic()
    record = client.run("victims.bad_probe:fine", {"value": "x" * (4 << 20)}, 1.0)
    assert record.status is ProbeStatus.TIMED_OUT
    assert time.monotonic() - began < 4


def test_what_left_its_process_group_is_ended_too(run: Run, client: AgentClient) -> None:
    escaped = run("escaped_grandchild").data["pid"]
    assert process_state(escaped)
    client.close()
    time.sleep(0.1)
    assert not process_state(escaped) or process_state(escaped).startswith("Z")


def test_nobody_but_the_agent_reads_its_commands(run: Run) -> None:
    assert run("reads_input", budget_s=5).data == {"read": "", "by_a_child": ""}
    assert run("fine", value=2).data["echo"] == 2


def test_an_import_that_forks_answers_once(client: AgentClient) -> None:
    assert client.import_module("victims.import_forks", 10).status is ProbeStatus.OK
    for _ in range(3):
        assert client.import_module("no_such_module", 10).status is ProbeStatus.RAISED
    assert client.run("victims.bad_probe:fine", {"value": 3}, 10).data["echo"] == 3


def test_a_probe_that_forks_answers_once(run: Run) -> None:
    assert run("forks_and_both_return").data["pid"] > 0
    assert run("fine", value=4).data["echo"] == 4


def test_an_error_without_words_is_still_an_error(run: Run) -> None:
    record = run("raises_speechless")
    assert record.status is ProbeStatus.RAISED
    assert "Speechless" in record.reason


@pytest.mark.parametrize("module", ["import_closes_streams", "import_ignores_children"])
def test_what_an_import_does_to_the_process_does_not_end_the_agent(
    client: AgentClient, module: str
) -> None:
    assert client.import_module(f"victims.{module}", 10).status is ProbeStatus.OK
    assert client.run("victims.bad_probe:fine", {"value": 5}, 10).data["echo"] == 5
    assert client.run("victims.bad_probe:silent_exit", {}, 10).status is ProbeStatus.CRASHED


def test_a_fork_that_the_system_refuses_is_the_probes_error(client: AgentClient) -> None:
    client.import_module("victims.import_forbids_fork", 10)
    record = client.run("victims.bad_probe:fine", {"value": 6}, 10)
    assert record.status is ProbeStatus.RAISED
    assert "temporarily unavailable" in record.reason


def test_a_stop_ends_also_an_agent_that_has_not_greeted(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fake.chmod(0o755)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        AgentClient(str(fake), {}, stop=stop)
    assert time.monotonic() - began < 3


def test_an_ended_agent_holds_no_files(run: Run, client: AgentClient) -> None:
    run("fine", value=1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    client.close()
    time.sleep(0.2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 3
