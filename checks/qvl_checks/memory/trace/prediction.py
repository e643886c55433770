"""One prediction: the stated workload traced on fake devices, put together to the full model."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from qvl_checks.memory.trace import depth, hollow
from qvl_checks.memory.trace import inputs as model_inputs
from qvl_checks.memory.trace.account import Account
from qvl_checks.memory.trace.answer import AFTERWARDS, TRACED_STEPS, LongAnswer
from qvl_checks.memory.trace.device_facts import device_facts
from qvl_checks.memory.trace.ledger import TEXT, WEIGHTS, Ledger
from qvl_checks.memory.trace.lengthening import Lengthening
from qvl_checks.memory.trace.phases import Follower
from qvl_checks.memory.trace.repeats import Repeats
from qvl_checks.memory.trace.replacements import Replacements
from qvl_checks.memory.trace.session import Session, session
from qvl_checks.memory.trace.weights import Weight, reserved_at_once, weights
from qvl_checks.memory.trace.workload import Unsupported, Workload, parse
from qvl_checks.models.build import MERGE, make_config

TRACED_TOKENS = 1 + TRACED_STEPS


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
        config, stacks = self._config, depth.whole(self._config)
        if self._stated.get("depth", "reduced") == "reduced":
            config, stacks = depth.reduce(self._config)
        with Replacements() as replaced:
            model = hollow.build(self._torch, config, work.dtype, work.attention, replaced)
            held = weights(model, stacks, lambda name: "cuda:0")
            with session(self._torch, work.capability) as run:
                _trace(run, model, config, work, replaced)
        accounts = [
            self._account(work, place, device, run.ledger, stacks, held)
            for place, device in enumerate(run.ledger.devices)
        ]
        patch = config.vision_config.patch_size
        patches = [width * height // patch**2 for width, height in work.images]
        rows = [
            device_facts(device, work.cards[place], account, run.ledger.largest.get(device))
            for place, (device, account) in enumerate(zip(run.ledger.devices, accounts))
        ]
        fits = [row["fits"] for row in rows]
        return {
            "fits": None if None in fits else all(fits),
            "images": [list(size) for size in work.images],
            "patches": patches,
            "prompt_tokens": work.text_tokens + sum(count // MERGE**2 + 2 for count in patches),
            "devices": rows,
            "seconds": round(time.monotonic() - started, 3),
        }

    def _account(
        self,
        work: Workload,
        place: int,
        device: str,
        ledger: Ledger,
        stacks: Mapping[str, depth.Stack],
        held: list[Weight],
    ) -> Account:
        """The device's books without a limit; with a failure where its capacity does not do."""
        usable = work.cards[place].usable
        account = _booked(work, place, device, ledger, stacks, held, None)
        if usable is not None and account.allocator.peak_reserved > usable:
            limited = _booked(work, place, device, ledger, stacks, held, usable)
            account.failure = limited.failure
        return account


def _booked(
    work: Workload,
    place: int,
    device: str,
    ledger: Ledger,
    stacks: Mapping[str, depth.Stack],
    held: list[Weight],
    capacity: Any,
) -> Account:
    account = Account(place, capacity=capacity, expandable=work.expandable)
    mine = {weight.name: weight.size for weight in held if weight.device == device}
    at_once = work.stated.get("loading", "from_pretrained") == "from_pretrained"
    account.load(mine, WEIGHTS, in_one=at_once and reserved_at_once())
    full = Lengthening(ledger.stretches, stacks, ledger.kinds, ledger.modules)
    run = LongAnswer(full, work.new_tokens - 1)
    account.follow(run.stretches(), run.kinds, run.modules)
    return account


def _trace(run: Session, model: Any, config: Any, work: Workload, replaced: Replacements) -> None:
    """Run the model on fake tensors; the ledger of ``run`` holds what it did."""
    torch, ledger = run.torch, run.ledger
    device = "cuda:0"
    hollow.to_fake(
        model, lambda tensor, name: run.weight(tensor.shape, tensor.dtype, device), torch
    )
    tensors = model_inputs.make(
        run,
        model,
        config,
        images=work.images,
        text_tokens=work.text_tokens,
        batch=work.batch,
        device=device,
    )
    ledger.kind = TEXT
    follower = Follower(ledger, run.storages)
    follower.follow_cache(torch, replaced)
    follower.follow(model)
    modeling = sys.modules[type(model).__module__]
    registry = getattr(sys.modules["transformers.modeling_utils"], "ALL_ATTENTION_FUNCTIONS", None)
    Repeats(torch, ledger).install(modeling, registry, replaced)
    ledger.begin(TEXT)
    if work.mode == "forward":
        kept = model(**tensors)
    else:
        tokens = min(work.new_tokens, TRACED_TOKENS)
        kept = model.generate(**tensors, max_new_tokens=tokens, do_sample=False)
    ledger.begin(TEXT, turn=AFTERWARDS)
    del kept
