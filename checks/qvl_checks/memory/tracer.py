"""Watches a run: which module is at work, where the peak arises, which tensor did not fit.

Runs in the target: standard library at module level, torch inside.
"""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from typing import Any

from qvl_checks.memory.history import Recorder
from qvl_checks.memory.oom_message import Message, is_out_of_memory, parse

VISION_PARTS = {"visual", "vision_tower", "vision_model"}
HEAD = "lm_head"


class Tracer:
    """Follows a model through module hooks, and every operator through a dispatch mode.

    ``cards`` gives the memory readings (`qvl_checks.memory.cards.Cards`); without a GPU it gives
    none, and operators and modules are still followed.
    """

    def __init__(self, torch: Any, cards: Any) -> None:
        self.torch = torch
        self.cards = cards
        self.history = Recorder(torch, cards)
        self._stage = "load"
        self.path: list[str] = []
        """Names of the modules that are executing, outermost first."""
        self.passes = 0
        """Forward passes begun: the first is the prefill, later ones decode."""
        self.peaks: dict[int, dict[str, Any]] = {}
        self._failure: dict[str, Any] | None = None

    @property
    def stage(self) -> str:
        """What is done outside of any module: ``load``, ``inputs``, ``generate``."""
        return self._stage

    @stage.setter
    def stage(self, name: str) -> None:
        self._stage = name
        self.history.mark(self.phase, "")

    @property
    def phase(self) -> str:
        """``load``, ``inputs``, ``vision``, ``text``, ``logits``, ``decode`` or ``generate``."""
        module = self.path[-1] if self.path else ""
        if self.stage == "load" or not module:
            return "decode" if self.passes > 1 else self.stage
        parts = module.split(".")
        if VISION_PARTS.intersection(parts):
            return "vision"
        if self.passes > 1:
            return "decode"
        return "logits" if parts[0] == HEAD else "text"

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Name what is executing; the name stays when an error leaves through it."""
        self.path.append(name)
        yield
        self.path.pop()

    def follow(self, model: Any) -> None:
        """Watch every module of the model, and what caches keep, from now on."""
        for name, module in model.named_modules():
            module.register_forward_pre_hook(self._entering(name))
            module.register_forward_hook(self._leaving())
        from transformers import cache_utils

        for owner in list(vars(cache_utils).values()):
            if isinstance(owner, type) and "update" in vars(owner):
                setattr(owner, "update", self._keeping(vars(owner)["update"]))  # noqa: B010

    def watching(self) -> Any:
        """A context manager: operators that run inside are seen, and the one that fails is kept."""
        from torch.utils._python_dispatch import TorchDispatchMode

        tracer = self

        class Operators(TorchDispatchMode):  # type: ignore[misc]
            def __torch_dispatch__(
                self, func: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                try:
                    return func(*args, **(kwargs or {}))
                except RuntimeError as error:
                    tracer._operator_failed(error, func, args, kwargs or {})
                    raise

        return Operators()

    def note_peaks(self) -> None:
        """Credit a peak that has grown since the last look to the module that was executing."""
        for index, peak in self.cards.peaks().items():
            if peak > self.peaks.get(index, {}).get("bytes", -1):
                self.peaks[index] = {"bytes": peak, "module": self._module(), "phase": self.phase}

    def failure(self, error: BaseException) -> dict[str, Any]:
        """Everything about an out-of-memory error, as plain data."""
        text = str(error)
        message = parse(text)
        kept = self._failure or self._moment()
        tensor = _matching(kept.pop("tensors", []), message)
        exact = message.requested.exact if message.requested else False
        return {
            "message": text[:2000],
            **kept,
            "gpu": message.gpu if message.gpu is not None else kept.get("gpu"),
            "requested_bytes": _requested(message, tensor),
            "requested_exact": exact or tensor is not None,
            "tensor": tensor,
            **source_of(error),
        }

    def _entering(self, name: str) -> Any:
        def enter(module: Any, args: Any) -> None:
            self.note_peaks()
            self.path.append(name)
            self.passes += not name
            self.history.mark(self.phase, name)

        return enter

    def _leaving(self) -> Any:
        def leave(module: Any, args: Any, output: Any) -> None:
            self.note_peaks()
            self.path.pop()
            self.history.mark(self.phase, self._module())

        return leave

    def _keeping(self, update: Any) -> Any:
        def kept(cache: Any, *args: Any, **kwargs: Any) -> Any:
            result = update(cache, *args, **kwargs)
            for tensor in result if isinstance(result, tuple) else ():
                if isinstance(tensor, self.torch.Tensor):
                    self.history.keep(tensor)
            return result

        return kept

    def _module(self) -> str:
        return self.path[-1] if self.path else ""

    def _moment(self) -> dict[str, Any]:
        return {"module": self._module(), "phase": self.phase, "readings": self.cards.readings()}

    def _operator_failed(self, error: Exception, func: Any, args: Any, kwargs: Any) -> None:
        # The innermost operator fails first; composite ones around it fail for the same reason.
        if self._failure is not None or not is_out_of_memory(str(error)):
            return
        self._failure = {
            **self._moment(),
            "operator": str(func),
            "gpu": _device_index(self.torch, (args, kwargs)),
            "tensors": outputs_of(self.torch, func, args, kwargs),
        }


def outputs_of(torch: Any, func: Any, args: Any, kwargs: Any) -> list[dict[str, Any]]:
    """Shapes of what an operator would return, computed without data; empty if that fails."""
    from torch.utils._python_dispatch import _disable_current_modes
    from torch.utils._pytree import tree_flatten, tree_map

    def hollow(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return torch.empty_strided(
                value.shape, value.stride(), dtype=value.dtype, device="meta"
            )
        return torch.device("meta") if isinstance(value, torch.device) else value

    try:
        with _disable_current_modes():
            outputs = func(*tree_map(hollow, args), **tree_map(hollow, kwargs))
    except Exception:
        return []
    return [
        {
            "shape": list(output.shape),
            "dtype": str(output.dtype).replace("torch.", ""),
            "bytes": output.numel() * output.element_size(),
        }
        for output in tree_flatten(outputs)[0]
        if isinstance(output, torch.Tensor)
    ]


def source_of(error: BaseException) -> dict[str, Any]:
    """The last line of transformers (else of any model code) that was executing."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = frame.filename.replace(os.sep, "/")
        if "/transformers/" in path:
            return {
                "file": "transformers/" + path.rsplit("/transformers/", 1)[1],
                "line": frame.lineno,
                "function": frame.name,
                "code": (frame.line or "").strip(),
            }
    return {"file": None, "line": None, "function": None, "code": None}


def _matching(tensors: list[dict[str, Any]], message: Message) -> dict[str, Any] | None:
    """The output whose size the message can mean; an operator may also fail on scratch space."""
    if message.requested is None:
        return tensors[0] if len(tensors) == 1 else None
    return next((tensor for tensor in tensors if message.may_be(tensor["bytes"])), None)


def _requested(message: Message, tensor: dict[str, Any] | None) -> int | None:
    if tensor is not None:
        return int(tensor["bytes"])
    if message.requested is None:
        return None
    return (message.requested.low + message.requested.high) // 2


def _device_index(torch: Any, values: Any) -> int | None:
    """The GPU that the operator's tensors, or its ``device`` argument, name."""
    from torch.utils._pytree import tree_flatten

    for value in tree_flatten(values)[0]:
        device = value.device if isinstance(value, torch.Tensor) else value
        if isinstance(device, torch.device) and device.type == "cuda":
            return None if device.index is None else int(device.index)
    return None
