"""From what the user names to the model that a run is about: a folder, a published size, or a
tiny stand-in of the real architecture."""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from qvl_checks.models.tiny import shrink
from qvl_doctor.errors import UsageError
from qvl_doctor.facts import ModelFacts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_SIZE = "Qwen2.5-VL-7B"
"""The size whose architecture stands in, reduced, when no model is named."""
CONFIG_LIMIT = 4 * 1024 * 1024
"""Bytes; a larger config.json is not one."""
RELEASE_SUFFIX = re.compile(r"-(instruct|thinking|base)$")
BEFORE_THE_MODEL = ("torch", "transformers")


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What the models of one ``model_type`` share."""

    title: str
    class_name: str = msgspec.field(name="class")
    since: str
    """First transformers release with the class."""
    layout: str
    """``flat``: the language model's fields at the top level; ``nested``: in text_config."""
    k_bias: bool
    """Whether k_proj has a bias that no norm tames."""
    text: dict[str, Any]
    vision: dict[str, Any]
    tokens: dict[str, int]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A published size: what differs from its family."""

    family: str
    tied: bool
    text: dict[str, Any]
    vision: dict[str, Any]
    parameters: int | None = None


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


@cache
def families() -> dict[str, Family]:
    """By ``model_type``."""
    return msgspec.convert(_load("families.toml"), dict[str, Family])


@cache
def sizes() -> dict[str, Size]:
    """By published name, without organisation and release suffix."""
    return msgspec.convert(_load("sizes.toml"), dict[str, Size])


def resolve(name: str | None) -> ModelFacts | None:
    """The model that ``--model`` names; without a name, a tiny one of the default architecture.

    Raises:
        UsageError: a folder that holds no readable config.json, or a quantised published name.
    """
    if name is None:
        return _tiny()
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        return _from_folder(folder)
    if folder.is_file():
        raise UsageError(f"--model {name} is a file; name the checkpoint's folder")
    return _published(name)


def published_config(name: str) -> dict[str, Any]:
    """The config.json of a published size (its architecture; not the generation defaults)."""
    size = sizes()[name]
    family = families()[size.family]
    text = {**family.text, **size.text}
    shared: dict[str, Any] = {
        "model_type": size.family,
        "architectures": [family.class_name],
        "tie_word_embeddings": size.tied,
        "torch_dtype": "bfloat16",
        "vision_config": {**family.vision, **size.vision},
        **family.tokens,
    }
    return {**shared, **text} if family.layout == "flat" else {**shared, "text_config": text}


def _published(name: str) -> ModelFacts | None:
    wished = RELEASE_SUFFIX.sub("", name.rsplit("/", 1)[-1].lower())
    for known, size in sizes().items():
        if known.lower() == wished:
            config = published_config(known)
            return _facts(known, "published", config, parameters=size.parameters)
        if wished.startswith(known.lower() + "-"):
            raise UsageError(
                f"--model {name}: only the unquantised sizes are known by name; "
                f"name {known}, or the folder of your checkpoint"
            )
    return None


def _tiny() -> ModelFacts:
    config = published_config(DEFAULT_SIZE)
    title = families()[config["model_type"]].title
    return _facts(f"a tiny {title} with random weights", "tiny", config)


def _from_folder(folder: Path) -> ModelFacts:
    path = folder / "config.json"
    if _is_adapter(folder):
        return _from_adapter(folder, folder / "adapter_config.json")
    return _facts(folder.absolute().name, "folder", _read(path), path=str(folder.absolute()))


def _is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").exists() and not (folder / "config.json").exists()


def _from_adapter(folder: Path, adapter: Path) -> ModelFacts:
    """A LoRA folder stands for its base model, named in the adapter's own settings."""
    base = _read(adapter).get("base_model_name_or_path")
    usable = isinstance(base, str) and base and not _is_adapter(Path(base))
    model = resolve(base) if usable else None
    if model is None or model.source == "tiny":
        raise UsageError(
            f"--model {folder} is an adapter of {base!r}, which is neither a folder here nor a "
            "published size; name the folder of the merged or of the base model"
        )
    return msgspec.structs.replace(
        model, name=folder.absolute().name, source="folder", path=str(folder.absolute())
    )


def _read(path: Path) -> dict[str, Any]:
    """A JSON object of a checkpoint.

    Raises:
        UsageError: it is missing, unreadable, too large or no JSON object.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file; the checkpoint is damaged")
        if path.stat().st_size > CONFIG_LIMIT:
            raise UsageError(f"{path} is larger than any config.json; is it the right file?")
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--model {path.parent}: no {path.name} in this folder") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}); the checkpoint is damaged") from error
    if not isinstance(config, dict):
        raise UsageError(f"{path} is not a configuration: it holds no JSON object")
    return config


def _shrunk(config: dict[str, Any]) -> dict[str, Any]:
    """The reduced config; empty when the fields are nonsense, so that the probes say so."""
    try:
        return shrink(config)
    except (TypeError, ValueError, KeyError, ZeroDivisionError):
        return {}


def _facts(
    name: str,
    source: str,
    config: dict[str, Any],
    *,
    path: str | None = None,
    parameters: int | None = None,
) -> ModelFacts:
    model_type = config.get("model_type")
    model_type = model_type if isinstance(model_type, str) else ""
    family = families().get(model_type)
    if family is None:
        return ModelFacts(
            name=name,
            source=source,
            path=path,
            model_type=model_type,
            config=config,
            heavy_imports=BEFORE_THE_MODEL,
        )
    module = f"transformers.models.{model_type}.modeling_{model_type}"
    return ModelFacts(
        name=name,
        source=source,
        path=path,
        model_type=model_type,
        class_name=family.class_name,
        family=family.title,
        config=config,
        tiny_config=_shrunk(config),
        heavy_imports=(*BEFORE_THE_MODEL, f"{module}:{family.class_name}"),
        parameters=parameters,
    )
