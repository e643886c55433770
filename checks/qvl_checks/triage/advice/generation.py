"""Advice on generation."""

from __future__ import annotations

from .entry import Advice, advice, code, command

ADVICE = {
    "generation.padding-side": Advice(
        (
            "Batched generation needs left padding: with padding on the right the model "
            "continues after pad tokens and answers are empty or wrong. FlashAttention raised "
            "an error up to transformers 4.52; from 4.53 on generate() only warns. The "
            "tokenizers of Qwen2.5-VL pad right by default."
        ),
        (
            code(
                'processor.tokenizer.padding_side = "left"',
                "padding_side='left' before the processor is called",
                "safe",
            ),
            code('AutoProcessor.from_pretrained(path, padding_side="left")', "", "safe"),
        ),
    ),
    "generation.endless-repetition": Advice(
        (
            "The answer degenerates into repetition. First exclude numeric causes (eager "
            "attention, fp16, wrong position ids of 4.54-4.56, a quantised vision tower or "
            "cache); then it is decoding: use the checkpoint's generation_config (temperature, "
            "top_p, top_k, repetition_penalty). A high repetition_penalty hurts tables and OCR."
        ),
        (
            code(
                "model.generate(**inputs, max_new_tokens=1024, repetition_penalty=1.05)",
                "small values; presence_penalty in vLLM",
            ),
            advice(
                "Check that the framework applies generation_config.json of the checkpoint, and "
                "stop on repeated n-grams."
            ),
            code('attn_implementation="sdpa"', "instead of eager", "safe"),
        ),
        confidence="heuristic",
    ),
    "generation.stale-rope-deltas": Advice(
        (
            "model.rope_deltas of an earlier call is used again: when generate() or forward is "
            "called several times on one model (or with a reused cache), decode positions come "
            "from the previous prompt."
        ),
        (
            code(
                "model.model.rope_deltas = None",
                "before every new prompt (model.rope_deltas before 4.52)",
                "safe",
            ),
            command(
                "python -m pip install -U transformers",
                "fixed by transformers#43952 (February 2026)",
            ),
        ),
        confidence="reported",
    ),
    "generation.prompt-decoded-with-answer": Advice(
        (
            "generate() returns prompt and answer together; decoding it all prints the prompt "
            "(system, user, image tokens) before the answer."
        ),
        (
            code(
                (
                    "trimmed = [out[len(ids):] for ids, out in zip(inputs.input_ids, "
                    "generated)]; processor.batch_decode(trimmed, skip_special_tokens=True)"
                ),
                "cut off input_ids first",
                "safe",
            ),
        ),
    ),
    "generation.forward-without-inference-mode": Advice(
        (
            "A manual forward pass outside torch.inference_mode() (or no_grad) keeps every "
            "activation for a backward pass that never comes; kept outputs pile up. generate() "
            "has its own no_grad."
        ),
        (
            code(
                "with torch.inference_mode(): outputs = model(**inputs)",
                "or torch.no_grad()",
                "safe",
            ),
            code("loss = outputs.loss.item(); del outputs", "keep numbers, not tensors", "safe"),
        ),
    ),
}
