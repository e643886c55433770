"""How people say things: concepts of a symptom description, in English and Chinese.

The words are data, a file per field beside this module: a concept is a list of alternatives, each a
regular expression that is matched against lower-cased text and is linear (bounded repeats only,
none nested). They are compiled with ``re.ASCII``, so that a Chinese character next to a Latin word
counts as a word boundary.
"""

from __future__ import annotations

import re

from ..tables import tables


def _concepts() -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile("|".join(alternatives), re.ASCII)
        for field in tables(__package__).values()
        for name, alternatives in field.items()
    }


CONCEPTS: dict[str, re.Pattern[str]] = _concepts()
