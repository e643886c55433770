"""A traced run: all modes entered, devices played, everything restored afterwards."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from qvl_checks.memory.trace.ledger import Ledger
from qvl_checks.memory.trace.operators import Storages, operators
from qvl_checks.memory.trace.python_level import PythonLevel
from qvl_checks.memory.trace.repeats import equal_pieces
from qvl_checks.memory.trace.sdpa import Sdpa
from qvl_checks.memory.trace.shadows import shadow_of
from qvl_checks.memory.trace.workspace import Workspaces


class Session:
    """What code inside of a traced run may ask for."""

    def __init__(self, torch: Any, fake_mode: Any, mode: Any, storages: Storages) -> None:
        self.torch = torch
        self.fake_mode = fake_mode
        self.storages = storages
        self.ledger = storages.ledger
        self._mode = mode

    def fake(self, values: Any, device: Any) -> Any:
        """A tensor on a fake device that carries real values."""
        return self._mode.fake(values, device)

    def empty(self, shape: Any, dtype: Any, device: Any) -> Any:
        """A tensor on a fake device without values."""
        with self.fake_mode:
            made = self.torch.empty(shape, dtype=dtype, device=device)
        self.storages.see(made)
        return made

    def adopted(self, shape: Any, stride: Any, dtype: Any, device: Any, number: int) -> Any:
        """A tensor for a block that the ledger already has."""
        from torch.utils._python_dispatch import _disable_current_modes

        with _disable_current_modes(), self.fake_mode:
            made = self.torch.empty_strided(shape, stride, dtype=dtype, device=device)
        self.storages.adopt(made, number)
        return made

    def offloaded(self, shape: Any, dtype: Any) -> Any:
        """A weight in ordinary memory; its copies on a GPU are booked as weights."""
        from torch.utils._python_dispatch import _disable_current_modes

        with _disable_current_modes(), self.fake_mode:
            made = self.torch.empty(shape, dtype=dtype, device="cpu")
        made._qvl_weight = True
        return made

    def weight(self, shape: Any, dtype: Any, device: Any) -> Any:
        """A tensor on a fake device that the ledger does not book."""
        from torch.utils._python_dispatch import _disable_current_modes

        with _disable_current_modes(), self.fake_mode:
            made = self.torch.empty(shape, dtype=dtype, device=device)
        self.storages.ignore(made)
        return made


@contextlib.contextmanager
def session(torch: Any, capability: tuple[int, int]) -> Iterator[Session]:
    """Everything inside runs on fake tensors, on GPUs of this compute capability."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    fake_mode = FakeTensorMode(allow_non_fake_inputs=True)
    storages = Storages(Ledger())
    workspaces = Workspaces(torch, storages.ledger, capability, os.environ)
    mode = operators(torch, fake_mode, storages, workspaces)
    python_level = PythonLevel(torch, mode.fake)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_played_device(torch, capability))
        stack.enter_context(_taken_for_real())
        stack.enter_context(_lists_at_once())
        stack.enter_context(torch.no_grad())
        stack.enter_context(fake_mode)
        stack.enter_context(mode)
        stack.enter_context(_functions(torch, python_level, Sdpa(torch, capability)))
        yield Session(torch, fake_mode, mode, storages)


def _functions(torch: Any, python_level: PythonLevel, sdpa: Sdpa) -> Any:
    """The function mode: attention and what needs a device in C++ are replaced."""
    from torch.overrides import TorchFunctionMode

    attention = torch.nn.functional.scaled_dot_product_attention
    splits = (torch.split, torch.Tensor.split)

    class Functions(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if func is attention and args[0].device.type == "cuda":
                return sdpa(*args, **kwargs)
            if func in splits and set(kwargs) <= {"dim"}:
                pieces = equal_pieces(*args, **kwargs)
                if pieces is not None:
                    return pieces
            replacement = python_level.replacement(func, args, kwargs)
            if replacement is not None:
                return replacement(*args, **kwargs)
            return func(*args, **kwargs)

    return Functions()


@contextlib.contextmanager
def _played_device(torch: Any, capability: tuple[int, int]) -> Iterator[None]:
    """Answers what model code asks about the GPU, and keeps constants on the CPU real."""
    real = torch.cuda.get_device_capability
    # From torch 2.4 on; before, constants stay where they are made.
    lift = getattr(torch._C, "_only_lift_cpu_tensors", lambda: None)()
    set_lift = getattr(torch._C, "_set_only_lift_cpu_tensors", lambda _: None)
    torch.cuda.get_device_capability = lambda *_: capability
    set_lift(True)
    try:
        yield
    finally:
        torch.cuda.get_device_capability = real
        set_lift(lift)


@contextlib.contextmanager
def _lists_at_once() -> Iterator[None]:
    """``tolist`` of a fake tensor asks for one element after the other, which takes minutes for the
    ids of a long prompt; those that carry values give them all at once, as a real tensor does."""
    from torch._subclasses.fake_tensor import FakeTensor
    from torch.utils._python_dispatch import _disable_current_modes

    slow = vars(FakeTensor).get("tolist")
    if slow is None:
        yield
        return

    def tolist(tensor: Any) -> Any:
        values = shadow_of(tensor)
        if values is None:
            return slow(tensor)
        with _disable_current_modes():
            return values.tolist()

    FakeTensor.tolist = tolist
    try:
        yield
    finally:
        FakeTensor.tolist = slow


@contextlib.contextmanager
def _taken_for_real() -> Iterator[None]:
    """transformers from 5.0 on leaves the usual path (no mask where none is needed, for example)
    when it meets a fake tensor, as in a compilation; here it is to take the usual one."""
    module = sys.modules.get("transformers.utils.import_utils")
    real = getattr(module, "is_fake_tensor", None)
    if real is None:
        yield
        return
    module.is_fake_tensor = lambda tensor: False  # type: ignore[union-attr]
    try:
        yield
    finally:
        module.is_fake_tensor = real  # type: ignore[union-attr]
