"""Families that write the time of every block of frames into the prompt."""

from __future__ import annotations

STAMPED = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")
"""``model_type`` values; the others keep time in the position ids. Runs in the target, too."""
