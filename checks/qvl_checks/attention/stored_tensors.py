"""Single small tensors out of a checkpoint's safetensors files, without loading the rest.

Runs in the target: standard library only, Python 3.9. The files are untrusted: headers are judged
before anything is read, and nothing is read beyond `BUDGET` bytes in all.
"""

from __future__ import annotations

import struct
import sys
from array import array
from pathlib import Path
from typing import Any

from qvl_checks.checkpoint.bounded_file import READ, read_object
from qvl_checks.checkpoint.shard_header import OK, judge_shard

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
SHARDS = 512
BUDGET = 32_000_000
"""Bytes of tensor data read in all; the biases and norms of a model of 72 billion weights, and the
rows that are looked at, take about 8 MB."""
WIDTHS = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8}


class Unreadable(Exception):
    """A tensor, or the folder, cannot be read; the message is for people."""


class StoredTensors:
    """The tensors of a folder by name."""

    def __init__(self, folder: Path) -> None:
        """Read the headers.

        Raises:
            Unreadable: there are no weights in this format, or a file is damaged.
        """
        self._folder = folder
        self._places: dict[str, tuple[str, int, dict[str, Any]]] = {}
        self.bytes_read = 0
        files = _files(folder)
        if not files:
            raise Unreadable("the folder holds no model weights in safetensors files")
        for name in files:
            verdict, header = judge_shard(folder / name)
            if verdict["verdict"] != OK:
                because = f" ({verdict['reason']})" if verdict["reason"] else ""
                raise Unreadable(f"{name} is damaged: {verdict['verdict']}{because}")
            data = 8 + int(verdict["header_bytes"])
            self.bytes_read += data
            for tensor, entry in header.items():
                self._places.setdefault(tensor, (name, data, entry))

    @property
    def names(self) -> list[str]:
        """Of all tensors."""
        return list(self._places)

    def shape(self, name: str) -> list[int]:
        """Of one tensor; empty when it is not there."""
        place = self._places.get(name)
        return list(place[2]["shape"]) if place else []

    def vector(self, name: str) -> list[float]:
        """A tensor of one dimension.

        Raises:
            Unreadable: it is missing, not a vector, of another dtype, or too large.
        """
        shape = self.shape(name)
        if len(shape) != 1:
            raise Unreadable(f"{name} is not a vector" if name in self._places else f"no {name}")
        return self._read(name, 0, shape[0])

    def row(self, name: str, index: int) -> list[float]:
        """One row of a matrix.

        Raises:
            Unreadable: as `vector`.
        """
        shape = self.shape(name)
        if len(shape) != 2 or not 0 <= index < shape[0]:
            raise Unreadable(f"{name} has no row {index}")
        return self._read(name, index * shape[1], shape[1])

    def _read(self, name: str, first: int, count: int) -> list[float]:
        file, data, entry = self._places[name]
        width = WIDTHS.get(entry["dtype"])
        if width is None:
            raise Unreadable(f"{name} is stored as {entry['dtype'][:20]}, which is not decoded")
        if self.bytes_read + count * width > BUDGET:
            raise Unreadable(f"more than {BUDGET} bytes would have to be read")
        try:
            with (self._folder / file).open("rb") as stream:
                stream.seek(data + entry["data_offsets"][0] + first * width)
                raw = stream.read(count * width)
        except OSError as error:
            raise Unreadable(f"{file} cannot be read: {error.strerror or error}") from error
        self.bytes_read += len(raw)
        if len(raw) != count * width:
            raise Unreadable(f"{file} became shorter while it was read")
        return decode(raw, entry["dtype"])


def decode(raw: bytes, dtype: str) -> list[float]:
    """Little-endian numbers of one of `WIDTHS`."""
    if dtype == "BF16":
        # A bfloat16 is the upper half of a float32.
        wide = bytearray(2 * len(raw))
        wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
        return _array("f", bytes(wide))
    if dtype == "F16":
        return list(struct.unpack(f"<{len(raw) // 2}e", raw))
    return _array("f" if dtype == "F32" else "d", raw)


def _array(code: str, raw: bytes) -> list[float]:
    numbers: array[float] = array(code, raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return list(numbers)


def _files(folder: Path) -> list[str]:
    """The weight files that transformers would load: the whole model, else those of the index."""
    if (folder / WHOLE).is_file():
        return [WHOLE]
    index = read_object(folder / INDEX)
    table = index["value"].get("weight_map") if index["state"] == READ else None
    if isinstance(table, dict):
        named = {file for file in table.values() if isinstance(file, str)}
        # A name with a separator would lead out of the folder.
        return sorted(file for file in named if Path(file).name == file)[:SHARDS]
    if index["state"] == READ or index["reason"]:
        raise Unreadable(f"{INDEX} cannot be used: {index['reason'] or 'it maps no tensors'}")
    return []
