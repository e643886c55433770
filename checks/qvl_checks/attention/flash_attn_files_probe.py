"""What an installed flash-attn was built for, read from its files; nothing of it is loaded.

Runs in a child of the doctor's own interpreter, on the files of the examined one.
"""

from __future__ import annotations

import contextlib
import re
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from qvl_checks.attention.flash_attn_elf import (
    TORCH_SYMBOL,
    Library,
    offered_abi,
    wanted_abi,
)
from qvl_checks.host.guarded import Guarded, reason_of

DISTRIBUTIONS = ("flash-attn", "flash-attn-3", "flash-attn-4")
TORCH_LIBRARIES = ("libc10*.so*", "libtorch*.so*", "libshm*.so*")
TORCH_LIBRARY = re.compile(r"^lib(?:c10|torch)\w*\.so")
BUILD_TAG = re.compile(
    r"\+cu(?P<cuda>\d{2})\d*torch(?P<torch>\d+\.\d+)(?:\.\d+)?cxx11abi(?P<abi>TRUE|FALSE)",
    re.IGNORECASE,
)
PYTHON_TAG = re.compile(r"\.(cpython-\d+|abi3)[.-]")
CUDART = re.compile(r"^libcudart\.so\.(\d+)")
EXTENSION_LIMIT = 40
MISSING_LIMIT = 40


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Every flash-attention distribution and its compiled extensions, against torch's libraries."""
    packages = request["inputs"]["versions.packages"]
    torch = packages["modules"].get("torch") or {}
    folder = Path(torch["folder"]) / "lib" if torch.get("folder") else None
    installed = {
        name: packages["copies"][name] for name in DISTRIBUTIONS if packages["copies"].get(name)
    }
    with contextlib.ExitStack() as stack:
        libraries, unread = open_libraries(folder, stack)
        return {
            "torch_libraries": sorted(libraries),
            "torch_unread": unread,
            "torch_cxx11_abi": offered_abi(libraries.values()),
            "distributions": {
                name: describe(Path(copies[0]["location"]) / copies[0]["metadata"], libraries)
                for name, copies in installed.items()
            },
        }


def open_libraries(
    folder: Path | None, stack: contextlib.ExitStack
) -> tuple[dict[str, Library], dict[str, str]]:
    """torch's own libraries by file name; and those that cannot be read, with the reason."""
    libraries: dict[str, Library] = {}
    unread: dict[str, str] = {}
    for pattern in TORCH_LIBRARIES if folder else ():
        for path in sorted((folder or Path()).glob(pattern)):
            try:
                libraries[path.name] = stack.enter_context(Library(path))
            except Exception as error:
                unread[path.name] = reason_of(error)
    return libraries, unread


def describe(metadata: Path, libraries: dict[str, Library]) -> dict[str, Any]:
    """One distribution: its build tag, and each of its compiled extensions."""
    tag = build_tag(metadata)
    return {
        **tag,
        "extensions": [
            extension(path, libraries) for path in extension_files(metadata)[:EXTENSION_LIMIT]
        ],
    }


def build_tag(metadata: Path) -> dict[str, Any]:
    """``cu12torch2.5cxx11abiFALSE`` taken apart.

    It stands in the name of the released wheel only, which pip keeps when it installed from that
    URL or file; else in the version, for builds that put it there.
    """
    texts = [metadata.name]
    with contextlib.suppress(OSError):
        texts.append(unquote((metadata / "direct_url.json").read_text(encoding="utf-8")))
    match = next((found for text in texts if (found := BUILD_TAG.search(text))), None)
    if match is None:
        return {"tag": None, "tag_cuda": None, "tag_torch": None, "tag_cxx11_abi": None}
    return {
        "tag": match.group(0).lstrip("+"),
        "tag_cuda": match["cuda"],
        "tag_torch": match["torch"],
        "tag_cxx11_abi": match["abi"].upper() == "TRUE",
    }


def extension_files(metadata: Path) -> list[Path]:
    """Its compiled files: those that it recorded, and what lies under its names."""
    location = metadata.parent
    recorded = set()
    with contextlib.suppress(Exception):
        recorded = {
            location / str(file)
            for file in PathDistribution(metadata).files or ()
            if str(file).endswith(".so")
        }
    lying = {*location.glob("flash_attn*.so"), *location.glob("flash_attn*/*.so")}
    found = recorded or lying
    return sorted(path for path in found if path.exists())


def extension(path: Path, libraries: dict[str, Library]) -> dict[str, Any]:
    """One compiled file; a field that cannot be read is None with a reason."""
    row = Guarded()
    row.read("bytes", lambda: path.stat().st_size)
    python = PYTHON_TAG.search(path.name)
    fixed = {"name": path.name, "python_tag": python.group(1) if python else None}
    try:
        library = Library(path)
    except Exception as error:
        return {**row.row(), **fixed, "readable": False, "reason": reason_of(error)}
    with library:
        undefined = row.read("undefined", library.undefined) or []
        del row.fields["undefined"]
        needed = row.read("needed", library.needed) or []
        row.read("glibc", library.newest_glibc)
        row.read("architectures", library.architectures)
    asked = [name for name in undefined if TORCH_SYMBOL.match(name)]
    missing = [
        name for name in asked if not any(torch.exports(name) for torch in libraries.values())
    ]
    return {
        **row.row(),
        **fixed,
        "readable": True,
        "cxx11_abi": wanted_abi(undefined),
        "cudart_major": next((m.group(1) for n in needed if (m := CUDART.match(n))), None),
        "torch_symbols": len(asked),
        "missing_count": len(missing) if libraries else None,
        "missing": missing[:MISSING_LIMIT] if libraries else None,
        "absent_libraries": [
            name for name in needed if TORCH_LIBRARY.match(name) and name not in libraries
        ]
        if libraries
        else None,
    }
