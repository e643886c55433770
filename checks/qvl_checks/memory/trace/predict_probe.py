"""Predicts the memory peak of the stated workload on the stated devices, without any GPU."""

from __future__ import annotations

import os
import warnings
from typing import Any


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Per device: weights, peak, phase and module of the peak, largest tensor, terms; bytes.

    The workload's fields are those of WorkloadFacts; ``attention`` may also map sub-configs to
    names; further keys:

    - ``gpus``: one {capacity_bytes, context_bytes, others_bytes} per GPU; without it nothing is
      said about what fits
    - ``device_map``: also a dict; ``max_memory``: as transformers takes it, with the planned maps
      only; ``after_dispatch``: ``to_cuda`` for a model that is then moved
    - ``videos``: [width, height, frames] each, frames as they reach the model
    - ``mode``: ``generate`` or ``forward``; for the latter ``logits_to_keep``, for the former
      ``prefill_chunk_size`` and ``cache_implementation``; for both ``use_cache``
    - ``capability``: [major, minor] of the GPU
    - ``expandable_segments``: how the allocator is set
    - ``max_pixels``, ``min_pixels``: the processor's limits, if not the checkpoint's own;
      ``resize`` False: none
    - ``loading``: ``from_pretrained``, or ``one_by_one``: no release reserves the room for all
      weights beforehand
    - ``depth``: ``reduced``, or ``full``: every layer is traced
    """
    # Nothing here may wake a driver, or take memory on a card, through a lazy initialisation.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch
    import transformers

    from qvl_checks.memory.trace.prediction import Prediction

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts = Prediction(torch, request["model"], request["workload"]).facts()
    return {
        **facts,
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }
