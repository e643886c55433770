"""Sees every operator of the traced run: computes shadows, books storages, adds scratch."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any, Optional

from qvl_checks.memory.trace.guesses import guess
from qvl_checks.memory.trace.ledger import WEIGHTS, Ledger
from qvl_checks.memory.trace.scratch import Scratch
from qvl_checks.memory.trace.shadows import (
    drop_shadow,
    give_shadow,
    shadow_of,
    worth_computing,
)


class Storages:
    """Books each new storage on a (fake) GPU once, and its end when Python lets go of it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._known: dict[int, tuple[list[int], Any]] = {}

    def see(self, tensor: Any) -> None:
        """A tensor has appeared; views of known storages change nothing."""
        if tensor.device.type != "cuda":
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        dtype = str(tensor.dtype).replace("torch.", "")
        number = self.ledger.allocate(str(tensor.device), storage.nbytes(), tensor.shape, dtype)
        self._known[key] = [number], weakref.ref(storage, lambda _: self._gone(key))

    def adopt(self, tensor: Any, number: int) -> None:
        """A tensor's storage is a block that the ledger already has; called again, one that stands
        for several."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            self._known[key][0].append(number)
        else:
            self._known[key] = [number], weakref.ref(storage, lambda _: self._gone(key))

    def ignore(self, tensor: Any) -> None:
        """Never book this tensor's storage: a weight, which is accounted for elsewhere."""
        storage = tensor.untyped_storage()
        self._known[storage._cdata] = [], storage

    def rebook(self, tensor: Any, kind: str) -> None:
        """A tensor's storage turned out to be of this kind."""
        numbers, _ = self._known.get(tensor.untyped_storage()._cdata, ([], None))
        for number in numbers:
            self.ledger.rebook(number, kind)

    def _gone(self, key: int) -> None:
        numbers, _ = self._known.pop(key)
        for number in numbers:
            self.ledger.free(number)


def operators(torch: Any, fake_mode: Any, storages: Storages, workspaces: Any) -> Any:
    """The dispatch mode; to be entered inside of ``fake_mode``."""
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensor,
    )
    from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
    from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

    aten = torch.ops.aten
    scratch = Scratch(torch)
    packets = (
        "item",
        "nonzero",
        "masked_select",
        "unique_consecutive",
        "_unique2",
        "_local_scalar_dense",
        "repeat_interleave",
        "equal",
        "bincount",
        "is_nonzero",
    )
    by_values = {
        getattr(getattr(aten, name), overload)
        for name in packets
        for overload in getattr(aten, name).overloads()
        if not overload.endswith("out")
    } - {aten.repeat_interleave.self_int, aten.repeat_interleave.self_Tensor}
    indexing = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
    without_inputs = ("arange", "zeros", "ones", "full", "scalar_tensor", "linspace", "empty")
    factories = {
        getattr(getattr(aten, name), overload)
        for name in without_inputs
        for overload in getattr(aten, name).overloads()
        if not overload.endswith("out")
    } - {aten.empty.memory_format}

    booleans = (torch.bool, torch.uint8)
    grouped: Any = getattr(getattr(aten, "_grouped_mm", None), "default", None)

    class Operators(TorchDispatchMode):  # type: ignore[misc]
        def fake(self, values: Any, device: Any) -> Any:
            """A fake tensor on ``device`` that carries these real values."""
            with fake_mode:
                made = torch.empty(values.shape, dtype=values.dtype, device=device)
            storages.see(made)
            give_shadow(made, values)
            return made

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if func is torch.ops.prim.device.default:
                return func(*args, **kwargs)
            flat, spec = tree_flatten((args, kwargs))
            tensors = [one for one in flat if isinstance(one, torch.Tensor)]
            device = _device_of(torch, tensors, kwargs)
            if func in indexing:
                args, tensors, flat, spec = self._without_masks(
                    args, tensors, kwargs, flat, spec, device
                )
            known = bool(tensors or func in factories) and all(
                _values(one) is not None for one in tensors
            )
            if func in by_values and known:
                real = self._really(func, flat, spec)
                return tree_map(
                    lambda one: self.fake(one, device) if isinstance(one, torch.Tensor) else one,
                    real,
                )
            try:
                result = self._faked(func, args, kwargs, device)
            except (DataDependentOutputException, DynamicOutputShapeException):
                if not known:
                    raise
                real = self._really(func, flat, spec)
                return tree_map(
                    lambda one: self.fake(one, device) if isinstance(one, torch.Tensor) else one,
                    real,
                )
            outputs = [one for one in tree_flatten(result)[0] if isinstance(one, torch.Tensor)]
            self._shadow(func, args, outputs, flat, spec, known)
            for output in outputs:
                storages.see(output)
                if func is aten._to_copy.default and hasattr(args[0], "_qvl_weight"):
                    storages.rebook(output, WEIGHTS)
            if device.type == "cuda":
                # Once there is room for the result.
                workspaces.used_by(func, str(device))
            sizes = scratch.of(func, args, outputs)
            if sizes and device.type == "cuda":
                storages.ledger.scratch(str(device), *sizes)
            return result

        def _shadow(
            self, func: Any, args: Any, outputs: list[Any], flat: Any, spec: Any, known: bool
        ) -> None:
            """Values for the results, from the inputs' values or by assumption."""
            real: list[Any] = []
            if known and worth_computing(outputs):
                # Some operators take integers on a GPU only (histc): no values then.
                with contextlib.suppress(NotImplementedError):
                    real = tree_flatten(self._really(func, flat, spec))[0]
            else:
                with _disable_current_modes():
                    real = guess(torch, func, args, outputs)
            reals = [one for one in real if one is None or isinstance(one, torch.Tensor)]
            for output, values in zip(outputs, reals):
                if values is not None and isinstance(output, FakeTensor):
                    give_shadow(output, values)
            if not reals:
                for output in outputs:
                    drop_shadow(output)

        def _really(self, func: Any, flat: Any, spec: Any) -> Any:
            """The operator on the CPU, on the values."""
            swapped = [
                _values(one)
                if isinstance(one, torch.Tensor)
                else (torch.device("cpu") if isinstance(one, torch.device) else one)
                for one in flat
            ]
            real_args, real_kwargs = tree_unflatten(swapped, spec)
            with _disable_current_modes():
                return func(*real_args, **real_kwargs)

        def _faked(self, func: Any, args: Any, kwargs: Any, device: Any) -> Any:
            if func is aten.convolution.default and args[0].dim() == 3:
                # One-dimensional ones ask a device for its properties.
                with _disable_current_modes():
                    hollow = func(*tree_map(_on_meta, args), **kwargs)
                return aten.empty.memory_format(
                    list(hollow.shape), dtype=hollow.dtype, device=device
                )
            if func is grouped and args[0].dtype != torch.bfloat16:
                # The operator takes other dtypes from torch 2.9 on, what computes its shape none.
                with _disable_current_modes():
                    hollow = func(*tree_map(_on_meta_in_bf16, args))
                return aten.empty.memory_format(
                    list(hollow.shape), dtype=args[0].dtype, device=device
                )
            return func(*args, **kwargs)

        def _without_masks(
            self, args: Any, tensors: Any, kwargs: Any, flat: Any, spec: Any, device: Any
        ) -> Any:
            """Boolean indices as the integer ones that the kernel makes of them."""
            masks = [one for one in args[1] if one is not None and one.dtype in booleans]
            if not masks:
                return args, tensors, flat, spec
            with_values = all(_values(one) is not None for one in tensors)
            indices: list[Any] = []
            for one in args[1]:
                if one is None or one.dtype not in booleans:
                    indices.append(one)
                else:
                    indices += self._places(one, device, with_values)
            args = (args[0], indices, *args[2:])
            flat, spec = tree_flatten((args, kwargs))
            return args, [one for one in flat if isinstance(one, torch.Tensor)], flat, spec

        def _places(self, mask: Any, device: Any, with_values: bool) -> list[Any]:
            """Where a mask is true, one index per dimension: columns of one int64 array."""
            values = _values(mask)
            if values is None:
                raise RuntimeError("the trace cannot know how many elements a mask selects")
            real: list[Any] = []
            with _disable_current_modes():
                if with_values:
                    real = list(torch.nonzero(values).unbind(1))
                count = int(torch.count_nonzero(values))
            with fake_mode:
                places = torch.empty((count, mask.dim()), dtype=torch.int64, device=device)
            storages.see(places)
            columns = [aten.select.int(places, 1, dim) for dim in range(mask.dim())]
            for column, where in zip(columns, real):
                give_shadow(column, where)
            return columns

    def _values(tensor: Any) -> Optional[Any]:
        if isinstance(tensor, FakeTensor):
            return shadow_of(tensor)
        return tensor if tensor.device.type == "cpu" else None

    def _on_meta(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return torch.empty(value.shape, dtype=value.dtype, device="meta")
        return value

    def _on_meta_in_bf16(value: Any) -> Any:
        hollow = _on_meta(value)
        if isinstance(hollow, torch.Tensor) and hollow.is_floating_point():
            return torch.empty_strided(
                value.shape, value.stride(), dtype=torch.bfloat16, device="meta"
            )
        return hollow

    return Operators()


def _device_of(torch: Any, tensors: list[Any], kwargs: Any) -> Any:
    """Where the results will be: on the first GPU among the inputs, else where it is asked for."""
    for tensor in tensors:
        if tensor.device.type == "cuda":
            return tensor.device
    named = kwargs.get("device")
    if named is not None:
        return torch.device(named)
    return tensors[0].device if tensors else torch.device("cpu")
