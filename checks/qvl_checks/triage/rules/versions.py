"""Releases that do not fit: of transformers, torch, Python, NumPy, torchvision, and of what
depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from ..model import Computed
from ..rule import Case, Hit
from .names.packages import OPTIONAL, install

_V = "versions."

_PYTHON_TOO_OLD = (
    "Ignored the following versions that require a different python version",
    "requires a different Python",
    "Requires-Python >=",
)
_PACKAGES = re.compile(
    r"(transformers|torch|qwen[-_]vl[-_]utils|huggingface[-_]hub|tokenizers|"
    r"accelerate|peft|torchvision|safetensors|kernels|torchcodec)"
)
_UNION = re.compile(r"unsupported operand type\(s\) for \|: '\w{1,40}' and 'nonetype'")
_PIP_NAME = re.compile(r"no matching distribution found for ([\w.-]{2,40})")
_MISSING = re.compile(r"no module named ['\"`]?([\w.]{2,60})")
_ASKED_FOR = re.compile(
    r"please install [^\n]{0,30}pip install ['\"`]{0,2}([\w-]{2,30})|"
    r"`([\w-]{2,30})` is not installed"
)
_ALWAYS = {
    "accelerate",
    "bitsandbytes",
    "qwen_vl_utils",
    "qwen_omni_utils",
    "auto_gptq",
    "gptqmodel",
    "awq",
    "compressed_tensors",
    "torchcodec",
    "decord",
}
_REQUIRES: tuple[tuple[str, str], ...] = (
    ("requires `accelerate`", "accelerate"),
    ("name 'init_empty_weights' is not defined", "accelerate"),
    ("or a `device_map` requires Accelerate", "accelerate"),
    ("requires accelerate >", "accelerate"),
    ("requires Accelerate: `pip install", "accelerate"),
    ("requires accelerate (`pip install accelerate`)", "accelerate"),
    ("quantization requires the latest version of bitsandbytes", "bitsandbytes"),
    ("requires bitsandbytes", "bitsandbytes"),
    ("No package metadata was found for bitsandbytes", "bitsandbytes"),
    ("quantized model requires auto-awq", "autoawq"),
    ("quantized model requires gptqmodel", "gptqmodel"),
    ("Loading a GPTQ quantized model requires optimum", "optimum"),
    ("requires the compressed-tensors library", "compressed-tensors"),
    ("PyAV is not installed", "av"),
    ("No package metadata was found for The 'autoawq", "autoawq"),
    ("No package metadata was found for accelerate", "accelerate"),
    ("PyAV is required", "av"),
    ("torchcodec is not available", "torchcodec"),
    ("requires the PEFT library", "peft"),
    ("`qwen-vl-utils` not installed", "qwen-vl-utils"),
    ("请安装 accelerate", "accelerate"),
    ("No package metadata was found for The 'gptqmodel", "gptqmodel"),
    ("AutoAWQ … not installed", "autoawq"),
    ("`peft` is not installed", "peft"),
)


_NO_TORCH_NAME = re.compile(
    r"module ['\"`]?(torch(?:\.\w{1,30}){0,3})['\"`]? has no attribute ['\"`]?(\w{2,40})"
)
#: Names that transformers uses of torch, and the first torch release that has them.
_TORCH_NAMES: dict[str, str] = {
    "accelerator": "2.6",
    "compiler": "2.1",
    "custom_op": "2.4",
    "device_mesh": "2.2",
    "enable_gqa": "2.5",
    "float8_e4m3fn": "2.1",
    "float8_e8m0fnu": "2.7",
    "get_default_device": "2.3",
    "int1": "2.6",
    "is_compiling": "2.1",
    "is_exporting": "2.7",
    "register_fake": "2.4",
    "register_pytree_node": "2.2",
    "rmsnorm": "2.4",
    "rms_norm": "2.4",
    "uint16": "2.3",
    "uint32": "2.3",
    "uint64": "2.3",
    "wrap_triton": "2.6",
}


def missing_torch_name(case: Case) -> Iterator[Hit]:
    """``module 'torch.nn' has no attribute 'RMSNorm'``: which torch first has that name."""
    for match in list(_NO_TORCH_NAME.finditer(case.page.low))[-2:]:
        since = _TORCH_NAMES.get(match.group(2))
        if since is None:
            continue
        yield Hit(
            "versions.torch-too-old",
            94,
            [case.page.line_at(match.start())],
            {"name": f"{match.group(1)}.{match.group(2)}", "minimum_torch": since},
            [f"{match.group(1)}.{match.group(2)} exists from torch {since} on."],
        )


def python_too_old(case: Case) -> Iterator[Hit]:
    """pip's refusals that name a Python floor, for packages of this stack only; union types under
    Python 3.9.
    """
    for phrase in _PYTHON_TOO_OLD:
        line = case.page.says(phrase)
        if line is not None and _PACKAGES.search(case.page.low):
            floor = re.search(
                r"requires-python >= ?(3\.\d{1,2})[^\n]{0,400}$", case.page.low, re.MULTILINE
            )
            computed: dict[str, Computed] = {"python_floor": floor.group(1)} if floor else {}
            yield Hit("versions.python-too-old", 92, [line], computed)
            return
    name = _PIP_NAME.search(case.page.low)
    if name and _PACKAGES.fullmatch(name.group(1)) and "(from versions: none)" not in case.page.low:
        yield Hit(
            "versions.python-too-old",
            70,
            [case.page.line_at(name.start())],
            {"package": name.group(1)},
        )
    match = _UNION.search(case.page.low)
    if match and "transformers" in case.page.low:
        yield Hit(
            "versions.python-too-old",
            85,
            [case.page.line_at(match.start())],
            {"python_floor": "3.10"},
        )


def optional_packages(case: Case) -> Iterator[Hit]:
    """A package that only some uses need is not installed."""
    for phrase, package in _REQUIRES:
        line = case.page.says(phrase)
        if line is not None:
            yield install(package, line, 92)
            return
    for match in list(_ASKED_FOR.finditer(case.page.low))[-2:]:
        asked_for = OPTIONAL.get((match.group(1) or match.group(2)).replace("-", "_"))
        if asked_for and case.clues.qwen:
            yield install(asked_for, case.page.line_at(match.start()), 80)
    for match in list(_MISSING.finditer(case.page.low))[-3:]:
        name, _, part = match.group(1).partition(".")
        # Python names the first part that it does not find: before a dot, the package is there.
        known = None if part else OPTIONAL.get(name)
        if known and (name in _ALWAYS or case.clues.qwen or "transformers" in case.page.low):
            yield install(known, case.page.line_at(match.start()), 90)
        elif name == "flash_attn_2_cuda":
            yield Hit(
                "attention.flash-attn-abi-mismatch",
                84,
                [case.page.line_at(match.start())],
                {"module": name},
                [
                    (
                        "The Python part of flash-attn is there, its compiled extension is not: "
                        "nothing was built for this interpreter, or the wheel belongs to "
                        "another Python."
                    )
                ],
            )
        elif name in ("flash_attn", "flash_attn_interface") and (
            case.clues.qwen or "transformers" in case.page.low or case.clues.concept("flash")
        ):
            yield Hit(
                "attention.flash-attn-missing",
                84,
                [case.page.line_at(match.start())],
                {"module": name},
            )
        elif name == "tiktoken" and case.clues.legacy:
            yield Hit("versions.legacy-chat-environment", 90, [case.page.line_at(match.start())])


_UPGRADE_ONLY = ("accuracy_drop", "different_output")
_RANGES: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "4.54.0",
        "4.56.2",
        ("batch", "padding", "accuracy_drop", "after_upgrade"),
        "decode positions of left-padded batches are wrong in 4.54.0-4.56.2",
        "4.57.0",
    ),
    (
        "5.3.0",
        "5.5.4",
        ("video",),
        "every frame gets the same temporal index (and height is mis-ordered) in 5.3.0-5.5.4",
        "5.6.0",
    ),
    (
        "5.3.0",
        "5.5.3",
        ("image", "accuracy_drop"),
        "the temporal position of still images is scaled by tokens_per_second in 5.3.0-5.5.3",
        "5.5.4",
    ),
    (
        "5.3.0",
        "5.17.0",
        ("video",),
        "fractional seconds per grid are truncated to 0 in 5.3.0-5.17.0",
        "5.18.0",
    ),
)


def position_ids(case: Case) -> Iterator[Hit]:
    """A release in one of the three bad M-RoPE ranges together with the symptom that belongs to
    it.
    """
    clues = case.clues
    if clues.engine in ("llama.cpp",) or any(
        clues.concept(name)
        for name in ("eager", "oom", "gqa", "slow", "sdpa", "kv_quant", "conv3d")
    ):
        return
    families = set(clues.families)
    if families and not families & {"qwen2_vl", "qwen2_5_vl"}:
        return
    wrong = (
        any(clues.concept(name) for name in _UPGRADE_ONLY)
        or clues.concept("position_ids")
        or clues.concept("timestamps")
    )
    if not wrong:
        return
    for version in clues.transformers_versions:
        for low, high, concepts, what, fixed in _RANGES:
            if Version(low) <= version <= Version(high) and any(
                clues.concept(name) for name in concepts
            ):
                lines = [
                    line
                    for name in (*concepts, "position_ids", "accuracy_drop")
                    if (line := clues.concept_line(name)) is not None
                ]
                yield Hit(
                    "versions.wrong-position-ids",
                    76 if clues.qwen or clues.concept("position_ids") else 64,
                    lines[:3],
                    {"transformers": str(version), "affected": f"{low}-{high}", "fixed_in": fixed},
                    [f"In this release {what}; fixed in {fixed}."],
                    by_message=False,
                )
                break


def other_interpreter(case: Case) -> Iterator[Hit]:
    """pip and the running process disagree about the installed release."""
    if case.clues.concept("two_envs") and "transformers" in case.page.low:
        line = case.clues.concept_line("two_envs") or 0
        yield Hit("versions.metadata-disagrees", 55, [line], by_message=False)


DETECTORS = (missing_torch_name, python_too_old, optional_packages, position_ids, other_interpreter)
