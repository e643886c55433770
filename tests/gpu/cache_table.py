"""The KV cache on this machine: layer by layer, quantised, its speed, and the context that fits.

    PYTHONPATH=doctor:checks python3 tests/gpu/cache_table.py FILE

prints what the rules say and writes facts and judgements to FILE. With a CUDA device the speed is
that of the full-size model with random weights (16 GiB for 7B). It needs torch, transformers,
msgspec, packaging and, for the free memory, nvidia-ml-py. Nothing is downloaded or compiled.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path
from typing import Any

import msgspec

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.devices import nvml_probe
from qvl_checks.devices.nvml_facts import NvmlFacts
from qvl_checks.kv_cache import behaviour_probe, quantised_probe, speed_probe
from qvl_checks.kv_cache.behaviour_facts import CacheFacts
from qvl_checks.kv_cache.cache_broken import cache_broken
from qvl_checks.kv_cache.cache_disabled import cache_disabled
from qvl_checks.kv_cache.cache_size import cache_size
from qvl_checks.kv_cache.quantised_facts import QuantisedFacts
from qvl_checks.kv_cache.quantized_cache_corruption import quantized_cache_corruption
from qvl_checks.kv_cache.speed_facts import CacheSpeedFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import WorkloadFacts


def main() -> None:
    """Measure, judge, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", default="Qwen2.5-VL-7B")
    parser.add_argument("--level", default="deep", choices=["standard", "deep"])
    options = parser.parse_args()
    model = resolve(options.model)
    assert model is not None, options.model
    for name in model.heavy_imports:
        importlib.import_module(name.partition(":")[0])
    workload = WorkloadFacts()
    request = {
        "level": options.level,
        "model": msgspec.to_builtins(model),
        "workload": msgspec.to_builtins(workload),
    }
    began = time.monotonic()
    # Before this process takes anything of the card.
    nvml = msgspec.convert(nvml_probe.run(request), NvmlFacts)
    cache = msgspec.convert(behaviour_probe.run(request), CacheFacts)
    # Its backends run in forks, which cannot use CUDA once the parent has; so the speed is last.
    quantised = msgspec.convert(quantised_probe.run(request), QuantisedFacts)
    speed = msgspec.convert(speed_probe.run(request), CacheSpeedFacts)
    files = CheckpointFilesFacts(state="not-given")
    judgements = {
        "disabled": cache_disabled.judge(cache=cache, speed=speed),
        "broken": cache_broken.judge(cache=cache),
        "size": cache_size.judge(
            cache=cache, model=model, workload=workload, nvml=nvml, files=files
        ),
        "quantised": quantized_cache_corruption.judge(
            files=files, model=model, quantised=quantised
        ),
    }
    facts: dict[str, Any] = {
        "nvml": nvml,
        "cache": cache,
        "quantised": quantised,
        "speed": speed,
    }
    saved = {"seconds": time.monotonic() - began, "facts": facts, "judgements": judgements}
    options.file.write_bytes(msgspec.json.encode(saved, enc_hook=str))
    print(f"transformers {cache.transformers}: {saved['seconds']:.1f} s")
    for name, judgement in judgements.items():
        print(f"{name}: {judgement.outcome.value}: {judgement.title}\n    {judgement.cause}")
    for row in quantised.rows:
        print(
            f"{row.backend} {row.bits} bits {row.grouping}, bias {row.key_bias_norm:g}: error "
            f"{row.error}, top-1 {row.top1}, KL {row.kl}, bytes per token {row.bytes_per_token}"
        )
    print("not checked:", quantised.not_checked, "did not run:", quantised.missing)
    print(msgspec.json.encode(speed).decode())


if __name__ == "__main__":
    main()
