"""Equal attention calls are traced once: a tower with windows makes hundreds of them per block.

The first call of each kind runs as it is; later ones allocate the same result, after the same rise.
"""

from __future__ import annotations

from typing import Any

from qvl_checks.memory.trace.ledger import Measure
from qvl_checks.memory.trace.replacements import Replacements

SELECTED = "sdpa"
EAGER = "eager_attention_forward"


class Repeats:
    """Wraps attention functions; what a call did is remembered by the layout of its tensors."""

    def __init__(self, run: Any) -> None:
        """``run``: the session."""
        self._run = run
        self._ledger = run.ledger
        self._known: dict[Any, tuple[Measure, Any]] = {}

    def install(self, modeling: Any, registry: Any, replaced: Replacements) -> None:
        """Wrap the eager function of a modeling module and the registered sdpa one.

        Both exist where releases (from 4.48 on) look attention up by name; earlier ones have no
        loops over windows.
        """
        if registry is None or not hasattr(modeling, EAGER):
            return
        replaced.attribute(modeling, EAGER, self.wrapped(getattr(modeling, EAGER)))
        replaced.entry(registry, SELECTED, self.wrapped(registry[SELECTED]))

    def wrapped(self, attend: Any) -> Any:
        """``attend`` with a memory; calls with a mask are never taken as equal."""

        def attended(
            module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any
        ) -> Any:
            if attention_mask is not None or query.device.type != "cuda":
                return attend(module, query, key, value, attention_mask, **kwargs)
            layout = (attend, type(module), *(_layout(one) for one in (query, key, value)))
            if layout in self._known:
                return self._again(query, *self._known[layout])
            with self._ledger.measured(str(query.device)) as measure:
                # The weights end within: callers without a mask take the output only.
                output = attend(module, query, key, value, attention_mask, **kwargs)[0]
            self._known[layout] = measure, (output.shape, output.stride(), output.dtype)
            return output, None

        return attended

    def _again(self, query: Any, measure: Measure, made: Any) -> Any:
        number = self._ledger.again(str(query.device), measure)
        return self._run.adopted(*made, query.device, number), None


def _layout(tensor: Any) -> Any:
    return tuple(tensor.shape), tensor.stride(), tensor.dtype, str(tensor.device)
