"""One prediction: the stated workload traced on fake devices, put together to the full model."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Optional

from qvl_checks.memory.pixels import limits, resized
from qvl_checks.memory.trace import depth, hollow
from qvl_checks.memory.trace import inputs as model_inputs
from qvl_checks.memory.trace.allocator import replay
from qvl_checks.memory.trace.ledger import (
    DECODE,
    INPUTS,
    KV_CACHE,
    LOGITS,
    TEXT,
    VISION,
    WEIGHTS,
    Stretch,
    Usage,
    worst,
)
from qvl_checks.memory.trace.phases import Follower
from qvl_checks.memory.trace.repeats import Repeats
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.memory.trace.session import Session, session
from qvl_checks.memory.trace.workspace import workspace_bytes
from qvl_checks.models.build import MERGE, make_config

DEFAULT_CAPABILITY = (9, 0)
DEVICE = "cuda:0"
TRACED_TOKENS = 2
"""A prefill and one decode step."""
ANY_SIZE = (1, 2**62)
"""Limits in pixels that no image meets."""
TERMS = {
    "inputs_bytes": INPUTS,
    "kv_cache_bytes": KV_CACHE,
    "vision_scratch_bytes": VISION,
    "text_scratch_bytes": TEXT,
    "logits_bytes": LOGITS,
}


class Prediction:
    """Traces one workload; `facts` says what `torch.cuda.max_memory_allocated` would."""

    def __init__(self, torch: Any, model: Mapping[str, Any], workload: Mapping[str, Any]) -> None:
        self._torch = torch
        self._workload = workload
        self._config = make_config(dict(model["config"]))
        self._capability = tuple(workload.get("capability") or DEFAULT_CAPABILITY)
        patch = self._config.vision_config.patch_size
        bounds = limits(patch, model.get("path")) if workload.get("resize", True) else ANY_SIZE
        self._images = [
            resized(width, height, patch * MERGE, *bounds) for width, height in workload["images"]
        ]
        patches = [width * height // patch**2 for width, height in self._images]
        self.patches = patches
        self.prompt_tokens = workload["text_tokens"] + sum(
            count // MERGE**2 + 2 for count in patches
        )

    def facts(self) -> dict[str, Any]:
        """Plain data per device; bytes throughout."""
        started = time.monotonic()
        config, stacks = self._config, depth.whole(self._config)
        if self._workload.get("depth", "reduced") == "reduced":
            config, stacks = depth.reduce(self._config)
        with Replacements() as replaced:
            model = hollow.build(
                self._torch,
                config,
                self._workload["dtype"],
                self._workload["attention"],
                replaced,
            )
            sizes = hollow.weight_sizes(model)
            missing = depth.full_weights(sizes, stacks) - sum(sizes.values())
            with session(self._torch, self._capability) as run:
                self._run(run, model, config, replaced)
        stretches = depth.extend(run.ledger.stretches, stacks, {DEVICE: missing})
        self._lengthen(stretches)
        return {
            "images": self._images,
            "patches": self.patches,
            "prompt_tokens": self.prompt_tokens,
            "devices": [self._device(device, stretches, run) for device in sorted(run.ledger.live)],
            "seconds": round(time.monotonic() - started, 3),
        }

    def _run(self, run: Session, model: Any, config: Any, replaced: Replacements) -> None:
        hollow.to_fake(
            model,
            lambda tensor, name: run.empty(tensor.shape, tensor.dtype, DEVICE),
            self._torch,
        )
        run.ledger.kind = INPUTS
        tensors = model_inputs.make(
            run,
            model,
            config,
            images=self._images,
            text_tokens=self._workload["text_tokens"],
            batch=self._workload["batch"],
            device=DEVICE,
        )
        run.ledger.kind = TEXT
        follower = Follower(run.ledger, run.storages)
        follower.follow_cache(self._torch, replaced)
        follower.follow(model)
        modeling = sys.modules[type(model).__module__]
        registry = getattr(
            sys.modules["transformers.modeling_utils"], "ALL_ATTENTION_FUNCTIONS", None
        )
        Repeats(self._torch, run.ledger).install(modeling, registry, replaced)
        run.ledger.begin(TEXT)
        if self._workload.get("mode", "generate") == "forward":
            kept = model(**tensors)
        else:
            tokens = min(self._workload["new_tokens"], TRACED_TOKENS)
            kept = model.generate(**tensors, max_new_tokens=tokens, do_sample=False)
        del kept

    def _lengthen(self, stretches: list[Stretch]) -> None:
        """Let the traced decode step stand for the last one, whose cache is the longest."""
        beyond = self._workload["new_tokens"] - TRACED_TOKENS
        if beyond <= 0:
            return
        traced = self.prompt_tokens + TRACED_TOKENS - 1
        for stretch in stretches:
            if stretch.phase == DECODE:
                for usage in stretch.devices.values():
                    usage.peak[KV_CACHE] += usage.peak[KV_CACHE] * beyond // traced

    def _device(self, device: str, stretches: list[Stretch], run: Session) -> dict[str, Any]:
        workspace = workspace_bytes(self._capability, os.environ.get("CUBLAS_WORKSPACE_CONFIG", ""))
        top = worst(stretches, device)
        assert top is not None
        usage = top.devices[device]
        most = self._most(device, stretches)
        largest = run.ledger.largest.get(device)
        return {
            "device": device,
            "weights_bytes": usage.peak[WEIGHTS],
            "peak_allocated_bytes": _total(usage) + workspace,
            "peak_reserved_bytes": self._reserved(device, run, workspace),
            "peak_phase": top.phase,
            "peak_module": usage.module,
            "largest_tensor": largest
            and {
                "shape": list(largest.shape),
                "dtype": largest.dtype,
                "bytes": largest.size,
            },
            "terms": {
                **{name: most[kind] for name, kind in TERMS.items()},
                "workspace_bytes": workspace,
            },
            "at_peak": {
                **{name: usage.peak[kind] for name, kind in TERMS.items()},
                "weights_bytes": usage.peak[WEIGHTS],
                "workspace_bytes": workspace,
            },
            "phase_peaks": self._phase_peaks(device, stretches, workspace),
        }

    def _reserved(self, device: str, run: Session, workspace: int) -> Optional[int]:
        """What `torch.cuda.max_memory_reserved` would say; known only from a full trace."""
        if self._workload.get("depth", "reduced") != "full":
            return None
        events = [(device, 0, workspace), *run.ledger.events]
        return replay(events, device).peak_reserved

    def _most(self, device: str, stretches: list[Stretch]) -> Counter[str]:
        """The most of each kind that is alive at the peak of any stretch."""
        most: Counter[str] = Counter()
        for stretch in stretches:
            if device in stretch.devices:
                most |= stretch.devices[device].peak
        return most

    def _phase_peaks(self, device: str, stretches: list[Stretch], workspace: int) -> dict[str, int]:
        peaks = {}
        for phase in (VISION, TEXT, LOGITS, DECODE):
            top = worst(stretches, device, phase)
            if top is not None:
                peaks[phase] = _total(top.devices[device]) + workspace
        return peaks


def _total(usage: Usage) -> int:
    return sum(usage.peak.values())
