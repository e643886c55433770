"""One prompt through every implementation, and the numbers that come of it.

Runs in the target; standard library only at module level.
"""

from __future__ import annotations

from typing import Any

from qvl_checks.attention import cure
from qvl_checks.attention.generated_prompts import Prompt
from qvl_checks.attention.layer_watch import FreeRun, LocalComparison, number, relative

FLOAT32 = "float32"


class Comparison:
    """One prompt through every implementation."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self._runs: dict[str, FreeRun] = {}
        self._local: LocalComparison | None = None
        self._numbers: list[int] = []
        self.facts: dict[str, Any] = {
            "name": prompt.name,
            "tokens": prompt.tokens,
            "source": prompt.source,
            "source_reason": prompt.reason,
            "reason": "",
            "missing": {},
        }

    def run(self, name: str, model: Any, tower: list[Any], repeaters: Any) -> None:
        """One implementation; with ``repeaters`` every layer is run again by each of them."""
        inputs = {
            key: value.to(model.dtype) if value.is_floating_point() else value
            for key, value in self.prompt.inputs.items()
        }
        self._numbers = [int(module.layer_idx) for module in tower]
        run = FreeRun(model, tower, self.prompt.tokens)
        if repeaters:
            local = LocalComparison(tower, repeaters, self.prompt.tokens)
            with local.watching():
                run.run(inputs)
            self._local = local
            self.facts["missing"].update(local.missing)
        else:
            run.run(inputs)
        self._runs[name] = run

    def conclude(self) -> None:
        """Turn the tensors into numbers and let go of them."""
        reference, exact = self._runs.get(cure.NAME), self._runs.get(FLOAT32)
        self.facts["implementations"] = {
            name: {
                "from_fp32_logits": _distance(run, reference),
                "from_float32": _distance(run, exact),
                "nonfinite_logits": int((~run.next_tokens.isfinite()).sum()),
                "first_nonfinite": self._first_nonfinite(run),
                "next_token": int(run.next_tokens[-1].argmax()),
            }
            for name, run in self._runs.items()
        }
        self.facts["layers"] = [
            self._layer(index, layer, reference, exact) for index, layer in enumerate(self._numbers)
        ]
        self._runs, self._local = {}, None

    def _layer(
        self, index: int, layer: int, reference: FreeRun | None, exact: FreeRun | None
    ) -> dict[str, Any]:
        def drift(run: FreeRun, other: FreeRun | None) -> float | None:
            if other is None or other is run:
                return None
            return relative(run.outputs[index], other.outputs[index])

        local = self._local
        return {
            "layer": layer,
            **(local.logits[index] if local else {}),
            "local": {name: errors[index] for name, errors in local.errors.items()}
            if local
            else {},
            "drift": {name: drift(run, reference) for name, run in self._runs.items()},
            "from_float32": {name: drift(run, exact) for name, run in self._runs.items()},
            "nonfinite": {name: run.nonfinite[index] for name, run in self._runs.items()},
        }

    def _first_nonfinite(self, run: FreeRun) -> dict[str, Any] | None:
        for index, layer in enumerate(self._numbers):
            if run.nonfinite[index]:
                return {"layer": layer, "place": "attention", "count": run.nonfinite[index]}
            if run.nonfinite_after[index]:
                return {"layer": layer, "place": "mlp", "count": run.nonfinite_after[index]}
        return None


def _distance(run: FreeRun, reference: FreeRun | None) -> dict[str, Any] | None:
    """Next-token logits against a reference's, as they are."""
    if reference is None or reference is run:
        return None
    ours, theirs = run.next_tokens, reference.next_tokens.to(run.next_tokens.device)
    if not bool(ours.isfinite().all()) or not bool(theirs.isfinite().all()):
        return {"error": None, "top1": None, "kl": None}
    log_p, log_q = theirs.log_softmax(-1), ours.log_softmax(-1)
    return {
        "error": relative(ours, theirs),
        "top1": number((ours.argmax(-1) == theirs.argmax(-1)).double().mean()),
        "kl": number((log_p.exp() * (log_p - log_q)).sum(-1).mean().clamp_min(0)),
    }
