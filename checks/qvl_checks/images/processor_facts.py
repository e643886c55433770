"""Facts about what the installed image processors make of a picture."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from qvl_checks.images.styles import style_of
from qvl_doctor.probe import Facts, Probe


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One picture through one processor, in a process of its own."""

    status: str
    """``ok``, ``raised``, ``crashed``, ``timed_out`` or ``not_run``."""
    class_name: str = ""
    tokens: int | None = None
    """Visual tokens: patches divided by the square of the merge size."""
    pixels: int | None = None
    """Area after resizing."""
    printed_size: str = ""
    """``processor.size`` as it prints, which may not be what was used."""
    reason: str = ""

    def within(self, cap: int) -> bool | None:
        """Whether a cap in pixels was kept; None: nothing was measured."""
        return None if self.pixels is None else self.pixels <= cap


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration with one implementation."""

    style: str
    """``folder`` (the examined checkpoint), ``pixels`` (as Qwen2.5-VL) or ``size`` (Qwen3-VL)."""
    implementation: str
    """``default`` (what AutoImageProcessor takes), ``slow`` (Pillow) or ``fast`` (torchvision)."""
    class_name: str = ""
    settings: dict[str, Any] = {}
    """The keys of the configuration that decide about sizes."""
    limit_pixels: int | None = None
    expected_tokens: int | None = None
    """What the configuration allows the picture to have; None: it sets no limit."""
    shrunk_tokens: int | None = None
    """What the built-in default of 1 003 520 pixels would leave of it."""
    cells: dict[str, Cell] = {}
    """By way of asking for fewer pixels; see ``ways.py``."""
    reason: str = ""
    """Why nothing was measured."""

    @property
    def default(self) -> Cell | None:
        """The picture without any request."""
        return self.cells.get("default")


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """Two processors in one process: the first with a limit, the second without."""

    style: str
    status: str
    class_name: str = ""
    class_size_before: dict[str, Any] | None = None
    class_size_after: dict[str, Any] | None = None
    """The class attribute ``size`` after an instance with limits was made."""
    bare_tokens_before: int | None = None
    bare_tokens_after: int | None = None
    """The picture through an instance without any setting, before and after."""
    own_tokens_after: int | None = None
    """The picture through a second instance of the configuration, after the limited one."""
    reason: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The slow and the fast class on the same picture with the same limits."""

    status: str
    """``ok`` and so on, or ``absent`` when there is only one implementation."""
    relative: float | None = None
    """L2 norm of the difference over that of the slow class's pixel values."""
    largest: float | None = None
    """Largest absolute difference of a normalised pixel value."""
    same_grid: bool | None = None
    reason: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a picture of an unusual shape."""

    width: int
    height: int
    status: str
    tokens: int | None = None
    reason: str = ""


class ProcessorFacts(Facts):
    """Measured on a generated picture of 2048 x 1365 pixels, on the CPU."""

    probe: ClassVar[str] = "images.processor"
    transformers: str = ""
    picture: tuple[int, int] = (0, 0)
    cap_pixels: int = 0
    """The request whose effect is measured."""
    classes: dict[str, str] = {}
    """Implementation -> class of the installed transformers."""
    rows: tuple[Row, ...] = ()
    leaks: tuple[Leak, ...] = ()
    difference: Difference | None = None
    extremes: tuple[Refusal, ...] = ()
    named_class: str | None = None
    """``image_processor_type`` of the examined folder."""
    named_class_exists: bool | None = None
    reason: str = ""
    """Why nothing at all was measured."""

    def own(self, model_type: str) -> Row | None:
        """The default implementation with the configuration that the examined model has: the
        folder's, else what the files of its family are published with."""
        wanted = ("folder", style_of(model_type))
        for row in self.rows:
            if row.implementation == "default" and row.style in wanted:
                return row
        return None


IMAGES_PROCESSOR = Probe(
    id="images.processor",
    title="runs the image processor on a picture",
    facts=ProcessorFacts,
    entry="qvl_checks.images.processor_probe:run",
    budget_s=90,
    imports=("torch", "transformers"),
    inputs=("versions.torchvision",),
)
