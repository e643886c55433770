"""GPUs, drivers, the way between GPUs, and tensors that are in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model import Computed
from ..rule import Case, Hit, Rule

_D = "devices."
_NAN = "garbled|nan|bangs|accuracy_drop"
RULES: tuple[Rule, ...] = (
    Rule(
        _D + "peer-copy-corruption",
        84,
        needs=("multi_gpu", "garbled|nan|bangs|p2p", "single_gpu_ok"),
        unless=("oom", "word:expected all tensors", "kv_quant", "word:awq"),
    ),
    Rule(
        _D + "peer-copy-corruption",
        82,
        needs=(
            "p2p",
            "garbled|nan|bangs|hang|word:zero|word:wrong|word:corrupt|word:全 0|word:不一致",
        ),
        unless=("nccl",),
    ),
    Rule(
        _D + "peer-copy-corruption",
        68,
        needs=(
            "multi_gpu",
            "device_map_auto|word:sharded|word:split|word:分片",
            "garbled|nan|bangs",
        ),
        unless=("oom", "fp16", "engine_any", "quantized"),
    ),
    Rule(
        _D + "peer-copy-corruption",
        64,
        needs=("device_map_auto", "single_gpu_ok", "qwen", "multi_gpu"),
        unless=("oom", "word:expected all tensors", "legacy"),
    ),
    Rule(
        _D + "tensors-on-different-devices",
        88,
        says=(
            "indices should be either on cpu or on the same device as the indexed tensor",
            "Input type (torch.FloatTensor) and weight type (torch.cuda",
        ),
        needs=("qwen|device_map_auto",),
    ),
    Rule(
        _D + "driver-too-old",
        93,
        says=(
            "The NVIDIA driver on your system is too old",
            "CUDA driver version is insufficient for CUDA runtime version",
            "forward compatibility was attempted on non supported HW",
            "system has unsupported display driver / cuda driver combination",
            "the provided PTX was compiled with an unsupported toolchain",
        ),
    ),
    Rule(
        _D + "driver-too-old",
        78,
        needs=(
            "driver",
            "garbled|hang|nan|bangs|word:stuck",
            (
                "word:upgrad|word:updat|word:old|word:535|word:470|word:570|word:550|word:升级|"
                "word:更新|word:太旧|word:旧"
            ),
        ),
        unless=("p2p",),
    ),
    Rule(
        _D + "no-kernel-for-gpu",
        93,
        says=(
            "CUDA error: no kernel image is available for execution on the device",
            "is not compatible with the current PyTorch installation",
            "The current PyTorch install supports CUDA capabilities sm_",
            "cudaErrorNoKernelImageForDevice",
        ),
    ),
    Rule(
        _D + "no-kernel-for-gpu",
        66,
        needs=(
            "blackwell",
            "word:no kernel|word:sm_120|word:not compatible|word:不支持|word:不兼容",
            "word:cuda error|word:torch|word:pytorch|word:sm_|qwen",
        ),
    ),
    Rule(
        _D + "bf16-unsupported",
        90,
        says=(
            "Bfloat16 is only supported on GPUs with compute capability",
            "Your setup doesn't support bf16",
            "bf16 is not supported on this",
            "does not support bfloat16",
            "doesn't support bf16/gpu",
            "bfloat16 is not supported on",
            "BF16 is not supported",
        ),
    ),
    Rule(
        _D + "bf16-unsupported",
        72,
        needs=(
            "bf16",
            "old_gpu|cuda_cap_7",
            "slow|nan|oom|garbled|word:not support|word:不支持|word:报错|word:unsupported",
        ),
        unless=("word:only supports ampere",),
    ),
    Rule(
        _D + "cpu-only-torch",
        94,
        says=(
            "Torch not compiled with CUDA enabled",
            (
                "Attempting to deserialize object on a CUDA device but "
                "torch.cuda.is_available() is False"
            ),
        ),
    ),
    Rule(
        _D + "cpu-only-torch",
        78,
        needs=("cuda_unavailable", "cpu_build"),
        unless=("word:undefined symbol",),
    ),
    Rule(
        _D + "cpu-only-torch",
        70,
        needs=(
            "cpu_build",
            "word:gpu|word:cuda|word:显卡",
            (
                "word:slow|word:not used|word:runs on|"
                "word:只用|word:没有用|word:cpu 上|word:no gpu|"
                "word:识别不到"
            ),
        ),
    ),
    Rule(
        _D + "device-side-assert",
        80,
        says=("device-side assert triggered",),
        needs=(
            (
                "qwen|word:generate|word:multinomial|word:sampl|word:_assert_async|"
                "word:TensorCompare|word:input_ids|word:probability tensor"
            ),
        ),
        unless=("word:t >= 0 && t < n_classes", "word:nll_loss", "word:cross_entropy"),
    ),
    Rule(
        _D + "device-side-assert",
        66,
        needs=(
            "word:device-side assert|word:device side assert",
            "qwen|word:do_sample|word:采样|word:temperature",
        ),
        unless=("word:n_classes", "word:nll_loss"),
    ),
    Rule(
        _D + "nccl-peer-hang",
        84,
        needs=(
            "nccl",
            "hang|word:timeout|word:timed out|word:timing out|word:超时",
            "p2p|multi_gpu|word:NCCL_P2P_DISABLE",
            "qwen|p2p|tp",
        ),
        unless=("lora", "word:trainer", "word:deepspeed"),
    ),
    Rule(
        _D + "nccl-peer-hang",
        78,
        needs=("word:NCCL_P2P_DISABLE", "hang|multi_gpu"),
        unless=("garbled", "nan"),
    ),
    Rule(
        _D + "nccl-peer-hang",
        66,
        needs=("hang", "tp|word:-tp|word:tensor-parallel-size|word:张量并行", "multi_gpu", "qwen"),
        unless=("video", "garbled", "nan"),
    ),
    Rule(
        _D + "tensor-parallel-plan-missing",
        84,
        says=(
            "does not have a tensor parallel plan",
            "no tp_plan",
            "base_model_tp_plan … None",
            "tp_plan … not supported",
            "does not support tensor parallel",
        ),
    ),
    Rule(
        _D + "tensor-parallel-plan-missing",
        74,
        needs=("word:tp_plan",),
        unless=("word:requires accelerate", "word:requires `accelerate`", "oom"),
    ),
    Rule(
        _D + "visible-devices-set-late",
        80,
        needs=("visible", "late"),
        unless=(
            "nccl",
            "p2p",
            "word:expected all tensors",
            "word:no kernel image",
            "garbled",
            "nan",
        ),
    ),
    Rule(
        _D + "legacy-chat-multi-gpu",
        88,
        needs=("legacy", "multi_gpu|device_map_auto|word:expected all tensors|word:multi"),
        unless=("quantized", "visible"),
    ),
    Rule(_D + "slow-conv3d", 88, needs=("conv3d", "slow|torch29")),
    Rule(
        _D + "slow-conv3d",
        78,
        needs=("torch29", "slow", "qwen_vl|word:vision|word:visual|word:image|word:视觉|word:图"),
        unless=("use_cache_off",),
    ),
    Rule(
        _D + "slow-conv3d",
        60,
        needs=(
            "slow",
            (
                "word:vision tower|word:vision encoder|"
                "word:visual encoder|word:视觉编码|word:视觉塔|"
                "word:vit"
            ),
            "blackwell|word:cudnn|word:torch 2.1|word:after upgrading torch|word:升级 torch",
        ),
        unless=("fa3", "oom"),
    ),
)

_SAME_DEVICE = re.compile(r"expected all tensors to be on (?:the )?same device")
_PAIR = re.compile(r"(cuda:\d{1,2}|cpu|meta)\b(?: and |, | 和 )(cuda:\d{1,2}|cpu|meta)\b")
_CPU_TENSOR = re.compile(r"argument (\w{1,30}) in method (\w{1,60})")


def different_devices(case: Case) -> Iterator[Hit]:
    """``Expected all tensors to be on the same device``: which variant, and whether it is about
    the model at all.
    """
    low, clues = case.page.low, case.clues
    matches = list(_SAME_DEVICE.finditer(low))
    line = (
        case.page.line_at(matches[-1].start())
        if matches
        else case.page.says("Expected all tensors to be on the same device")
    )
    if line is None:
        return
    window = low[matches[-1].start() : matches[-1].start() + 400] if matches else low[-800:]
    pair = _PAIR.search(window)
    places = {pair.group(1), pair.group(2)} if pair else set()
    two_gpus = len([p for p in places if p.startswith("cuda")]) == 2
    ours = (
        clues.qwen
        or clues.concept("device_map_auto")
        or any(
            word in low
            for word in (
                "masked_scatter",
                "get_rope_index",
                "image_grid_thw",
                "inputs_embeds",
                "second_per_grid",
            )
        )
    )
    if clues.other_model or not (ours or two_gpus):
        return
    computed: dict[str, Computed] = {"devices": sorted(places)} if places else {}
    notes = []
    if "masked_scatter" in low or "image_mask" in low:
        notes.append(
            "Variant: the image mask stayed on the device of the inputs while the "
            "embeddings were elsewhere, a defect of transformers 4.45; upgrade to 4.46 or "
            "newer."
        )
    if "second_per_grid" in low or ("get_rope_index" in low and clues.concept("video")):
        notes.append(
            "Variant: second_per_grid_ts stays on the CPU in get_rope_index (video only); "
            "move it with the other inputs, or upgrade to a newer transformers."
        )
    if "world_size" in low or "torchrun" in low or "local_rank" in low:
        notes.append(
            "Variant: several processes (torchrun) with device_map='auto'; each process "
            "must own its GPUs: one replica per process (device_map={'': local_rank}) or "
            "AUTO_SPLIT in VLMEvalKit."
        )
    if "cpu" in places:
        notes.append(
            "Variant: inputs were left on the CPU; send them with inputs.to(model.device)."
        )
    if "index_select" in low or "embedding" in window:
        notes.append(
            "Variant: input_ids are on another device than embed_tokens; use "
            "inputs.to(model.device)."
        )
    if two_gpus and not notes:
        notes.append(
            "Variant: the model is split over GPUs and one tensor was made on the device "
            "of the inputs; send inputs to model.device (not to a fixed 'cuda') and "
            "upgrade transformers."
        )
    yield Hit("devices.tensors-on-different-devices", 93 if ours else 78, [line], computed, notes)


def nan_without_half(case: Case) -> Iterator[Hit]:
    """NaN in the sampler next to several GPUs points to the way between them, next to fp16 to the
    overflow.
    """
    clues = case.clues
    line = case.page.says("probability tensor contains either")
    if (
        line is not None
        and clues.concept("single_gpu_ok")
        and (clues.concept("multi_gpu") or clues.concept("device_map_auto"))
    ):
        yield Hit("devices.peer-copy-corruption", 95, [line])


DETECTORS = (different_devices, nan_without_half)
