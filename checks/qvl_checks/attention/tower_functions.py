"""The attention implementations as each tower of a model calls them.

Runs in the target; standard library only at module level. The language model attends causally with
fewer key heads than query heads; the vision tower attends within an image, or within each window
of one. Every call takes q, k, v of shape (1, heads, tokens, width), the scaling and the layout, and
returns the output in the layout of q.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from qvl_checks.attention import attention_functions, hub_kernels


class Layout(NamedTuple):
    """Which tokens see each other."""

    causal: bool
    segments: tuple[int, ...]
    """Lengths of the runs of tokens that see only each other; their sum is all tokens."""


Call = Callable[[Any, Any, Any, float, Layout], Any]


class Implementation(NamedTuple):
    """One implementation."""

    name: str
    origin: str
    """Whose code it is."""
    call: Call


TORCH = "torch"
"""The group of everything that torch and transformers bring."""
FLASH = {
    "flash_attention_2": ("flash_attn",),
    "flash_attention_3": ("flash_attn_interface", "flash_attn_3.flash_attn_interface"),
    "flash_attention_4": ("flash_attn.cute",),
}
"""Implementation -> modules that may hold it."""
DISTRIBUTIONS = {"flash_attention_4": "flash-attn-4"}
"""Implementation -> the distribution without which the modules are another's."""
MASKED = "sdpa:mask"
"""One call with a dense mask in place of one call per window, as transformers up to 4.53 does."""


def torch_implementations(model_type: str, device: str) -> Iterator[Implementation]:
    """Eager, eager with float32 logits, sdpa and each of its backends."""
    for item in attention_functions.offered(model_type, device):
        if item.name.startswith("sdpa"):
            repeats = item.name == "sdpa:efficient" or not takes_gqa()
            yield Implementation(item.name, item.origin, _fused(item.call, repeats))
            if item.name == "sdpa":
                yield Implementation(MASKED, item.origin, _masked(item.call))
        else:
            yield Implementation(item.name, item.origin, _with_mask(item.call))


def flash_module(name: str) -> Any:
    """The module of a FlashAttention generation.

    Raises:
        ImportError: none of the modules can be imported, or it has no attention function.
    """
    errors = []
    for module_name in FLASH[name]:
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            errors.append(f"{module_name}: {error}")
            continue
        if hasattr(module, "flash_attn_func") and hasattr(module, "flash_attn_varlen_func"):
            return module
        errors.append(f"{module_name} has no flash_attn_func and flash_attn_varlen_func")
    raise ImportError("; ".join(errors))


def flash_implementation(name: str) -> Implementation:
    """An installed FlashAttention."""
    module = flash_module(name)
    version = getattr(module, "__version__", "")
    return Implementation(name, f"{module.__name__} {version}".strip(), flash_call(module))


def hub_implementation(name: str) -> Implementation:
    """A kernel of the Hub from the cache."""
    snapshot = hub_kernels.cached()[0][name]
    repository = hub_kernels.REPOSITORIES[name]
    module = hub_kernels.load(repository, snapshot)
    return Implementation(name, f"{repository} at {snapshot.name[:12]}", flash_call(module))


def takes_gqa() -> bool:
    """Whether sdpa takes fewer key heads than query heads (torch 2.5)."""
    import torch

    return "enable_gqa" in (torch.nn.functional.scaled_dot_product_attention.__doc__ or "")


def repeated(query: Any, tensor: Any) -> Any:
    """Keys or values with as many heads as the queries."""
    return tensor.repeat_interleave(query.shape[1] // tensor.shape[1], dim=1)


def causal_mask(query: Any) -> Any:
    """What eager adds to the logits: 0 where a key is not later, else the least number."""
    import torch

    length = query.shape[2]
    least = torch.finfo(query.dtype).min
    hidden = torch.full((length, length), least, dtype=query.dtype, device=query.device)
    return hidden.triu(1)[None, None]


def block_mask(query: Any, segments: tuple[int, ...]) -> Any:
    """(1, 1, tokens, tokens), true within a segment."""
    import torch

    counts = torch.tensor(segments, device=query.device)
    owner = torch.repeat_interleave(torch.arange(len(segments), device=query.device), counts)
    return (owner[:, None] == owner[None, :])[None, None]


def _by_segment(call: Callable[..., Any]) -> Call:
    def whole(query: Any, key: Any, value: Any, scaling: float, layout: Layout) -> Any:
        import torch

        if len(layout.segments) == 1:
            return call(query, key, value, scaling, layout.causal)
        splits = (tensor.split(layout.segments, dim=2) for tensor in (query, key, value))
        apart = partial(call, scaling=scaling, causal=layout.causal)
        return torch.cat(list(map(apart, *splits)), dim=2)

    return whole


def _with_mask(plain: attention_functions.Call) -> Call:
    def call(query: Any, key: Any, value: Any, scaling: float, causal: bool) -> Any:
        mask = causal_mask(query) if causal else None
        return plain(query, repeated(query, key), repeated(query, value), scaling, mask)[0]

    return _by_segment(call)


def _fused(plain: attention_functions.Call, repeats: bool) -> Call:
    def call(query: Any, key: Any, value: Any, scaling: float, causal: bool) -> Any:
        keywords: dict[str, Any] = {"is_causal": causal}
        if repeats:
            key, value = repeated(query, key), repeated(query, value)
        elif key.shape[1] != query.shape[1]:
            keywords["enable_gqa"] = True
        return plain(query, key, value, scaling, **keywords)[0]

    return _by_segment(call)


def _masked(plain: attention_functions.Call) -> Call:
    def call(query: Any, key: Any, value: Any, scaling: float, layout: Layout) -> Any:
        mask = causal_mask(query) if layout.causal else block_mask(query, layout.segments)
        return plain(query, repeated(query, key), repeated(query, value), scaling, mask)[0]

    return call


def flash_call(module: Any) -> Call:
    """The plain function for a causal prompt, the packed one with boundaries for images, as
    transformers calls them."""

    def call(query: Any, key: Any, value: Any, scaling: float, layout: Layout) -> Any:
        rows = [tensor.transpose(1, 2).contiguous() for tensor in (query, key, value)]
        if layout.causal:
            output = module.flash_attn_func(*rows, softmax_scale=scaling, causal=True)
        else:
            output = _packed(module.flash_attn_varlen_func, rows, scaling, layout.segments)
        if isinstance(output, tuple):  # with the logsumexp, from generation 3 on
            output = output[0]
        return output.reshape(rows[0].shape).transpose(1, 2)

    return call


def _packed(function: Any, rows: list[Any], scaling: float, segments: tuple[int, ...]) -> Any:
    import torch

    bounds = [sum(segments[:count]) for count in range(len(segments) + 1)]
    ends = torch.tensor(bounds, dtype=torch.int32, device=rows[0].device)
    offered: dict[str, Any] = {
        "cu_seqlens_q": ends,
        "cu_seqlens_k": ends,
        "max_seqlen_q": max(segments),
        "max_seqlen_k": max(segments),
        "softmax_scale": scaling,
        "causal": False,
    }
    try:
        accepted = inspect.signature(function).parameters
    except ValueError:  # compiled
        accepted = None
    keywords = {key: offered[key] for key in offered if accepted is None or key in accepted}
    return function(*(tensor[0] for tensor in rows), **keywords)
