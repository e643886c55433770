"""Pictures whose places and colours cannot be confused, and their patches by the doctor's own rule.

Runs in the target: standard library only at module level, Python 3.9.
"""

from __future__ import annotations

from typing import Any

NAMES = ("left and right", "top and bottom", "stripes", "one corner", "noise")


def make_pictures(height: int, width: int) -> dict[str, Any]:
    """Name -> uint8 tensor (height, width, 3)."""
    import torch

    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width)[None, :].expand(height, width)
    red, blue = torch.tensor([230, 30, 20]), torch.tensor([20, 60, 220])

    def painted(where: Any) -> Any:
        return torch.where(where[..., None], red, blue).to(torch.uint8)

    noise = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(5))
    made = (
        painted(columns < width // 2),
        painted(rows < height // 2),
        painted((columns + 2 * rows) % 40 < 20),
        painted((rows < height // 4) & (columns < width // 4)),
        noise.to(torch.uint8),
    )
    return {name: made[index] for index, name in enumerate(NAMES)}


def cut(
    picture: Any,
    mean: list[float],
    deviation: list[float],
    *,
    patch: int,
    merge: int,
    frames: int,
    order: str = "merged",
) -> Any:
    """Patches (count, 3 · frames · patch · patch) of a picture (height, width, 3).

    Values are scaled to 0..1 and normalised per channel; the picture is repeated for each frame of
    a patch; patches that are merged into one visual token follow one another. ``order`` may be a
    mistake instead: ``raster`` (row by row, as if nothing were merged), ``columns`` (the merged
    blocks column by column) or ``bgr`` (colours reversed).
    """
    import torch

    values = picture.float() / 255
    if order == "bgr":
        values = values.flip(-1)
    values = (values - torch.tensor(mean)) / torch.tensor(deviation)
    height, width = values.shape[0] // patch, values.shape[1] // patch
    tiles = values.view(height, patch, width, patch, 3).permute(0, 2, 4, 1, 3)
    tiles = tiles[:, :, :, None].expand(height, width, 3, frames, patch, patch)
    if order != "raster":
        blocks = tiles.reshape(height // merge, merge, width // merge, merge, *tiles.shape[2:])
        first, second = (2, 0) if order == "columns" else (0, 2)
        tiles = blocks.permute(first, second, 1, 3, 4, 5, 6, 7)
    return tiles.reshape(height * width, -1)


MISTAKES = ("raster", "columns", "bgr")
