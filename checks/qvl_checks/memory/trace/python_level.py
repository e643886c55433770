"""Tensor methods that touch a device guard, done in Python.

A torch without CUDA (or without a driver) raises where C++ wants to switch to the tensor's device
before it looks at the operator: indexing, ``contiguous``, ``copy_``, ``int()``, ``torch.tensor``.
Here they are spelled in operators, which fake tensors answer without any device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qvl_checks.memory.trace.shadows import shadow_of


class PythonLevel:
    """Function -> its replacement; `replacement` says whether one is needed for a call."""

    def __init__(self, torch: Any, fake: Any) -> None:
        """``fake(values, device)`` makes a fake tensor that carries ``values``."""
        self._torch = torch
        self._fake = fake
        tensor = torch.Tensor
        self._on_tensors = {
            tensor.contiguous: self._contiguous,
            tensor.copy_: lambda target, source, *_: torch.ops.aten.copy_(target, source),
            tensor.__invert__: torch.ops.aten.bitwise_not,
            tensor.nonzero: self._nonzero,
            torch.nonzero: self._nonzero,
            tensor.__getitem__: self._get,
            tensor.__setitem__: self._set,
        }
        self._numbers: dict[Any, Callable[[Any], Any]] = {
            tensor.__int__: int,
            tensor.__index__: int,
            tensor.__bool__: bool,
            tensor.__float__: float,
            tensor.item: lambda number: number,
        }
        self._sized = {torch.linspace, torch.arange, torch.zeros, torch.ones, torch.full}
        self._sized |= {torch.empty, tensor.repeat, tensor.expand, tensor.view, tensor.reshape}
        self._factories = (torch.tensor, torch.as_tensor, tensor.new_tensor)

    def replacement(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What to call with the same arguments instead of ``func``, or None."""
        if func in self._on_tensors and args[0].device.type == "cuda":
            return self._on_tensors[func]
        if func in self._numbers and shadow_of(args[0]) is not None:
            convert = self._numbers[func]
            return lambda tensor, *_: convert(_plain_numbers(tensor))
        if func is self._torch.Tensor.tolist and shadow_of(args[0]) is not None:
            return _plain_numbers
        if func in self._sized and any(map(_holds_fakes, args[self._subject(func) :])):
            return lambda *a, **k: func(*self._with_numbers(func, a), **k)
        if func in self._factories and self._makes_cuda(func, args, kwargs):
            return lambda *a, **k: self._make(func, a, k)
        return None

    def _subject(self, func: Any) -> int:
        """How many leading arguments are tensors that the function works on."""
        return int(getattr(self._torch.Tensor, getattr(func, "__name__", ""), None) is func)

    def _with_numbers(self, func: Any, args: Any) -> Any:
        """Sizes given as tensors, as the numbers that C++ would fetch from the device."""
        kept = self._subject(func)
        return (*args[:kept], *map(_plain_numbers, args[kept:]))

    def _makes_cuda(self, func: Any, args: Any, kwargs: Any) -> bool:
        return self._device(func, args, kwargs).type == "cuda" or _holds_fakes(
            args[0] if func is not self._torch.Tensor.new_tensor else args[1]
        )

    def _device(self, func: Any, args: Any, kwargs: Any) -> Any:
        named = kwargs.get("device")
        if named is not None:
            return self._torch.device(named)
        source = args[0]
        if isinstance(source, self._torch.Tensor):
            return source.device
        return self._torch.device("cpu")

    def _make(self, func: Any, args: Any, kwargs: Any) -> Any:
        """``torch.tensor(data, device="cuda")`` and its relatives."""
        torch = self._torch
        device = self._device(func, args, kwargs)
        data = args[1] if func is torch.Tensor.new_tensor else args[0]
        dtype = kwargs.get("dtype")
        if isinstance(data, torch.Tensor):
            values = shadow_of(data)
            if values is None and (data.device.type == "cuda" or shadowless(data)):
                return data.to(device=device, dtype=dtype or data.dtype)
            data = data if values is None else values
        with _plain():
            values = torch.tensor(_plain_numbers(data), dtype=dtype)
        return self._fake(values, device)

    def _contiguous(self, tensor: Any, *_: Any, **kwargs: Any) -> Any:
        if tensor.is_contiguous(**kwargs):
            return tensor
        return self._torch.ops.aten.clone(tensor, memory_format=self._torch.contiguous_format)

    def _nonzero(self, tensor: Any, *, as_tuple: bool = False) -> Any:
        places = self._torch.ops.aten.nonzero(tensor)
        return places.unbind(1) if as_tuple else places

    def _get(self, tensor: Any, index: Any) -> Any:
        """``tensor[index]``."""
        aten = self._torch.ops.aten
        indices: list[Any] = []
        view, dim = tensor, 0
        for one in self._spelled_out(tensor, index):
            if one is None:
                view = aten.unsqueeze(view, dim)
                dim += 1
            elif isinstance(one, slice):
                view = self._sliced(view, dim, one)
                dim += 1
            elif self._is_array(one):
                indices += [None] * (dim - len(indices)) + [one]
                indices += [None] * (one.dim() - 1 if one.dtype == self._torch.bool else 0)
                dim += one.dim() if one.dtype == self._torch.bool else 1
            else:
                view = aten.select.int(view, dim, self._number(one))
        arrays = [one for one in indices if one is not None]
        if not arrays:
            return view if view is not tensor else aten.alias(tensor)
        return aten.index.Tensor(view, _without_fillers(indices))

    def _set(self, tensor: Any, index: Any, value: Any) -> None:
        """``tensor[index] = value``."""
        torch, aten = self._torch, self._torch.ops.aten
        parts = self._spelled_out(tensor, index)
        arrays = [one for one in parts if self._is_array(one)]
        if not arrays:
            target = self._get(tensor, index)
            if isinstance(value, torch.Tensor):
                aten.copy_(target, value)
            else:
                aten.fill_.Scalar(target, value)
            return
        # First everything that gives a view, with whole dimensions in place of the arrays.
        whole = [one for part in parts for one in self._whole(part)]
        target = self._get(tensor, tuple(whole))
        places: list[Any] = []
        for part in parts:
            if self._is_array(part):
                places.append(part)
            elif part is None or isinstance(part, slice):
                places.append(None)
        if not isinstance(value, torch.Tensor):
            value = self._fake(torch_scalar(torch, value, tensor.dtype), tensor.device)
        elif value.dtype != tensor.dtype:
            value = value.to(tensor.dtype)
        aten.index_put_(target, places, value)

    def _whole(self, part: Any) -> list[Any]:
        if not self._is_array(part):
            return [part]
        return [slice(None)] * (part.dim() if part.dtype == self._torch.bool else 1)

    def _spelled_out(self, tensor: Any, index: Any) -> list[Any]:
        """One entry per indexed dimension: the ellipsis replaced, lists made tensors."""
        torch = self._torch
        parts = list(index) if isinstance(index, tuple) else [index]
        parts = [
            self._fake(torch_list(torch, part), tensor.device)
            if isinstance(part, (list, range))
            else part
            for part in parts
        ]
        taken = sum(
            part.dim() if self._is_array(part) and part.dtype == torch.bool else 1
            for part in parts
            if part is not None and part is not Ellipsis
        )
        full: list[Any] = []
        for part in parts:
            if part is Ellipsis:
                full += [slice(None)] * (tensor.dim() - taken)
            else:
                full.append(part)
        return full

    def _is_array(self, part: Any) -> bool:
        """Whether it indexes by its elements (a single integer selects, as a number does)."""
        torch = self._torch
        return isinstance(part, torch.Tensor) and not (
            part.dim() == 0 and part.dtype != torch.bool and shadow_of(part) is not None
        )

    def _sliced(self, view: Any, dim: int, part: slice) -> Any:
        if part == slice(None):
            return view
        start, stop = self._number(part.start), self._number(part.stop)
        step = self._number(part.step)
        return self._torch.ops.aten.slice.Tensor(
            view, dim, start, stop, 1 if step is None else step
        )

    def _number(self, value: Any) -> Any:
        if isinstance(value, self._torch.Tensor):
            values = shadow_of(value)
            return int(value if values is None else values.item())
        return value if value is None else int(value)


def shadowless(tensor: Any) -> bool:
    """Whether a fake tensor carries no values."""
    return type(tensor).__name__ == "FakeTensor" and shadow_of(tensor) is None


def torch_scalar(torch: Any, value: Any, dtype: Any) -> Any:
    """A real 0-dimensional tensor, made outside of all modes."""
    with _plain():
        return torch.tensor(value, dtype=dtype)


def torch_list(torch: Any, values: Any) -> Any:
    """A real tensor of these numbers, made outside of all modes."""
    with _plain():
        return torch.tensor(_plain_numbers(list(values)))


def _without_fillers(indices: list[Any]) -> list[Any]:
    """``aten::index`` counts a boolean array's dimensions itself."""
    kept: list[Any] = []
    skip = 0
    for one in indices:
        if skip:
            skip -= 1
            continue
        kept.append(one)
        if one is not None and str(one.dtype) == "torch.bool":
            skip = one.dim() - 1
    return kept


def _holds_fakes(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(_holds_fakes(one) for one in data)
    return type(data).__name__ == "FakeTensor" and shadow_of(data) is not None


def _plain_numbers(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_plain_numbers(one) for one in data]
    values = shadow_of(data)
    if values is not None:
        with _plain():
            return values.tolist()
    return data.tolist() if hasattr(data, "tolist") else data


def _plain() -> Any:
    from torch.utils._python_dispatch import _disable_current_modes

    return _disable_current_modes()
