"""Out of memory: which buffer it was, from its size, from the frame that asked for it, from what
the text says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..allocation import GIB, Bytes, OutOfMemory
from ..inversion import Reading, attention, image_for, logits, patches_of
from ..knowledge import knowledge
from ..model import Computed
from ..rule import Case, Hit

_M = "memory."
_IMAGEY = "image|big_image"

_CUDA_OOM = re.compile(
    r"cuda out of memory|outofmemoryerror|cuda error: out of memory|allocation on "
    r"device|hip out of memory|cublas_status_alloc_failed"
)
_ANY_OOM = re.compile(
    r"out of memory|outofmemoryerror|can't allocate memory|tried to allocate|"
    r"allocation on device|\boom\b|显存(?:不足|溢出|不够)"
)
_VISION_FRAME = re.compile(
    r"(?:in|self\.visual|visual)\(pixel_values|self\.visual\(|visionattention|"
    r"visionsdpaattention|visionblock|visiontransformer|visual\.blocks|"
    r"f\.scaled_dot_product_attention\(q, k, v"
    r"|matmul\(q, k\.transpose|attn_outputs = \[|hidden_states \+ self\.attn\(|"
    r"self\.visual\b|get_image_features|get_video_features"
)
_TEXT_FRAME = re.compile(
    r"decoder_layer\(|self\.self_attn\(|query_states, key_states\.transpose|"
    r"decoderlayer|language_model\.layers"
)
_LOGITS_FRAME = re.compile(
    r"self\.lm_head\(|logits\.float\(\)|logits = logits\.float|"
    r"logits\.to\(torch\.float|lm_head\(hidden_states|upcast_logits|shift_logits"
)
_LOAD_FRAME = re.compile(
    r"from_pretrained\(|load_state_dict|_load_pretrained_model|model\.cuda\(\)|"
    r"model\.to\(|set_module_tensor|loading checkpoint shards|"
    r"caching_allocator_warmup|\.to\(device\)"
)
_TRAIN_FRAME = re.compile(
    r"optimizer\.step|\.backward\(|adamw|trainer\.py|training_step|deepspeed|fsdp|"
    r"zero_optimization|finetun|fine-tun|微调|训练"
)
_FLOAT_FLAG = re.compile(
    r"--dtype[ =]float(?:32)?\b|torch_dtype ?= ?torch\.float(?:32)?\b|dtype ?= "
    r"?torch\.float(?:32)?\b|dtype[ =]float32|\bfp32\b|float32"
)
_MOVED = re.compile(r"\.to\(['\"]?cuda|\.cuda\(\)")


def out_of_memory(case: Case) -> Iterator[Hit]:
    """The diagnosis of an out-of-memory message, and the generic one where nothing points to Qwen-
    VL.
    """
    clues, low = case.clues, case.page.low
    if not (_ANY_OOM.search(low) or case.memory.all):
        return
    if clues.engine in ("llama.cpp", "mlx", "onnx", "tensorrt"):
        return
    if clues.other_model or (not clues.qwen and not _our_frames(low)):
        match = _CUDA_OOM.search(low)
        if match:
            yield _generic(case, case.page.line_at(match.start()))
        return
    events = case.memory.all
    largest = max(events, key=lambda e: e.tried.value) if events else None
    found = False
    for hit in (*_by_size(case, largest), *_by_card(case, events), *_by_weights(case, largest)):
        found = True
        yield hit
    match = _CUDA_OOM.search(low)
    if match:
        frame = _frame(low)
        if frame and not found:
            yield Hit(
                {
                    "vision": "memory.vision-attention-memory",
                    "text": "memory.text-attention-memory",
                    "logits": "memory.full-prompt-logits",
                }[frame],
                74,
                [case.page.line_at(match.start())],
            )
        generic = _generic(case, case.page.line_at(match.start()))
        generic.score = 52
        yield generic


def _our_frames(low: str) -> bool:
    return (
        re.search(
            (
                r"modeling_qwen|scaled_dot_product_attention\(q, k, v, attention_mask, "
                r"dropout_p=0\.0\)|image_grid_thw"
            ),
            low,
        )
        is not None
    )


def _frame(low: str) -> str | None:
    """The stage that asked for the memory, from the last frames of the traceback."""
    tail = low[-12_000:]
    last = {
        name: max((m.start() for m in pattern.finditer(tail)), default=-1)
        for name, pattern in (
            ("vision", _VISION_FRAME),
            ("text", _TEXT_FRAME),
            ("logits", _LOGITS_FRAME),
        )
    }
    name = max(last, key=lambda key: last[key])
    if last[name] < 0:
        return None
    if name == "text" and last["vision"] > last["text"] - 400 and "self.visual" in tail:
        return "vision"
    return name


def _readings(case: Case, size: Bytes) -> list[Reading]:
    heads = case.clues.family.vision_heads if case.clues.family else 16
    found = attention(size, heads, "vision", "vision tower")
    for label, numbers in case.clues.sizes:
        found += attention(size, numbers.heads, "text", label)
        found += logits(size, numbers.vocab, label)
    return found


def _stated_patches(case: Case) -> list[int]:
    clues = case.clues
    family = clues.family or knowledge().families["qwen2_5_vl"]
    counts = (
        [h * w for _, h, w in clues.grids]
        + [t * h * w for t, h, w in clues.grids]
        + list(clues.patch_counts)
    )
    images = [patches_of(w, h, family) for w, h in clues.image_sizes]
    counts += images
    if len(images) > 1:
        counts.append(sum(images))
    repeat = re.search(r"(\d{1,3}) (?:\w{1,12} )?images|(\d{1,3}) ?张", clues.prose)
    if repeat and images:
        number = int(repeat.group(1) or repeat.group(2))
        counts += [number * image for image in images]
    return counts


def _weight(case: Case, reading: Reading, frame: str | None, stated: list[int]) -> float:
    """How well a reading fits the frame, the image and the token counts of the text, 0-100."""
    score = 40.0
    if reading.exact:
        score += 25
    if reading.kind == frame:
        score += 35
    elif frame is not None:
        score -= 25
    if reading.kind == "vision" and any(
        abs(reading.count - count) <= max(8, 0.004 * count) for count in stated
    ):
        score += 40
    if reading.kind in ("text", "logits") and any(
        abs(reading.count - count) <= max(2, 0.006 * count) for count in case.clues.token_counts
    ):
        score += 40
    if reading.kind == "vision":
        score += 8 if case.clues.concept("image") or case.clues.concept("video") else 2
        if case.page.says("no image in the prompt") is not None or reading.count % 4:
            score -= 20
    if reading.kind == "text" and not case.clues.size_known:
        score -= 12
    if reading.kind == "logits":
        score += 12 if case.clues.concept("logits") else -8
        if reading.count > 60_000:
            score -= 15
    return score


def _by_size(case: Case, event: OutOfMemory | None) -> Iterator[Hit]:
    """Which materialised buffer has the size that was asked for."""
    low = case.page.low
    if event is None or (not case.clues.qwen_vl and not _our_frames(low)):
        return
    frame = _frame(low)
    if event.tried.value < 0.9 * GIB and frame is None:
        return
    stated = _stated_patches(case)
    ranked = sorted(_readings(case, event.tried), key=lambda r: -_weight(case, r, frame, stated))
    if not ranked:
        return
    best = ranked[0]
    weight = _weight(case, best, frame, stated)
    if weight < 45 and event.tried.value < 2 * GIB:
        return
    loading = frame is None and _LOAD_FRAME.search(low) is not None and not _MOVED.search(low)
    if loading and weight < 70:
        return
    score = min(97.0, 44 + weight / 2 + (6 if event.tried.value > 4 * GIB else 0))
    same = [
        r
        for r in ranked
        if r.kind == best.kind and (r.label == best.label or best.kind == "vision")
    ]
    yield _hit(case, event, best, same, score, stated)


_IDS = {
    "vision": "memory.vision-attention-memory",
    "text": "memory.text-attention-memory",
    "logits": "memory.full-prompt-logits",
}


def _hit(
    case: Case,
    event: OutOfMemory,
    best: Reading,
    same: list[Reading],
    score: float,
    stated: list[int],
) -> Hit:
    family = case.clues.family or knowledge().families["qwen2_5_vl"]
    computed: dict[str, Computed] = {"tried_bytes": event.tried.value}
    notes: list[str] = []
    seen: set[int] = set()
    for reading in same[:4]:
        if reading.width in seen:
            continue
        seen.add(reading.width)
        kind = {4: "fp32", 2: "bf16 or fp16"}[reading.width]
        if reading.kind == "vision":
            computed[f"patches_at_{reading.width}_bytes"] = reading.count
            tokens = reading.count // (family.merge**2)
            notes.append(
                f"{event.tried.shown} = {reading.heads} heads x {reading.count}^2 patches x "
                f"{reading.width} B ({kind}): {reading.count} patches = {tokens} visual tokens, "
                f"{image_for(reading.count, family.patch)}{_several(reading.count, case)}."
            )
        elif reading.kind == "text":
            computed[f"prompt_tokens_at_{reading.width}_bytes"] = reading.count
            notes.append(
                f"{event.tried.shown} = {reading.heads} heads x {reading.count}^2 tokens x "
                f"{reading.width} B ({kind}, {reading.label}): a prompt of {reading.count} "
                f"tokens."
            )
        else:
            vocab = next(n.vocab for label, n in case.clues.sizes if label == reading.label)
            computed[f"logits_rows_at_{reading.width}_bytes"] = reading.count
            notes.append(
                f"{event.tried.shown} = {reading.count} rows x {vocab} vocabulary entries x "
                f"{reading.width} B ({kind}): logits for {reading.count} prompt tokens."
            )
    if best.kind == "vision" and stated:
        match = next((c for c in stated if abs(best.count - c) <= max(8, 0.004 * c)), None)
        if match:
            computed["patches"] = match
            notes.append(f"That agrees with the image of the text: {match} patches.")
    return Hit(_IDS[best.kind], score, [event.line], computed, notes)


def _several(count: int, case: Case) -> str:
    return (
        " (or all images and frames of the call together, on transformers 4.53 and older)"
        if case.clues.concept("multi_image") or case.clues.concept("video")
        else ""
    )


def _by_card(case: Case, events: tuple[OutOfMemory, ...]) -> Iterator[Hit]:
    """Who holds the card: another process, the allocator's own holes."""
    for event in events[-3:]:
        held = event.held_by_others
        if held and held > 2 * GIB and event.capacity and held > 0.12 * event.capacity.value:
            yield Hit(
                "memory.co-tenant-memory",
                88 if held > 0.3 * event.capacity.value else 78,
                [event.line],
                {"held_by_others_gib": round(held / GIB, 2)},
                [
                    (
                        f"{held / GIB:.2f} GiB of the card belong to neither this process "
                        f"nor the free "
                        f"memory: other processes hold them."
                    )
                ],
            )
        if (
            event.idle
            and event.tried.value
            and event.idle.value >= event.tried.value
            and event.idle.value > 0.8 * GIB
            and event.capacity
            and event.idle.value > 0.05 * event.capacity.value
        ):
            yield Hit(
                "memory.memory-fragmentation",
                79,
                [event.line],
                {
                    "reserved_unallocated_gib": round(event.idle.value / GIB, 2),
                    "tried_gib": round(event.tried.value / GIB, 3),
                },
                [
                    (
                        f"{event.idle.value / GIB:.2f} GiB are reserved but unallocated, "
                        f"more than the "
                        f"{event.tried.shown} asked for: the free blocks are too small."
                    )
                ],
            )


def _by_weights(case: Case, event: OutOfMemory | None) -> Iterator[Hit]:
    """Weights that cannot fit in fp32 but would in bf16."""
    clues, low = case.clues, case.page.low
    flag = _FLOAT_FLAG.search(low)
    capacity = event.capacity.value if event and event.capacity else None
    billions = [int(name[:-1]) for name in clues.size_names]
    if not billions or (event is None and not flag):
        return
    known = clues.sizes[0][1].parameters if clues.families and clues.size_known else None
    params = known or int(billions[0] * 1.08e9)
    full, half = params * 4, params * 2
    computed: dict[str, Computed] = {
        "weights_fp32_gib": round(full / GIB, 1),
        "weights_bf16_gib": round(half / GIB, 1),
    }
    note = (
        f"{billions[0]}B parameters are {full / GIB:.1f} GiB in fp32 (float32) and "
        f"{half / GIB:.1f} GiB in bf16 or float16."
    )
    line = event.line if event else case.page.line_at(flag.start() if flag else 0)
    if (
        flag
        and "bf16" not in low
        and not re.search(r"softmax|autocast|float32 is", low)
        and (capacity is None or full > capacity * 0.9)
        and not clues.concept("eager")
    ):
        yield Hit("memory.weights-in-fp32", 84, [line], computed, [note])
    elif (
        capacity
        and half < capacity * 0.95 < full
        and _LOAD_FRAME.search(low)
        and not _frame(low)
        and not _TRAIN_FRAME.search(low)
        and event
        and event.tried.value < 3 * GIB
    ):
        yield Hit("memory.weights-in-fp32", 76, [line], computed, [note])


def _generic(case: Case, line: int) -> Hit:
    computed: dict[str, Computed] = {}
    notes: list[str] = []
    for event in case.memory.all[-1:]:
        computed["tried_gib"] = round(event.tried.value / GIB, 3)
        for name, size in (
            ("capacity_gib", event.capacity),
            ("free_gib", event.free),
            ("allocated_gib", event.allocated),
            ("reserved_unallocated_gib", event.idle),
        ):
            if size:
                computed[name] = round(size.value / GIB, 2)
        notes.append(
            f"The allocation that failed was {event.tried.shown}; nothing in the text ties "
            f"it to one known cause."
        )
    return Hit("memory.generic-out-of-memory", 55, [line], computed, notes)


DETECTORS = (out_of_memory,)
