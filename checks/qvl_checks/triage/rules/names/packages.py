"""Packages that only some uses of a model need."""

from __future__ import annotations

from ...model import Fix
from ...rule import Hit

OPTIONAL: dict[str, str] = {
    "accelerate": "accelerate",
    "bitsandbytes": "bitsandbytes",
    "qwen_vl_utils": "qwen-vl-utils",
    "qwen_omni_utils": "qwen-omni-utils",
    "decord": "decord",
    "av": "av",
    "torchcodec": "torchcodec",
    "peft": "peft",
    "optimum": "optimum",
    "auto_gptq": "auto-gptq",
    "gptqmodel": "gptqmodel",
    "awq": "autoawq",
    "compressed_tensors": "compressed-tensors",
    "hqq": "hqq",
    "einops": "einops",
    "safetensors": "safetensors",
    "librosa": "librosa",
    "soundfile": "soundfile",
    "kernels": "kernels",
}
"""What is installed, by the name that is imported or said."""


def install(package: str, line: int, score: float) -> Hit:
    """What to say where `package` is missing."""
    return Hit(
        "versions.optional-package-missing",
        score,
        [line],
        {"package": package},
        [f"The package that is missing is {package}."],
        [
            Fix(
                "command",
                f"python -m pip install {package}",
                "review",
                "with the same python that runs the script",
            )
        ],
    )
