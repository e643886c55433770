"""Operations that have a slow path, each beside the one that computes the same. In the target."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qvl_checks.devices.room import synchronize
from qvl_checks.devices.stopwatch import Stopwatch

CONV3D, PREFILL, DECODE, BF16 = "conv3d", "gqa prefill", "gqa decode", "bfloat16"
ROUNDS = 15
PAIR_S = 1.0
"""Measured rounds end after this time, however few they were."""
PATCHES = 4096
MATRIX = 2048
PROMPT = 2048
CACHED = 8192
DEFAULT_VISION = {"patch_size": 14, "temporal_patch_size": 2, "in_channels": 3, "hidden_size": 1280}
DEFAULT_TEXT = {"num_attention_heads": 28, "num_key_value_heads": 4, "head_dim": 128}

Call = Callable[[], Any]


class KernelPair(NamedTuple):
    """Two ways to the same result."""

    suspect: Call
    alternative: Call
    shape: str
    """In words, for people."""


def pairs(config: Mapping[str, Any]) -> dict[str, Callable[[Any, str, str], KernelPair]]:
    """Name -> maker, called with torch, a device and a dtype's name, for a model's sizes."""
    vision = sizes(config.get("vision_config"), DEFAULT_VISION)
    if "embed_dim" in (config.get("vision_config") or {}):  # there hidden_size is the output's
        vision["hidden_size"] = config["vision_config"]["embed_dim"]
    text = sizes(config.get("text_config") or config, DEFAULT_TEXT)
    return {
        CONV3D: lambda torch, device, dtype: patch_embedding(torch, device, dtype, vision),
        PREFILL: lambda torch, device, dtype: grouped(torch, device, dtype, text, PROMPT, PROMPT),
        DECODE: lambda torch, device, dtype: grouped(torch, device, dtype, text, 1, CACHED),
        BF16: lambda torch, device, _: product(torch, device, MATRIX),
    }


def sizes(section: Any, defaults: Mapping[str, int]) -> dict[str, int]:
    """Whole numbers of a config section; those of a 7B where it has none."""
    known = section if isinstance(section, dict) else {}
    found = {name: known.get(name) for name in defaults}
    if "head_dim" in defaults and not isinstance(found["head_dim"], int):
        width, heads = known.get("hidden_size"), known.get("num_attention_heads")
        if isinstance(width, int) and isinstance(heads, int) and heads:
            found["head_dim"] = width // heads
    return {
        name: value if isinstance(value, int) and value > 0 else defaults[name]
        for name, value in found.items()
    }


def patch_embedding(
    torch: Any, device: str, dtype: str, vision: Mapping[str, int], patches: int = PATCHES
) -> KernelPair:
    """A convolution whose kernel is as large as its input, and the matrix product it is."""
    side, frames, channels = (
        vision[name] for name in ("patch_size", "temporal_patch_size", "in_channels")
    )
    wanted = getattr(torch, dtype)
    shape = (channels, frames, side, side)
    volume = torch.randn(patches, *shape, device=device).to(wanted)
    weight = (torch.randn(vision["hidden_size"], *shape, device=device) * 0.02).to(wanted)
    function = torch.nn.functional
    return KernelPair(
        lambda: function.conv3d(volume, weight, stride=shape[1:]).flatten(1),
        lambda: function.linear(volume.flatten(1), weight.flatten(1)),
        f"{patches} patches of {channels}x{frames}x{side}x{side} to {vision['hidden_size']}",
    )


def grouped(
    torch: Any, device: str, dtype: str, text: Mapping[str, int], queries: int, keys: int
) -> KernelPair:
    """Attention that is told of shared key/value heads, and the same with the heads repeated."""
    heads, shared, width = (
        text[name] for name in ("num_attention_heads", "num_key_value_heads", "head_dim")
    )
    wanted = getattr(torch, dtype)
    q = torch.randn(1, heads, queries, width, device=device).to(wanted)
    k, v = (torch.randn(1, shared, keys, width, device=device).to(wanted) for _ in "kv")
    attend = torch.nn.functional.scaled_dot_product_attention
    causal, group = queries > 1, heads // shared

    def repeated() -> Any:
        spread = [one.repeat_interleave(group, dim=1) for one in (k, v)]
        return attend(q, *spread, is_causal=causal)

    return KernelPair(
        lambda: attend(q, k, v, is_causal=causal, enable_gqa=True),
        repeated,
        f"{queries} queries, {keys} keys, {heads} heads over {shared}, {width} wide",
    )


def product(torch: Any, device: str, size: int) -> KernelPair:
    """A matrix product in bfloat16 and in float16."""
    a = torch.randn(size, size, device=device)
    low, half = a.to(torch.bfloat16), a.to(torch.float16)
    return KernelPair(lambda: low @ low, lambda: half @ half, f"{size}x{size} by {size}x{size}")


def compare(torch: Any, device: str, pair: KernelPair) -> dict[str, Any]:
    """Median times, taken in turns, and peak memory of each; see `KernelRatio` of the facts."""
    with torch.no_grad():
        first, second = pair.suspect(), pair.alternative()
        difference = (first.double() - second.double()).norm() / second.double().norm()
        del first, second
        peaks = [_peak(torch, device, call) for call in (pair.suspect, pair.alternative)]
        watch = Stopwatch(torch, device)
        times: tuple[list[float], list[float]] = ([], [])
        end = time.monotonic() + PAIR_S
        while len(times[0]) < ROUNDS and (not times[0] or time.monotonic() < end):
            for call, seconds in ((pair.suspect, times[0]), (pair.alternative, times[1])):
                synchronize(torch, device)
                watch.start()
                call()
                watch.stop()
                seconds.append(watch.seconds())
    suspect, alternative = (max(statistics.median(seconds), 1e-9) for seconds in times)
    return {
        "shape": pair.shape,
        "rounds": len(times[0]),
        "seconds": suspect,
        "alternative_seconds": alternative,
        "peak_bytes": peaks[0],
        "alternative_peak_bytes": peaks[1],
        "difference": float(difference) if bool(difference.isfinite()) else None,
    }


def _peak(torch: Any, device: str, call: Call) -> int | None:
    """Bytes that a call holds at the worst moment, above what is held already."""
    if torch.device(device).type != "cuda":
        return None
    torch.cuda.synchronize(device)
    held = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device) - held)
