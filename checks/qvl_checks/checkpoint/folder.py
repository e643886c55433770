"""What every rule about a checkpoint folder asks first: is there one, and was it read?"""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_doctor.judgement import Judgement, blocked, not_applicable

NOT_NAMED = "no checkpoint folder was named (--model FOLDER)"


def without_folder(files: CheckpointFilesFacts) -> Judgement | None:
    """The judgement when there is no folder to read; None: it was read."""
    if files.state == "read":
        return None
    if files.state == "not-given":
        return not_applicable(NOT_NAMED)
    because = f": {files.reason}" if files.reason else ""
    return blocked(f"the checkpoint folder {files.path} is {files.state}{because}")


def setting(files: CheckpointFilesFacts, name: str) -> dict[str, Any]:
    """The content of a JSON file of the folder; empty when it is absent or unreadable."""
    found = files.settings.get(name)
    return found.value or {} if found is not None else {}


def text_part(config: dict[str, Any]) -> dict[str, Any]:
    """The language model's fields: ``text_config``, or the top level in the older layout."""
    text = config.get("text_config")
    return text if isinstance(text, dict) else config


def vision_part(config: dict[str, Any]) -> dict[str, Any]:
    """The vision tower's fields; empty when the config has none."""
    vision = config.get("vision_config")
    return vision if isinstance(vision, dict) else {}


def whole_number(value: object) -> int | None:
    """The value as a positive integer; None for anything else, as configs are untrusted."""
    return value if type(value) is int and value > 0 else None


def names_complete(files: CheckpointFilesFacts) -> bool:
    """Whether every tensor name is known: from the index, or from the headers of all files."""
    return files.index.state == "read" or all(shard.tensors for shard in files.shards)
