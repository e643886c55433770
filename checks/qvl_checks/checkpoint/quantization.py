"""What a quantisation config says about method and width."""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.folder import whole_number

BITSANDBYTES = "bitsandbytes"


def method(quantization: dict[str, Any]) -> str:
    """``awq``, ``gptq``, ``fp8``, ``bitsandbytes``, ...; empty: not said."""
    stated = quantization.get("quant_method")
    if isinstance(stated, str):
        return BITSANDBYTES if stated.startswith(BITSANDBYTES) else stated
    if quantization.get("load_in_4bit") or quantization.get("load_in_8bit"):
        return BITSANDBYTES
    return ""


def bits(quantization: dict[str, Any]) -> int | None:
    """Bits per weight; None: not said."""
    if quantization.get("load_in_4bit") or quantization.get("_load_in_4bit"):
        return 4
    if quantization.get("load_in_8bit") or quantization.get("_load_in_8bit"):
        return 8
    if method(quantization) == "fp8":
        return 8
    for key in ("bits", "w_bit", "nbits"):
        stated = whole_number(quantization.get(key))
        if stated:
            return stated
    return _of_groups(quantization.get("config_groups"))


def _of_groups(groups: object) -> int | None:
    """The narrowest group of a compressed-tensors config."""
    if not isinstance(groups, dict):
        return None
    widths = [
        whole_number(group["weights"].get("num_bits"))
        for group in groups.values()
        if isinstance(group, dict) and isinstance(group.get("weights"), dict)
    ]
    return min((width for width in widths if width), default=None)
