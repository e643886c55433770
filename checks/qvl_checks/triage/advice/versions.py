"""Advice on releases that do not fit."""

from __future__ import annotations

from .entry import Advice, advice, code, command
from .shared import WHICH

_MINIMUM = (
    "First releases: Qwen2-VL 4.45, AutoModelForImageTextToText 4.46, Qwen2.5-VL 4.49, "
    "Qwen2.5-Omni 4.52, Qwen3-VL 4.57, AutoModelForMultimodalLM 5.0, Qwen3.5 5.2, Qwen4-Exp "
    "5.16.1."
)

ADVICE = {
    "versions.model-class-missing": Advice(
        (
            "The installed transformers does not have this class: it is older than the model, "
            "or the script runs in another environment than the one that was upgraded. "
        )
        + _MINIMUM,
        (
            command(
                "python -m pip install -U transformers",
                "upgrade in the interpreter that runs the script",
            ),
            command(WHICH, "shows which transformers the script sees", "safe"),
        ),
        (
            (
                "Run the import in the failing interpreter and compare its "
                "transformers.__file__ with `pip show transformers`."
            ),
        ),
    ),
    "versions.unknown-model-type": Advice(
        (
            "config.json names a model type that the installed transformers does not know, "
            "because the release is too old for it (or another environment is running). "
        )
        + _MINIMUM,
        (
            command(
                "python -m pip install -U transformers",
                "upgrade in the interpreter that runs the script",
            ),
            command(WHICH, "shows which transformers the script sees", "safe"),
        ),
        ("Compare model_type in config.json with the release that first knows it.",),
    ),
    "versions.removed-auto-class": Advice(
        (
            "AutoModelForVision2Seq was removed in transformers 5.0; "
            "AutoModelForImageTextToText (from 4.46 on) takes its place."
        ),
        (
            code(
                "from transformers import AutoModelForImageTextToText",
                "works from transformers 4.46 on",
                "safe",
            ),
            command(
                'python -m pip install "transformers<5"',
                "only if code that you cannot change still needs the old name",
            ),
        ),
    ),
    "versions.dtype-keyword-unknown": Advice(
        (
            "The keyword dtype= exists from transformers 4.56 on; older releases hand it to the "
            "model's constructor, which refuses it. There it is called torch_dtype=."
        ),
        (
            code(
                "from_pretrained(path, torch_dtype=torch.bfloat16)",
                "works on every release",
                "safe",
            ),
            command('python -m pip install -U "transformers>=4.56"', "then dtype= works"),
        ),
    ),
    "versions.dtype-keyword-renamed": Advice(
        (
            "torch_dtype is the old name of the keyword dtype (renamed in transformers 4.56). "
            "The old name still works; nothing fails because of this notice."
        ),
        (
            code(
                "from_pretrained(path, dtype=torch.bfloat16)",
                "on transformers 4.56 and newer",
                "safe",
            ),
        ),
    ),
    "versions.moved-attributes": Advice(
        "The attribute was moved. Since transformers 4.52 the language model is nested: "
        "model.model.language_model holds embed_tokens, layers and norm, model.model.visual is "
        "the vision tower and model.model.get_rope_index computes positions. On 5.x the "
        "shortcuts model.visual and model.language_model and the flat config fields "
        "(hidden_size, vocab_size, num_hidden_layers) are gone as well: use config.text_config.",
        (
            code(
                "model.get_input_embeddings()",
                "instead of model.model.embed_tokens; works on every release",
                "safe",
            ),
            code(
                (
                    "model.model.language_model.layers / model.model.visual / "
                    "model.model.get_rope_index"
                ),
                "transformers 4.52 and newer",
                "review",
            ),
            code("config.get_text_config().hidden_size", "instead of config.hidden_size", "safe"),
            command(
                'python -m pip install "transformers<4.52"',
                "or upgrade the framework that uses the old path",
                "risky",
            ),
        ),
    ),
    "versions.removed-private-classes": Advice(
        "The code imports a private name that transformers has dropped: the refactors of 4.52 "
        "and 4.53 removed the per-implementation attention classes (…FlashAttention2, "
        "…SdpaAttention, …_ATTENTION_CLASSES) and helper functions that third-party patches "
        "used. From 4.53 on there is one attention class and ALL_ATTENTION_FUNCTIONS.",
        (
            advice(
                "Upgrade the framework or patch that imports it, to a release made for "
                "transformers 4.53 or newer."
            ),
            command(
                'python -m pip install "transformers<4.53"',
                "the last releases with these names are 4.52.x; Qwen3-VL then does not work",
                "risky",
            ),
        ),
    ),
    "versions.framework-model-skew": Advice(
        (
            "transformers (or the framework on top of it) is older or newer than the model "
            "files: AutoProcessor then returns a bare tokenizer, or processor and config lack "
            "attributes that the other side expects. "
        )
        + _MINIMUM,
        (
            command(
                'python -m pip install -U "transformers>=4.49"',
                "4.49 for Qwen2.5-VL, 4.57 for Qwen3-VL",
            ),
            advice(
                "Upgrade the framework (vLLM, LLaMA-Factory, ms-swift, lmdeploy) to a release "
                "that supports this model, and take the transformers release it asks for."
            ),
        ),
        (
            (
                "Print type(processor): a tokenizer class means that the processor class is "
                "unknown to this release."
            ),
        ),
    ),
    "versions.dependency-pins-violated": Advice(
        (
            "A dependency is outside the range that the installed transformers accepts. "
            "tokenizers: 4.44 <0.20, 4.45-4.48 0.20-0.21, 4.49-4.55 0.21, 4.57-5.0 0.22; "
            "huggingface-hub: <1.0 until 4.57, >=1.3 from 5.0, >=1.31 for 5.23; kernels: <=0.9 "
            "for 4.57, 0.18 for 5.23."
        ),
        (
            command(
                "python -m pip install -U transformers",
                "lets pip choose tokenizers and huggingface-hub that fit",
            ),
            command("python -m pip check", "lists every broken pin", "safe"),
            command('python -m pip install "huggingface-hub<1.0"', "for transformers 4.x"),
        ),
    ),
    "versions.python-too-old": Advice(
        (
            "This Python is too old for the release, so pip cannot find it. transformers "
            "4.47-4.57 need Python 3.9, 5.0-5.20 need 3.10, 5.21 and newer need 3.11."
        ),
        (
            command(
                (
                    "python3.11 -m venv qwen && qwen/bin/pip install transformers torch "
                    "torchvision accelerate"
                ),
                "a new environment with a newer Python",
                "safe",
            ),
            advice(
                "Or install the last release that supports this Python: 4.46.3 on Python 3.8, "
                "4.57.x on 3.9, 5.20 on 3.10."
            ),
        ),
    ),
    "versions.optional-package-missing": Advice(
        (
            "A package that this use needs is not installed in the running environment "
            "(accelerate for device_map, bitsandbytes for 4-bit and 8-bit, qwen-vl-utils for "
            "process_vision_info)."
        ),
        (
            command(
                "python -m pip install accelerate qwen-vl-utils",
                "the usual companions of transformers for Qwen-VL",
            ),
        ),
    ),
    "versions.wrong-position-ids": Advice(
        "This transformers release computes wrong M-RoPE position ids for Qwen2-VL and "
        "Qwen2.5-VL. Three defects are known: 4.54.0-4.56.2, left-padded batches decode at "
        "wrong positions (fixed in 4.57.0); 5.3.0-5.5.3, still images on Qwen2.5-VL (fixed in "
        "5.5.4); 5.3.0-5.5.4, videos: every frame has the same temporal index (correct from "
        "5.6.0); and 5.3.0-5.17.0 truncates fractional seconds per grid (correct from 5.18.0).",
        (
            command('python -m pip install -U "transformers>=5.18"', "or 4.57.x, or 4.53.3"),
            advice("Until then: batch size 1 without padding avoids the 4.54-4.56 defect."),
        ),
        ("Run the same prompt alone and left-padded in a batch: the answers have to agree.",),
    ),
    "versions.duplicate-packages": Advice(
        "The same package is installed more than once on the import path; the first one wins.",
        (
            command(
                "python -m pip uninstall transformers && python -m pip install transformers",
                "repeat the uninstall until pip says that it is not installed",
            ),
        ),
    ),
}
