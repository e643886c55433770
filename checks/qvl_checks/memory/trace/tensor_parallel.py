"""Tensor parallelism: what one rank of several holds and does, by the installed release's plan.

A plan maps names of modules and parameters to styles. The rule is the release's; what a style means
is spelled here, because the release spells it in DTensors and process groups: which dimension of a
weight is split, and what the exchange between the ranks allocates. All ranks do the same; where a
width cannot be divided evenly the first one holds the most, so it stands for all.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from qvl_checks.memory.trace.hollow import text_config
from qvl_checks.memory.trace.weights import Weight
from qvl_checks.memory.trace.workload import Unsupported

COLWISE, ROWWISE = "colwise", "rowwise"
GATHERED = ("colwise_gather_output", "colwise_rep")
"""Split as colwise; every rank then gets the whole output."""
PACKED = "packed_colwise"
EMBEDDING = "embedding_rowwise"
WHOLE = ("moe_tp_experts", "replicated_with_grad_allreduce", "replicate")
"""Styles that split no weight themselves and whose exchange allocates nothing."""
KNOWN = {COLWISE, ROWWISE, *GATHERED, PACKED, EMBEDDING, *WHOLE}
LAYER = ".layers."
TRANSPOSED, EXPERTS = "qwen3_vl_moe", ".experts"
GIB = 2**30
RULE = "devices.tensor-parallel-plan-missing"

Split = Mapping[str, str]
"""Name of a module or parameter, layer numbers as ``*`` -> style."""


def plan_of(model: Any) -> dict[str, str]:
    """The plan that the installed release would split this model by.

    Raises:
        Unsupported: it has none for the layers of the language model, or one of unknown styles.
    """
    import transformers

    release = f"transformers {transformers.__version__}"
    found = getattr(model, "tp_plan", None) or getattr(model, "_tp_plan", None) or {}
    if not any(LAYER in name for name in found):
        raise Unsupported(
            f"{release} has no tensor-parallel plan for the layers of {type(model).__name__}, so "
            f"every rank would hold all of them, or fail ({RULE})"
        )
    unknown = sorted(set(found.values()) - KNOWN)
    if unknown:
        raise Unsupported(
            f"the tensor-parallel plan of {release} has styles that cannot be traced: "
            f"{', '.join(unknown)}"
        )
    return dict(found)


def obstacle(torch: Any, model: Any) -> str:
    """Why the installed release cannot run this model in parts; empty: nothing is known."""
    try:
        _loadable(model, plan_of(model))
        _exchange(torch, 2)
    except Unsupported as reason:
        return str(reason)
    return ""


def split(torch: Any, model: Any, ranks: int) -> None:
    """Leave the first rank's part of every parameter of a model on the meta device, and let its
    modules exchange with the others as the installed release has them do.

    Raises:
        Unsupported: there is no plan, the release cannot run it, or heads or widths do not divide.
    """
    plan = plan_of(model)
    _loadable(model, plan)
    exchange = _exchange(torch, ranks)
    _divisible(model, plan, ranks)
    for name, module in model.named_modules():
        for key, parameter in list(module._parameters.items()):
            full = f"{name}.{key}" if name else key
            style = style_of(full, plan) or style_of(name, plan)
            if parameter is None or style is None:
                continue
            shape = part(tuple(parameter.shape), style, ranks)
            if shape is None:
                raise Unsupported(f"{full} cannot be split evenly over {ranks} ranks")
            made = torch.empty(shape, dtype=parameter.dtype, device="meta")
            module._parameters[key] = torch.nn.Parameter(made, requires_grad=False)
    # As after loading: a head that shares the embedding's weights gets the embedding's part.
    model.tie_weights()
    _connect(torch, model, plan, exchange)


def shares(whole: Sequence[Weight], held: Sequence[Weight], ranks: int) -> str:
    """How much of the weights every rank holds, in a sentence."""
    full, own = (sum(one.size for one in weights) for weights in (whole, held))
    return (
        f"Each of the {ranks} processes holds {own / GIB:.2f} of {full / GIB:.2f} GiB of weights: "
        "what the plan does not name, the vision tower among it, is on every GPU."
    )


def style_of(name: str, plan: Split) -> Optional[str]:
    """The rule for a module or parameter."""
    return plan.get(re.sub(r"\.\d+(?=\.|$)", ".*", name))


def part(shape: tuple[int, ...], style: str, ranks: int) -> Optional[tuple[int, ...]]:
    """The shape of what the first rank holds of a weight or bias; None: it cannot be split so.

    Output features are the last dimension but one (of a bias: the only one), input features the
    last; weights of experts have one more dimension in front.
    """
    dim = _dimension(len(shape), style)
    if dim is None:
        return shape
    even = style in GATHERED or style == PACKED
    if even and shape[dim] % (2 * ranks if style == PACKED else ranks):
        return None
    sizes = list(shape)
    sizes[dim] = math.ceil(shape[dim] / ranks)
    return tuple(sizes)


def _dimension(dimensions: int, style: str) -> Optional[int]:
    if style == EMBEDDING:
        return 0
    if style == ROWWISE:
        return None if dimensions == 1 else dimensions - 1
    if style in (COLWISE, PACKED, *GATHERED):
        return max(dimensions - 2, 0)
    return None


def _loadable(model: Any, plan: Split) -> None:
    if model.config.model_type == TRANSPOSED and any(EXPERTS in name for name in plan):
        raise Unsupported(
            "from_pretrained cannot split the experts of Qwen3-VL-MoE: its checkpoints hold them "
            "transposed, and their parts are not turned (size mismatch, as run with 5.23.0)"
        )


def _divisible(model: Any, plan: Split, ranks: int) -> None:
    if not any(name.endswith("k_proj") and style == COLWISE for name, style in plan.items()):
        return
    text = text_config(model.config)
    for name in ("num_attention_heads", "num_key_value_heads"):
        heads = getattr(text, name)
        if heads % ranks:
            raise Unsupported(
                f"{ranks} ranks cannot share {heads} attention heads evenly ({name}); "
                f"tensor parallelism needs a number of GPUs that divides it"
            )


def _connect(torch: Any, model: Any, plan: Split, exchange: _Exchange) -> None:
    for name, module in model.named_modules():
        style = style_of(name, plan)
        if style == ROWWISE and exchange.reduced is not None:
            module.forward = _followed(module.forward, exchange.reduced)
        elif style in GATHERED:
            module.forward = _followed(module.forward, exchange.gathered)
        elif style == EMBEDDING:
            module.forward = _looked_up(torch, module)


def _followed(forward: Callable[..., Any], step: Callable[[Any], Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        output = step(output)
        return output

    return run


def _looked_up(torch: Any, module: Any) -> Callable[..., Any]:
    """Each rank looks up the ids of its own part of the vocabulary; the sum is a new tensor."""

    def run(ids: Any) -> Any:
        output = torch.nn.functional.embedding(ids.clone(), module.weight)
        output = output.clone()
        return output

    return run


class _Exchange(NamedTuple):
    """What the ranks' exchange allocates, in one generation of transformers."""

    reduced: Optional[Callable[[Any], Any]]
    """Makes the sum of the ranks' outputs; None: it takes the place of the output."""
    gathered: Callable[[Any], Any]
    """Puts the ranks' outputs side by side."""


def _exchange(torch: Any, ranks: int) -> _Exchange:
    """How the installed release's ranks exchange.

    Raises:
        Unsupported: it has no tensor parallelism.
    """
    if _module("transformers.distributed.tensor_parallel") is not None:
        return _Exchange(None, lambda output: _all_gather(torch, output, ranks))
    module = _module("transformers.integrations.tensor_parallel")
    if module is None:
        raise Unsupported("this release of transformers has no tensor parallelism")
    if not hasattr(module, "distribute_model"):
        import transformers

        raise Unsupported(
            f"transformers {transformers.__version__} splits the weights and does not connect the "
            "parts: the model fails at its first split layer (mixed torch.Tensor and DTensor)"
        )
    if hasattr(module, "all_reduce_forward"):
        return _Exchange(None, lambda output: _gather_list(torch, output, ranks))
    # DTensors exchange by functional collectives, which leave their input alone.
    return _Exchange(_copied, lambda output: _all_gather(torch, output, ranks))


def _module(name: str) -> Optional[Any]:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _copied(output: Any) -> Any:
    return output.clone()


def _all_gather(torch: Any, output: Any, ranks: int) -> Any:
    """DTensor's way: one buffer with the ranks one after the other, then side by side."""
    first, *rest = output.shape
    gathered = output.new_empty((ranks * first, *rest))
    from torch.distributed import _functional_collectives as collectives

    side_by_side = getattr(collectives, "_maybe_view_chunk_cat", None)
    if side_by_side is not None:
        return side_by_side(gathered, ranks, output.dim() - 1)
    return torch.cat(torch.chunk(gathered, ranks, dim=0), dim=-1)


def _gather_list(torch: Any, output: Any, ranks: int) -> Any:
    """A list of tensors, which NCCL fills from one buffer."""
    parts = [torch.empty_like(output) for _ in range(ranks)]
    parts[0] = output
    buffer = output.new_empty((ranks, *output.shape))
    del buffer
    return torch.cat(parts, dim=-1)
