"""Checkpoints: classes that do not match, files that are damaged or out of reach, adapters,
quantisation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..knowledge import knowledge
from ..model import Computed
from ..page import fold
from ..rule import FOREIGN_ENGINES, Case, Hit, Rule

_C = "checkpoint."
RULES: tuple[Rule, ...] = (
    Rule(
        _C + "wrong-model-class",
        86,
        says=("size mismatch for visual", "size mismatch for model.visual"),
        needs=("qwen_vl|word:ForConditionalGeneration",),
    ),
    Rule(
        _C + "wrong-model-class",
        70,
        says=(
            "q_proj.bias … newly initialized",
            "newly initialized … q_proj.bias",
            "visual.blocks … newly initialized",
        ),
        needs=("qwen_vl",),
    ),
    Rule(
        _C + "wrong-model-class",
        80,
        says=(
            "thus raising an error. For details look at the above report",
            "You set `ignore_mismatched_sizes` to `False`",
        ),
        needs=("qwen_vl",),
    ),
    Rule(
        _C + "wrong-model-class",
        78,
        says=(
            "model.visual … | MISSING",
            "visual.blocks … | MISSING",
            "visual.merger … | MISSING",
            "visual … | MISMATCH",
            "self_attn.q_norm.weight | MISSING",
            "self_attn.q_proj.bias | MISSING",
        ),
        needs=("word:load report|word:newly initialized|qwen_vl",),
        unless=("lora",),
    ),
    Rule(
        _C + "adapter-keys-unmatched",
        92,
        says=("Found missing adapter keys while loading the checkpoint",),
    ),
    Rule(
        _C + "adapter-keys-unmatched",
        84,
        says=(
            "Target modules … not found in the base model",
            "lora_A … UNEXPECTED",
            "lora_A … MISSING",
            "lora_B … MISSING",
            "Unexpected key(s) … lora",
            "unexpected keys … lora_A",
            "missing keys … lora_A",
        ),
        needs=("qwen|lora",),
    ),
    Rule(_C + "adapter-keys-unmatched", 74, needs=("lora", "same_as_base"), unless=("oom",)),
    Rule(
        _C + "adapter-keys-unmatched",
        70,
        needs=("lora", "rekey", "qwen|word:transformers"),
        unless=("oom",),
    ),
    Rule(
        _C + "output-head-mismatch",
        88,
        says=(
            "lm_head.weight | MISSING",
            "newly initialized: ['lm_head.weight']",
            "not initialized from the model checkpoint … lm_head.weight",
            "Missing lm_head.weight",
            "lm_head.weight … newly initialized",
            "missing keys … lm_head.weight",
            'Missing key(s) in state_dict: "lm_head.weight"',
        ),
        unless=("awq",),
    ),
    Rule(
        _C + "output-head-mismatch",
        74,
        needs=(
            "word:tie_word_embeddings",
            "garbled|word:missing|word:lm_head|accuracy_drop|repeat",
        ),
    ),
    Rule(
        _C + "chat-template-missing",
        95,
        says=(
            "No chat template is set for this processor",
            "this processor does not have a chat template",
            "Cannot use apply_chat_template",
            "Cannot use chat template functions because tokenizer.chat_template is not set",
            "does not have a chat template. ",
            "chat_template is not set and no template argument",
            "没有 chat template",
            "没有 chat_template",
        ),
    ),
    Rule(
        _C + "chat-template-missing",
        70,
        needs=(
            "word:chat_template|word:chat template|word:对话模板",
            (
                "word:missing|word:not set|word:no chat|word:lacks|word:without|word:缺|"
                "word:没有|word:找不到"
            ),
        ),
    ),
    Rule(
        _C + "checkpoint-damaged",
        95,
        says=(
            "Error while deserializing header",
            "MetadataIncompleteBuffer",
            "HeaderTooLarge",
            "HeaderTooSmall",
            "InvalidHeaderDeserialization",
            "InvalidHeaderLength",
            "incomplete metadata, file not fully covered",
        ),
    ),
    Rule(
        _C + "checkpoint-damaged",
        88,
        says=("safetensors?download=true", "json?download=true"),
        needs=("qwen|garbled|bangs|word:权重|word:weight|word:checkpoint",),
        note=(
            "A file kept the query of its link in its name (?download=true): under that name the "
            "loader does not find it."
        ),
    ),
    Rule(
        _C + "checkpoint-damaged",
        93,
        says=("version https://git-lfs.github.com/spec", "git-lfs pointer"),
        needs=("word:oid|word:lfs",),
    ),
    Rule(
        _C + "checkpoint-damaged",
        88,
        says=(
            "does not appear to have a file named model- … safetensors",
            "No such file or directory … safetensors",
            "Unable to load weights from pytorch checkpoint file",
            "PytorchStreamReader failed",
            "Error no file named model.safetensors",
            "Error no file named pytorch_model.bin",
            "FileNotFoundError … -of- … safetensors",
            "Consistency check failed",
            "expected value at line 1 column 1 … tokenizer",
            "tokenizer … expected value at line 1 column 1",
            "not a valid JSON file",
        ),
        needs=("qwen|word:from_pretrained|word:transformers",),
        unless=("word:huggingface.co to load", "word:torch.save", "word:write_end_of_file"),
    ),
    Rule(
        _C + "checkpoint-damaged",
        84,
        says=("Expecting value: line 1 column 1", "expected value at line 1 column 1"),
        needs=(
            "word:tokenization_|word:tokenizer|word:configuration_utils|word:processing_",
            "word:from_pretrained|word:transformers",
        ),
        unless=("word:requests", "word:openai", "word:http"),
    ),
    Rule(
        _C + "checkpoint-damaged",
        72,
        needs=(
            (
                "word:git-lfs|word:git lfs|word:safetensors|word:shard|word:checkpoint|"
                "word:权重文件|word:分片"
            ),
            (
                "word:corrupt|word:truncated|word:incomplete|word:pointer|word:interrupted|"
                "word:不完整|word:损坏|word:没下完|word:中断|word:135 "
                "bytes|word:135 字节|word:指针|word:缺少|"
                "word:too small|word:not fully"
            ),
        ),
        unless=("oom", "network"),
    ),
    Rule(
        _C + "model-files-unreachable",
        92,
        says=(
            "We couldn't connect to",
            "Can't load the configuration of",
            "LocalEntryNotFoundError",
            "OfflineModeIsEnabled",
            "outgoing traffic has been disabled",
            "is not a local folder and is not a valid model identifier",
            "Cannot access gated repo",
            "Can't load tokenizer for",
            "Can't load image processor for",
            "Can't load feature extractor for",
            "Repo id must be in the form",
            "Repo id must use alphanumeric",
            "Can't load processor for",
            "Can't load the model for",
        ),
        unless=("word:header", "other_model"),
    ),
    Rule(
        _C + "model-files-unreachable",
        88,
        says=(
            "HTTPSConnectionPool(host='huggingface.co'",
            "HTTPSConnectionPool(host='hf-mirror.com'",
            "HTTPSConnectionPool(host='cdn-lfs",
            "cas-bridge.xethub.hf.co",
            "ConnectTimeout … huggingface",
            "Read timed out … huggingface",
            "huggingface.co … Connection refused",
            "huggingface.co … Max retries exceeded",
            "'/root/.cache/huggingface … Permission denied",
            "Permission denied … .cache/huggingface",
            "No space left on device … huggingface",
            "huggingface … No space left on device",
            "cas_client … No space left",
            "Name or service not known … huggingface",
            "huggingface.co … Network is unreachable",
            "modelscope … ConnectionError",
            "Couldn't connect to the Hub",
            "hf_hub_download … ConnectionError",
            "Not enough free disk space to download the file",
        ),
        unless=("other_model",),
    ),
    Rule(
        _C + "model-files-unreachable",
        64,
        needs=(
            "network",
            "download",
            (
                "word:huggingface|word:hf_|"
                "word:from_pretrained|word:hub|word:offline|"
                "word:离线|word:下载"
            ),
            (
                "word:fail|word:error|word:cannot|word:can't|word:timeout|word:timed out|"
                "word:无法|word:失败|word:超时|word:连不上|word:报错"
            ),
        ),
        unless=("word:127.0.0.1", "word:localhost", "oom"),
    ),
    Rule(
        _C + "rope-scaling-warning",
        56,
        says=(
            "Unrecognized keys in `rope_scaling` for 'rope_type'='default': {'mrope_section'}",
            "Unrecognized keys in `rope_scaling` … mrope_section",
            "Unrecognized keys in `rope_parameters` … mrope",
        ),
    ),
    Rule(
        _C + "rope-scaling-warning",
        80,
        says=(
            '"factor" in rope_scaling',
            "rope_scaling must have a 'type' or 'rope_type' key",
            "rope_scaling should have a 'type' or 'rope_type' key",
            "rope_scaling … KeyError: 'type'",
            "rope_scaling … KeyError: 'factor'",
            "rope_scaling 中获取 factor",
        ),
        needs=("qwen",),
        note=(
            "transformers 4.45 turns the rope type mrope of the config into default, and a program "
            "that reads the config itself then misses its fields."
        ),
    ),
    Rule(
        _C + "vision-tower-quantized",
        88,
        says=(
            "Unexpected weight: visual.",
            "KeyError … visual.blocks",
            "Unexpected weight: visual.blocks",
            "Linear4bit … visual.blocks",
            "visual.blocks … Linear4bit",
            "KeyError: 'visual.blocks … qweight",
            "visual.blocks … qweight",
        ),
    ),
    Rule(
        _C + "vision-tower-quantized",
        83,
        needs=(
            "vision_quantized",
            (
                "garbled|accuracy_drop|word:nonsense|word:shape|word:error|word:报错|word:看不到|"
                "word:cannot see|word:unexpected"
            ),
        ),
        unless=("kv_quant", "eager", "word:load report", "word:ignore_mismatched"),
        numeric=True,
    ),
    Rule(
        _C + "vision-tower-quantized",
        68,
        needs=(
            "word:load_in_4bit|word:bitsandbytes|word:bnb|word:nf4|word:4-bit|word:4bit|word:4 bit",
            "qwen_vl",
            "garbled|accuracy_drop",
        ),
        unless=("kv_quant", "eager", "awq", "legacy", "old_gpu", "multi_gpu"),
        numeric=True,
    ),
    Rule(
        _C + "awq-garbled",
        84,
        needs=("awq", "garbled|bangs|word:lm_head.weight|accuracy_drop|repeat|empty_output"),
        unless=("vision_quantized", "kv_quant", "oom"),
        numeric=True,
    ),
    Rule(
        _C + "awq-garbled",
        80,
        says=(
            "lm_head.weight … were not used",
            "lm_head.weight … not used",
            "not used … lm_head.weight",
        ),
        needs=("awq",),
    ),
    Rule(
        _C + "int4-nan-on-old-gpu",
        90,
        needs=("legacy", "word:int4|quantized", "nan|garbled|bangs|old_gpu|word:inf"),
        numeric=True,
    ),
    Rule(
        _C + "int4-nan-on-old-gpu",
        72,
        needs=("quantized", "old_gpu|cuda_cap_7", "nan|bangs"),
        unless=("kv_quant", "eager"),
        numeric=True,
    ),
    Rule(
        _C + "fp8-checkpoint-unsupported",
        90,
        says=(
            "FP8 quantized models is only supported on GPUs with compute capability",
            "Unknown quantization type, got fp8",
            "FP8 quantized models are only supported",
            "No GPU found. A GPU is needed for FP8",
            "No GPU or XPU found. A GPU or XPU is needed for FP8 quantization",
            "Loading an FP8 quantized model requires",
        ),
        needs=("qwen|fp8",),
    ),
    Rule(
        _C + "fp8-checkpoint-unsupported",
        76,
        needs=("fp8", "qwen_vl", "word:transformers|word:from_pretrained|word:load|word:加载"),
        unless=("kv_quant", "oom"),
    ),
    Rule(_C + "fp8-checkpoint-unsupported", 70, says=("weight_scale_inv",), needs=("qwen_vl",)),
)

_TYPES = re.compile(
    r"model of type\s{1,3}['\"`]?([\w ]{2,40}?)['\"`]?\s{1,3}to instantiate a "
    r"model of type\s{1,3}['\"`]?([\w ]{2,40}?)['\"`]?(?:\.|\s|$)"
)
_AUTO = re.compile(
    r"configuration class\s{0,3}(?:<class)?\s{0,3}['\"]?[\w.]{0,120}?(qwen\w{2,"
    r"60}config)['\">]{0,3}[^\n]{0,60}?(automodel\w{0,40})"
)


def wrong_class(case: Case) -> Iterator[Hit]:
    """A class of one family on a checkpoint of another."""
    for match in list(_TYPES.finditer(case.page.low))[-3:]:
        have, want = (
            match.group(1).strip().replace(" ", "_"),
            match.group(2).strip().replace(" ", "_"),
        )
        families = knowledge().families
        if (
            have == want
            or have.split("_text")[0] == want.split("_text")[0]
            or not (have in families or want in families)
        ):
            continue
        computed: dict[str, Computed] = {"checkpoint_type": have, "class_type": want}
        notes = []
        if have in families:
            computed["right_class"] = families[have].model_class
            notes.append(
                f"The checkpoint is {have}: its class is {families[have].model_class} "
                f"(transformers {families[have].since} or newer)."
            )
        yield Hit(
            "checkpoint.wrong-model-class", 91, [case.page.line_at(match.start())], computed, notes
        )


def wrong_auto_class(case: Case) -> Iterator[Hit]:
    """``Unrecognized configuration class`` for a Qwen-VL configuration."""
    match = _AUTO.search(case.page.low)
    line = case.page.line_at(match.start()) if match else None
    if line is None:
        for family in knowledge().families.values():
            stem = family.model_class.removesuffix("ForConditionalGeneration")
            line = case.page.says(
                f"Unrecognized configuration class … {stem}Config … for this kind of AutoModel"
            )
            if line is not None:
                break
    if line is None:
        return
    computed: dict[str, Computed] = {"auto_class": "AutoModelForImageTextToText"}
    if match:
        stem = fold(match.group(1).removesuffix("config"))
        for family in knowledge().families.values():
            if fold(family.model_class.removesuffix("ForConditionalGeneration")) == stem:
                computed["right_class"] = family.model_class
    yield Hit("checkpoint.wrong-auto-class", 94, [line], computed)


def nonsense_after_loading(case: Case) -> Iterator[Hit]:
    """Class names in pasted code that contradict the checkpoint's name."""
    low = case.page.low
    if case.clues.engine in FOREIGN_ENGINES:
        return
    pair = re.search(
        (
            r"(qwen2vl|qwen2_5_vl|"
            r"qwen3vl)forconditionalgeneration\s?\.\s?from_pretrained\(\s{0,"
            r"4}[rf]?['\"][^'\"\n]{0,120}?qwen(2\.5|2|3)-vl"
        ),
        low,
    )
    if pair:
        made = {"qwen2vl": "2", "qwen2_5_vl": "2.5", "qwen3vl": "3"}[pair.group(1)]
        if made != pair.group(2):
            right = {"2": "qwen2_vl", "2.5": "qwen2_5_vl", "3": "qwen3_vl"}[pair.group(2)]
            family = knowledge().families[right]
            yield Hit(
                "checkpoint.wrong-model-class",
                88,
                [case.page.line_at(pair.start())],
                {"right_class": family.model_class},
                [f"{family.name} is loaded with {family.model_class}."],
                by_message=False,
            )


_LOCAL = re.compile(
    r"can't load (?:the )?(?:\w{1,20} ){1,3}for ['\"`]((?:[./~]|[a-z]:\\)[^'\"`\n]{0,300})['\"`]"
)


def incomplete_folder(case: Case) -> Iterator[Hit]:
    """``Can't load … for '/local/path'``: the folder exists in the user's mind, a file is not in
    it.
    """
    match = _LOCAL.search(case.page.low)
    if match and not case.clues.other_model:
        yield Hit(
            "checkpoint.checkpoint-damaged",
            93,
            [case.page.line_at(match.start())],
            {"folder": match.group(1)},
            [
                (
                    "The path is a local folder that lacks the file named in the message (a "
                    "configuration of the processor or tokenizer was not copied or not "
                    "downloaded), or the path is misspelt."
                )
            ],
        )


DETECTORS = (incomplete_folder, wrong_class, wrong_auto_class, nonsense_after_loading)
