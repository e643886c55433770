"""The vision tower: who attends to whom, where each patch is, what is merged with what.

Computed in the order in which patches arrive (merged block by merged block), without reordering:
a patch attends to those with the same number, which names its frame, or its window of its frame.
Only weights are taken from the installed model.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from qvl_checks.attention.reference.blocks import merger, mlp, patch_embed, vision_norm

THETA = 10000.0


class Seen(NamedTuple):
    """What the tower hands to the language model."""

    embeddings: Any
    """(visual tokens, width)."""
    deepstack: list[Any]
    """One such tensor for each of the first layers; empty in most families."""


class Grid(NamedTuple):
    """Where patches are; each tensor (patches,)."""

    frame: Any
    """Numbered over all images of the call."""
    row: Any
    column: Any
    window: Any
    """Numbered over all images of the call."""


def lay_out(grids: list[tuple[int, int, int]], merge: int, window: int) -> Grid:
    """Patches in the order of the processor; ``window`` is in merged blocks per side, 0: none."""
    import torch

    frames, rows, columns, windows = [], [], [], []
    frame_number = window_number = 0
    for t, h, w in grids:
        side = window or max(h, w)
        wide = math.ceil(w / merge / side)
        for _ in range(t):
            for block_row in range(h // merge):
                for block_column in range(w // merge):
                    number = window_number + (block_row // side) * wide + block_column // side
                    for inner in range(merge * merge):
                        frames.append(frame_number)
                        rows.append(block_row * merge + inner // merge)
                        columns.append(block_column * merge + inner % merge)
                        windows.append(number)
            frame_number += 1
            window_number = max(windows) + 1
    return Grid(*(torch.tensor(numbers) for numbers in (frames, rows, columns, windows)))


class VisionReference:
    """The tower of one model, in the dtype of its weights."""

    def __init__(self, tower: Any, vision: dict[str, Any]) -> None:
        self.tower = tower
        self.heads = int(vision["num_heads"])
        self.merge = int(vision.get("spatial_merge_size", 2))
        self.full_blocks = list(vision.get("fullatt_block_indexes") or ())
        window = int(vision.get("window_size", 0)) if self.full_blocks else 0
        self.window = window // self.merge // int(vision["patch_size"])
        self.activation = vision.get("hidden_act")
        self.deepstack_at = list(vision.get("deepstack_visual_indexes") or ())

    def see(
        self,
        pixels: Any,
        grids: list[tuple[int, int, int]],
        *,
        windows: bool = True,
        apart: bool = True,
    ) -> Seen:
        """``pixels`` (patches, values) -> visual tokens.

        ``windows=False`` lets every block see whole frames, ``apart=False`` lets frames and images
        see one another: what a defect would compute, to name it by.
        """
        import torch

        grid = lay_out(grids, self.merge, self.window)
        hidden = patch_embed(self.tower.patch_embed, pixels)
        if hasattr(self.tower, "pos_embed"):
            hidden = hidden + self._learned_positions(grids, grid).to(hidden.dtype)
        cos, sin = self._rotation(grid, hidden.shape[1] // self.heads)
        deepstack = []
        for index, block in enumerate(self.tower.blocks):
            group = grid.frame
            if windows and self.window and index not in self.full_blocks:
                group = grid.window
            if not apart:
                group = torch.zeros_like(group)
            allowed = group[:, None] == group[None, :]
            normed = vision_norm(block.norm1, hidden)
            hidden = hidden + self._attend(block.attn, normed, cos, sin, allowed)
            hidden = hidden + mlp(block.mlp, vision_norm(block.norm2, hidden), self.activation)
            if index in self.deepstack_at:
                extra = self.tower.deepstack_merger_list[self.deepstack_at.index(index)]
                deepstack.append(merger(extra, hidden, self.merge**2))
        return Seen(merger(self.tower.merger, hidden, self.merge**2), deepstack)

    def _attend(self, module: Any, hidden: Any, cos: Any, sin: Any, allowed: Any) -> Any:
        patches = hidden.shape[0]
        qkv = module.qkv(hidden).view(patches, 3, self.heads, -1).permute(1, 2, 0, 3).float()
        q, k, v = rotate(qkv[0], cos, sin), rotate(qkv[1], cos, sin), qkv[2]
        logits = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        mixed = logits.masked_fill(~allowed, -math.inf).softmax(-1) @ v
        return module.proj(mixed.transpose(0, 1).reshape(patches, -1).to(hidden.dtype))

    def _rotation(self, grid: Grid, width: int) -> tuple[Any, Any]:
        """cos and sin (patches, width): a quarter turns with the row, a quarter with the column,
        twice."""
        import torch

        quarter = torch.arange(0, width // 2, 2).float() / (width // 2)
        speeds = THETA**-quarter
        angles = torch.cat([grid.row[:, None] * speeds, grid.column[:, None] * speeds], dim=1)
        angles = torch.cat([angles, angles], dim=1)
        return angles.cos(), angles.sin()

    def _learned_positions(self, grids: list[tuple[int, int, int]], grid: Grid) -> Any:
        """The square table of learned positions, stretched over each image: corners on corners,
        linear in between."""
        import torch

        table = self.tower.pos_embed.weight
        side = math.isqrt(table.shape[0])
        table = table.view(side, side, -1).float()
        found = []
        start = 0
        for t, h, w in grids:
            part = slice(start, start + t * h * w)
            start += t * h * w
            down = grid.row[part].double() * (side - 1) / max(h - 1, 1)
            right = grid.column[part].double() * (side - 1) / max(w - 1, 1)
            top, left = down.floor().long(), right.floor().long()
            bottom, east = (top + 1).clamp(max=side - 1), (left + 1).clamp(max=side - 1)
            low, far = (down - top)[:, None].float(), (right - left)[:, None].float()
            upper = table[top, left] * (1 - far) + table[top, east] * far
            lower = table[bottom, left] * (1 - far) + table[bottom, east] * far
            found.append(upper * (1 - low) + lower * low)
        return torch.cat(found)


def rotate(values: Any, cos: Any, sin: Any) -> Any:
    """Turn the pairs (i, i + half) of the last dimension; the rest beyond ``cos`` stays."""
    import torch

    width = cos.shape[-1]
    turned, rest = values[..., :width], values[..., width:]
    first, second = turned[..., : width // 2], turned[..., width // 2 :]
    turned = turned * cos + torch.cat([-second, first], dim=-1) * sin
    return torch.cat([turned, rest], dim=-1)
