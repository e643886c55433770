"""Which video readers are installed, and what the installed qwen-vl-utils would do with them.

Read from metadata and source: importing a reader loads native libraries that may hang or crash,
so that is done in a fork, and only above the quick level.
"""

from __future__ import annotations

import ast
import ctypes.util
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any

from qvl_checks.host.guarded import Guarded, reason_of, valid
from qvl_checks.host.isolated import isolated

READERS = {
    "torchcodec": "torchcodec.decoders",
    "decord": "decord",
    "av": "av",
    "cv2": "cv2",
}
"""Reader -> module whose import loads its native library."""
FFMPEG = ("avcodec", "avformat", "avutil")
IMPORT_S = 25.0
SOURCE_LIMIT = 1024 * 1024
AVAILABLE = re.compile(r"^is_(\w+)_available$")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Readers, torchvision's own function, FFmpeg's libraries, qwen-vl-utils."""
    facts = Guarded()
    facts.read("torchvision_reads_videos", torchvision_reads_videos)
    facts.read("ffmpeg_libraries", ffmpeg_libraries)
    facts.read("ffmpeg_program", lambda: shutil.which("ffmpeg"))
    tried = request.get("level") != "quick"
    return {
        **facts.row(),
        "readers": {name: reader(name, module, tried) for name, module in READERS.items()},
        "torchvision": version_of("torchvision"),
        "forced": os.environ.get("FORCE_QWENVL_VIDEO_READER"),
        "qwen_vl_utils": qwen_vl_utils(),
    }


def ffmpeg_libraries() -> dict[str, str | None]:
    """Library -> the file that the loader would find; None: none."""
    return {name: ctypes.util.find_library(name) for name in FFMPEG}


def reader(name: str, module: str, tried: bool) -> dict[str, Any]:
    """Whether it is there, and, if wanted, whether it loads."""
    try:
        found = importlib.util.find_spec(name) is not None
    except Exception as error:
        return {"installed": True, "status": "raised", "reason": reason_of(error)}
    row: dict[str, Any] = {"installed": found, "version": version_of(name) if found else None}
    if found and tried:
        outcome = isolated(lambda: _load(module), IMPORT_S)
        row["status"] = outcome["status"]
        row["reason"] = str(outcome.get("reason", ""))[:300]
    return row


def _load(module: str) -> None:
    importlib.import_module(module)


def version_of(name: str) -> str | None:
    """By its metadata; several distributions give decord and cv2."""
    names = {"decord": ("decord", "eva-decord"), "cv2": ("opencv-python", "opencv-python-headless")}
    for distribution in names.get(name, (name,)):
        try:
            return str(importlib.metadata.version(distribution))
        except Exception:
            continue
    return None


def torchvision_reads_videos() -> bool | None:
    """Whether ``torchvision.io`` offers ``read_video``; None: torchvision is not installed."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return None
    source = Path(next(iter(spec.submodule_search_locations)), "io", "__init__.py")
    return offers_read_video(_text(source))


def offers_read_video(source: str) -> bool:
    """Whether the text of ``torchvision/io/__init__.py`` brings ``read_video`` from its own
    package; from 0.26 on the name only stands in an import of a package that is not public."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.level > 0
        and any(alias.name == "read_video" for alias in node.names)
        for node in ast.walk(ast.parse(source))
    )


def qwen_vl_utils() -> dict[str, Any]:
    """Parameters and order of readers, from its source."""
    try:
        spec = importlib.util.find_spec("qwen_vl_utils")
    except Exception as error:
        return {"installed": True, "reason": reason_of(error)}
    if spec is None or not spec.submodule_search_locations:
        return {"installed": False}
    facts: dict[str, Any] = {"installed": True, "version": version_of("qwen-vl-utils")}
    try:
        folder = Path(next(iter(spec.submodule_search_locations)))
        return {**facts, **described(_text(folder / "vision_process.py"))}
    except Exception as error:
        return {**facts, "reason": reason_of(error)}


def described(source: str) -> dict[str, Any]:
    """What the module's text says about `process_vision_info` and the choice of a reader."""
    functions = {
        node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)
    }
    choice = functions.get("get_video_reader_backend")
    calls = [node for node in ast.walk(choice) if isinstance(node, ast.Call)] if choice else []
    process = functions.get("process_vision_info")
    test = functions.get("is_torchcodec_available")
    return {
        "parameters": [argument.arg for argument in process.args.args] if process else None,
        "order": [name for name in map(_asked, calls) if name],
        "loads_torchcodec_to_choose": test is not None
        and any(isinstance(node, ast.ImportFrom) for node in ast.walk(test)),
    }


def _asked(call: ast.Call) -> str:
    """``torchcodec`` for a call of ``is_torchcodec_available``."""
    match = AVAILABLE.match(call.func.id) if isinstance(call.func, ast.Name) else None
    return match.group(1) if match else ""


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return valid(stream.read(SOURCE_LIMIT))
