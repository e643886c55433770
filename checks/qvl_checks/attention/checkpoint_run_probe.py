"""Runs the named model with each attention implementation and compares layer by layer.

The weights are the checkpoint's own, or random ones of the published size; nothing is planted. The
reference computes Q·Kᵀ in float32 and everything else as the others do, so that what differs is the
rounding of logits alone; a run in float32 throughout tells what else is rounded, the stored keys
among it.
"""

import gc
import time
from typing import Any, Dict, List, Optional, Tuple

from qvl_checks.attention import cure, text_tower
from qvl_checks.attention.generated_prompts import PICTURES, TEXT_TOKENS, make_prompt, reader_of
from qvl_checks.attention.layer_watch import Again
from qvl_checks.attention.loaded_values import compare_values
from qvl_checks.attention.named_model import NamedModel
from qvl_checks.attention.own_prompt import NAME as OWN
from qvl_checks.attention.own_prompt import Unusable, own_prompt
from qvl_checks.attention.prompt_comparison import FLOAT32, Comparison
from qvl_checks.memory.cards import Refused, gib
from qvl_checks.memory.oom_message import is_out_of_memory

SMALL = 100_000_000
"""Weights up to which a second thread costs more than it brings, most of all on a busy machine."""
CPU_TOKENS = 1500
"""What a processor does in the time that a run may take."""
SDPA, EAGER = "sdpa", "eager"


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `CheckpointRunFacts` for the fields."""
    import torch
    import transformers

    workload = request["workload"]
    facts: Dict[str, Any] = {
        "status": "not_run",
        "dtype": workload["dtype"],
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }
    measured = (request.get("inputs") or {}).get("devices.torch") or {}
    model = request.get("model") or {}
    started = time.monotonic()
    try:
        subject = NamedModel(torch, model, workload, measured.get("context_bytes"))
        if not subject.cards.rows and subject.parameters < SMALL:
            torch.set_num_threads(1)
        with torch.no_grad():
            facts.update(Run(torch, subject, str(model["model_type"]), workload).facts())
        facts["status"] = "ran"
    except Refused as refusal:
        facts.update(obstacle=refusal.kind, reason=str(refusal))
    facts["seconds"] = round(time.monotonic() - started, 2)
    return facts


class Run:
    """Every prompt through every implementation of the language model's attention."""

    def __init__(
        self, torch: Any, subject: NamedModel, model_type: str, workload: Dict[str, Any]
    ) -> None:
        self._torch = torch
        self._subject = subject
        self._model = subject.model
        self._type = model_type
        self._workload = workload
        self._missing: Dict[str, str] = {}
        self._unusable: List[Dict[str, Any]] = []
        self._cure: Optional[cure.Cure] = None
        if not text_tower.attention_modules(self._model):
            raise Refused("no_attention", "no layer with softmax attention was found in the model")
        self._selected = text_tower.selected(self._model, model_type)

    def facts(self) -> Dict[str, Any]:
        """Run it all; the order matters: in releases where attention is a class the cure takes
        eager's place, and the float32 run changes the weights."""
        subject = self._subject
        stored = subject.weights == "checkpoint" and not subject.quantised
        loaded = compare_values(self._model, str(subject.folder)) if stored else {}
        every = self._comparisons()
        wanted = [comparison for comparison in every if self._affordable(comparison)]
        for name in self._names():
            self._with(name, wanted)
        again = self._again()
        self._with(cure.NAME, wanted, again)
        self._in_float32(wanted)
        for comparison in wanted:
            try:
                comparison.conclude()
            except RuntimeError as error:
                comparison.facts.update(reason=_short(error), implementations={}, layers=[])
        rows = self._subject.cards.rows
        return {
            "weights": self._subject.weights,
            "parameters": self._subject.parameters,
            "device": self._subject.device,
            "device_name": rows[0]["name"] if rows else "",
            "selected": self._selected,
            "loaded": loaded,
            "missing": self._missing,
            "cure_source": self._cure.source if self._cure else "",
            "cure_use": self._cure.use if self._cure else "",
            "sdpa_use": cure.switch_statement(SDPA),
            "prompts": [comparison.facts for comparison in every] + self._unusable,
        }

    def _names(self) -> List[str]:
        return list(dict.fromkeys((EAGER, SDPA, self._selected)))

    def _comparisons(self) -> List[Comparison]:
        subject, workload = self._subject, self._workload
        reader = reader_of(subject.folder)
        wished: List[Tuple[str, Any, int]] = [("built-in", PICTURES, TEXT_TOKENS)]
        if workload["images"] or workload["text_tokens"] > TEXT_TOKENS:
            wished.append(("workload", workload["images"], workload["text_tokens"]))
        found = [
            Comparison(
                make_prompt(
                    name,
                    subject.config,
                    reader,
                    images=images,
                    text_tokens=tokens,
                    folder=subject.folder,
                    device=subject.device,
                )
            )
            for name, images, tokens in wished
        ]
        text, pictures = workload.get("prompt_file"), workload.get("picture_files") or ()
        if text or pictures:
            try:
                found.append(Comparison(own_prompt(reader, text, pictures, subject.device)))
            except Exception as error:
                reason = str(error) if isinstance(error, Unusable) else _short(error)
                self._unusable.append({"name": OWN, "reason": reason})
        return found

    def _affordable(self, comparison: Comparison) -> bool:
        if self._subject.cards.rows or comparison.prompt.tokens <= CPU_TOKENS:
            return True
        comparison.facts["reason"] = (
            f"{comparison.prompt.tokens} tokens take too long on a processor; up to {CPU_TOKENS} "
            "are run there"
        )
        return False

    def _with(
        self, name: str, comparisons: List[Comparison], again: Optional[Dict[str, Again]] = None
    ) -> None:
        """Every prompt with this implementation."""
        try:
            self._switch(name)
        except Exception as error:
            self._missing[name] = _short(error)
            return
        self._forward(name, comparisons, again)

    def _switch(self, name: str) -> None:
        if name == cure.NAME:
            self._cure = cure.apply_cure(self._type)
            name = name if self._cure.use else EAGER
        text_tower.switch(self._model, name, self._type)

    def _forward(
        self, name: str, comparisons: List[Comparison], again: Optional[Dict[str, Again]] = None
    ) -> None:
        tower = text_tower.attention_modules(self._model)
        for comparison in comparisons:
            try:
                comparison.run(name, self._model, tower, again)
            except Exception as error:
                comparison.facts["missing"][name] = _short(error)
                # Its frames hold the tensors.
                error.__traceback__ = None
            gc.collect()
            if self._subject.cards.rows:
                self._torch.cuda.empty_cache()

    def _again(self) -> Dict[str, Again]:
        """How an attention module is run again with another implementation."""
        if cure.has_attention_functions():
            return {name: _as_function(name) for name in self._names()}
        classes = dict(text_tower.classes(self._type))
        return {name: _as_class(classes[name]) for name in self._names() if name in classes}

    def _in_float32(self, comparisons: List[Comparison]) -> None:
        """The same rounded weights computed in float32, if there is room."""
        if self._workload["dtype"] == FLOAT32:
            self._missing[FLOAT32] = "the workload itself is in float32"
        elif not self._subject.room_for(self._subject.bytes):
            need = gib(2 * self._subject.bytes)
            self._missing[FLOAT32] = f"its weights would take {need}, more than can be used here"
        else:
            try:
                text_tower.switch(self._model, EAGER, self._type)
                self._model.float()
            except Exception as error:
                self._missing[FLOAT32] = _short(error)
            else:
                self._forward(FLOAT32, comparisons)


def _as_function(name: str) -> Again:
    def again(module: Any, args: Any, kwargs: Any) -> None:
        config = module.config
        before = config._attn_implementation
        config._attn_implementation = name
        if "flash" in name:  # it has no use for a mask of four dimensions
            kwargs = {**kwargs, "attention_mask": None}
        try:
            module.forward(*args, **kwargs)
        finally:
            config._attn_implementation = before

    return again


def _as_class(kind: Any) -> Again:
    def again(module: Any, args: Any, kwargs: Any) -> None:
        kind.forward(module, *args, **kwargs)

    return again


def _short(error: Exception) -> str:
    if is_out_of_memory(str(error)):
        return "it does not fit into the memory that can be used here"
    return f"{type(error).__name__}: {error}"[:400]
