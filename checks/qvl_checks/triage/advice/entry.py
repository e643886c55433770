"""The shape of one piece of advice, and short makers for its fixes."""

from __future__ import annotations

import msgspec

from ..model import Confidence, Fix, Safety


class Advice(msgspec.Struct, frozen=True):
    """What to say about a cause, whatever the details of the text were."""

    explanation: str
    fixes: tuple[Fix, ...]
    next_steps: tuple[str, ...] = ()
    confidence: Confidence = "derived"


def command(text: str, note: str = "", safety: Safety = "review") -> Fix:
    """A shell command."""
    return Fix("command", text, safety, note)


def code(text: str, note: str = "", safety: Safety = "review") -> Fix:
    """A change of the user's code."""
    return Fix("code", text, safety, note)


def setting(text: str, note: str = "", safety: Safety = "safe") -> Fix:
    """An environment variable, a flag or a configuration value."""
    return Fix("setting", text, safety, note)


def advice(text: str, note: str = "", safety: Safety = "safe") -> Fix:
    """What to do, in words."""
    return Fix("advice", text, safety, note)
