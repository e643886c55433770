"""Advice on the flash-attn package."""

from __future__ import annotations

from .entry import Advice, advice, code, command
from .shared import SDPA

ADVICE = {
    "attention.flash-attn-abi-mismatch": Advice(
        (
            "The compiled flash-attn extension does not fit the installed torch: it was built "
            "for another torch release, CUDA, Python or C++ ABI (cxx11abi TRUE or FALSE). torch "
            "switched to the new ABI with 2.6 (cu126) and 2.7; a symbol ending in Ss wants the "
            "old ABI, one with __cxx1112basic_string the new ABI."
        ),
        (
            advice(
                "Install the prebuilt wheel whose name matches exactly: "
                "flash_attn-…+cu12torchX.Y cxx11abiTRUE/FALSE-cpNN, from the releases page of "
                "Dao-AILab/flash-attention."
            ),
            command(
                (
                    "python -m pip uninstall -y flash-attn && python -m pip install flash-attn "
                    "--no-build-isolation --no-cache-dir"
                ),
                "rebuild against the installed torch; needs nvcc",
            ),
            SDPA,
        ),
        (
            (
                'python -c "import torch; print(torch.__version__, torch.version.cuda, '
                'torch._C._GLIBCXX_USE_CXX11_ABI)"'
            ),
        ),
    ),
    "attention.flash-attn-build-isolation": Advice(
        (
            "flash-attn's setup.py imports torch (and packaging, wheel, ninja, psutil), which "
            "pip's isolated build environment does not have; building also needs nvcc and "
            "CUDA_HOME, that is a CUDA toolkit and a CUDA build of torch (a CPU-only torch "
            "cannot build it)."
        ),
        (
            command(
                (
                    "python -m pip install torch packaging wheel ninja psutil && MAX_JOBS=4 "
                    "python -m pip install flash-attn --no-build-isolation"
                ),
                "builds against the installed torch; needs the CUDA toolkit (nvcc, CUDA_HOME)",
            ),
            advice(
                "Or install a prebuilt wheel that matches torch, CUDA, Python and C++ ABI from "
                "the flash-attention releases page: no compiler needed."
            ),
            SDPA,
        ),
    ),
    "attention.flash-attn-unsupported-gpu": Advice(
        (
            "FlashAttention-2 needs compute capability 8.0 (Ampere) or newer; V100, T4, 2080 Ti "
            "and RTX 8000 (Volta, Turing) cannot run it (FlashAttention-3 needs Hopper, 9.0)."
        ),
        (
            code(
                'attn_implementation="sdpa"',
                (
                    "works on every GPU; with xformers where the framework offers it. eager "
                    "works too but costs memory and accuracy"
                ),
                "safe",
            ),
            code(
                "dtype=torch.float16", "these GPUs have no native bf16; watch for NaN, else float32"
            ),
        ),
    ),
    "attention.flash-attn-missing": Advice(
        (
            "flash_attention_2 was requested but the package flash-attn is not installed in the "
            "running environment."
        ),
        (
            SDPA,
            command(
                "pip install flash-attn --no-build-isolation",
                "needs nvcc and a CUDA build of torch, or a matching prebuilt wheel",
            ),
        ),
    ),
    "attention.flash-attn-too-old": Advice(
        (
            "The installed flash-attn is too old for this transformers: 2.1.0 is the floor for "
            "4.x, 2.3.3 for 5.x, and the argument 'deterministic' needs 2.4.1."
        ),
        (
            command(
                "python -m pip install -U flash-attn --no-build-isolation",
                "2.4.1 or newer; or a matching prebuilt wheel",
            ),
            SDPA,
        ),
    ),
    "attention.flash-attn-import-failed": Advice(
        "flash-attn is installed but cannot be imported.",
        (command("python -m pip install --force-reinstall flash-attn --no-build-isolation"), SDPA),
    ),
    "attention.flash-attn-wrong-results": Advice(
        (
            "The flash-attn build gives wrong results on this GPU: a wheel that lacks kernels "
            "for it, or a hub build with a known defect."
        ),
        (SDPA, command("python -m pip install -U flash-attn --no-build-isolation")),
        confidence="heuristic",
    ),
    "attention.flash-attention-needs-half-precision": Advice(
        (
            "FlashAttention only computes in fp16 and bf16, but the model was loaded in "
            "float32, because no dtype was given (transformers before 5.0 loads fp32 by "
            "default)."
        ),
        (
            code(
                (
                    "from_pretrained(path, dtype=torch.bfloat16, "
                    'attn_implementation="flash_attention_2")'
                ),
                (
                    'dtype=torch.bfloat16 or dtype="auto"; before 4.56 the keyword is '
                    "torch_dtype=torch.bfloat16"
                ),
                "safe",
            ),
        ),
    ),
    "attention.flash-attention-on-cpu": Advice(
        (
            "FlashAttention was requested but the model is on the CPU: no GPU is visible "
            "(CPU-only torch, no driver, CUDA_VISIBLE_DEVICES empty), or the model was not "
            "moved to one."
        ),
        (
            code(
                'from_pretrained(path, attn_implementation="sdpa")',
                "on a machine without GPU",
                "safe",
            ),
            code('device_map="cuda"', "with a GPU"),
            command(
                'python -c "import torch; print(torch.__version__, torch.cuda.is_available())"',
                "",
                "safe",
            ),
        ),
    ),
    "attention.flash-attention-3-slow-vision": Advice(
        (
            "With flash_attention_3 the vision tower of Qwen2.5-VL does not take the "
            "variable-length path in transformers 4.54-4.57: it loops over windows and is about "
            "three times slower than FlashAttention-2 (309 against 103 ms on an H100)."
        ),
        (
            code(
                (
                    'attn_implementation={"text_config": "flash_attention_3", "vision_config": '
                    '"flash_attention_2"}'
                ),
                "FlashAttention-2 for the vision tower",
                "safe",
            ),
            command(
                'python -m pip install -U "transformers>=5.0"',
                "there any flash name takes the varlen path",
            ),
        ),
        confidence="reported",
    ),
    "attention.flash-attention-broken-release": Advice(
        (
            "transformers 4.53.0 broke FlashAttention-2 for the vision towers of Qwen2-VL and "
            "Qwen2.5-VL (no attribute 'is_causal'; wrong argument names). Fixed in 4.53.1."
        ),
        (
            command(
                'python -m pip install -U "transformers>=4.53.1,!=4.54.*,!=4.55.*,!=4.56.*"',
                "4.53.1 or newer; 4.54-4.56 has another defect with padded batches",
            ),
            SDPA,
        ),
    ),
    "attention.hub-kernel-substituted": Advice(
        (
            "flash-attn is not installed, so transformers (4.57 and newer) silently took a "
            "kernel from the hub through the package kernels (kernels-community/flash-attn…). "
            "It needs network, its build changes without notice, and one build was announced as "
            "possibly inaccurate."
        ),
        (
            command(
                "python -m pip install flash-attn --no-build-isolation",
                "or a matching prebuilt wheel",
            ),
            SDPA,
            advice(
                "Or pin the kernel repository and revision, and the kernels release that this "
                "transformers wants."
            ),
        ),
    ),
}
