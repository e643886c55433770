"""Prompts as rows of spans, and the tensors that a processor would make of them."""

from __future__ import annotations

from typing import Any, NamedTuple

FIRST_WORD = 10
WORDS = 900
"""Ordinary tokens of the small vocabulary lie in between."""

TENSORS = {
    "image": ("pixel_values", "image_grid_thw"),
    "video": ("pixel_values_videos", "video_grid_thw"),
}


class Span(NamedTuple):
    """A run of tokens of one kind."""

    kind: str
    """``text``, ``image`` or ``video``."""
    tokens: int
    """How many."""
    grid: tuple[int, int, int] = (0, 0, 0)
    """(frames, rows, columns) of patches, for what is seen."""
    step: float = 1.0
    """Distance of two frames in temporal positions."""


Row = tuple[Span, ...]


class Family(NamedTuple):
    """What of a configuration decides how prompts look."""

    merge: int
    patch_values: int
    """Values of one patch: channels · frames · height · width."""
    image: int
    """Token ids."""
    video: int
    start: int
    end: int
    pad: int
    frames_apart: bool
    """Each frame of a video is a span of its own behind a written time stamp (Qwen3-VL on)."""
    tokens_per_second: float
    """Temporal positions per second of video; 0 where frames simply count."""


def family_of(config: dict[str, Any]) -> Family:
    """Read it from the content of a config.json."""
    vision = config["vision_config"]
    patch = int(vision["patch_size"])
    model_type = config["model_type"]
    return Family(
        merge=int(vision.get("spatial_merge_size", 2)),
        patch_values=3 * int(vision.get("temporal_patch_size", 2)) * patch**2,
        image=config["image_token_id"],
        video=config["video_token_id"],
        start=config["vision_start_token_id"],
        end=config["vision_end_token_id"],
        pad=config.get("pad_token_id") or 0,
        frames_apart=model_type not in ("qwen2_vl", "qwen2_5_vl"),
        tokens_per_second=float(vision.get("tokens_per_second", 2))
        if model_type == "qwen2_5_vl"
        else 0.0,
    )


def text(tokens: int) -> Row:
    """Ordinary words."""
    return (Span("text", tokens),)


def image(family: Family, rows: int, columns: int) -> Row:
    """One image between its markers; rows and columns of patches."""
    return _seen(family, "image", (1, rows, columns), 1.0)


def video(family: Family, frames: int, rows: int, columns: int, seconds: float) -> Row:
    """A video whose frames (pairs of pictures) are ``seconds`` apart, as the family writes it."""
    if family.frames_apart:
        frame = (*text(3), *_seen(family, "video", (1, rows, columns), 1.0))
        return frame * frames
    step = family.tokens_per_second * seconds if family.tokens_per_second else 1.0
    return _seen(family, "video", (frames, rows, columns), step)


def _seen(family: Family, kind: str, grid: tuple[int, int, int], step: float) -> Row:
    tokens = grid[0] * grid[1] * grid[2] // family.merge**2
    return (Span("text", 1), Span(kind, tokens, grid, step), Span("text", 1))


class Batch(NamedTuple):
    """Rows and their tensors."""

    rows: tuple[Row, ...]
    side: str
    """``left`` or ``right``: where shorter rows are padded."""
    inputs: dict[str, Any]
    grids: dict[str, list[list[tuple[int, int, int]]]]
    """``image`` and ``video`` -> row -> the grids as the model is given them."""
    pixels: dict[str, list[list[Any]]]
    """The same with the values, each (patches, patch_values)."""


def make_batch(
    family: Family, rows: tuple[Row, ...], *, side: str = "left", seed: int = 0
) -> Batch:
    """Tensors for these rows: random words, random patches.

    ``second_per_grid_ts`` is not among them; it belongs to the case (`seconds_of`).
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    written = [_ids(family, row, generator) for row in rows]
    width = max(len(ids) for ids in written)
    shape = (len(rows), width)
    ids = torch.full(shape, family.pad)
    mask, types = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.int32)
    for number, (row, line) in enumerate(zip(rows, written)):  # noqa: B905
        real = slice(width - len(line), width) if side == "left" else slice(0, len(line))
        ids[number, real] = line
        mask[number, real] = 1
        types[number, real] = torch.tensor(_types(row), dtype=torch.int32)
    inputs = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": types}
    grids: dict[str, list[list[tuple[int, int, int]]]] = {}
    pixels: dict[str, list[list[Any]]] = {}
    for kind, (values_name, grid_name) in TENSORS.items():
        grids[kind] = [_grids(row, kind, family.frames_apart) for row in rows]
        pixels[kind] = [
            [torch.randn(t * h * w, family.patch_values, generator=generator) for t, h, w in line]
            for line in grids[kind]
        ]
        every = [grid for line in grids[kind] for grid in line]
        if every:
            inputs[values_name] = torch.cat([values for line in pixels[kind] for values in line])
            inputs[grid_name] = torch.tensor(every)
    return Batch(rows, side, inputs, grids, pixels)


def alone(batch: Batch, number: int) -> Batch:
    """One row of a batch by itself, without its padding."""
    import torch

    real = batch.inputs["attention_mask"][number].bool()
    inputs = {
        name: batch.inputs[name][number : number + 1, real]
        for name in ("input_ids", "attention_mask", "mm_token_type_ids")
    }
    for kind, (values_name, grid_name) in TENSORS.items():
        if batch.grids[kind][number]:
            inputs[values_name] = torch.cat(batch.pixels[kind][number])
            inputs[grid_name] = torch.tensor(batch.grids[kind][number])
    return Batch(
        (batch.rows[number],),
        batch.side,
        inputs,
        {kind: [batch.grids[kind][number]] for kind in TENSORS},
        {kind: [batch.pixels[kind][number]] for kind in TENSORS},
    )


def repeated(batch: Batch, times: int) -> Batch:
    """Each row so many times, side by side, as a beam search lays them out."""
    return Batch(
        tuple(row for row in batch.rows for _ in range(times)),
        batch.side,
        {
            name: batch.inputs[name].repeat_interleave(times, dim=0)
            for name in ("input_ids", "attention_mask", "mm_token_type_ids")
        },
        {
            kind: [line for line in lines for _ in range(times)]
            for kind, lines in batch.grids.items()
        },
        {
            kind: [line for line in lines for _ in range(times)]
            for kind, lines in batch.pixels.items()
        },
    )


def _ids(family: Family, row: Row, generator: Any) -> Any:
    import torch

    parts = []
    for number, span in enumerate(row):
        if span.kind == "text":
            words = torch.randint(
                FIRST_WORD, FIRST_WORD + WORDS, (span.tokens,), generator=generator
            )
            if number + 1 < len(row) and row[number + 1].kind != "text":
                words[-1] = family.start
            if number and row[number - 1].kind != "text":
                words[0] = family.end
            parts.append(words)
        else:
            token = family.image if span.kind == "image" else family.video
            parts.append(torch.full((span.tokens,), token))
    return torch.cat(parts)


def kinds_of(row: Row) -> list[str]:
    """The kind of each token."""
    return [span.kind for span in row for _ in range(span.tokens)]


def _types(row: Row) -> list[int]:
    numbers = {"text": 0, "image": 1, "video": 2}
    return [numbers[kind] for kind in kinds_of(row)]


def _grids(row: Row, kind: str, frames_apart: bool) -> list[tuple[int, int, int]]:
    """One grid per image or video; frames that stand apart in the text are one video's."""
    found = [span.grid for span in row if span.kind == kind]
    if kind == "video" and frames_apart and found:
        return [(len(found), *found[0][1:])]
    return found
