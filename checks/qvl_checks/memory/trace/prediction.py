"""One prediction: the stated workload traced on fake devices, put together to the full model."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from qvl_checks.memory.trace import depth, hollow, spreading, tensor_parallel
from qvl_checks.memory.trace import inputs as model_inputs
from qvl_checks.memory.trace.account import Account
from qvl_checks.memory.trace.answer import AFTERWARDS, LongAnswer
from qvl_checks.memory.trace.device_facts import device_facts
from qvl_checks.memory.trace.ledger import TEXT, WEIGHTS, Ledger
from qvl_checks.memory.trace.lengthening import Lengthening
from qvl_checks.memory.trace.phases import Follower
from qvl_checks.memory.trace.placing import OFFLOADED, Placement, place
from qvl_checks.memory.trace.repeats import Repeats
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.memory.trace.running import moved, prefills, run_model, without_streams
from qvl_checks.memory.trace.session import Session, session
from qvl_checks.memory.trace.weights import Weight, reserved_at_once, weights
from qvl_checks.memory.trace.workload import Unsupported, Workload, parse
from qvl_checks.models.build import make_config


class Prediction:
    """Traces one workload; `facts` says what torch's memory statistics would."""

    def __init__(self, torch: Any, model: Mapping[str, Any], workload: Mapping[str, Any]) -> None:
        self._torch = torch
        self._config = make_config(dict(model["config"]))
        self._stated = workload
        self._folder = model.get("path")

    def facts(self) -> dict[str, Any]:
        """Plain data; bytes throughout. What cannot be predicted has ``status`` unsupported."""
        try:
            return {"status": "predicted", **self._predicted()}
        except Unsupported as reason:
            return {"status": "unsupported", "reason": str(reason), "devices": []}

    def _predicted(self) -> dict[str, Any]:
        started = time.monotonic()
        work = parse(self._stated, self._config, self._folder)
        planned = place(self._torch, work, lambda: self._hollow(work))
        placement, note = moved(planned, work)
        config, stacks = self._config, depth.whole(self._config)
        if _reducible(work):
            config, stacks = depth.reduce(self._config, placement.of_layer)
        with Replacements() as replaced:
            model = hollow.build(self._torch, config, work.dtype, work.attention, replaced)
            held = weights(model, stacks, placement.of)
            if work.ranks > 1:
                whole = held
                tensor_parallel.split(self._torch, model, work.ranks)
                held = weights(model, stacks, placement.of)
                note = tensor_parallel.shares(whole, held, work.ranks)
            with session(self._torch, work.capability) as run, _explained(work):
                _trace(run, model, config, work, replaced, placement, stacks)
        books = _Books(work, placement, run.ledger, stacks, held)
        rows = [books.facts(number) for number in range(len(work.cards))]
        fits = [row["fits"] for row in rows]
        return {
            "fits": None if None in fits else all(fits),
            "placement": placement.by_module if work.ranks == 1 else {},
            "offloaded_bytes": {
                where: sum(weight.size for weight in held if weight.device == where)
                for where in OFFLOADED
            },
            **work.load(config),
            "devices": rows,
            "note": note,
            "seconds": round(time.monotonic() - started, 3),
        }

    def _hollow(self, work: Workload) -> Any:
        """The full model on the meta device."""
        with Replacements() as replaced:
            return hollow.build(self._torch, self._config, work.dtype, work.attention, replaced)


class _Books:
    """The accounts of all devices for one traced run."""

    def __init__(
        self,
        work: Workload,
        placement: Placement,
        ledger: Ledger,
        stacks: Mapping[str, depth.Stack],
        held: list[Weight],
    ) -> None:
        self._work = work
        self._ledger = ledger
        self._stacks = stacks
        self._main = placement.main
        self._held = held
        self._alike = work.ranks > 1
        """Whether every card holds what the first one does."""

    def facts(self, number: int) -> dict[str, Any]:
        """One device without a limit; with a failure where its capacity does not do."""
        card = self._work.cards[number]
        device = "cuda:0" if self._alike else f"cuda:{number}"
        account = self._account(device, None)
        usable = card.usable
        if usable is not None and account.allocator.peak_reserved > usable:
            account.failure = self._account(device, usable).failure
        largest = self._ledger.largest.get(device)
        return device_facts(f"cuda:{number}", card, account, largest)

    def _account(self, device: str, capacity: Optional[int]) -> Account:
        work, ledger = self._work, self._ledger
        account = Account(ledger.place(device), capacity=capacity, expandable=work.expandable)
        at_once = work.stated.get("loading", "from_pretrained") == "from_pretrained"
        account.load(self._weights_on(device), WEIGHTS, in_one=at_once and reserved_at_once())
        full = Lengthening(ledger.stretches, self._stacks, ledger.kinds, ledger.modules)
        run = LongAnswer(full, work.new_tokens - 1)
        account.follow(run.stretches(), run.kinds, run.modules)
        return account

    def _weights_on(self, device: str) -> dict[str, int]:
        return {
            weight.name: weight.size
            for weight in self._held
            if device
            == (self._main if weight.buffer and weight.device in OFFLOADED else weight.device)
        }


@contextlib.contextmanager
def _explained(work: Workload) -> Iterator[None]:
    """Heads and widths in parts may meet code that counts on whole ones."""
    try:
        yield
    except Unsupported:
        raise
    except Exception as error:
        if work.ranks == 1:
            raise
        reason = f"with {work.ranks} ranks the model raises {type(error).__name__}: {error}"
        raise Unsupported(reason) from error


def _trace(
    run: Session,
    model: Any,
    config: Any,
    work: Workload,
    replaced: Replacements,
    placement: Placement,
    stacks: Mapping[str, depth.Stack],
) -> None:
    """Run the model on fake tensors; the ledger of ``run`` holds what it did."""
    torch, ledger = run.torch, run.ledger
    buffers = {name for name, _ in model.named_buffers()}

    def fake(tensor: Any, name: str) -> Any:
        device = placement.of(spreading.full_name(name, stacks))
        if device in OFFLOADED:
            if name not in buffers:
                return None
            device = placement.main
        return run.weight(tensor.shape, tensor.dtype, device)

    hollow.to_fake(model, fake, torch)
    tensors = model_inputs.make(run, model, config, work, device=_input_device(model, placement))
    ledger.kind = TEXT
    if work.stated.get("cache_implementation"):
        without_streams(torch, replaced)
    passes = prefills(work, tensors["input_ids"].shape[1])
    follower = Follower(ledger, run.storages, passes)
    modeling = sys.modules[type(model).__module__]
    follower.follow_cache(torch, modeling, replaced)
    if placement.spread:
        spreading.install(run, model, placement, stacks, replaced)
    follower.follow(model)
    registry = getattr(sys.modules["transformers.modeling_utils"], "ALL_ATTENTION_FUNCTIONS", None)
    Repeats(run).install(modeling, registry, replaced)
    ledger.begin(TEXT)
    kept = run_model(torch, model, tensors, work)
    ledger.begin(TEXT, turn=AFTERWARDS)
    del kept


def _reducible(work: Workload) -> bool:
    """Whether equal layers behave equally: an offloaded cache moves those of their neighbours."""
    offloaded = "offloaded" in str(work.stated.get("cache_implementation"))
    return work.stated.get("depth", "reduced") == "reduced" and not offloaded


def _input_device(model: Any, placement: Placement) -> str:
    """``model.device``: where the first weight is; where it is offloaded, what runs it."""
    first = next(iter(model.parameters())).device
    return str(first) if first.type == "cuda" else placement.main
