"""Reading a compiled extension without loading it: what it needs, and whether torch has it.

Uses pyelftools, so it runs in the doctor's interpreter. Only tables are read (a symbol is looked
up through the library's own hash table), never the code, so a library of a gigabyte costs
milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from qvl_checks.attention.flash_attn_fatbin import architectures

TORCH_SYMBOL = re.compile(
    r"^_Z(?:N[KVRO]*|T[ISVT]N|GVN)(?:3c10|2at|5torch|6caffe2)|^(?:aoti_)?torch_"
)
"""Mangled names in torch's namespaces (c10, at, torch, caffe2) and its C interface."""
NEW_STRING = "__cxx1112basic_string"
ERROR_OLD = "_ZN3c105ErrorC2ENS_14SourceLocationESs"
ERROR_NEW = (
    "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
)
"""The constructor of c10::Error under either ABI of std::string; every extension calls it."""
GLIBC = re.compile(r"^GLIBC_(\d+(?:\.\d+)+)$")
SYMBOL_LIMIT = 500_000


class Library:
    """A shared library opened for reading."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: it cannot be read.
            ELFError: it is not an ELF file.
        """
        from elftools.elf.elffile import ELFFile

        self._file: IO[bytes] = path.open("rb")
        try:
            self._elf: Any = ELFFile(self._file)
            self._symbols: Any = self._elf.get_section_by_name(".dynsym")
            self._hash: Any = self._elf.get_section_by_name(".gnu.hash")
        except BaseException:
            self._file.close()
            raise
        self._exported: frozenset[str] | None = None

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def exports(self, name: str) -> bool:
        """Whether a symbol of this name is defined here."""
        if self._hash is not None:
            symbol = self._hash.get_symbol(name)
            return symbol is not None and symbol["st_shndx"] != "SHN_UNDEF"
        if self._exported is None:
            self._exported = frozenset(
                symbol.name for symbol in self._dynamic() if symbol["st_shndx"] != "SHN_UNDEF"
            )
        return name in self._exported

    def undefined(self) -> list[str]:
        """Names that the loader must find elsewhere; weak ones may stay unfound."""
        return [
            symbol.name
            for symbol in self._dynamic()
            if symbol["st_shndx"] == "SHN_UNDEF"
            and symbol["st_info"]["bind"] == "STB_GLOBAL"
            and symbol.name
        ]

    def needed(self) -> list[str]:
        """The libraries that it asks the loader for (``DT_NEEDED``)."""
        dynamic = self._elf.get_section_by_name(".dynamic")
        if dynamic is None:
            return []
        return [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]

    def newest_glibc(self) -> str | None:
        """The newest GLIBC version that it refers to, such as "2.32"."""
        section = self._elf.get_section_by_name(".gnu.version_r")
        if section is None:
            return None
        found = [
            match.group(1)
            for _, versions in section.iter_versions()
            for version in versions
            if (match := GLIBC.match(version.name))
        ]
        return max(found, key=lambda text: [int(part) for part in text.split(".")], default=None)

    def architectures(self) -> list[str]:
        """GPU architectures of the kernels inside; empty: no GPU code was found."""
        section = self._elf.get_section_by_name(".nv_fatbin")
        if section is None:
            return []
        return architectures(self._file, section["sh_offset"], section["sh_size"])

    def _dynamic(self) -> Iterable[Any]:
        if self._symbols is None or self._symbols.num_symbols() > SYMBOL_LIMIT:
            return []
        symbols: Iterable[Any] = self._symbols.iter_symbols()
        return symbols


def wanted_abi(undefined: Iterable[str]) -> bool | None:
    """True: built for torch with the C++11 ABI; False: for the old one; None: it does not tell."""
    names = set(undefined)
    if ERROR_NEW in names:
        return True
    if ERROR_OLD in names:
        return False
    torch_names = [name for name in names if TORCH_SYMBOL.match(name)]
    return True if any(NEW_STRING in name for name in torch_names) else None


def offered_abi(torch_libraries: Iterable[Library]) -> bool | None:
    """The same for an installed torch, from what it exports; None: it exports neither."""
    for library in torch_libraries:
        if library.exports(ERROR_NEW):
            return True
        if library.exports(ERROR_OLD):
            return False
    return None
