"""The table of attention implementations: both towers, offsets, lengths and dtypes.

Each group of implementations is measured in a child of its own, because a wrong binary may end the
process, hang or spoil the device for everything after it.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from qvl_checks.attention import hub_kernels, tower_functions, tower_inputs
from qvl_checks.attention.drift_probe import head_width, pick_device
from qvl_checks.attention.tower_functions import DISTRIBUTIONS, FLASH, MASKED, TORCH, Implementation
from qvl_checks.attention.tower_inputs import FULL, TEXT, VISION, WINDOWED, Case
from qvl_checks.host.guarded import reason_of
from qvl_checks.host.isolated import isolated

DTYPES = ("bfloat16", "float16")
VISION_WIDTHS = (80, 72, 64)
"""Of the vision towers of every Qwen-VL."""
OFFSETS = (0.0, 64.0, 256.0, 1024.0, 4096.0)
LENGTHS = (256, 1024, 4096)
USUAL_LENGTH = 1024
FEW_OFFSETS = (0.0, 64.0, 1024.0)
FEW_LENGTH = {"cpu": 512, "cuda:0": 1024}
SECONDS = {"standard": (15.0, 60.0), "deep": (60.0, 120.0)}
"""Level -> when a child stops by itself once it has imported, and when it is ended. The fourth
FlashAttention takes 9 s to be imported beside an H100, and compiles for 2 to 4 s per shape."""
TOTAL_S = 200.0
ENDED = ("crashed", "timed_out")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """See `NumericsFacts` for the fields."""
    level = "deep" if request.get("level") == "deep" else "standard"
    soft, hard = SECONDS[level]
    until = time.monotonic() + TOTAL_S
    facts: dict[str, Any] = {
        "machine": {},
        "inputs": [],
        "origins": {},
        "rows": [],
        "missing": {},
        "unusable": {},
        "cut_short": {},
        "ended": {},
    }
    groups, facts["not_checked"] = groups_of()
    while groups:
        group = groups.pop(0)
        if time.monotonic() > until:
            facts["not_checked"][group] = "no time was left"
            continue
        outcome = isolated(partial(measured, request, level, group, soft), hard)
        if outcome["status"] == "ok":
            merge(facts, outcome["data"])
        elif outcome["status"] == "raised":
            where = "not_checked" if group.startswith(TORCH) else "unusable"
            facts[where][group] = outcome["reason"][:400]
        elif group == TORCH:
            # Which one it was shows when each is alone.
            names = isolated(partial(names_of, request), hard)
            groups = [f"{TORCH}/{name}" for name in names.get("data", [])] + groups
        else:
            name = group.rpartition("/")[2]
            facts["ended"][name] = {key: outcome.get(key) for key in ("status", "reason")}
    return {**facts.pop("machine"), **facts}


def groups_of() -> tuple[list[str], dict[str, str]]:
    """What to measure, and what cannot be found here; nothing is imported."""
    groups, absent = [TORCH], {}
    for name, modules in FLASH.items():
        if any(present(module) for module in modules) and owned(name):
            groups.append(name)
        else:
            absent[name] = f"{modules[0]} is not installed"
    cached, not_cached = hub_kernels.cached()
    return [*groups, *cached], {**absent, **not_cached}


def present(module: str) -> bool:
    """Whether there is code of that name, without importing a package of it."""
    package, _, part = module.partition(".")
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    if found is None:
        return False
    if not part:
        return found.origin is not None
    folders = found.submodule_search_locations or ()
    finder = importlib.machinery.PathFinder()
    return finder.find_spec(module, list(folders)) is not None


def owned(name: str) -> bool:
    """Whether the code is of this generation: FlashAttention 2 ships parts of the fourth under
    the same name, which need what only the distribution of the fourth brings."""
    if name not in DISTRIBUTIONS:
        return True
    try:
        importlib.metadata.distribution(DISTRIBUTIONS[name])
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def merge(facts: dict[str, Any], data: dict[str, Any]) -> None:
    """Add what one child measured; all children number their inputs alike."""
    facts["machine"] = facts["machine"] or data["machine"]
    if len(data["inputs"]) > len(facts["inputs"]):
        facts["inputs"] = data["inputs"]
    facts["rows"] += data["rows"]
    for key in ("origins", "missing", "cut_short"):
        facts[key].update(data[key])


def names_of(request: dict[str, Any]) -> list[str]:
    """The implementations that torch and transformers bring here."""
    device, _ = pick_device()
    model_type = (request.get("model") or {}).get("model_type") or ""
    return [item.name for item in tower_functions.torch_implementations(model_type, device)]


def implementations(group: str, model_type: str, device: str) -> list[Implementation]:
    """The members of a group, imported."""
    if group in FLASH:
        return [tower_functions.flash_implementation(group)]
    if group.startswith("hub:"):
        return [tower_functions.hub_implementation(group)]
    found = list(tower_functions.torch_implementations(model_type, device))
    alone = group.partition("/")[2]
    return [item for item in found if not alone or item.name == alone]


def measured(request: dict[str, Any], level: str, group: str, soft_s: float) -> dict[str, Any]:
    """Every input of the level through every implementation of one group."""
    torch = importlib.import_module("torch")
    device, device_reason = pick_device()
    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    model = request.get("model") or {}
    items = implementations(group, model.get("model_type") or "", device)
    until = time.monotonic() + soft_s
    answer: dict[str, Any] = {
        "machine": {
            "device": device,
            "device_name": torch.cuda.get_device_name(0) if device != "cpu" else "",
            "device_reason": device_reason,
            "torch": str(torch.__version__),
        },
        "inputs": [],
        "origins": {item.name: item.origin for item in items},
        "rows": [],
        "missing": {},
        "cut_short": {},
    }
    cases = list(grid(level, device, model.get("config") or {}))
    with torch.no_grad():
        for index, case in enumerate(cases):
            if time.monotonic() > until:
                done = f"{index} of {len(cases)} inputs were measured in {soft_s:g} s"
                answer["cut_short"] = {item.name: done for item in items}
                break
            try:
                measure(case, index, items, device, answer)
            except Exception as error:  # the references did not fit beside what others hold
                answer["inputs"].append({**case._asdict(), "reason": reason_of(error)})
    return answer


def grid(level: str, device: str, config: dict[str, Any]) -> Iterator[Case]:
    """The inputs of a level, the most telling first."""
    text, vision = head_width(config), vision_width(config)
    if level != "deep":
        length = FEW_LENGTH[device]
        for dtype in DTYPES:
            for offset in FEW_OFFSETS:
                yield Case(TEXT, FULL, dtype, text, length, offset, False)
            yield Case(TEXT, FULL, dtype, text, length, FEW_OFFSETS[-1], True)
            for layout in (FULL, WINDOWED):
                yield Case(VISION, layout, dtype, vision, length, 0.0, False)
        return
    lengths = LENGTHS if device != "cpu" else LENGTHS[:2]
    for length in sorted(lengths, key=lambda length: length != USUAL_LENGTH):
        for dtype in DTYPES:
            for offset in OFFSETS:
                yield Case(TEXT, FULL, dtype, text, length, offset, False)
                for layout in (FULL, WINDOWED):
                    yield Case(VISION, layout, dtype, vision, length, offset, False)
                if offset and length == USUAL_LENGTH:
                    yield Case(TEXT, FULL, dtype, text, length, offset, True)
    for width in VISION_WIDTHS:
        for dtype in DTYPES:
            for layout in (FULL, WINDOWED):
                if width != vision:
                    yield Case(VISION, layout, dtype, width, USUAL_LENGTH, 0.0, False)


def vision_width(config: dict[str, Any]) -> int:
    """Width of a head of the vision tower; that of Qwen2.5-VL if not stated."""
    vision = config.get("vision_config")
    if isinstance(vision, dict):
        # Qwen2-VL calls the tower's width embed_dim, and hidden_size what it hands to the text.
        whole = vision.get("embed_dim") or vision.get("hidden_size")
        heads = vision.get("num_heads")
        if isinstance(whole, int) and isinstance(heads, int) and heads > 0:
            return whole // heads
    return VISION_WIDTHS[0]


def measure(
    case: Case, index: int, items: list[Implementation], device: str, answer: dict[str, Any]
) -> None:
    """One input: the references, and each implementation against them."""
    scaling = case.width**-0.5
    layout = tower_inputs.layout_of(case)
    full = tower_inputs.unrounded(case, device)
    tensors = tower_inputs.stored(full, case.dtype)
    unrounded = tower_inputs.exact(full, scaling, layout)
    exact = tower_inputs.exact(tensors, scaling, layout)
    floor = tower_inputs.with_float32_logits(tensors, scaling, layout)
    answer["inputs"].append(
        {
            **case._asdict(),
            "storing_error": relative(exact, unrounded),
            "float32_logits_error": relative(floor, exact),
            "float32_logits_worst_row": worst_row(floor, exact),
        }
    )
    for item in items:
        key = f"{item.name} {case.tower} {case.layout} {case.dtype} {case.width}"
        if key in answer["missing"] or (item.name == MASKED and case.layout != WINDOWED):
            continue
        try:
            output = item.call(*tensors, scaling, layout)
            nonfinite = int((~output.isfinite()).sum())
        except Exception as error:
            answer["missing"][key] = reason_of(error)
            continue
        answer["rows"].append(
            {
                "input": index,
                "implementation": item.name,
                "nonfinite": nonfinite,
                "error": relative(output, exact),
                "worst_row": worst_row(output, exact),
                "from_float32_logits": relative(output, floor),
                "from_unrounded": relative(output, unrounded),
            }
        )


def relative(output: Any, reference: Any) -> float | None:
    """Relative L2 difference; None where a value is not finite."""
    reference = reference.double()
    return _finite(((output.double() - reference).norm() / reference.norm()).item())


def worst_row(output: Any, reference: Any) -> float | None:
    """The largest relative L2 difference of one token in one head."""
    reference = reference.double()
    rows = (output.double() - reference).norm(dim=-1) / reference.norm(dim=-1)
    return _finite(rows.max().item())


def _finite(number: float) -> float | None:
    return float(f"{number:.4g}") if math.isfinite(number) else None
