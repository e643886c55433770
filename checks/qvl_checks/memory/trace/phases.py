"""Which part of the model is at work: phases, layers and kinds of the ledger, set by hooks."""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.trace.ledger import (
    DECODE,
    KV_CACHE,
    LOGITS,
    TEXT,
    VISION,
    Ledger,
)
from qvl_checks.memory.trace.replacements import Replacements

TOWERS = ("visual", "vision_tower", "vision_model")
HEAD = "lm_head"
VISION_STACK, TEXT_STACK = "vision", "text"


class Follower:
    """Keeps the ledger's stretch, kind and module up to date while a model runs."""

    def __init__(self, ledger: Ledger, storages: Any, prefills: int = 1) -> None:
        """``prefills``: in how many passes the prompt is taken."""
        self._ledger = ledger
        self._prefills = prefills
        self._storages = storages
        self._path: list[str] = []
        self._passes = 0
        self._phase = TEXT
        self._stack_ends = False

    def follow(self, model: Any) -> None:
        """Watch every module from now on."""
        layers = layer_lists(model)
        for name, module in model.named_modules():
            stack, index, last = layers.get(name, ("", 0, False))
            module.register_forward_pre_hook(self._entering(name, stack, index))
            module.register_forward_hook(self._leaving(last))

    def follow_cache(self, torch: Any, modeling: Any, replaced: Replacements) -> None:
        """Book what a cache keeps as such, whatever operator made it; some modeling modules (those
        of Qwen3.5 up to 5.4) bring a class of their own."""
        from transformers import cache_utils

        own = [one for one in vars(modeling).values() if isinstance(one, type)]
        own = [one for one in own if one.__name__.endswith("Cache")]
        known = [one for one in vars(cache_utils).values() if isinstance(one, type)]
        for owner in {*known, *own}:
            if "update" in vars(owner):
                kept = self._keeping(torch, vars(owner)["update"])
                replaced.attribute(owner, "update", kept)

    def _keeping(self, torch: Any, update: Any) -> Any:
        def kept(cache: Any, *args: Any, **kwargs: Any) -> Any:
            result = update(cache, *args, **kwargs)
            for tensor in result if isinstance(result, tuple) else ():
                if isinstance(tensor, torch.Tensor):
                    self._storages.rebook(tensor, KV_CACHE)
            return result

        return kept

    def _entering(self, name: str, stack: str, index: int) -> Any:
        def enter(module: Any, args: Any) -> None:
            self._path.append(name)
            self._passes += not name
            turn = self._turn()
            self._update()
            if stack:
                self._ledger.begin(self._phase, stack, index, turn)
            elif self._stack_ends or not name:
                self._ledger.begin(self._phase, turn=turn)
            self._stack_ends = False

        return enter

    def _leaving(self, last: bool) -> Any:
        def leave(module: Any, args: Any, output: Any) -> None:
            self._path.pop()
            self._update()
            # What the last layer keeps shows when its frame is gone: as the next module begins.
            self._stack_ends = self._stack_ends or last

        return leave

    def _turn(self) -> int:
        """0 before the first pass, 1 in those that take the prompt, one more for each token."""
        return min(self._passes, 1) + max(self._passes - self._prefills, 0)

    def _update(self) -> None:
        phase = phase_of(self._path, self._turn())
        self._ledger.module = self._path[-1] if self._path else ""
        self._ledger.kind = TEXT if phase == DECODE else phase
        if phase != self._phase:
            self._phase = phase
            self._ledger.begin(phase, turn=self._turn())


def phase_of(path: list[str], passes: int) -> str:
    """The phase while the innermost of these modules runs, in the given pass of the model."""
    for name in reversed(path):
        parts = name.split(".")
        if any(tower in parts for tower in TOWERS):
            return VISION
    if passes > 1:
        return DECODE
    return LOGITS if path and path[-1] == HEAD else TEXT


def layer_lists(model: Any) -> dict[str, tuple[str, int, bool]]:
    """Module name of each repeated layer -> (stack, index, whether it is the last)."""
    found: dict[str, tuple[str, int, bool]] = {}
    for name, module in model.named_modules():
        if type(module).__name__ != "ModuleList" or len(module) == 0:
            continue
        parts = name.split(".")
        vision = any(tower in parts for tower in TOWERS)
        if parts[-1] == ("blocks" if vision else "layers"):
            stack = VISION_STACK if vision else TEXT_STACK
            for index in range(len(module)):
                found[f"{name}.{index}"] = stack, index, index == len(module) - 1
    return found
