"""Environment variables that decide how torch, transformers and CUDA behave, and nothing else.

Runs in the target: standard library only, Python 3.9. What is recorded is an allow-list; a value
that could be a secret is never recorded, even under an allowed name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from qvl_checks.host.guarded import valid

NAMES = frozenset(
    {
        "CONDA_DEFAULT_ENV",
        "CONDA_PREFIX",
        "CUBLAS_WORKSPACE_CONFIG",
        "CUDA_DEVICE_ORDER",
        "CUDA_HOME",
        "CUDA_LAUNCH_BLOCKING",
        "CUDA_MODULE_LOADING",
        "CUDA_PATH",
        "CUDA_VISIBLE_DEVICES",
        "DISABLE_KERNEL_MAPPING",
        "FLASH_ATTENTION_SKIP_CUDA_BUILD",
        "FORCE_QWENVL_VIDEO_READER",
        "HF_DATASETS_OFFLINE",
        "HF_ENDPOINT",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_DISABLE_XET",
        "HF_HUB_ENABLE_HF_TRANSFER",
        "HIP_VISIBLE_DEVICES",
        "HUGGINGFACE_HUB_CACHE",
        "KMP_DUPLICATE_LIB_OK",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LOCAL_RANK",
        "MAX_PIXELS",
        "MIN_PIXELS",
        "MKL_NUM_THREADS",
        "NVIDIA_DRIVER_CAPABILITIES",
        "NVIDIA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTORCH_ALLOC_CONF",
        "PYTORCH_CUDA_ALLOC_CONF",
        "PYTORCH_ENABLE_MPS_FALLBACK",
        "PYTORCH_NO_CUDA_MEMORY_CACHING",
        "PYTORCH_NVML_BASED_CUDA_CHECK",
        "RANK",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "TORCH_CUDA_ARCH_LIST",
        "USE_HUB_KERNELS",
        "VIDEO_MAX_PIXELS",
        "VIRTUAL_ENV",
        "WORLD_SIZE",
    }
)
PREFIXES = ("NCCL_", "TRANSFORMERS_", "TORCHDYNAMO_", "TORCHINDUCTOR_", "FLASH_ATTENTION_")
PRESENCE_ONLY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Matter for downloads; their values often hold passwords, so only that they are set is kept."""
SET_BY_THE_DOCTOR = frozenset(
    {
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_HUB_DISABLE_TELEMETRY",
        "TOKENIZERS_PARALLELISM",
        "PYTORCH_NVML_BASED_CUDA_CHECK",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
    }
)
"""The doctor overwrites these for every child (nothing is downloaded, nothing is written beside
the packages), so the child cannot know what the user had; they are listed without a value."""

WITHHELD = "(set; the value could hold a secret and is not recorded)"
VALUE_LIMIT = 2000
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|AUTH|COOKIE", re.IGNORECASE)
SECRET_VALUE = re.compile(
    r"""hf_[A-Za-z0-9]{16,} | gh[pousr]_[A-Za-z0-9]{16,} | sk-[A-Za-z0-9_-]{16,}
      | AKIA[0-9A-Z]{12,} | eyJ[A-Za-z0-9_-]{10,}\. | ://[^/\s@]+@ | -----BEGIN
      | (?:token|secret|passw\w*|api_?key)["']?\s*[:=]""",
    re.VERBOSE | re.IGNORECASE,
)


def relevant(environment: Mapping[str, str]) -> dict[str, str]:
    """Name -> value of the allowed variables that are set, sorted by name."""
    kept = {}
    for name in sorted(environment):
        if name in SET_BY_THE_DOCTOR:
            continue
        if name in NAMES or name.startswith(PREFIXES):
            kept[name] = recordable(name, environment[name])
        elif name.upper() in PRESENCE_ONLY:
            kept[name] = WITHHELD
    return kept


def recordable(name: str, value: str) -> str:
    """The value, bounded and as valid Unicode, or a note in its place."""
    if SECRET_NAME.search(name) or SECRET_VALUE.search(value):
        return WITHHELD
    return valid(value[:VALUE_LIMIT])
