"""Facts about what the KV cache saves: the same run with and without it."""

from __future__ import annotations

from typing import ClassVar

from qvl_doctor.probe import Facts, Level, Probe


class CacheSpeedFacts(Facts):
    """Times of generate in one process, one after the other."""

    probe: ClassVar[str] = "kv-cache.speed"
    reason: str = ""
    """Why nothing was run."""
    small: bool = True
    """A small model of the architecture, or the examined size."""
    small_because: str = ""
    device: str = "cpu"
    device_name: str = ""
    dtype: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0
    with_cache_s: float | None = None
    without_cache_s: float | None = None
    same_tokens: bool | None = None
    """Whether both gave the same text; in half precision a near tie may fall either way."""
    peak_with_bytes: int | None = None
    """Of the GPU allocator, weights included."""
    peak_without_bytes: int | None = None

    @property
    def ratio(self) -> float | None:
        """How many times longer it takes without the cache."""
        if not self.with_cache_s or not self.without_cache_s:
            return None
        return self.without_cache_s / self.with_cache_s


CACHE_SPEED = Probe(
    id="kv-cache.speed",
    title="generates with and without the KV cache",
    facts=CacheSpeedFacts,
    entry="qvl_checks.kv_cache.speed_probe:run",
    budget_s=240.0,
    level=Level.STANDARD,
    imports=("torch", "model"),
    gpu=True,
)
