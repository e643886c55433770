"""Advice on checkpoints, their files and classes."""

from __future__ import annotations

from .entry import Advice, advice, code, command, setting

ADVICE = {
    "checkpoint.wrong-auto-class": Advice(
        (
            "The auto class does not map this configuration: AutoModelForCausalLM refuses "
            "Qwen2-VL, Qwen2.5-VL and Qwen3-VL because they are image-text-to-text models."
        ),
        (
            code(
                "AutoModelForImageTextToText.from_pretrained(path)",
                "transformers 4.46 or newer; or the concrete …ForConditionalGeneration class",
                "safe",
            ),
        ),
    ),
    "checkpoint.wrong-model-class": Advice(
        (
            "The class belongs to another family than the checkpoint. Some pairs fail at once "
            "(missing config fields, size mismatch in visual.*), others load with random "
            "weights and only warn. Classes: Qwen2VLForConditionalGeneration for Qwen2-VL, "
            "Qwen2_5_VLForConditionalGeneration for Qwen2.5-VL, Qwen3VLForConditionalGeneration "
            "for Qwen3-VL."
        ),
        (
            code(
                "AutoModelForImageTextToText.from_pretrained(path)",
                "picks the class from config.model_type",
                "safe",
            ),
        ),
    ),
    "checkpoint.adapter-keys-unmatched": Advice(
        (
            "The adapter's keys do not match the model's module names, so the LoRA weights are "
            "not applied (missing and unexpected keys are only a warning). transformers 4.52 "
            "moved model.layers to model.language_model.layers and visual to model.visual, and "
            "5.x moved again."
        ),
        (
            advice(
                "Load it with the transformers release it was trained with (before 4.52, or "
                "after), and merge it there."
            ),
            command("python -m pip install -U peft transformers", "newer ones have a key mapping"),
            code(
                (
                    '{k.replace("model.model.layers", "model.model.language_model.layers"): v '
                    "for k, v in state.items()}"
                ),
                "re-key (rename) the adapter file",
            ),
        ),
        (
            (
                "Compare the adapter's keys with dict(model.named_modules()) and the output "
                "with and without the adapter."
            ),
        ),
    ),
    "checkpoint.output-head-mismatch": Advice(
        (
            "lm_head.weight is not in the checkpoint while the config says that it is not tied, "
            "so the language head was initialised at random (or the other way round). "
            "tie_word_embeddings in config.json (top level and text_config) has to agree with "
            "the files."
        ),
        (
            setting(
                '"tie_word_embeddings": true',
                (
                    "for 2B, 3B, 4B checkpoints whose head shares the embedding; for 7B and "
                    "larger restore lm_head.weight"
                ),
                "review",
            ),
            code("model.tie_weights()", "after loading, if the head is tied"),
            advice(
                "Download the shard that holds lm_head.weight again, or save the fine-tune with "
                "the head."
            ),
        ),
    ),
    "checkpoint.chat-template-missing": Advice(
        (
            "The checkpoint has no chat template for its processor: chat_template.json or "
            "chat_template.jinja was not saved with the fine-tune (or it is only in "
            "tokenizer_config.json)."
        ),
        (
            command(
                "cp BASE/chat_template.json BASE/chat_template.jinja CHECKPOINT/",
                "whichever file the base model has",
                "safe",
            ),
            code(
                "processor = AutoProcessor.from_pretrained(BASE_MODEL)",
                "the processor of the base model",
                "safe",
            ),
        ),
    ),
    "checkpoint.checkpoint-damaged": Advice(
        (
            "A weight file is not whole: a truncated (incomplete) shard from an interrupted "
            "download, a missing shard, or a git-lfs pointer of some 135 bytes instead of the "
            "file. 'header too large' is an LFS pointer read as weights, 'header too small' an "
            "empty file, 'incomplete metadata' or 'MetadataIncompleteBuffer' a cut-off file "
            "(文件不完整, 重新下载)."
        ),
        (
            command(
                "hf download Qwen/MODEL --local-dir CHECKPOINT",
                "download the file again; delete *.incomplete first",
            ),
            command(
                "git lfs install && git lfs pull",
                "in a git clone: fetches the real files for LFS pointers",
            ),
        ),
        ("Compare the sizes of all shards with model.safetensors.index.json.",),
    ),
    "checkpoint.model-files-unreachable": Advice(
        (
            "The model's files cannot be reached: no network or proxy to the hub, offline mode, "
            "a wrong name or path, a gated repository, no permission for the cache or no space "
            "left on the disk."
        ),
        (
            setting(
                "HF_ENDPOINT=https://hf-mirror.com", "a mirror, where huggingface.co is blocked"
            ),
            command(
                "hf download Qwen/Qwen2.5-VL-7B-Instruct --local-dir ./model",
                "on a machine with network; then load the folder",
            ),
            setting("HF_HUB_OFFLINE=1", "when the files are in the cache"),
            advice("Check free disk space, HF_HOME and the spelling of the path."),
        ),
    ),
    "checkpoint.rope-scaling-warning": Advice(
        (
            "Harmless: the generic rope check does not know the key mrope_section of Qwen-VL. "
            "Position ids and answers are not affected; ignore it."
        ),
        (advice("Ignore the warning; newer releases do not print it."),),
    ),
    "checkpoint.vision-tower-quantized": Advice(
        (
            "The vision tower was quantised together with the language model. It does not "
            "survive 4 bits (nonsense answers), and loaders that keep it in half precision "
            "cannot find its weights (visual.blocks…)."
        ),
        (
            code(
                (
                    'BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=["visual", '
                    '"merger", "lm_head"])'
                ),
                "skip visual, merger and lm_head; modules_to_not_convert in other quantisers",
                "safe",
            ),
        ),
        confidence="reported",
    ),
    "checkpoint.awq-garbled": Advice(
        (
            "AWQ checkpoints of Qwen2.5-VL give garbled text since transformers 4.50 "
            "(lm_head.weight is reported as not used). The cause is not established; GPTQModel "
            "reports it cured with 4.52 and newer."
        ),
        (
            command(
                'python -m pip install "transformers==4.49.0"',
                "the last release reported good; or 4.52 and newer with gptqmodel",
            ),
            advice("Serve the AWQ checkpoint with vLLM, or use the bf16 checkpoint."),
        ),
        confidence="reported",
    ),
    "checkpoint.int4-nan-on-old-gpu": Advice(
        (
            "Int4 checkpoints (Qwen-VL-Chat-Int4, GPTQ) compute in bf16 or fp16 around the int4 "
            "weights; on V100 and T4, which have no native bf16, this ends in NaN or garbage."
        ),
        (
            code("from_pretrained(path, fp16=True)", "float16 instead of bf16 on Volta and Turing"),
            advice(
                "Use a GPU of compute capability 8.0 or newer, or the unquantised model in float32."
            ),
        ),
        confidence="reported",
    ),
    "checkpoint.fp8-checkpoint-unsupported": Advice(
        (
            "FP8 checkpoints (Qwen3-VL-…-FP8) are made for vLLM and SGLang; in transformers "
            "they need a GPU of compute capability 8.9 or newer (4090, L40, H100) and a release "
            "with fine-grained FP8, else loading fails."
        ),
        (
            command("vllm serve Qwen/Qwen3-VL-8B-Instruct-FP8", "vLLM or SGLang serve it"),
            code(
                'from_pretrained("Qwen/Qwen3-VL-8B-Instruct", dtype=torch.bfloat16)',
                "the bf16 checkpoint in transformers",
                "safe",
            ),
        ),
    ),
}
