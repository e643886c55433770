"""Advice on attention implementations."""

from __future__ import annotations

from .entry import Advice, advice, code, command
from .shared import SDPA

ADVICE = {
    "attention.eager-precision-drift": Advice(
        "Eager attention of the language model rounds the attention logits to bf16 (or fp16) "
        "before the fp32 softmax. Qwen2-VL and Qwen2.5-VL have a very large k_proj bias in "
        "their first and last layers, so this rounding destroys accuracy (ChartQA 81.6 -> 72.6; "
        "answers that ignore instructions or repeat). SDPA and FlashAttention-2 keep the "
        "product in fp32 (float32) inside the kernel. Not fixed up to transformers 5.23; "
        "updating does not help.",
        (
            SDPA,
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
            "The language model and the vision tower run different attention implementations. "
            "The damage comes from eager in the language model (bf16 rounding of the logits "
            "before the softmax, with a huge k_proj bias): LM eager + vision FlashAttention "
            "scored 0.0008 on ChartQA, the opposite mix 82.0. Eager in the vision tower is "
            "harmless."
        ),
        (
            code(
                'attn_implementation={"text_config": "sdpa", "vision_config": "flash_attention_2"}',
                "the language model must not be eager; keys are config attribute names",
                "safe",
            ),
            SDPA,
            advice("If maps are needed, compute QK^T of the language model in fp32."),
        ),
    ),
    "attention.vision-sdpa-precision": Advice(
        (
            "On transformers 4.49-4.53 the vision tower's SDPA path of Qwen2.5-VL (one dense "
            "mask over all windows) is imprecise: 36 % against 71 % with FlashAttention-2 in "
            "one benchmark. From 4.54 on attention is computed per window and image without a "
            "mask, and the gap is gone."
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
            "In fp16 (float16) the attention product or the activations pass 65504 and become "
            "inf, then NaN: the output is '!!!!', or the sampler says that the probability "
            "tensor contains inf or nan. Qwen models are trained in bf16 and need its range; "
            "eager + fp16 is the worst case (4.45-4.52 hid the inf and gave garbage, 4.53 and "
            "newer give NaN)."
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
    "attention.gqa-math-fallback": Advice(
        (
            "On GPUs below compute capability 8.0 (T4, V100, 2080 Ti) SDPA with enable_gqa=True "
            "(transformers 4.54 and newer, no mask) has no fused kernel: flash and cuDNN need "
            "SM80, the memory-efficient kernel rejects GQA, so the slow math backend runs and "
            "materialises the scores."
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
            "Qwen3.5 and Qwen4-Exp have linear-attention (gated delta) layers; without the "
            "packages flash-linear-attention (fla) and causal-conv1d they fall back to plain "
            "torch code, which is slow and uses more memory. The answers are right."
        ),
        (
            command(
                "python -m pip install flash-linear-attention causal-conv1d --no-build-isolation",
                "needs nvcc for causal-conv1d",
            ),
            advice(
                "Newer transformers can take both from the kernels hub: pip install kernels in "
                "the pinned range."
            ),
        ),
    ),
    "attention.sliding-window-ignored-config": Advice(
        (
            "config.sliding_window is applied by eager and sdpa on transformers 4.46-4.51 "
            "although use_sliding_window is false; FlashAttention ignores it. Beyond the window "
            "the implementations attend to different tokens. 4.45 and 4.52 and newer are right."
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
