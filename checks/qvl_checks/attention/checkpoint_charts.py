"""Pictures of a checkpoint, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from qvl_checks.attention.checkpoint_run_facts import CheckpointRunFacts, PromptRun
from qvl_checks.attention.checkpoint_verdict import FLOAT32
from qvl_checks.attention.cure import NAME as CURE
from qvl_checks.attention.drift_verdict import FLOOR
from qvl_checks.attention.key_bias_facts import KeyBiasFacts
from qvl_doctor.findings import Chart, Series

LAYER = "layer of the language model"
Emphasis = Literal["normal", "bad", "good"]


def checkpoint_charts(
    biases: KeyBiasFacts | None, run: CheckpointRunFacts | None, dtype: str
) -> Iterator[Chart]:
    """The error of every layer, how it travels, and the offsets behind it."""
    prompt = _shown(run)
    errors = list(_errors(biases, prompt, dtype))
    if errors:
        yield _chart(
            f"Error of each layer's attention, given the same input ({dtype})",
            "relative L2 error of the output",
            errors,
            threshold=FLOOR,
        )
    if prompt is not None:
        yield _chart(
            f"How the error travels through the layers ({dtype})",
            "relative L2 difference from float32 logits",
            list(_travel(prompt)),
        )
    offsets = list(_offsets(biases, prompt))
    if offsets:
        yield _chart("Where the logits lie", "offset of the scaled logits, absolute", offsets)


def _shown(run: CheckpointRunFacts | None) -> PromptRun | None:
    """The longest prompt that was run."""
    done = [prompt for prompt in run.prompts if prompt.layers] if run else []
    return max(done, key=lambda prompt: prompt.tokens, default=None)


def _errors(biases: KeyBiasFacts | None, prompt: PromptRun | None, dtype: str) -> Iterator[Series]:
    if biases is not None:
        predicted = {
            layer.layer: layer.error(dtype)
            for layer in biases.of("text")
            if layer.offset is not None
        }
        yield from _series("eager, predicted", predicted)
    if prompt is None:
        return
    for name in dict.fromkeys(name for layer in prompt.layers for name in layer.local):
        found = {layer.layer: layer.local[name] for layer in prompt.layers if name in layer.local}
        yield from _series(f"{name}, measured", found, _emphasis(name))


def _travel(prompt: PromptRun) -> Iterator[Series]:
    for name in prompt.implementations:
        if name == CURE:
            continue
        label = "float32 throughout" if name == FLOAT32 else name
        found = {layer.layer: layer.drift.get(name) for layer in prompt.layers}
        yield from _series(label, found, _emphasis(name))


def _offsets(biases: KeyBiasFacts | None, prompt: PromptRun | None) -> Iterator[Series]:
    if biases is not None:
        predicted = {
            layer.layer: layer.offset for layer in biases.of("text") if layer.offset is not None
        }
        yield from _series("predicted", predicted)
    if prompt is not None:
        measured = {layer.layer: layer.offset for layer in prompt.layers}
        yield from _series("measured", measured, "bad")


def _series(
    name: str, values: Mapping[int, float | None], emphasis: Emphasis = "normal"
) -> Iterator[Series]:
    """A line over the layers; zeros have no place on a logarithmic axis and are left out."""
    points = tuple(
        (layer, None if value is None else abs(value))
        for layer, value in sorted(values.items())
        if value != 0
    )
    if points:
        yield Series(name=name, points=points, emphasis=emphasis)


def _chart(title: str, y: str, series: list[Series], threshold: float | None = None) -> Chart:
    return Chart(
        kind="line",
        title=title,
        x=LAYER,
        y=y,
        series=tuple(series),
        log_y=True,
        threshold=threshold,
        threshold_label=f"{threshold:.0%}" if threshold else "",
    )


def _emphasis(name: str) -> Emphasis:
    return {"eager": "bad", FLOAT32: "good"}.get(name, "normal")  # type: ignore[return-value]
