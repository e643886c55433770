"""M-RoPE positions, by the published rule.

Text counts on in all three dimensions (time, height, width). What is seen starts where the text
would go on: time grows with the frames, height and width with the merged rows and columns. What
follows starts one after the largest position so far, of any dimension.
Source: Qwen2-VL report (arXiv 2409.12191), section 2.1; for the spacing of frames in time, the
Qwen2.5-VL report (arXiv 2502.13923), section 2.1.2.
"""

from __future__ import annotations

import math

from qvl_checks.attention.reference.prompts import Row

DIMENSIONS = ("t", "h", "w")


def rule_positions(row: Row, merge: int) -> list[tuple[int, int, int]]:
    """(time, height, width) of each token of an unpadded row."""
    found: list[tuple[int, int, int]] = []
    start = 0
    for span in row:
        if span.kind == "text":
            found += [(start + index,) * 3 for index in range(span.tokens)]
        else:
            frames, rows, columns = span.grid
            found += [
                (start + math.floor(frame * span.step), start + line, start + column)
                for frame in range(frames)
                for line in range(rows // merge)
                for column in range(columns // merge)
            ]
        start = max(max(position) for position in found) + 1
    return found
