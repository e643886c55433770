"""The JSON report: the contract itself, nothing added and nothing left out."""

from __future__ import annotations

from typing import Any

import msgspec

from qvl_doctor.report import Report, encode_report
from qvl_reports.visible import visible


def render(report: Report) -> str:
    """The report as stable, readable JSON.

    JSON in UTF-8 cannot hold lone surrogates (a path that is not UTF-8 has them); they are spelled
    out, so that there is a report whatever the file system holds.
    """
    try:
        return encode_report(report).decode()
    except UnicodeEncodeError:
        return encode_report(_encodable(report)).decode()


def _encodable(report: Report) -> Report:
    plain = msgspec.to_builtins(report)
    return msgspec.convert(_spelled(plain), Report)


def _spelled(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else "".join(map(_character, value))
    if isinstance(value, dict):
        return {_spelled(key): _spelled(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(one) for one in value]
    return value


def _character(one: str) -> str:
    return visible(one) if "\ud800" <= one <= "\udfff" else one
