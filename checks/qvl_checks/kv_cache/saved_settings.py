"""What a checkpoint's files say about the cache.

Runs in the target; standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GENERATION = "generation_config.json"
FILE_LIMIT = 1024 * 1024


def user_settings(facts: dict[str, Any]) -> dict[str, Any]:
    """What the checkpoint's files say about the cache; a key is absent where a file is silent."""
    config = facts.get("config") or {}
    found: dict[str, Any] = {}
    if "use_cache" in config:
        found["config.json: use_cache"] = config["use_cache"]
    text = config.get("text_config")
    if isinstance(text, dict) and "use_cache" in text:
        found["config.json: text_config.use_cache"] = text["use_cache"]
    generation = generation_file(facts)
    if "error" in generation:
        found[GENERATION] = "not readable: " + generation["error"]
    for key in ("use_cache", "cache_implementation"):
        if key in generation.get("content", {}):
            found[GENERATION + ": " + key] = generation["content"][key]
    return found


def generation_file(facts: dict[str, Any]) -> dict[str, Any]:
    """``content`` of the checkpoint's generation_config.json, or ``error``, or nothing at all."""
    if facts.get("source") != "folder" or not facts.get("path"):
        return {}
    path = Path(facts["path"]) / GENERATION
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ValueError("larger than any " + GENERATION)
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        return {"content": content}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}
