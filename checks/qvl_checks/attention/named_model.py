"""The model that a run is about, with its weights, on the devices that may be used.

Runs in the target; standard library only at module level; ``torch`` is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qvl_checks.memory import placement as place
from qvl_checks.memory.cards import Cards, NoCards, Refused, gib, visible_cards
from qvl_checks.memory.oom_message import is_out_of_memory
from qvl_checks.models.build import make_config, make_model

HEADROOM = 1.1
"""The weights and a tenth must fit before a run is worth starting."""
CPU_PARAMETERS = 300_000_000
"""What a processor runs in the time that there is."""


class NamedModel:
    """A checkpoint's own weights, or random ones of a published size."""

    def __init__(
        self,
        torch: Any,
        named: Mapping[str, Any],
        workload: Mapping[str, Any],
        context_bytes: int | None,
    ) -> None:
        """Load it.

        Raises:
            Refused: it must not or cannot be run here.
        """
        self._torch = torch
        self._workload = workload
        self.folder: str | None = named.get("path")
        if named.get("source") not in ("published", "folder"):
            raise Refused("no_model", "no model was named")
        if not named.get("class_name"):
            raise Refused("unknown_family", "the model is not of a family that is known here")
        dtype = workload["dtype"]
        self.config = make_config(dict(named["config"]))
        self.quantised = bool(named["config"].get("quantization_config"))
        hollow = place.hollow_model(torch, self.config, dtype, workload["attention"])
        stored = place.safetensors_bytes(self.folder)
        if self.folder and not stored:
            raise Refused("no_weights", "the folder holds no weights in safetensors files")
        self.weights = "checkpoint" if stored else "random"
        self.bytes = stored or place.parameter_bytes(hollow, torch, dtype)
        self.parameters = sum(parameter.numel() for parameter in hollow.parameters())
        del hollow
        self.cards = self._devices(context_bytes)
        self.model = self._loaded()

    @property
    def device(self) -> str:
        """Where the inputs go."""
        return str(self.model.device)

    def room_for(self, more: int) -> bool:
        """Whether so many bytes fit beside the weights; on a processor, which only small models
        reach, they do."""
        return not self.cards.rows or more * HEADROOM <= self.cards.room() - self.bytes

    def _devices(self, context_bytes: int | None) -> Any:
        """The GPUs, within their limits; without one, the processor for small models."""
        torch = self._torch
        try:
            visible = visible_cards(torch)
        except Refused as refusal:
            if self.parameters > CPU_PARAMETERS:
                raise Refused(
                    refusal.kind,
                    f"{refusal}, and {self.parameters / 1e9:.1f} billion weights are too many to "
                    f"run on a processor (up to {CPU_PARAMETERS / 1e9:.1f} billion are)",
                ) from None
            return NoCards()
        chosen = place.indices(torch, self._workload["device_map"], visible)
        cards = Cards(torch, chosen, cap=self._workload["cap_bytes"], context=context_bytes)
        need = int(self.bytes * HEADROOM)
        if need > cards.room():
            raise Refused(
                "too_large" if need > cards.capacity() else "in_use",
                f"the weights take {gib(self.bytes)}, and {gib(cards.room())} can be used",
            )
        return cards

    def _loaded(self) -> Any:
        torch, workload = self._torch, self._workload
        rows = self.cards.rows
        try:
            if self.weights == "random":
                return make_model(
                    self.config,
                    dtype=workload["dtype"],
                    device=f"cuda:{rows[0]['index']}" if rows else "cpu",
                    attention=workload["attention"],
                )
            if rows and workload["device_map"] in place.PLANNED:
                where: Any = workload["device_map"]
            else:
                # Without a GPU no device_map is given: it would need accelerate.
                where = {"": f"cuda:{rows[0]['index']}"} if rows else None
            return place.load(
                torch,
                self.config,
                str(self.folder),
                workload["dtype"],
                workload["attention"],
                where,
            )
        except (ImportError, ValueError, OSError) as error:
            raise Refused(
                "not_loadable", f"from_pretrained failed: {type(error).__name__}: {error}"[:400]
            ) from error
        except RuntimeError as error:
            if not is_out_of_memory(str(error)):
                raise
            raise Refused("in_use", f"the model does not fit: {error}"[:400]) from None
