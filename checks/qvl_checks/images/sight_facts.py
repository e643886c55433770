"""Whether generated pictures reach the vision tower, each patch in its place."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from qvl_doctor.probe import Facts, Level, Probe


class Patches(msgspec.Struct, frozen=True, kw_only=True):
    """What the image processor makes of one picture, against the doctor's own cutting of it."""

    picture: str
    grid: tuple[int, ...] = ()
    """(frames, rows, columns) of patches."""
    comparable: bool = False
    """Whether the processor left the picture's size as it was."""
    error: float | None = None
    """Largest absolute difference of a normalised value; None when shapes differ."""
    mistake: str = ""
    """The mistake that gives exactly the found patches: ``raster`` (patches that belong together do
    not follow one another), ``columns`` (blocks column by column), ``bgr`` (colours reversed)."""
    reason: str = ""
    """The error, when it raised."""


class Eyes(msgspec.Struct, frozen=True, kw_only=True):
    """What a vision tower makes of the pictures."""

    weights: str
    """``random`` (small) or ``checkpoint`` (the user's, full size)."""
    dtype: str = "float32"
    reason: str = ""
    """Why it was not run."""
    tensors_loaded: int = 0
    """Of the tower, from the checkpoint."""
    tensors_missing: int = 0
    not_finite: int = 0
    """Visual tokens with a value that is not finite."""
    closest: float | None = None
    """Relative L2 distance of the visual tokens of the two most similar different pictures."""
    closest_pair: tuple[str, ...] = ()
    repeated: float | None = None
    """The same between two looks at one picture."""
    from_reference: float | None = None
    """Relative L2 distance of the worst visual token from the doctor's own computation of the
    tower, which starts from the doctor's own patches."""


class SightFacts(Facts):
    """Pictures of colours and stripes, in a size that the processor need not change."""

    probe: ClassVar[str] = "images.sight"
    reason: str = ""
    """Why nothing was tried."""
    transformers: str = ""
    processor: str = ""
    """The class that was run; empty when there is none."""
    processor_reason: str = ""
    """Why no processor was run, or why its patches could not be compared."""
    patches: tuple[Patches, ...] = ()
    towers: tuple[Eyes, ...] = ()


SIGHT = Probe(
    id="images.sight",
    title="shows generated pictures to the image processor and the vision tower",
    facts=SightFacts,
    entry="qvl_checks.images.sight_probe:run",
    budget_s=180,
    level=Level.STANDARD,
    imports=("torch", "model"),
)
