"""Saved facts: what is read, and what is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qvl_doctor.errors import UsageError
from qvl_doctor.facts import (
    FACTS_SCHEMA,
    ProbeRecord,
    ProbeStatus,
    Record,
    as_saved,
    encode_record,
    load_record,
)
from qvl_doctor.probe import Level


def a_record() -> Record:
    return Record(
        schema=FACTS_SCHEMA,
        doctor="0",
        recorded_at="2026-11-21T00:00:00Z",
        level=Level.QUICK,
        probes={"a.b": ProbeRecord(status=ProbeStatus.OK, data={"x": [1, 2.5, None, "é"]})},
    )


def test_facts_survive_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(encode_record(a_record()))
    assert load_record(path) == a_record()
    assert encode_record(load_record(path)) == path.read_bytes()


def test_what_is_judged_is_what_is_saved(tmp_path: Path) -> None:
    strange = {"nan": float("nan"), "inf": float("inf"), "half": "\ud800", "pair": (1, 2)}
    record = msgspec.structs.replace(
        a_record(), probes={"a.b": ProbeRecord(status=ProbeStatus.OK, data=strange)}
    )
    path = tmp_path / "facts.json"
    path.write_bytes(encode_record(record))
    assert as_saved(record) == load_record(path)
    assert as_saved(record).probes["a.b"].data == {
        "nan": None, "inf": None, "half": "\\ud800", "pair": [1, 2]
    }  # fmt: skip


def test_facts_are_found_in_a_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"facts": json.loads(encode_record(a_record()))}))
    assert load_record(path) == a_record()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"schema": "qvl-doctor/facts/999"}',
        b'{"schema": "qvl-doctor/facts/1"}',
        b'{"schema": "qvl-doctor/facts/1", "doctor": "0", "level": "quick", "recorded_at": "now"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_holds_no_facts_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_record(path)
    assert "\n" not in str(caught.value)


def test_facts_of_a_newer_doctor_are_not_called_damaged(tmp_path: Path) -> None:
    document = json.loads(encode_record(a_record()))
    document["probes"]["a.b"]["status"] = "dreamt"
    document["doctor"] = "99.0"
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"recorded by qvl-doctor 99\.0"):
        load_record(path)
    document["probes"]["a.b"] = {"status": "ok", "data": {}, "new_field": 1}
    path.write_text(json.dumps({**document, "more": []}))
    assert load_record(path).doctor == "99.0"


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_record(tmp_path / "none.json")


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("facts") / "facts.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError):
        load_record(path)
