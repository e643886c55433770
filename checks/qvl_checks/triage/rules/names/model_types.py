"""Model types that transformers does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...knowledge import knowledge
from ...model import Fix
from ...page import fold
from ...rule import Case, Hit
from .classes import outdated

_KEY_ERROR = re.compile(r"keyerror:?\s{0,3}['\"`]?(qwen[\w. ]{1,24}?)['\"`]?(?:\s|$|\)|,|\.)")
_TYPE = re.compile(r"model type\s{1,3}['\"`]?([\w. ]{2,40}?)['\"`]?\s{1,3}but\s{1,3}transf")


def model_types(case: Case) -> Iterator[Hit]:
    """``KeyError: 'qwen2_5_vl'`` and ``does not recognize this architecture``."""
    low = case.page.low
    matches = [*_KEY_ERROR.finditer(low), *_TYPE.finditer(low)]
    for match in matches[-3:]:
        name = re.sub(r"[ .]", "_", match.group(1).strip())
        family = knowledge().families.get(name) or next(
            (f for k, f in knowledge().families.items() if fold(k) == fold(name)), None
        )
        if family is None:
            for suffix in ("_text", "_vision"):
                family = family or knowledge().families.get(name.removesuffix(suffix))
        if family is None:
            continue
        notes = [
            (
                f"Model type {name} is known from transformers {family.since} on "
                f"({family.model_class})."
            )
        ]
        if outdated(case, family):
            notes.append(
                "The release of transformers that is named or installed knows it, so another "
                "environment is running: print `transformers.__file__` and `sys.executable` in "
                "the failing process."
            )
        yield Hit(
            "versions.unknown-model-type",
            94,
            [case.page.line_at(match.start())],
            {"model_type": name, "minimum_transformers": family.since, "class": family.model_class},
            notes,
            [
                Fix(
                    "command",
                    f'python -m pip install -U "transformers>={family.since}"',
                    "review",
                    "with the same python that runs the script",
                )
            ],
        )
