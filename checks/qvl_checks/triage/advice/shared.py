"""Fixes that cure several causes."""

from __future__ import annotations

from .entry import code

WHICH = (
    'python -c "import sys, transformers; print(sys.executable, transformers.__version__, '
    'transformers.__file__)"'
)
SDPA = code(
    'from_pretrained(path, attn_implementation="sdpa", dtype=torch.bfloat16)',
    "no extra package; fused and O(S) in memory on transformers 4.54 and newer",
    "safe",
)
