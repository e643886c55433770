"""Releases that do not fit: of transformers, torch, Python, NumPy, torchvision, and of what
depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from ..model import Computed, Fix
from ..rule import Case, Hit, Rule

_V = "versions."
RULES: tuple[Rule, ...] = (
    Rule(
        _V + "unknown-model-type",
        80,
        says=(
            "model architectures ['Qwen2_5_VLForConditionalGeneration'] … not supported",
            "model architectures ['Qwen3VL … not supported",
            "model architectures ['Qwen2VL … not supported",
            "Unsupported model type: qwen2_5_vl",
            "Unsupported model type: qwen3_vl",
            "Unsupported model type qwen2_vl",
        ),
        unless=("engine_any",),
    ),
    Rule(
        _V + "framework-model-skew",
        78,
        says=(
            "model architectures ['Qwen2_5_VLForConditionalGeneration'] … not supported",
            "model architectures ['Qwen3VL … not supported",
            "has no vLLM implementation and the Transformers implementation",
        ),
        needs=("engine_any", "qwen"),
    ),
    Rule(
        _V + "framework-model-skew",
        76,
        says=(
            "Error in inspecting model architecture 'Qwen",
            "Model architectures ['Qwen … failed to be inspected",
        ),
        note=(
            "vLLM could not import its own module for this model: the real error stands above in "
            "the log, mostly a transformers release that does not fit the vLLM release."
        ),
    ),
    Rule(
        _V + "dtype-keyword-unknown",
        95,
        says=("got an unexpected keyword argument 'dtype'",),
        needs=("qwen_vl|word:from_pretrained|word:AutoModel",),
    ),
    Rule(
        _V + "dtype-keyword-renamed",
        50,
        says=("`torch_dtype` is deprecated! Use `dtype` instead",),
        note="It is harmless: the value is still used.",
    ),
    Rule(
        _V + "removed-private-classes",
        74,
        needs=("private_names", "gone"),
        unless=("word:flash_attn is not", "oom"),
    ),
    Rule(
        _V + "framework-model-skew",
        92,
        says=(
            "_batch_encode_plus() got an unexpected keyword argument 'images'",
            "_batch_encode_plus() got an unexpected keyword argument 'videos'",
        ),
        note=(
            "AutoProcessor fell back to the bare tokenizer: this transformers release "
            "does not know the model's processor."
        ),
    ),
    Rule(
        _V + "framework-model-skew",
        88,
        says=(
            "Qwen2_5_VLProcessor.__init__() got multiple values for argument 'image_processor'",
            "got multiple values for argument 'image_processor'",
            "Qwen2VLProcessor.__init__() got an unexpected keyword",
            "Qwen2_5_VLProcessor … missing 1 required positional argument",
        ),
        needs=("qwen_vl",),
    ),
    Rule(
        _V + "framework-model-skew",
        86,
        says=(
            "_prepare_model_inputs … image_grid_thw",
            "The following `model_kwargs` are not used by the model: ['image_grid_thw'",
            "The following `model_kwargs` are not used by the model: ['pixel_values'",
        ),
        note="The class in use is a text model or too old for the inputs that the processor made.",
    ),
    Rule(
        _V + "dependency-pins-violated",
        95,
        says=("is required for a normal functioning of this module, but found",),
    ),
    Rule(
        _V + "dependency-pins-violated",
        84,
        says=(
            "requires huggingface-hub … but you have",
            "requires tokenizers … but you have",
            "requires transformers … but you have",
            "requires accelerate … but you have",
            "requires torch … but you have … which is incompatible",
            "transformers … requires … but you have huggingface-hub",
            "transformers … requires … but you have tokenizers",
            "transformers … requires … but you have safetensors",
        ),
        needs=("qwen|word:transformers",),
    ),
    Rule(
        _V + "dependency-pins-violated",
        82,
        says=(
            "conflicting dependencies … transformers",
            "ResolutionImpossible … transformers",
            "kernels … incompatible version. Please install a compatible version",
            "`kernels` is either not installed or uses an incompatible version",
        ),
    ),
    Rule(
        _V + "torch-too-old",
        94,
        says=(
            "has no attribute 'register_pytree_node'",
            "Disabling PyTorch because PyTorch >= … is required but found",
            "requires PyTorch >= … but PyTorch was not found or an older version is installed",
            "upgrade torch to at least v2.6",
            "scaled_dot_product_attention() got an unexpected keyword argument 'enable_gqa'",
            "module 'torch' has no attribute 'float8_e8m0fnu'",
            "module 'torch.library' has no attribute 'register_fake'",
            "module 'torch.library' has no attribute 'custom_op'",
            "module 'torch.compiler' has no attribute 'is_compiling'",
            "module 'torch' has no attribute 'float8_e4m3fn'",
            "module 'torch' has no attribute 'uint64'",
            "PyTorch version … is required but found",
            "No module named 'torch.distributed.device_mesh'",
            "cannot import name 'DeviceMesh' from 'torch.distributed",
            "No module named 'torch.nn.attention'",
            "requires torch>=2",
            "cannot import name 'DTensor' from 'torch.distributed",
            "module 'torch' has no attribute 'get_default_device'",
        ),
        unless=("word:pip install flash-attn",),
    ),
    Rule(
        _V + "numpy-abi-mismatch",
        95,
        says=(
            "A module that was compiled using NumPy 1.x cannot be run in",
            "_ARRAY_API not found",
            "numpy.core.multiarray failed to import",
            "numpy.dtype size changed, may indicate binary incompatibility",
        ),
    ),
    Rule(_V + "numpy-abi-mismatch", 96, says=("RuntimeError: Numpy is not available",)),
    Rule(
        _V + "numpy-major-mismatch",
        82,
        says=(
            "was removed in the NumPy 2.0 release",
            "module 'numpy' has no attribute 'float_'",
            "module 'numpy' has no attribute 'bool8'",
            "Unable to avoid copy while creating an array as requested",
        ),
        needs=("qwen|image|video",),
    ),
    Rule(
        _V + "numpy-major-mismatch",
        66,
        needs=("numpy2", "nan|garbled|different_output|accuracy_drop"),
        note=(
            "That numpy 2 causes NaN was reported, not shown: look for fp16 and eager "
            "attention first."
        ),
        numeric=True,
    ),
    Rule(
        _V + "numpy-major-mismatch",
        64,
        needs=(
            "word:downgrade numpy|word:numpy 1.26|word:numpy==1.26|word:降级 numpy|word:numpy 降",
            "nan|garbled|different_output|accuracy_drop",
        ),
        numeric=True,
    ),
    Rule(
        _V + "torchvision-mismatch",
        97,
        says=(
            "operator torchvision::nms does not exist",
            "partially initialized module 'torchvision' has no attribute 'extension'",
            "PyTorch and torchvision were compiled with different CUDA",
            "Could not run 'torchvision::nms' with arguments",
            "Couldn't load custom C++ ops",
            "torchvision/_C.so: undefined symbol",
            "torchvision/image.so: undefined symbol",
            "Failed to load image Python extension … undefined symbol",
            "torchvision … _C … undefined symbol",
            "module 'torchvision' has no attribute 'extension'",
        ),
    ),
    Rule(_V + "torchvision-mismatch", 60, says=("Failed to load image Python extension",)),
    Rule(
        _V + "processor-needs-torchvision",
        94,
        says=(
            "requires the Torchvision library but it was not found",
            "Please make sure you have `torchvision` installed",
            "requires `torchvision` to be installed",
            "`torchvision` is not available. Please install",
        ),
    ),
    Rule(
        _V + "processor-needs-torchvision",
        90,
        says=(
            "argument of type 'NoneType' is not iterable",
            "argument of type 'NoneType' is not a container or iterable",
        ),
        needs=(
            (
                "word:video_processing_auto|word:AutoVideoProcessor|"
                "word:AutoProcessor.from_pretrained|word:processing_auto"
            ),
        ),
        note=(
            "transformers 5.0 hides the missing torchvision behind this TypeError in "
            "video_processing_auto.py."
        ),
    ),
    Rule(
        _V + "processor-needs-torchvision",
        86,
        says=("No module named 'torchvision'",),
        needs=("qwen_vl|word:transformers",),
    ),
    Rule(
        _V + "processor-needs-torchvision",
        64,
        says=("Using `use_fast=True` but `torchvision` is not available",),
    ),
    Rule(
        _V + "processor-needs-torchvision",
        68,
        needs=(
            (
                "word:without torchvision|word:torchvision is not installed|word:没有装 "
                "torchvision|word:没装 torchvision|word:未安装 torchvision|word:no torchvision"
            ),
            "word:AutoProcessor|word:processor|word:处理器",
        ),
    ),
    Rule(
        _V + "wrong-position-ids",
        74,
        needs=(
            "family:qwen2_vl|family:qwen2_5_vl",
            "video",
            "timestamps",
            "position_ids",
            (
                "word:same temporal|word:constant|word:every frame|word:all frames|word:所有帧|"
                "word:每一帧|word:全部相同"
            ),
        ),
        numeric=True,
    ),
    Rule(
        _V + "wrong-position-ids",
        68,
        needs=(
            "position_ids",
            (
                "word:cumsum|word:left-padded|word:padded|word:40490|word:40154|word:41180|"
                "word:45325|word:45381|word:左填充"
            ),
        ),
        numeric=True,
    ),
    Rule(
        _V + "legacy-chat-environment",
        92,
        says=(
            "'QWenTokenizer' object has no attribute",
            "No module named 'transformers_stream_generator'",
            "not found in your environment: transformers_stream_generator",
            "not found in your environment: tiktoken",
            "'QWenLMHeadModel' object has no attribute",
            "qwen.tiktoken",
            "'QWenConfig' object has no attribute",
            "QWenTokenizer … unexpected keyword",
            "tokenization_qwen.py … AttributeError",
            "tokenization_qwen.py … TypeError",
            "modeling_qwen.py … AttributeError",
            "modeling_qwen.py … TypeError",
            "transformers_stream_generator … cannot import name",
        ),
    ),
    Rule(
        _V + "legacy-chat-environment",
        70,
        needs=(
            "legacy",
            "after_upgrade|word:trust_remote_code|word:4.32|word:model.chat|word:model.generate",
        ),
        unless=("multi_gpu", "quantized", "oom"),
    ),
    Rule(
        _V + "metadata-disagrees",
        70,
        says=(
            "Ignoring invalid distribution -ransformers",
            "Ignoring invalid distribution ~ransformers",
            "Ignoring invalid distribution -orch",
            "Ignoring invalid distribution ~orch",
        ),
        note=(
            "pip left half-removed folders behind: the metadata and the files are of "
            "different releases."
        ),
    ),
    Rule(
        _V + "torch-import-failed",
        84,
        says=(
            "libtorch_cuda.so: cannot open shared object",
            "libtorch_cpu.so: undefined symbol",
            "libtorch_cuda.so: undefined symbol",
            "libcusparse.so.12: undefined symbol: __nvJitLink",
            "libcudnn.so.9: cannot open shared object file",
            "libcublas.so … cannot open shared object",
            "Error loading … torch\\lib\\",
            "iJIT_NotifyEvent",
        ),
        needs=("word:import torch|word:torch/__init__|word:torch/_|word:torch\\lib",),
    ),
    Rule(
        _V + "transformers-import-failed",
        58,
        says=("Failed to import transformers.models.qwen … because of the following error",),
    ),
)

_PYTHON_TOO_OLD = (
    "Ignored the following versions that require a different python version",
    "requires a different Python",
    "Requires-Python >=",
)
_PACKAGES = re.compile(
    r"(transformers|torch|qwen[-_]vl[-_]utils|huggingface[-_]hub|tokenizers|"
    r"accelerate|peft|torchvision|safetensors|kernels|torchcodec)"
)
_UNION = re.compile(r"unsupported operand type\(s\) for \|: '\w{1,40}' and 'nonetype'")
_PIP_NAME = re.compile(r"no matching distribution found for ([\w.-]{2,40})")
_MISSING = re.compile(r"no module named ['\"`]?([\w.]{2,60})")
_OPTIONAL: dict[str, str] = {
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
    "sentencepiece": "sentencepiece",
    "einops": "einops",
    "safetensors": "safetensors",
    "librosa": "librosa",
    "soundfile": "soundfile",
    "kernels": "kernels",
}
_ALWAYS = {
    "accelerate",
    "bitsandbytes",
    "qwen_vl_utils",
    "qwen_omni_utils",
    "auto_gptq",
    "gptqmodel",
    "awq",
    "compressed_tensors",
    "torchcodec",
    "decord",
}
_REQUIRES: tuple[tuple[str, str], ...] = (
    ("requires `accelerate`", "accelerate"),
    ("or a `device_map` requires Accelerate", "accelerate"),
    ("requires accelerate >", "accelerate"),
    ("requires Accelerate: `pip install", "accelerate"),
    ("requires accelerate (`pip install accelerate`)", "accelerate"),
    ("quantization requires the latest version of bitsandbytes", "bitsandbytes"),
    ("requires bitsandbytes", "bitsandbytes"),
    ("No package metadata was found for bitsandbytes", "bitsandbytes"),
    ("quantized model requires auto-awq", "autoawq"),
    ("quantized model requires gptqmodel", "gptqmodel"),
    ("Loading a GPTQ quantized model requires optimum", "optimum"),
    ("requires the compressed-tensors library", "compressed-tensors"),
    ("PyAV is not installed", "av"),
    ("No package metadata was found for The 'autoawq", "autoawq"),
    ("No package metadata was found for accelerate", "accelerate"),
    ("PyAV is required", "av"),
    ("torchcodec is not available", "torchcodec"),
    ("requires the PEFT library", "peft"),
    ("`qwen-vl-utils` not installed", "qwen-vl-utils"),
    ("请安装 accelerate", "accelerate"),
    ("No package metadata was found for The 'gptqmodel", "gptqmodel"),
    ("AutoAWQ … not installed", "autoawq"),
    ("`peft` is not installed", "peft"),
)


_NO_TORCH_NAME = re.compile(
    r"module ['\"`]?(torch(?:\.\w{1,30}){0,3})['\"`]? has no attribute ['\"`]?(\w{2,40})"
)
#: Names that transformers uses of torch, and the first torch release that has them.
_TORCH_NAMES: dict[str, str] = {
    "accelerator": "2.6",
    "compiler": "2.1",
    "custom_op": "2.4",
    "device_mesh": "2.2",
    "enable_gqa": "2.5",
    "float8_e4m3fn": "2.1",
    "float8_e8m0fnu": "2.7",
    "get_default_device": "2.3",
    "int1": "2.6",
    "is_compiling": "2.1",
    "is_exporting": "2.7",
    "register_fake": "2.4",
    "register_pytree_node": "2.2",
    "rmsnorm": "2.4",
    "rms_norm": "2.4",
    "uint16": "2.3",
    "uint32": "2.3",
    "uint64": "2.3",
    "wrap_triton": "2.6",
}


def missing_torch_name(case: Case) -> Iterator[Hit]:
    """``module 'torch.nn' has no attribute 'RMSNorm'``: which torch first has that name."""
    for match in list(_NO_TORCH_NAME.finditer(case.page.low))[-2:]:
        since = _TORCH_NAMES.get(match.group(2))
        if since is None:
            continue
        yield Hit(
            "versions.torch-too-old",
            94,
            [case.page.line_at(match.start())],
            {"name": f"{match.group(1)}.{match.group(2)}", "minimum_torch": since},
            [f"{match.group(1)}.{match.group(2)} exists from torch {since} on."],
        )


def python_too_old(case: Case) -> Iterator[Hit]:
    """pip's refusals that name a Python floor, for packages of this stack only; union types under
    Python 3.9.
    """
    for phrase in _PYTHON_TOO_OLD:
        line = case.page.says(phrase)
        if line is not None and _PACKAGES.search(case.page.low):
            floor = re.search(
                r"requires-python >= ?(3\.\d{1,2})[^\n]{0,400}$", case.page.low, re.MULTILINE
            )
            computed: dict[str, Computed] = {"python_floor": floor.group(1)} if floor else {}
            yield Hit("versions.python-too-old", 92, [line], computed)
            return
    name = _PIP_NAME.search(case.page.low)
    if name and _PACKAGES.fullmatch(name.group(1)) and "(from versions: none)" not in case.page.low:
        yield Hit(
            "versions.python-too-old",
            70,
            [case.page.line_at(name.start())],
            {"package": name.group(1)},
        )
    match = _UNION.search(case.page.low)
    if match and "transformers" in case.page.low:
        yield Hit(
            "versions.python-too-old",
            85,
            [case.page.line_at(match.start())],
            {"python_floor": "3.10"},
        )


def optional_packages(case: Case) -> Iterator[Hit]:
    """A package that only some uses need is not installed."""
    for phrase, package in _REQUIRES:
        line = case.page.says(phrase)
        if line is not None:
            yield _install(package, line, 92)
            return
    for match in list(_MISSING.finditer(case.page.low))[-3:]:
        name = match.group(1).split(".")[0]
        known = _OPTIONAL.get(name)
        if known and (name in _ALWAYS or case.clues.qwen or "transformers" in case.page.low):
            yield _install(known, case.page.line_at(match.start()), 90)
        elif name == "flash_attn_2_cuda":
            yield Hit(
                "attention.flash-attn-abi-mismatch",
                84,
                [case.page.line_at(match.start())],
                {"module": name},
                [
                    (
                        "The Python part of flash-attn is there, its compiled extension is not: "
                        "nothing was built for this interpreter, or the wheel belongs to another "
                        "Python."
                    )
                ],
            )
        elif name in ("flash_attn", "flash_attn_interface") and (
            case.clues.qwen or "transformers" in case.page.low or case.clues.concept("flash")
        ):
            yield Hit(
                "attention.flash-attn-missing",
                84,
                [case.page.line_at(match.start())],
                {"module": name},
            )
        elif name == "tiktoken" and case.clues.legacy:
            yield Hit("versions.legacy-chat-environment", 90, [case.page.line_at(match.start())])


def _install(package: str, line: int, score: float) -> Hit:
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


_UPGRADE_ONLY = ("accuracy_drop", "different_output")
_RANGES: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "4.54.0",
        "4.56.2",
        ("batch", "padding", "accuracy_drop", "after_upgrade"),
        "decode positions of left-padded batches are wrong in 4.54.0-4.56.2",
        "4.57.0",
    ),
    (
        "5.3.0",
        "5.5.4",
        ("video",),
        "every frame gets the same temporal index (and height is mis-ordered) in 5.3.0-5.5.4",
        "5.6.0",
    ),
    (
        "5.3.0",
        "5.5.3",
        ("image", "accuracy_drop"),
        "the temporal position of still images is scaled by tokens_per_second in 5.3.0-5.5.3",
        "5.5.4",
    ),
    (
        "5.3.0",
        "5.17.0",
        ("video",),
        "fractional seconds per grid are truncated to 0 in 5.3.0-5.17.0",
        "5.18.0",
    ),
)


def position_ids(case: Case) -> Iterator[Hit]:
    """A release in one of the three bad M-RoPE ranges together with the symptom that belongs to
    it.
    """
    clues = case.clues
    if clues.engine in ("llama.cpp",) or any(
        clues.concept(name)
        for name in ("eager", "oom", "gqa", "slow", "sdpa", "kv_quant", "conv3d")
    ):
        return
    families = set(clues.families)
    if families and not families & {"qwen2_vl", "qwen2_5_vl"}:
        return
    wrong = (
        any(clues.concept(name) for name in _UPGRADE_ONLY)
        or clues.concept("position_ids")
        or clues.concept("timestamps")
    )
    if not wrong:
        return
    for version in clues.transformers_versions:
        for low, high, concepts, what, fixed in _RANGES:
            if Version(low) <= version <= Version(high) and any(
                clues.concept(name) for name in concepts
            ):
                lines = [
                    line
                    for name in (*concepts, "position_ids", "accuracy_drop")
                    if (line := clues.concept_line(name)) is not None
                ]
                yield Hit(
                    "versions.wrong-position-ids",
                    76 if clues.qwen or clues.concept("position_ids") else 64,
                    lines[:3],
                    {"transformers": str(version), "affected": f"{low}-{high}", "fixed_in": fixed},
                    [f"In this release {what}; fixed in {fixed}."],
                    by_message=False,
                )
                break


def other_interpreter(case: Case) -> Iterator[Hit]:
    """pip and the running process disagree about the installed release."""
    if case.clues.concept("two_envs") and "transformers" in case.page.low:
        line = case.clues.concept_line("two_envs") or 0
        yield Hit("versions.metadata-disagrees", 55, [line], by_message=False)


DETECTORS = (missing_torch_name, python_too_old, optional_packages, position_ids, other_interpreter)
