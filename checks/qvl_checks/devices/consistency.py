"""The same inputs through the same kernels, again and again and on every device; in the target.

Matrix products and attention of torch give the same bits for the same input on the same device
(cuBLAS documents this for one stream), so a second answer that differs is a fault of the
hardware or of its driver.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qvl_checks.devices.room import synchronize

SEED = 20
CHECKED_ROWS = 32
"""Rows of the output that are computed in float64 too."""


class Operation(NamedTuple):
    """Something to compute, with what it may be off."""

    call: Callable[[Any, Mapping[str, Any]], Any]
    """(torch, inputs on the device) -> contiguous output; the reference has its first rows."""
    inputs: Callable[[Any, int], dict[str, Any]]
    """(torch, size) -> inputs on the host."""
    exact: Callable[[Any, Mapping[str, Any], int], Any]
    """(torch, inputs, rows) -> the first rows in float64."""
    dtype: str
    tolerance: float
    """Relative L2 error; several times what rounding gives."""


def matrices(torch: Any, size: int) -> dict[str, Any]:
    """a and b, (size, size), float64."""
    generator = torch.Generator().manual_seed(SEED)
    return {
        name: torch.randn(size, size, generator=generator, dtype=torch.float64) for name in "ab"
    }


def product(torch: Any, inputs: Mapping[str, Any]) -> Any:
    """a·b in the inputs' own precision, whatever the environment allows."""
    return _product(torch, inputs, tf32=False)


def exact_product(torch: Any, inputs: Mapping[str, Any], rows: int) -> Any:
    """The first rows of a·b in float64."""
    return inputs["a"][:rows].double() @ inputs["b"].double()


def tf32_product(torch: Any, inputs: Mapping[str, Any]) -> Any:
    """a·b with TensorFloat-32 allowed, where the device has it."""
    return _product(torch, inputs, tf32=True)


def _product(torch: Any, inputs: Mapping[str, Any], *, tf32: bool) -> Any:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        return inputs["a"] @ inputs["b"]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def heads(torch: Any, size: int) -> dict[str, Any]:
    """q, k, v: (1, 4, size, 128), float64."""
    generator = torch.Generator().manual_seed(SEED + 1)
    shape = (1, 4, size, 128)
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name in "qkv"}


def attention(torch: Any, inputs: Mapping[str, Any]) -> Any:
    """(size, 4, 128): rows are queries."""
    answer = torch.nn.functional.scaled_dot_product_attention(
        inputs["q"], inputs["k"], inputs["v"], is_causal=True
    )
    return answer[0].transpose(0, 1).contiguous()


def exact_attention(torch: Any, inputs: Mapping[str, Any], rows: int) -> Any:
    """The first queries, written out in float64; they see as many keys."""
    q, k, v = (inputs[name][0, :, :rows].double() for name in "qkv")
    logits = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    hidden = torch.ones(rows, rows, dtype=torch.bool).triu(1)
    weights = logits.masked_fill(hidden, float("-inf")).softmax(-1)
    return (weights @ v).transpose(0, 1)


OPERATIONS: dict[str, Operation] = {
    "matmul bfloat16": Operation(product, matrices, exact_product, "bfloat16", 1e-2),
    "matmul float16": Operation(product, matrices, exact_product, "float16", 3e-3),
    "matmul float32": Operation(product, matrices, exact_product, "float32", 1e-4),
    "matmul float32 (TF32)": Operation(tf32_product, matrices, exact_product, "float32", 3e-3),
    "sdpa bfloat16": Operation(attention, heads, exact_attention, "bfloat16", 2e-2),
}


def measure(
    torch: Any, device: str, operation: Operation, size: int, repeats: int
) -> dict[str, Any]:
    """One row; see `OperationResult` of the facts for the fields."""
    host = {
        name: tensor.to(getattr(torch, operation.dtype))
        for name, tensor in operation.inputs(torch, size).items()
    }
    placed = {name: tensor.to(device) for name, tensor in host.items()}
    with torch.no_grad():
        first = operation.call(torch, placed).clone()
        changed, differing = 0, 0
        for _ in range(repeats - 1):
            again = operation.call(torch, placed)
            if not torch.equal(again.view(torch.uint8), first.view(torch.uint8)):
                changed += 1
                differing = max(differing, int((again != first).sum()))
        synchronize(torch, device)
    answer = first.cpu()
    rows = min(CHECKED_ROWS, answer.shape[0])
    exact = operation.exact(torch, host, rows)
    error = (answer[:rows].double() - exact).norm() / exact.norm()
    finite = bool(answer.isfinite().all())
    return {
        "runs": repeats,
        "changed_runs": changed,
        "changed_elements": differing,
        "elements": answer.numel(),
        "error": float(error) if bool(error.isfinite()) else None,
        "tolerance": operation.tolerance,
        "finite": finite,
        "digest": hashlib.sha256(_bytes(answer)).hexdigest()[:16],
    }


def survey(
    torch: Any,
    device: str,
    size: int,
    repeats: int,
    operations: Mapping[str, Operation] = OPERATIONS,
) -> dict[str, dict[str, Any]]:
    """Every operation on one device; one that raises has a ``reason`` instead of figures."""
    rows: dict[str, dict[str, Any]] = {}
    for name, operation in operations.items():
        try:
            rows[name] = measure(torch, device, operation, size, repeats)
        except RuntimeError as error:
            rows[name] = {"reason": f"{type(error).__name__}: {error}"[:300]}
    return rows


def _bytes(tensor: Any) -> bytes:
    """The bytes of a contiguous tensor on the host; NumPy may be missing there."""
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())
