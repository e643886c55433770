"""Which packages are installed, where, in how many copies, and what would shadow them.

Nothing is imported: metadata is read, and files are found the way the import system would.
"""

from __future__ import annotations

import importlib.util
import os
import re
import site
import sys
from pathlib import Path
from typing import Any

from qvl_checks.host.guarded import reason_of, valid
from qvl_checks.versions.distributions import describe, metadata_folders

MODULES = {
    "accelerate": "accelerate",
    "autoawq": "awq",
    "av": "av",
    "bitsandbytes": "bitsandbytes",
    "causal-conv1d": "causal_conv1d",
    "compressed-tensors": "compressed_tensors",
    "decord": "decord",
    "deepspeed": "deepspeed",
    "diffusers": "diffusers",
    "einops": "einops",
    "eva-decord": "decord",
    "flash-attn": "flash_attn",
    "flash-attn-3": "flash_attn_interface",
    "flash-attn-4": "flash_attn",
    "flash-linear-attention": "fla",
    "gptqmodel": "gptqmodel",
    "hqq": "hqq",
    "huggingface-hub": "huggingface_hub",
    "kernels": "kernels",
    "liger-kernel": "liger_kernel",
    "llamafactory": "llamafactory",
    "lmdeploy": "lmdeploy",
    "ms-swift": "swift",
    "numpy": "numpy",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "optimum": "optimum",
    "optimum-quanto": "optimum",
    "packaging": "packaging",
    "peft": "peft",
    "pillow": "PIL",
    "qwen-omni-utils": "qwen_omni_utils",
    "qwen-vl-utils": "qwen_vl_utils",
    "safetensors": "safetensors",
    "sageattention": "sageattention",
    "sglang": "sglang",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "torchao": "torchao",
    "torchaudio": "torchaudio",
    "torchcodec": "torchcodec",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "triton": "triton",
    "trl": "trl",
    "unsloth": "unsloth",
    "verl": "verl",
    "vllm": "vllm",
    "xformers": "xformers",
}
"""Distributions that a Qwen-VL program runs on, and the module that each gives."""

VERSION_FILES = ("__init__.py", "version.py", "_version.py")
VERSION_LINE = re.compile(
    r"""^__version__(?:\s*:\s*\w+)?\s*=\s*['"]([^'"]{1,80})['"]""", re.MULTILINE
)
SOURCE_LIMIT = 256 * 1024
"""Bytes of a source file that are searched for its version."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """The packages along this interpreter's ``sys.path``."""
    path = [entry for entry in sys.path if entry]
    installed: dict[str, str] = {}
    copies: dict[str, list[dict[str, Any]]] = {}
    for name, version, folder in metadata_folders(path):
        if name in MODULES:
            copy = describe(folder)
            copy["found_through"] = origin_of(str(folder.parent))
            copies.setdefault(name, []).append(copy)
            version = copy["version"] or version
        installed.setdefault(name, version)
    modules = {module: find(module) for module in sorted(set(MODULES.values()))}
    return {
        "copies": copies,
        "installed": dict(sorted(installed.items())),
        "modules": {name: found for name, found in modules.items() if found is not None},
        "module_names": MODULES,
        "working_folder": valid(_working_folder()),
        "shadowed_by_working_folder": shadows(_working_folder(), set(MODULES.values())),
        "user_site": valid(site.getusersitepackages()) if _has_home() else None,
        "user_site_enabled": bool(site.ENABLE_USER_SITE),
        "pythonpath": [valid(entry) for entry in _pythonpath()],
    }


def find(module: str) -> dict[str, Any] | None:
    """Where ``import module`` would find it, and the version that its source states."""
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:
        return {"reason": reason_of(error)}
    if spec is None:
        return None
    folders = [str(folder) for folder in spec.submodule_search_locations or ()]
    return {
        "file": valid(spec.origin) if spec.origin and spec.has_location else None,
        "folder": valid(folders[0]) if folders else None,
        "namespace": spec.origin is None,
        "source_version": _source_version(folders[0]) if folders else None,
    }


def shadows(folder: str, modules: set[str]) -> list[str]:
    """Files of ``folder`` that a program started there imports instead of the installed module.

    A folder without ``__init__.py`` does not count: an installed package wins against it.
    """
    found = []
    for module in sorted(modules):
        for candidate in (Path(folder, module + ".py"), Path(folder, module, "__init__.py")):
            try:
                if candidate.is_file() and not _same(candidate, find(module)):
                    found.append(valid(str(candidate)))
            except OSError:
                continue
    return found


def origin_of(location: str) -> str:
    """Through which door a folder came onto ``sys.path``."""
    if any(_same_path(location, entry) for entry in _pythonpath()):
        return "PYTHONPATH"
    if _has_home() and _same_path(location, site.getusersitepackages()):
        return "user site"
    if _within(location, sys.prefix):
        return "environment"
    if _within(location, sys.base_prefix):
        return "base installation"
    return "other"


def _source_version(folder: str) -> str | None:
    for name in VERSION_FILES:
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as source:
                match = VERSION_LINE.search(source.read(SOURCE_LIMIT))
        except OSError:
            continue
        if match:
            return match.group(1)
    return None


def _same(candidate: Path, found: dict[str, Any] | None) -> bool:
    file = (found or {}).get("file")
    return file is not None and _same_path(str(candidate), file)


def _same_path(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _within(path: str, prefix: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(prefix) + os.sep)


def _pythonpath() -> list[str]:
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return "."


def _has_home() -> bool:
    return not os.path.expanduser("~").startswith("~")
