"""Which attention implementation transformers really selects, for every wish a user may have.

The examined architecture is built small, with random weights, once per wish. A kernel that
transformers would fetch from the Hub is not fetched: the attempt is recorded and refused.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import chain_of
from qvl_checks.models.build import make_config, make_model

WISHES = (
    None,
    "sdpa",
    "eager",
    "flash_attention_2",
    "flash_attention_3",
    "flash_attention_4",
)
LOG_LIMIT = 2000


class Refused(RuntimeError):
    """Stands in for the download that was not made."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """One row per wish; the workload's own wish is among them."""
    model = request["model"]
    wish = request["workload"].get("attention")
    wishes = WISHES if wish in WISHES else (*WISHES, wish)
    return {
        "kernels_installed": importlib.util.find_spec("kernels") is not None,
        "kernels_accepted": _kernels_accepted(),
        "device": _device(),
        "rows": [
            {"wish": wish, **_selected(model["tiny_config"], wish, request["workload"]["dtype"])}
            for wish in wishes
        ],
    }


def _selected(config: dict[str, Any], wish: str | None, dtype: str) -> dict[str, Any]:
    with recorded_log() as log, refused_downloads() as attempts:
        try:
            # Weights are not needed to select; the meta device makes them cost nothing.
            built = make_model(make_config(config), dtype=dtype, device="meta", attention=wish)
            answer: dict[str, Any] = {"selected": selected_by(built), "error": None}
        except Exception as error:
            chain = chain_of(error)
            answer = {"selected": {}, "error": reason_of(error), "chain": chain}
    return {**answer, "hub_kernels": attempts, "log": log.getvalue()[:LOG_LIMIT]}


def selected_by(model: Any) -> dict[str, str | None]:
    """Sub-model -> its effective implementation.

    Read from the configs that the sub-models themselves hold: up to 4.52 the vision tower works
    with a copy, and ``model.config.vision_config`` still says what nobody chose.
    """
    whole = _implementation(getattr(model, "config", None))
    found: dict[str, str | None] = {"": whole}
    for module in model.modules():
        config = getattr(module, "config", None)
        kind = _kind(config)
        if kind is not None and kind not in found:
            found[kind] = _implementation(config)
    return {"text_config": whole, **found}


def _kind(config: Any) -> str | None:
    name = type(config).__name__
    if name.endswith("VisionConfig"):
        return "vision_config"
    return "text_config" if name.endswith("TextConfig") else None


def _implementation(config: Any) -> str | None:
    name = getattr(config, "_attn_implementation", None)
    return str(name) if name else None


@contextmanager
def refused_downloads() -> Iterator[list[str]]:
    """Record, and refuse, every kernel that would be fetched from the Hub.

    The function has moved between releases and is bound by name where it is used, so it is
    replaced in the package that fetches and in every transformers module that imported it.
    """
    attempts: list[str] = []

    def refuse(repository: str, *arguments: Any, **options: Any) -> Any:
        attempts.append(str(repository))
        raise Refused(f"{repository} would be fetched from the Hub")

    replaced = []
    for module_name, names in (
        ("kernels", ("get_kernel",)),
        ("transformers.integrations.hub_kernels", ("get_kernel", "get_kernel_hub")),
        ("transformers.modeling_utils", ("get_kernel",)),
    ):
        try:
            module = importlib.import_module(module_name)
        except Exception:  # not installed, or a release without it
            continue
        for name in names:
            if hasattr(module, name):
                replaced.append((module, name, getattr(module, name)))
                setattr(module, name, refuse)
    try:
        yield attempts
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)


@contextmanager
def recorded_log() -> Iterator[io.StringIO]:
    """What transformers logs meanwhile."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        yield text
    finally:
        logger.removeHandler(handler)


def _kernels_accepted() -> bool | None:
    """Whether this transformers takes the installed ``kernels``; None: it has no such question."""
    try:
        utils = importlib.import_module("transformers.utils.import_utils")
        return bool(utils.is_kernels_available())
    except Exception:
        return None


def _device() -> str:
    torch = importlib.import_module("torch")
    return "cuda" if torch.backends.cuda.is_built() and torch.cuda.device_count() else "cpu"
