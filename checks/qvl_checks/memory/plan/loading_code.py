"""A changed workload as the program that a user would write, for one release of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qvl_checks.memory.pixels import PUBLISHED_LIMITS
from qvl_checks.memory.trace.workload import TENSOR_PARALLEL
from qvl_checks.models.attention_wish import code as spelled

DTYPE_KEYWORD_SINCE = (4, 56)
"""transformers release from which ``from_pretrained`` takes ``dtype``."""
DISTRIBUTED_CONFIG_SINCE = (5, 17)
"""Release from which ``from_pretrained(tp_plan=...)`` is deprecated for it (read in 5.17 and 5.23;
in 5.4 the class had no such field)."""
MIB = 2**20
LOADING = {"attention", "dtype", "device_map", "max_memory"}
SETTING = "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"


def code(
    change: Mapping[str, Any],
    workload: Mapping[str, Any],
    class_name: str,
    transformers: str,
    patch: int,
    gpus: int = 1,
) -> str:
    """Everything that has to be written for this change, ready to paste; ``path`` is the user's."""
    parts = []
    if LOADING & set(change) and _tensor_parallel({**workload, **change}):
        parts.append(f"# start it with:  torchrun --nproc-per-node {gpus} program.py")
    if change.get("expandable_segments"):
        parts.append(f"# before Python starts:  export {SETTING}")
    if LOADING & set(change):
        parts.append(_loading({**workload, **change}, class_name, transformers))
    if "max_pixels" in change:
        fewest = PUBLISHED_LIMITS.get(patch, PUBLISHED_LIMITS[16])[0]
        parts.append(
            "processor = AutoProcessor.from_pretrained(\n"
            f"    path, min_pixels={min(fewest, change['max_pixels'])}, "
            f"max_pixels={change['max_pixels']}\n)"
        )
    if "batch" in change:
        parts.append(f"batch_size = {change['batch']}")
    if "videos" in change:
        frames = max(frames for _, _, frames in change["videos"])
        parts.append(f"num_frames = {frames}  # sampled from each video")
    if "logits_to_keep" in change:
        parts.append(f"output = model(**inputs, logits_to_keep={change['logits_to_keep']})")
    arguments = _generating(change)
    if arguments:
        parts.append(f"output = model.generate(**inputs, {', '.join(arguments)})")
    return "\n".join(parts)


def summary(change: Mapping[str, Any]) -> str:
    """The change in a few words: ``sdpa attention, at most 1003520 pixels per image``."""
    words = []
    if "attention" in change:
        words.append(f"{_attention_words(change['attention'])} attention")
    if "dtype" in change:
        words.append(f"weights in {change['dtype']}")
    if "max_memory" in change:
        words.append("a device map that leaves room on the first GPU")
    elif _tensor_parallel(change):
        words.append("tensor parallelism over all GPUs")
    elif "device_map" in change:
        words.append(f'device_map="{change["device_map"]}"')
    if change.get("expandable_segments"):
        words.append("expandable segments in the allocator")
    if "logits_to_keep" in change:
        words.append("logits of the last position only")
    if "prefill_chunk_size" in change:
        words.append(f"a prefill in chunks of {change['prefill_chunk_size']} tokens")
    if "cache_implementation" in change:
        words.append(f"an {change['cache_implementation']} KV cache")
    if "batch" in change:
        words.append(f"{change['batch']} prompts at a time")
    if "max_pixels" in change:
        words.append(f"at most {change['max_pixels']} pixels per image")
    if "videos" in change:
        words.append(f"{max(frames for _, _, frames in change['videos'])} frames per video")
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


def _loading(workload: Mapping[str, Any], class_name: str, transformers: str) -> str:
    release = tuple(int(part) for part in transformers.split(".")[:2] if part.isdigit())
    dtype = "dtype" if release >= DTYPE_KEYWORD_SINCE else "torch_dtype"
    arguments = [f"{dtype}=torch.{workload['dtype']}"]
    if workload.get("attention"):
        arguments.append(f"attn_implementation={spelled(workload['attention'])}")
    if _tensor_parallel(workload):
        known = release >= DISTRIBUTED_CONFIG_SINCE
        arguments.append(
            'distributed_config=DistributedConfig(tp_plan="auto")' if known else 'tp_plan="auto"'
        )
    else:
        arguments.append(f'device_map="{workload.get("device_map") or "cuda:0"}"')
    if workload.get("max_memory") and not _tensor_parallel(workload):
        rooms = ", ".join(
            f'{index}: "{int(room) // MIB}MiB"' for index, room in workload["max_memory"].items()
        )
        arguments.append(f"max_memory={{{rooms}}}")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    imported = ""
    if any("DistributedConfig" in argument for argument in arguments):
        imported = "from transformers.distributed import DistributedConfig\n\n"
    return f"{imported}model = {class_name}.from_pretrained(\n    path,\n{lines})"


def _tensor_parallel(workload: Mapping[str, Any]) -> bool:
    return workload.get("device_map") == TENSOR_PARALLEL


def _generating(change: Mapping[str, Any]) -> Sequence[str]:
    found = []
    if "prefill_chunk_size" in change:
        found.append(f"prefill_chunk_size={change['prefill_chunk_size']}")
    if "cache_implementation" in change:
        found.append(f'cache_implementation="{change["cache_implementation"]}"')
    return found


def _attention_words(wish: str) -> str:
    """``vision=sdpa,text=eager`` -> ``sdpa in the vision tower, eager in the language model``."""
    if "=" not in wish:
        return wish
    names = {"vision": "the vision tower", "text": "the language model"}
    parts = (part.split("=", 1) for part in wish.split(","))
    return ", ".join(f"{name} in {names[part]}" for part, name in parts)
