"""Loads the headers of the user's checkpoint as transformers would load its weights.

The class's own from_pretrained runs, onto the meta device, on a shadow of the folder, so that
whatever renames tensors in this release is applied; of the weights only single rows are read.
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Dict

from qvl_checks.attention.stored_tensors import StoredTensors, Unreadable
from qvl_checks.checkpoint.shadow import Unusable, cast_shadow
from qvl_checks.checkpoint.weight_samples import untrained_blocks
from qvl_checks.host.guarded import reason_of, valid

EXAMPLES = 12
NAME_LIMIT = 200


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `LoadingFacts` for the fields."""
    import transformers

    facts = request.get("model") or {}
    config = facts.get("config") or {}
    if facts.get("source") != "folder" or not facts.get("path"):
        return {"reason": "no checkpoint folder was named (--model FOLDER)"}
    if not facts.get("class_name"):
        return {"reason": "the model is not of a known Qwen-VL family"}
    if config.get("quantization_config"):
        return {"reason": "the weights are quantised, so their names are the quantiser's"}
    folder = Path(facts["path"])
    shadow = Path(tempfile.mkdtemp(prefix="qvl-shadow-"))
    result: Dict[str, Any] = {
        "transformers": str(transformers.__version__),
        "class_name": facts["class_name"],
    }
    try:
        names = cast_shadow(folder, config, shadow)
        result["stored"] = len(names)
        result.update(loaded(facts["class_name"], shadow))
        result["untrained"] = shortened(untrained_blocks(StoredTensors(folder)))
    except (Unusable, Unreadable, OSError) as error:
        return {**result, "reason": valid(str(error))[:300]}
    finally:
        shutil.rmtree(shadow, ignore_errors=True)
    return result


def loaded(class_name: str, folder: Path) -> Dict[str, Any]:
    """What transformers says that it did."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model, info = getattr(transformers, class_name).from_pretrained(
            str(folder),
            device_map="meta",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            local_files_only=True,
            use_safetensors=True,
        )
    except Exception as error:
        return {"loading_error": valid(reason_of(error))}
    mismatched = [entry[0] if isinstance(entry, tuple) else entry for entry in _of(info, "mism")]
    return {
        "parameters": len(model.state_dict()),
        "missing": described(_of(info, "missing")),
        "unexpected": described(_of(info, "unexpected")),
        "mismatched": described(mismatched),
    }


def _of(info: Dict[str, Any], start: str) -> Iterable[Any]:
    return next((value for name, value in info.items() if name.startswith(start)), ())


def described(names: Iterable[Any]) -> Dict[str, Any]:
    """See `Names`."""
    ordered = sorted(str(name) for name in names)
    return {
        "count": len(ordered),
        "vision": sum("visual." in name for name in ordered),
        "output_head": sum(name.startswith("lm_head.") for name in ordered),
        "examples": [valid(name)[:NAME_LIMIT] for name in ordered[:EXAMPLES]],
    }


def shortened(found: Dict[str, Any]) -> Dict[str, Any]:
    """The lists at a length that a report can hold."""
    return {
        name: [valid(entry)[:NAME_LIMIT] for entry in value[:64]]
        if isinstance(value, list)
        else value
        for name, value in found.items()
    }
