"""Which fused attention a model calls, and with what mask."""

from __future__ import annotations

from typing import Any


class AttentionCalls:
    """While entered, watches torch's scaled_dot_product_attention."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, bool]] = []
        """(dimensions of the query, tokens, whether a mask was passed)"""
        self._original: Any = None

    def __enter__(self) -> AttentionCalls:
        import torch

        original = torch.nn.functional.scaled_dot_product_attention

        def watched(query: Any, *arguments: Any, **keywords: Any) -> Any:
            mask = arguments[2] if len(arguments) > 2 else keywords.get("attn_mask")
            self.calls.append((query.ndim, int(query.shape[-2]), mask is not None))
            return original(query, *arguments, **keywords)

        self._original = original
        setattr(torch.nn.functional, "scaled_dot_product_attention", watched)  # noqa: B010
        return self

    def __exit__(self, *exception: object) -> None:
        import torch

        setattr(torch.nn.functional, "scaled_dot_product_attention", self._original)  # noqa: B010

    def summary(self) -> dict[str, Any]:
        """See `VisionRun`."""
        return {
            "calls": len(self.calls),
            "masked": any(masked for _, _, masked in self.calls),
            "dimensions": min((dimensions for dimensions, _, _ in self.calls), default=None),
            "largest": max((tokens for _, tokens, _ in self.calls), default=None),
        }
