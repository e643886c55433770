"""GPUs, drivers, the way between GPUs, and tensors that are in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model import Computed
from ..rule import Case, Hit

_D = "devices."
_NAN = "garbled|nan|bangs|accuracy_drop"

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
            "Variant: the image mask stayed on the device of the inputs while the embeddings "
            "were elsewhere, a defect of transformers 4.45; upgrade to 4.46 or newer."
        )
    if "second_per_grid" in low or ("get_rope_index" in low and clues.concept("video")):
        notes.append(
            "Variant: second_per_grid_ts stays on the CPU in get_rope_index (video only); move "
            "it with the other inputs, or upgrade to a newer transformers."
        )
    if "world_size" in low or "torchrun" in low or "local_rank" in low:
        notes.append(
            "Variant: several processes (torchrun) with device_map='auto'; each process must "
            "own its GPUs: one replica per process (device_map={'': local_rank}) or AUTO_SPLIT "
            "in VLMEvalKit."
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
            "Variant: the model is split over GPUs and one tensor was made on the device of the "
            "inputs; send inputs to model.device (not to a fixed 'cuda') and upgrade "
            "transformers."
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
