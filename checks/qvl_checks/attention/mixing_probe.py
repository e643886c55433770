"""Asks a small model for other attention in one tower, by every name that users try, and watches
which tower really calls torch's fused attention."""

from typing import Any, Dict, List, Tuple

from qvl_checks.attention.reference.spy import AttentionCalls
from qvl_checks.attention.reference.subject import shallow
from qvl_checks.host.guarded import reason_of
from qvl_checks.models.build import make_config, make_inputs, make_model

KEYS = ("text_config", "vision_config", "language_model", "visual", "")
BOTH = {"text_config": "sdpa", "vision_config": "sdpa"}


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `MixingFacts` for the fields."""
    import torch
    import transformers

    facts = request.get("model") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    torch.set_num_threads(1)
    config = shallow(facts["tiny_config"], {})
    with torch.no_grad():
        model = make_model(make_config(config), dtype="float32")
        text, vision = seen(model)
        can_set = hasattr(model, "set_attn_implementation")
        rows = [loaded(config, wish) for wish in ({key: "eager"} for key in KEYS)]
        rows.append(loaded(config, BOTH))
        if can_set:
            rows += [switched(model, {key: "eager"}) for key in KEYS]
    return {
        "transformers": str(transformers.__version__),
        "default_text": text,
        "default_vision": vision,
        "can_set": can_set,
        "rows": rows,
    }


def loaded(config: Dict[str, Any], wish: Dict[str, str]) -> Dict[str, Any]:
    """A model made with this wish."""
    row: Dict[str, Any] = {"road": "load", "wish": wish}
    try:
        model = make_model(make_config(config), dtype="float32", attention=dict(wish))
        text, vision = seen(model)
    except Exception as error:
        return {**row, "reason": reason_of(error)}
    return {**row, "text": text, "vision": vision}


def switched(model: Any, wish: Dict[str, str]) -> Dict[str, Any]:
    """The model switched to this wish, from sdpa everywhere."""
    row: Dict[str, Any] = {"road": "set", "wish": wish}
    try:
        model.set_attn_implementation("sdpa")
        model.set_attn_implementation(dict(wish))
        text, vision = seen(model)
    except Exception as error:
        return {**row, "reason": reason_of(error)}
    return {**row, "text": text, "vision": vision}


def seen(model: Any) -> Tuple[str, str]:
    """What the language model and the vision tower run."""
    inputs = make_inputs(model.config, images=((56, 56),), text_tokens=4)
    tower = next(
        module
        for module in model.modules()
        if hasattr(module, "patch_embed") and hasattr(module, "blocks")
    )
    with AttentionCalls() as vision:
        tower(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])
    with AttentionCalls() as both:
        model(**inputs)
    names: List[str] = [
        "sdpa" if fused else "eager"
        for fused in (len(both.calls) > len(vision.calls), bool(vision.calls))
    ]
    return names[0], names[1]
