"""Reading the log that a user hands over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from qvl_doctor.cli.log_option import KEPT, READ, read_log
from qvl_doctor.errors import UsageError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_text_comes_whatever_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "error.log"
    path.write_text("内存 Tried to allocate 12.20 GiB", encoding=encoding)
    assert read_log(str(path)).text == "内存 Tried to allocate 12.20 GiB"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_of_a_long_log_the_end_is_kept(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "error.log"
    path.write_text("x" * (READ + 3) + "the end", encoding=encoding)
    text = read_log(str(path)).text
    assert text.endswith("xthe end")
    assert len(text) == KEPT


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    path.write_bytes(b"\xff\x00\x80 out of memory")
    assert "out of memory" in read_log(str(path)).text


@pytest.mark.parametrize("content", [b"", b" \n\t"])
def test_an_empty_log_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "error.log"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is empty"):
        read_log(str(path))


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_log(str(tmp_path / "nowhere.log"))
    with pytest.raises(UsageError, match="cannot read"):
        read_log(str(tmp_path))


def test_a_message_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.TextIOWrapper(io.BytesIO(b"Tried to allocate 1.00 GiB"))
    monkeypatch.setattr("sys.stdin", piped)
    assert read_log("-").text == "Tried to allocate 1.00 GiB"
