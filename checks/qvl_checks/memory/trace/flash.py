"""flash-attn without the package: the storages that its kernels allocate.

Output as the query (heads padded to a multiple of 8), log-sum-exp in float32, a pair of random
seeds (flash_attn_interface of flash-attn 2.x). Selected in the loaded transformers under the real
name, so that its own code takes the paths (masks, cu_seqlens) that it takes with the package.
"""

from __future__ import annotations

import sys
from typing import Any

from qvl_checks.memory.trace.replacements import Replacements

NAMES = ("flash_attention_2", "flash_attention_3", "flash_attention_4")
HEAD_ALIGNMENT = 8


def kernel(torch: Any, query: Any) -> Any:
    """The result for a query of shape (batch, tokens, heads, width) or (tokens, heads, width)."""
    width = query.shape[-1]
    padded = -(-width // HEAD_ALIGNMENT) * HEAD_ALIGNMENT
    output = torch.empty((*query.shape[:-1], padded), dtype=query.dtype, device=query.device)
    sums = torch.empty(query.shape[:-1], dtype=torch.float32, device=query.device)
    seeds = torch.empty(2, dtype=torch.int64, device=query.device)
    del sums, seeds
    return output[..., :width] if padded != width else output


def install(torch: Any, modeling: Any, replaced: Replacements) -> None:
    """Make the loaded transformers use the emulation wherever it would call flash-attn."""

    def interface(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **_: Any
    ) -> Any:
        """An entry of ALL_ATTENTION_FUNCTIONS; (batch, heads, tokens, width) comes in."""
        return unpadded(query.transpose(1, 2), attention_mask), None

    def unpadded(query: Any, attention_mask: Any) -> Any:
        if attention_mask is None:
            return kernel(torch, query)
        # Padded batches: real tokens are gathered (q, k and v alike) and put back.
        packed = query.reshape(-1, *query.shape[2:])
        copies = [torch.empty_like(packed) for _ in range(2)]
        result = kernel(torch, packed.clone())
        del copies
        return result.reshape(query.shape)

    def forward(
        query: Any, key: Any, value: Any, attention_mask: Any = None, *_: Any, **__: Any
    ) -> Any:
        """`_flash_attention_forward` of modeling_flash_attention_utils."""
        return unpadded(query, attention_mask)

    def varlen(query: Any, *_: Any, **__: Any) -> Any:
        """`flash_attn_varlen_func`."""
        return kernel(torch, query)

    def rotary(tensor: Any, cos: Any, sin: Any, *_: Any, **__: Any) -> Any:
        """`flash_attn.layers.rotary.apply_rotary_emb`: one fused kernel, out of place."""
        return torch.empty_like(tensor)

    # Without the package, older modeling files lack the names: they import them where it is there.
    utils = sys.modules.get("transformers.modeling_utils")
    registry = getattr(utils, "ALL_ATTENTION_FUNCTIONS", None)
    if registry is not None:
        for name in NAMES:
            replaced.entry(registry, name, interface)
    for name, replacement in (
        ("_flash_attention_forward", forward),
        ("flash_attn_varlen_func", varlen),
        ("apply_rotary_emb", rotary),
    ):
        replaced.attribute(modeling, name, replacement)
