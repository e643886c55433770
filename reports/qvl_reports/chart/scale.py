"""From values to positions: linear, logarithmic and categorical axes with their ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from qvl_reports.values import number

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
Value = float | str


class Tick(NamedTuple):
    """A mark on an axis; ``place`` runs from 0 (low end) to 1."""

    place: float
    label: str


class Linear:
    """An axis from ``low`` to ``high``."""

    def __init__(self, low: float, high: float) -> None:
        if not low < high:
            pad = abs(low) * 0.1 or 1.0
            low, high = low - pad, high + pad
        self.low, self.high = low, high

    def place(self, value: Value) -> float:
        """0 to 1; halves first, so that the widest floats do not overflow."""
        span = self.high / 2 - self.low / 2
        return _clamp((float(value) / 2 - self.low / 2) / span) if span else 0.5

    def ticks(self, wanted: int) -> list[Tick]:
        """Round values within the axis, at most ``wanted`` + 1."""
        step = nice_step(self.high / 2 - self.low / 2, wanted)
        if not step or not math.isfinite(step):
            return []
        first = math.ceil(self.low / step)
        values = [(first + place) * step for place in range(wanted + 2)]
        return [
            Tick(self.place(value), short(value))
            for value in values
            if value <= self.high * (1 + 1e-12) + step * 1e-9
        ]


class Logarithmic:
    """A logarithmic axis; values at or below zero stand on its floor, marked as such."""

    def __init__(self, values: Sequence[float]) -> None:
        positive = [value for value in values if value > 0]
        self.floored = len(positive) < len(values)
        low = math.log10(min(positive)) if positive else 0.0
        high = math.log10(max(positive)) if positive else 1.0
        if not low < high:
            low, high = low - 0.5, high + 0.5
        if self.floored:
            low -= max(0.5, (high - low) * 0.12)
        self.low, self.high = low, high

    def place(self, value: Value) -> float:
        """0 to 1; 0 for what a logarithm cannot place."""
        number_ = float(value)
        if number_ <= 0:
            return 0.0
        return _clamp((math.log10(number_) - self.low) / (self.high - self.low))

    def ticks(self, wanted: int) -> list[Tick]:
        """Decades; their 2 and 5 as well when there are few."""
        first, last = math.floor(self.low), math.ceil(self.high)
        stride = max(1, math.ceil((last - first) / wanted))
        mantissas = (1, 2, 5) if last - first <= 2 else (1,)
        ticks = [Tick(0.0, "≤ 0")] if self.floored else []
        clear = 0.08 if self.floored else -1e-9
        for power in range(first, last + 1, stride):
            for mantissa in mantissas:
                exact = power + math.log10(mantissa)
                place = (exact - self.low) / (self.high - self.low)
                if clear <= place <= 1 + 1e-9:
                    ticks.append(Tick(place, decade(mantissa, power)))
        return ticks


class Categories:
    """An axis of names, evenly spaced."""

    def __init__(self, names: Sequence[Value]) -> None:
        self.names = {str(name): place for place, name in enumerate(dict.fromkeys(map(str, names)))}

    def place(self, value: Value) -> float:
        """The middle of the name's share of the axis."""
        return (self.names.get(str(value), 0) + 0.5) / max(1, len(self.names))

    def ticks(self, wanted: int) -> list[Tick]:
        """One per name."""
        return [Tick(self.place(name), name) for name in self.names]


Axis = Linear | Logarithmic | Categories


def value_axis(values: Sequence[float], log: bool, *, zero: bool = False) -> Axis:
    """The axis for measured values, widened to round numbers; ``zero``: include 0."""
    if log:
        axis = Logarithmic(values)
        axis.high += (axis.high - axis.low) * 0.04
        axis.low -= 0 if axis.floored else (axis.high - axis.low) * 0.06
        return axis
    low, high = min(values, default=0.0), max(values, default=1.0)
    if zero or 0 < low < high * 0.5:
        low = min(low, 0.0)
        high = max(high, 0.0)
    if not low < high:
        return Linear(low, high)
    step = nice_step(high / 2 - low / 2, 5)
    wide = math.ceil(high / step - 1e-9) * step if step and math.isfinite(step) else high
    return Linear(low, wide if math.isfinite(wide) else high)


def point_axis(values: Sequence[Value], log: bool) -> Axis:
    """The axis for where it was measured: names if any value is one."""
    numbers = [float(value) for value in values if not isinstance(value, str)]
    if len(numbers) < len(values) or not numbers:
        return Categories(values)
    return Logarithmic(numbers) if log else Linear(min(numbers), max(numbers))


def point_ticks(axis: Axis, values: Sequence[Value], wanted: int) -> list[Tick]:
    """Ticks where something was measured when these are few, else round ones."""
    exact = sorted({float(value) for value in values if not isinstance(value, str)})
    if isinstance(axis, Categories) or len(exact) > 12 or not exact:
        return axis.ticks(wanted)
    return [Tick(axis.place(value), short(value)) for value in exact]


def nice_step(half_span: float, wanted: int) -> float:
    """The smallest step of 1, 2, 2.5 or 5 times a power of ten that needs at most ``wanted``."""
    rough = half_span / wanted * 2
    if not rough or not math.isfinite(rough):
        return 0.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next((step * power for step in STEPS if rough <= step * power * (1 + 1e-9)), rough)


def short(value: float) -> str:
    """A tick's label, in three significant digits or as an integer."""
    value = float(f"{value:.6g}")
    if not math.isfinite(value):
        return str(value)
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, power = f"{value:.2e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}×10{str(int(power)).translate(SUPERSCRIPTS)}"
    return number(value)


def decade(mantissa: int, power: int) -> str:
    """The label of ``mantissa`` times a power of ten."""
    if -3 <= power <= 4:
        return number(float(f"{mantissa}e{power}"))
    head = "" if mantissa == 1 else f"{mantissa}×"
    return f"{head}10{str(power).translate(SUPERSCRIPTS)}"


def _clamp(place: float) -> float:
    return min(1.0, max(0.0, place)) if math.isfinite(place) else 0.5
