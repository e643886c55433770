"""Attention implementations: installation, ABI, hardware and numerical trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model import Computed
from ..rule import FOREIGN_ENGINES, OWN_KERNELS, Case, Hit, Rule

_A = "attention."
RULES: tuple[Rule, ...] = (
    # numerics
    Rule(
        _A + "eager-precision-drift",
        74,
        needs=("eager", "accuracy_drop|repeat|different_output|garbled"),
        unless=("lm_eager_vision_flash", "oom", "fp16"),
        numeric=True,
    ),
    Rule(
        _A + "eager-precision-drift",
        62,
        needs=("output_attentions", "accuracy_drop|different_output|repeat|garbled"),
        unless=("lm_eager_vision_flash", "oom", "fp16"),
        numeric=True,
    ),
    Rule(
        _A + "eager-precision-drift",
        64,
        needs=("eager", "accuracy_drop|repeat|different_output|garbled"),
        unless=("lm_eager_vision_flash", "oom", "nan", "bangs"),
        numeric=True,
    ),
    Rule(
        _A + "mixed-attention-implementations",
        80,
        needs=("lm_eager_vision_flash", "accuracy_drop|different_output|garbled|repeat"),
        unless=("oom",),
        numeric=True,
    ),
    Rule(
        _A + "mixed-attention-implementations",
        60,
        needs=("mixed_attention", "accuracy_drop|different_output|garbled", "eager"),
        unless=("oom",),
        numeric=True,
    ),
    Rule(
        _A + "vision-sdpa-precision",
        73,
        needs=(
            "sdpa",
            "accuracy_drop|different_output",
            "flash|vision_quantized|word:vision|word:visual|word:视觉",
        ),
        unless=("eager", "oom", "old_gpu", "gqa", "sliding"),
        numeric=True,
    ),
    Rule(
        _A + "vision-sdpa-precision",
        66,
        needs=(
            "flash",
            "accuracy_drop",
            "family:qwen2_5_vl",
            (
                "word:without flash|word:no flash|word:default|word:不用 flash|word:不开 flash|"
                "word:默认|word:没有 flash|word:关闭 flash"
            ),
        ),
        unless=("eager", "oom", "fp16", "bangs"),
        numeric=True,
    ),
    Rule(
        _A + "fp16-overflow",
        92,
        says=(
            "probability tensor contains either `inf`, `nan` or element < 0",
            "probability tensor contains either",
        ),
        unless=("word:vocab size mismatch", "other_model"),
    ),
    Rule(
        _A + "fp16-overflow",
        84,
        needs=("fp16", "bangs|nan"),
        unless=(
            (
                "word:with bf16 and with fp16|word:bf16 and fp16|word:fp16 and bf16|word:both "
                "dtypes|word:bf16 和 fp16 都"
            ),
            "kv_quant",
            "single_gpu_ok",
        ),
        numeric=True,
    ),
    Rule(
        _A + "fp16-overflow",
        74,
        needs=("fp16", "garbled"),
        unless=(
            "word:with bf16 and with fp16",
            "kv_quant",
            "single_gpu_ok",
            "vision_quantized",
            "awq",
        ),
        numeric=True,
    ),
    Rule(
        _A + "fp16-overflow",
        62,
        needs=("bangs", "qwen"),
        unless=("multi_gpu", "quantized", "kv_quant", "driver"),
        numeric=True,
    ),
    Rule(
        _A + "sliding-window-ignored-config",
        62,
        says=("Sliding Window Attention is enabled but not implemented for",),
        note=(
            "On 4.46-4.51 the window of the config is applied by eager and sdpa although "
            "use_sliding_window is off; 4.45 and 4.52+ are right."
        ),
    ),
    Rule(
        _A + "sliding-window-ignored-config",
        66,
        needs=("sliding", "accuracy_drop|different_output|garbled"),
        numeric=True,
    ),
    Rule(
        _A + "flash-attn-wrong-results",
        58,
        needs=(
            "flash",
            "qwen_vl",
            "blackwell|word:RTX 50|word:wrong results",
            "garbled|different_output|nan|accuracy_drop",
        ),
        unless=("eager", "sdpa", "fa3", "multi_gpu"),
        numeric=True,
    ),
    Rule(
        _A + "eager-precision-drift",
        54,
        needs=("eager", "qwen", "output_attentions|sdpa|flash", "trouble"),
        unless=("oom", "hang", "slow", "fp16", "word:error", "word:报错"),
        numeric=True,
    ),
    # installation
    Rule(
        _A + "flash-attn-build-isolation",
        93,
        says=(
            "pip install flash-attn … No module named 'torch'",
            "flash-attn … No module named 'torch'",
            "flash_attn … No module named 'torch'",
            "flash-attn … CUDA_HOME environment variable is not set",
            "flash_attn was requested, but nvcc was not found",
            "flash_attn … No module named 'packaging'",
            "flash-attn … No module named 'packaging'",
            "flash-attn … No module named 'wheel'",
            "flash-attn … No module named 'psutil'",
            "flash-attn … No module named 'ninja'",
            "Failed building wheel for flash-attn",
            "Failed to build flash-attn",
            "Failed building wheel for flash_attn",
            "error: invalid command 'bdist_wheel' … flash",
            "flash-attn … Getting requirements to build wheel did not run successfully",
            "FlashAttention is only supported on CUDA 11",
            "Building wheel for flash-attn … error",
            "Could not build wheels for flash-attn",
            "Failed to build `flash-attn",
            (
                "Failed to build installable wheels for some pyproject.toml based projects "
                "(flash-attn)"
            ),
            "Failed to build installable wheels for some pyproject.toml based projects … flash",
            "Getting requirements to build wheel … flash-attn",
            "metadata-generation-failed … flash-attn",
            "flash-attn … metadata-generation-failed",
        ),
    ),
    Rule(
        _A + "flash-attn-build-isolation",
        88,
        says=(
            "No module named 'torch'",
            "No module named 'packaging'",
            "CUDA_HOME environment variable is not set",
            "No module named 'psutil'",
            "Precompiled wheel not found. Building from source",
        ),
        needs=(
            "word:flash-attn|word:flash_attn|word:flashattention",
            "word:pip install|word:setup.py|word:build|word:uv |word:编译|word:安装",
        ),
    ),
    Rule(
        _A + "flash-attn-build-isolation",
        70,
        needs=(
            (
                "word:pip install flash-attn|word:pip install flash_attn|word:build flash|"
                "word:编译 flash|word:安装 flash|word:installing flash"
            ),
            (
                "word:no module named torch|word:ninja|word:nvcc|word:CUDA_HOME|word:hours|"
                "word:stuck|word:build isolation|word:编译|word:构建|word:找不到 torch|word:卡在|"
                "word:forever"
            ),
        ),
    ),
    Rule(
        _A + "flash-attn-missing",
        93,
        says=(
            "the package flash_attn seems to be not installed",
            "for FlashAttention2 doesn't seem to be installed",
            "for FlashAttention3 doesn't seem to be installed",
            "for FlashAttention4 doesn't seem to be installed",
            "has been toggled on, but it cannot be used due to the following error … not installed",
            "the package flash_attn_3 seems to be not installed",
            "Flash Attention 2 is not available",
            "not found in your environment: flash_attn",
            (
                "FlashAttention2 has been toggled on, but it cannot be used due to the "
                "following error: the package"
            ),
        ),
    ),
    Rule(
        _A + "flash-attn-too-old",
        94,
        says=(
            "flash_attn package version to be greater or equal than",
            "requires at least version `2.3.3`",
            "FlashAttention2 requires at least version",
            "flash_attn_func() got an unexpected keyword argument",
            "flash_attn_varlen_func() got an unexpected keyword argument",
            "need flash_attn package version",
            "cannot import name 'flash_attn_varlen_func' from 'flash_attn'",
            "_flash_attn_forward() got an unexpected keyword argument",
        ),
    ),
    Rule(
        _A + "flash-attention-broken-release",
        95,
        says=(
            "VisionAttention' object has no attribute 'is_causal'",
            "VLVisionAttention object has no attribute is_causal",
        ),
    ),
    Rule(
        _A + "flash-attention-broken-release",
        90,
        says=(
            "flash_attention_forward() … unexpected keyword argument 'cu_seqlens_q'",
            "flash_attention_forward() got multiple values for",
        ),
        needs=("qwen_vl",),
    ),
    Rule(
        _A + "flash-attention-broken-release",
        80,
        needs=("word:4.53.0", "flash", "word:is_causal|word:attributeerror"),
    ),
    Rule(
        _A + "flash-attn-unsupported-gpu",
        95,
        says=(
            "FlashAttention only supports Ampere GPUs or newer",
            "FlashAttention only support Ampere",
            "FlashAttention3 requires compute capability",
            "FlashAttention4 requires compute capability",
            "Flash Attention 3 requires compute capability",
            "FlashAttention forward only supports head dimension",
            "FlashAttention only supports Hopper",
        ),
    ),
    Rule(
        _A + "flash-attn-unsupported-gpu",
        70,
        needs=(
            "flash",
            "old_gpu|cuda_cap_7",
            (
                "word:not support|word:unsupported|word:ampere|word:不支持|word:cannot use|"
                "word:can't use|word:用不了|word:无法使用|word:报错"
            ),
        ),
        unless=("oom", "slow", "garbled", "nan"),
    ),
    Rule(
        _A + "flash-attention-needs-half-precision",
        84,
        says=(
            "only supports torch.float16 and torch.bfloat16 dtypes, but the current dype",
            "only supports torch.float16 and torch.bfloat16 dtypes",
            "Flash Attention 2 without specifying a torch dtype",
            "Flash Attention 2.0 without specifying a torch dtype",
            "Flash Attention 3 without specifying a torch dtype",
            "FlashAttention only support fp16 and bf16 data type",
            "FlashAttention only supports fp16, bf16",
        ),
    ),
    Rule(
        _A + "flash-attention-on-cpu",
        90,
        says=(
            "not initialized on GPU and with no GPU available",
            "Flash Attention 2 is not available on CPU",
            "with a model not initialized on GPU and with no",
        ),
    ),
    Rule(
        _A + "flash-attention-on-cpu",
        66,
        says=(
            "with a model not initialized on GPU. Make sure to move the model to GPU",
            "Flash Attention 2.0 with a model not initialized on GPU",
            "Flash Attention 2 with a model not initialized on GPU",
        ),
    ),
    Rule(_A + "flash-attention-3-slow-vision", 82, needs=("fa3", "slow"), unless=("oom",)),
    Rule(
        _A + "flash-attention-3-slow-vision",
        76,
        needs=("fa3", "word:vision|word:visual|word:vit|word:视觉", "timing"),
        unless=("oom",),
    ),
    Rule(
        _A + "hub-kernel-substituted",
        78,
        says=(
            "You do not have `flash_attn` installed, using … from the `kernels` library instead",
        ),
    ),
    Rule(
        _A + "hub-kernel-substituted",
        66,
        needs=(
            "word:kernels-community|word:kernels library|word:hub kernel",
            "accuracy_drop|different_output|garbled|slow|network|flash",
        ),
    ),
    # speed
    Rule(
        _A + "gqa-math-fallback",
        82,
        needs=("gqa", "old_gpu|cuda_cap_7|sdpa", "slow|oom|word:math"),
        unless=("eager",),
        numeric=True,
    ),
    Rule(
        _A + "gqa-math-fallback",
        68,
        needs=("sdpa", "old_gpu|cuda_cap_7", "slow|oom"),
        unless=("eager", "conv3d"),
        numeric=True,
    ),
    Rule(
        _A + "linear-attention-fallback",
        88,
        says=(
            "The fast path is not available because one of the required library is not installed",
        ),
        needs=("qwen|lm_accelerated",),
        unless=("word:mamba",),
    ),
    Rule(
        _A + "linear-attention-fallback",
        74,
        needs=("family:qwen3_5|family:qwen3_5_moe|family:qwen4_exp", "lm_accelerated|slow"),
        unless=("conv3d", "eager"),
    ),
    Rule(
        _A + "linear-attention-fallback",
        70,
        needs=(
            "lm_accelerated",
            "qwen",
            "slow|oom|word:fallback|word:not installed|word:fast path|word:torch implementation",
        ),
    ),
)

_SYMBOL = re.compile(r"undefined symbol:?\s{0,3}([\w ]{4,300})")
_FLASH_FILE = re.compile(r"flash[_ ]?attn\w{0,20}|flash_attn_2_cuda|flash_attn_3_cuda")
_LIBRARY = re.compile(
    r"(libcudart\.so\.\d{1,2}|libc10_cuda\.so|libc10\.so|libtorch\w{0,10}\.so|"
    r"glibc(?:xx)?_[\d.]{3,8})"
)


def undefined_symbol(case: Case) -> Iterator[Hit]:
    """What C++ ABI a symbol that flash-attn cannot resolve was compiled for."""
    low = case.page.low
    if "flash" not in low:
        return
    for match in list(_SYMBOL.finditer(low))[-3:]:
        before = low[max(0, match.start() - 400) : match.start()]
        sure = _FLASH_FILE.search(before) is not None
        if not sure and (
            ".so" in before
            or "_zn" not in match.group(1)
            or case.clues.concept_line("flash") is None
        ):
            continue
        symbol = match.group(1).split("\n")[0].strip().replace(" ", "")
        line = case.page.line_at(match.start())
        wanted, note = _abi(symbol)
        computed: dict[str, Computed] = {"symbol": symbol, "abi_wanted": wanted}
        yield Hit("attention.flash-attn-abi-mismatch", 95 if sure else 84, [line], computed, [note])
    if re.search(r"flash_attn_\d?_?cuda", low):
        missing = _LIBRARY.search(low)
        if missing and ("cannot open shared object" in low or "not found (required by" in low):
            line = case.page.line_at(missing.start())
            yield Hit(
                "attention.flash-attn-abi-mismatch",
                90,
                [line],
                {"library": missing.group(1)},
                ["The wheel was built for another CUDA, torch or glibc than the one installed."],
            )
        windows = case.page.says("DLL load failed while importing flash_attn_2_cuda")
        if windows is not None:
            yield Hit("attention.flash-attn-abi-mismatch", 92, [windows])


def _abi(symbol: str) -> tuple[str, str]:
    if "cxx1112basic_string" in symbol or "__cxx11" in symbol:
        return (
            "new (cxx11abi TRUE)",
            (
                "The symbol uses std::__cxx11::basic_string: the wheel was built with "
                "cxx11abiTRUE (new C++ ABI), the installed torch has the old ABI."
            ),
        )
    if re.search(r"(?:locationess|ss|ess|ssb|rkss)$", symbol) or "erkss" in symbol:
        return (
            "old (cxx11abi FALSE)",
            (
                "The symbol takes the old std::string (mangled Ss): the wheel was built with "
                "cxx11abiFALSE (old C++ ABI), the installed torch has the new ABI (as every "
                "torch from 2.7 on)."
            ),
        )
    return (
        "none in the name: another torch release",
        (
            "The symbol carries no string type, so its name does not tell the ABI flag: "
            "the wheel was compiled against another torch release than the one installed."
        ),
    )


def drop_by_numbers(case: Case) -> Iterator[Hit]:
    """Benchmarks that compare attention implementations without a word for 'worse'."""
    clues = case.clues
    if clues.engine in FOREIGN_ENGINES | OWN_KERNELS or clues.other_model:
        return
    line = clues.concept_line("eager")
    if (
        line is not None
        and clues.concept("flash")
        and not clues.concept("lm_eager_vision_flash")
        and not clues.concept("oom")
    ):
        numbers = re.findall(r"(?<![\d.])\d{1,2}\.\d{1,4}(?![\d.])|\d{1,3} ?%", clues.prose)
        if len(numbers) >= 2 and clues.qwen:
            yield Hit("attention.eager-precision-drift", 66, [line], by_message=False)


DETECTORS = (undefined_symbol, drop_by_numbers)
