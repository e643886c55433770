"""Watches the attention layers of a language model while it runs.

Runs in the target; standard library only at module level. A free run shows how errors travel from
layer to layer; the local comparison hands every layer the same input through each implementation,
which shows where they arise.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from qvl_checks.attention.logit_rounding import FP16_MAX

QUERIES = 64
"""Rows of logits that are looked at."""
ROWS = 256
"""Tokens whose outputs and next-token logits are compared."""

Again = Callable[[Any, Any, Any], None]
"""Runs an attention module once more on the arguments of its last call."""


def spread_over(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of the numbers below ``count``, evenly, the last among them."""
    if count <= wanted:
        return list(range(count))
    return [round((index + 1) * count / wanted) - 1 for index in range(wanted)]


class FreeRun:
    """One forward pass: what each attention layer put out, and where values stopped being finite.

    ``outputs`` holds (tokens, heads * width) by layer: what enters the output projection, at
    `ROWS` tokens. ``next_tokens`` holds the logits of the same tokens, (tokens, vocabulary).
    """

    def __init__(self, model: Any, modules: Sequence[Any], tokens: int) -> None:
        self._model = model
        self._modules = list(modules)
        self._rows = spread_over(tokens, ROWS)
        self.outputs: list[Any] = [None] * len(self._modules)
        self.nonfinite = [0] * len(self._modules)
        self.nonfinite_after = [0] * len(self._modules)
        """In what each decoder layer hands on."""
        self.next_tokens: Any = None

    def run(self, inputs: Mapping[str, Any]) -> None:
        """Run it.

        Raises:
            RuntimeError: torch cannot, for want of memory for one.
        """
        with self._watching():
            self.next_tokens = self._model(**inputs, use_cache=False).logits[0].float()

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for index, module in enumerate(self._modules):
                handle = module.o_proj.register_forward_pre_hook(self._keep(index))
                stack.callback(handle.remove)
            for index, layer in enumerate(decoder_layers(self._model, self._modules)):
                stack.callback(layer.register_forward_hook(self._count(index)).remove)
            head = self._model.get_output_embeddings()
            # Logits of every token of a long prompt would take gigabytes.
            handle = head.register_forward_pre_hook(
                lambda module, args: (args[0][:, self._rows], *args[1:])
            )
            stack.callback(handle.remove)
            yield

    def _keep(self, index: int) -> Callable[[Any, Any], None]:
        def keep(module: Any, args: Any) -> None:
            self.nonfinite[index] = nonfinite(args[0])
            self.outputs[index] = args[0][0, self._rows].clone()

        return keep

    def _count(self, index: int) -> Callable[[Any, Any, Any], None]:
        def count(module: Any, args: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            self.nonfinite_after[index] = nonfinite(hidden)

        return count


class LocalComparison:
    """Runs every attention module again, with each other implementation, on the same input.

    ``errors`` holds by implementation and layer the relative L2 difference of the outputs; None
    where a value is not finite. ``logits`` holds by layer the statistics of `logit_statistics`.
    """

    def __init__(self, modules: Sequence[Any], others: Mapping[str, Again], tokens: int) -> None:
        self._modules = list(modules)
        self._others = dict(others)
        self._rows = spread_over(tokens, ROWS)
        self._latest: Any = None
        self.errors: dict[str, list[float | None]] = {
            name: [None] * len(self._modules) for name in others
        }
        self.logits: list[dict[str, Any]] = [{} for _ in self._modules]
        self.missing: dict[str, str] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While this is open, every call of a module is repeated."""
        with contextlib.ExitStack() as stack:
            for index, module in enumerate(self._modules):
                handle = module.o_proj.register_forward_pre_hook(self._note)
                stack.callback(handle.remove)
                handle = module.register_forward_hook(self._repeat(index), with_kwargs=True)
                stack.callback(handle.remove)
            yield

    def _note(self, module: Any, args: Any) -> None:
        self._latest = args[0][0, self._rows]

    def _repeat(self, index: int) -> Callable[[Any, Any, Any, Any], None]:
        def repeat(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            reference = self._latest
            for name, again in self._others.items():
                if name in self.missing:
                    continue
                statistics: dict[str, Any] = {}
                watched = name == "eager"
                try:
                    with logit_watcher(module, statistics) if watched else contextlib.nullcontext():
                        again(module, args, kwargs)
                except Exception as error:
                    self.missing[name] = f"{type(error).__name__}: {error}"[:400]
                    continue
                self.errors[name][index] = relative(self._latest, reference)
                if watched:
                    self.logits[index] = statistics

        return repeat


def logit_watcher(module: Any, statistics: dict[str, Any]) -> Any:
    """A context in which the first matmul, which in eager attention is Q·Kᵀ, is looked at; fills
    ``statistics``."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Watcher(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.matmul and not statistics:
                scaling = getattr(module, "scaling", None) or args[0].shape[-1] ** -0.5
                statistics.update(logit_statistics(args[0], args[1], float(scaling)))
            return function(*args, **(kwargs or {}))

    return Watcher()


def logit_statistics(query: Any, key: Any, scaling: float) -> dict[str, Any]:
    """Of causal attention, query (1, heads, tokens, width) and key (1, heads, width, tokens), in
    float32, at `QUERIES` of the queries."""
    import torch

    rows = torch.tensor(spread_over(query.shape[2], QUERIES), device=query.device)
    products = query[:, :, rows].float() @ key.float()
    places = torch.arange(key.shape[-1], device=query.device)
    visible = (places[None, :] <= rows[:, None]).expand_as(products)
    seen = products[visible]
    logits = (products * scaling).masked_fill(~visible, -math.inf)
    weights = logits.softmax(-1)
    offsets = (weights * (products * scaling)).sum(-1).mean(-1)[0]
    offset = offsets[offsets.abs().argmax()]
    return {
        "offset": number(offset),
        "low": number(seen.min() * scaling),
        "high": number(seen.max() * scaling),
        "largest_product": number(seen.abs().max()),
        "overflowing": number((seen.abs() > FP16_MAX).double().mean()),
    }


def decoder_layers(model: Any, modules: Sequence[Any]) -> list[Any]:
    """The layer around each attention module."""
    wanted = {id(module): index for index, module in enumerate(modules)}
    found: dict[int, Any] = {}
    for parent in model.modules():
        for child in parent.children():
            if id(child) in wanted:
                found[wanted[id(child)]] = parent
    return [found[index] for index in sorted(found)]


def nonfinite(tensor: Any) -> int:
    """How many elements are inf or NaN."""
    return int((~tensor.isfinite()).sum())


def relative(value: Any, reference: Any) -> float | None:
    """Relative L2 difference; None where something is not finite."""
    value, reference = value.float(), reference.float().to(value.device)
    size = reference.norm()
    return number((value - reference).norm() / size) if float(size) else None


def number(value: Any) -> float | None:
    """Four digits, None for what JSON does not have."""
    value = float(value)
    return float(f"{value:.4g}") if math.isfinite(value) else None
