"""Facts of image processors as recorded, and the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

from qvl_checks.images.processor_facts import (
    IMAGES_PROCESSOR,
    Cell,
    Difference,
    Leak,
    ProcessorFacts,
    Refusal,
    Row,
)
from qvl_checks.images.ways import CAP_PIXELS, RECOMMENDED
from qvl_doctor.facts import ModelFacts, ProbeStatus, TargetFacts


@pytest.fixture
def target() -> TargetFacts:
    """An ordinary interpreter with pip."""
    return TargetFacts(python="/venv/bin/python", chosen_because="test", has_pip=True)


@pytest.fixture
def qwen25() -> ModelFacts:
    """A size by name, whose published file holds min_pixels and max_pixels."""
    return ModelFacts(
        name="Qwen2.5-VL-7B",
        source="published",
        model_type="qwen2_5_vl",
        class_name="Qwen2_5_VLForConditionalGeneration",
        family="Qwen2.5-VL",
        config={"vision_config": {"patch_size": 14}},
    )


@pytest.fixture
def qwen3() -> ModelFacts:
    """A size by name, whose published file holds size."""
    return ModelFacts(
        name="Qwen3-VL-8B",
        source="published",
        model_type="qwen3_vl",
        class_name="Qwen3VLForConditionalGeneration",
        family="Qwen3-VL",
        config={"vision_config": {"patch_size": 16}},
    )


def cell(tokens: int, unit: int = 28) -> Cell:
    """A cell that left so many tokens."""
    return Cell(status="ok", class_name="Some", tokens=tokens, pixels=tokens * unit**2)


@pytest.fixture
def facts() -> Callable[..., ProcessorFacts]:
    """``facts(default=3577)``: one row of the pixel style, healthy where nothing else is said."""

    def build(
        style: str = "pixels",
        default: int = 3577,
        expected: int | None = 3577,
        recommended: Cell | None = None,
        leak: dict[str, Any] | None = None,
        **fields: Any,
    ) -> ProcessorFacts:
        row = Row(
            style=style,
            implementation="default",
            class_name="Qwen2VLImageProcessorFast",
            settings={"min_pixels": 3136, "max_pixels": 12_845_056},
            limit_pixels=12_845_056 if expected else None,
            expected_tokens=expected,
            shrunk_tokens=1247,
            cells={
                "default": cell(default),
                RECOMMENDED: recommended or cell(247),
                "load size": cell(default),
            },
        )
        leaks = () if leak is None else (Leak(style=style, **{"status": "ok", **leak}),)
        known: dict[str, Any] = {
            "transformers": "4.57.1",
            "picture": (2048, 1365),
            "cap_pixels": CAP_PIXELS,
            "classes": {"slow": "Qwen2VLImageProcessor", "fast": "Qwen2VLImageProcessorFast"},
            "rows": (row,),
            "leaks": leaks,
            "difference": Difference(status="ok", relative=0.0012, largest=0.02, same_grid=True),
            "extremes": (
                Refusal(
                    width=4200,
                    height=20,
                    status="raised",
                    reason="ValueError: absolute aspect ratio must be smaller than 200, got 210.0",
                ),
                Refusal(width=400, height=20, status="ok", tokens=14),
            ),
        }
        return ProcessorFacts(**{**known, **fields})

    return build


@pytest.fixture
def measure(shared_agent: SharedAgent) -> Callable[..., ProcessorFacts]:
    """Runs the probe in the interpreter that is examined."""

    def run(level: str = "quick", model: dict[str, Any] | None = None) -> ProcessorFacts:
        request = {"level": level, "model": model, "workload": {}, "inputs": {}}
        record = shared_agent.run(IMAGES_PROCESSOR.entry, request, IMAGES_PROCESSOR.budget_s)
        assert record.status is ProbeStatus.OK, record.reason
        return msgspec.convert(record.data, ProcessorFacts)

    return run
