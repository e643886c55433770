"""The JSON report is the contract, and nothing else."""

from __future__ import annotations

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings

from qvl_doctor.report import Report, encode_report, json_schema
from qvl_reports.json_report import render

from . import sample
from .hostility import PAYLOADS, any_text


@pytest.mark.parametrize("make", [sample.problems, sample.all_well, sample.nothing_known])
def test_it_is_the_encoded_report_and_fits_the_schema(make: object) -> None:
    report = make()
    text = render(report)
    assert text == encode_report(report).decode()
    assert msgspec.json.decode(text, type=Report) == report
    jsonschema.validate(msgspec.json.decode(text), json_schema())


def test_a_path_that_is_not_utf8_is_spelled_out() -> None:
    report = msgspec.structs.replace(sample.all_well(), target={"python": "/caf\udce9/python \x1b"})
    assert msgspec.json.decode(render(report))["target"] == {"python": "/caf\\udce9/python \x1b"}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_hostile_text_survives(payload: str) -> None:
    read = msgspec.json.decode(render(sample.hostile(payload, 1.0)))
    expected = payload.replace("\udce9", "\\udce9").replace("\ud800", "\\ud800")
    assert read["findings"][0]["title"] == expected


@settings(deadline=None, max_examples=50)
@given(any_text)
def test_any_text_can_be_written_and_read(text: str) -> None:
    msgspec.json.decode(render(sample.hostile(text)), type=Report)
