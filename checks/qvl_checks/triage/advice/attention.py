"""Advice on attention implementations."""

from __future__ import annotations

from .entry import Advice, advice, code, command

_SDPA = code(
    'from_pretrained(path, attn_implementation="sdpa", dtype=torch.bfloat16)',
    "no extra package; fused and O(S) in memory on transformers 4.54 and newer",
    "safe",
)

ADVICE = {
    "attention.eager-precision-drift": Advice(
        "Eager attention of the language model rounds the attention logits to bf16 "
        "(or fp16) before the fp32 softmax. Qwen2-VL and Qwen2.5-VL have a very large "
        "k_proj bias in their first and last layers, so this rounding destroys "
        "accuracy "
        "(ChartQA 81.6 -> 72.6; answers that ignore instructions or repeat). SDPA and "
        "FlashAttention-2 keep the product in fp32 (float32) inside the kernel. Not "
        "fixed up to transformers 5.23; updating does not help.",
        (
            _SDPA,
            code('attn_implementation="flash_attention_2"', "equally precise"),
            advice(
                "If attention maps are needed: register an attention function that computes "
                "q.float() @ k.float().transpose(...), fp32 for that product only; do not run "
                "the whole model in fp32."
            ),
        ),
        ("Compare next-token logits of eager and sdpa on one prompt (top-1 agreement, KL).",),
    ),
    "attention.mixed-attention-implementations": Advice(
        (
            "The language model and the vision tower run different attention "
            "implementations. The damage comes from eager in the language model (bf16 "
            "rounding of the logits before the softmax, with a huge k_proj bias): LM "
            "eager + vision FlashAttention scored 0.0008 on ChartQA, the opposite mix "
            "82.0. Eager in the vision tower is harmless."
        ),
        (
            code(
                'attn_implementation={"text_config": "sdpa", "vision_config": "flash_attention_2"}',
                "the language model must not be eager; keys are config attribute names",
                "safe",
            ),
            _SDPA,
            advice("If maps are needed, compute QK^T of the language model in fp32."),
        ),
    ),
    "attention.vision-sdpa-precision": Advice(
        (
            "On transformers 4.49-4.53 the vision tower's SDPA path of Qwen2.5-VL (one "
            "dense mask over all windows) is imprecise: 36 % against 71 % with "
            "FlashAttention-2 in one benchmark. From 4.54 on attention is computed per "
            "window and image without a mask, and the gap is gone."
        ),
        (
            command(
                'python -m pip install -U "transformers>=4.54"',
                (
                    "per-chunk vision attention; take 4.57 or newer, because 4.54-4.56 has a "
                    "defect with padded batches"
                ),
            ),
            code('attn_implementation="flash_attention_2"', "also precise on the old releases"),
        ),
        confidence="reported",
    ),
    "attention.fp16-overflow": Advice(
        (
            "In fp16 (float16) the attention product or the activations pass 65504 and "
            "become inf, then NaN: the output is '!!!!', or the sampler says that the "
            "probability tensor contains inf or nan. Qwen models are trained in bf16 and "
            "need its range; eager + fp16 is the worst case (4.45-4.52 hid the inf and "
            "gave garbage, 4.53 and newer give NaN)."
        ),
        (
            code(
                "from_pretrained(path, dtype=torch.bfloat16)",
                (
                    "bf16 (bfloat16) on compute capability 8.0 or newer; on transformers before "
                    "4.56 the keyword is torch_dtype"
                ),
                "safe",
            ),
            code(
                'attn_implementation="sdpa"', "on V100, T4, 2080 Ti: float16 with sdpa, or float32"
            ),
            code("dtype=torch.float32", "last resort on old GPUs, twice the memory"),
        ),
        ("Hook the layers and count inf and NaN on one prompt.",),
    ),
    "attention.flash-attn-abi-mismatch": Advice(
        (
            "The compiled flash-attn extension does not fit the installed torch: it was "
            "built for another torch release, CUDA, Python or C++ ABI (cxx11abi TRUE or "
            "FALSE). torch switched to the new ABI with 2.6 (cu126) and 2.7; a symbol "
            "ending in Ss wants the old ABI, one with __cxx1112basic_string the new ABI."
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
            _SDPA,
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
            "flash-attn's setup.py imports torch (and packaging, wheel, ninja, psutil), "
            "which pip's isolated build environment does not have; building also needs "
            "nvcc and CUDA_HOME, that is a CUDA toolkit and a CUDA build of torch (a "
            "CPU-only torch cannot build it)."
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
                "Or install a prebuilt wheel that matches torch, CUDA, Python and C++ ABI "
                "from the flash-attention releases page: no compiler needed."
            ),
            _SDPA,
        ),
    ),
    "attention.flash-attn-unsupported-gpu": Advice(
        (
            "FlashAttention-2 needs compute capability 8.0 (Ampere) or newer; V100, T4, "
            "2080 Ti and RTX 8000 (Volta, Turing) cannot run it (FlashAttention-3 needs "
            "Hopper, 9.0)."
        ),
        (
            code(
                'attn_implementation="sdpa"',
                (
                    "works on every GPU; with xformers where the framework offers it. eager works "
                    "too but costs memory and accuracy"
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
            "flash_attention_2 was requested but the package flash-attn is not installed "
            "in the running environment."
        ),
        (
            _SDPA,
            command(
                "pip install flash-attn --no-build-isolation",
                "needs nvcc and a CUDA build of torch, or a matching prebuilt wheel",
            ),
        ),
    ),
    "attention.flash-attn-too-old": Advice(
        (
            "The installed flash-attn is too old for this transformers: 2.1.0 is the "
            "floor for 4.x, 2.3.3 for 5.x, and the argument 'deterministic' needs 2.4.1."
        ),
        (
            command(
                "python -m pip install -U flash-attn --no-build-isolation",
                "2.4.1 or newer; or a matching prebuilt wheel",
            ),
            _SDPA,
        ),
    ),
    "attention.flash-attn-import-failed": Advice(
        "flash-attn is installed but cannot be imported.",
        (command("python -m pip install --force-reinstall flash-attn --no-build-isolation"), _SDPA),
    ),
    "attention.flash-attn-wrong-results": Advice(
        (
            "The flash-attn build gives wrong results on this GPU: a wheel that lacks "
            "kernels for it, or a hub build with a known defect."
        ),
        (_SDPA, command("python -m pip install -U flash-attn --no-build-isolation")),
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
            "(CPU-only torch, no driver, CUDA_VISIBLE_DEVICES empty), or the model was "
            "not moved to one."
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
            "variable-length path in transformers 4.54-4.57: it loops over windows and is "
            "about three times slower than FlashAttention-2 (309 against 103 ms on an "
            "H100)."
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
            "transformers 4.53.0 broke FlashAttention-2 for the vision towers of Qwen2-VL "
            "and Qwen2.5-VL (no attribute 'is_causal'; wrong argument names). Fixed in "
            "4.53.1."
        ),
        (
            command(
                'python -m pip install -U "transformers>=4.53.1,!=4.54.*,!=4.55.*,!=4.56.*"',
                "4.53.1 or newer; 4.54-4.56 has another defect with padded batches",
            ),
            _SDPA,
        ),
    ),
    "attention.hub-kernel-substituted": Advice(
        (
            "flash-attn is not installed, so transformers (4.57 and newer) silently took "
            "a kernel from the hub through the package kernels "
            "(kernels-community/flash-attn…). It needs network, its build changes without "
            "notice, and one build was announced as possibly inaccurate."
        ),
        (
            command(
                "python -m pip install flash-attn --no-build-isolation",
                "or a matching prebuilt wheel",
            ),
            _SDPA,
            advice(
                "Or pin the kernel repository and revision, and the kernels release that this "
                "transformers wants."
            ),
        ),
    ),
    "attention.gqa-math-fallback": Advice(
        (
            "On GPUs below compute capability 8.0 (T4, V100, 2080 Ti) SDPA with "
            "enable_gqa=True (transformers 4.54 and newer, no mask) has no fused kernel: "
            "flash and cuDNN need SM80, the memory-efficient kernel rejects GQA, so the "
            "slow math backend runs and materialises the scores."
        ),
        (
            advice(
                "Force repeat_kv: patch "
                "transformers.integrations.sdpa_attention.use_gqa_in_sdpa to return False "
                "(1.6-1.8 times faster on T4)."
            ),
            command(
                'python -m pip install "transformers<4.54"', "where the model allows it", "risky"
            ),
        ),
        confidence="reported",
    ),
    "attention.linear-attention-fallback": Advice(
        (
            "Qwen3.5 and Qwen4-Exp have linear-attention (gated delta) layers; without "
            "the packages flash-linear-attention (fla) and causal-conv1d they fall back "
            "to plain torch code, which is slow and uses more memory. The answers are "
            "right."
        ),
        (
            command(
                "python -m pip install flash-linear-attention causal-conv1d --no-build-isolation",
                "needs nvcc for causal-conv1d",
            ),
            advice(
                "Newer transformers can take both from the kernels hub: pip install kernels "
                "in the pinned range."
            ),
        ),
    ),
    "attention.sliding-window-ignored-config": Advice(
        (
            "config.sliding_window is applied by eager and sdpa on transformers 4.46-4.51 "
            "although use_sliding_window is false; FlashAttention ignores it. Beyond the "
            "window the implementations attend to different tokens. 4.45 and 4.52 and "
            "newer are right."
        ),
        (
            command('python -m pip install -U "transformers>=4.57"'),
            advice(
                "The warning alone is harmless for prompts shorter than the window (32768 "
                "tokens in the published configs)."
            ),
        ),
    ),
}
