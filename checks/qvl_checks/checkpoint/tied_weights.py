"""Whether a transformers release shares one matrix between embeddings and output head."""

from __future__ import annotations

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import Tied

TOP_SINCE = Version("5.0.0.dev0")
"""From here on the flag of the top level counts; before, that of the text configuration."""
FORWARDED_SINCE = {"qwen2_vl": Version("5.16.0"), "qwen2_5_vl": Version("5.16.0")}
"""Releases from which an inner ``true`` is carried to the top level; read in 5.15.1 and 5.16.0."""


def ties(release: Version, model_type: str, nested: bool, flags: Tied) -> bool:
    """The effective ``tie_word_embeddings``; absent flags are false in every family.

    ``nested``: config.json has a ``text_config``. Confirmed by building models with every
    combination on 4.49.0, 4.57.6, 5.0.0 and 5.23.0.
    """
    top, inner = bool(flags.top), bool(flags.text_config)
    if not nested:
        return top
    if release < TOP_SINCE:
        return inner
    since = FORWARDED_SINCE.get(model_type)
    return top or (inner and since is not None and release >= since)
