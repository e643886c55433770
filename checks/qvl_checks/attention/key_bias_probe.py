"""Predicts the logits of a checkpoint from its biases and norms, without running it.

Reads headers, the vectors that can lift logits and some rows of the query projections; nothing is
imported, and the size of the model hardly matters.
"""

import math
import random
import statistics
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from qvl_checks.attention import bias_layout, logit_rounding
from qvl_checks.attention.bias_layout import Layer, Shape
from qvl_checks.attention.rotary_profile import Profiles, norm
from qvl_checks.attention.stored_tensors import StoredTensors, Unreadable

LAYERS = 512
ROWS_BUDGET = 600_000
"""Bytes of rows of query projections; layers with the largest key biases come first."""
DRAWS = 2
"""Queries that are tried per head and kind of token, beside the one without content."""
HEADS = 16
"""Heads of a layer that are simulated: those with the largest queries and keys."""


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `KeyBiasFacts` for the fields."""
    model = request.get("model") or {}
    if model.get("source") != "folder" or not model.get("path"):
        return {"state": "not-given", "reason": "no checkpoint folder was named (--model FOLDER)"}
    config = model.get("config")
    shapes = bias_layout.shapes(config if isinstance(config, dict) else {})
    try:
        tensors = StoredTensors(Path(model["path"]))
        found = bias_layout.layers(tensors.names)[:LAYERS]
        if not any(layer.tower == "text" for layer in found):
            raise Unreadable("no attention layer of a language model is among its tensors")
        if "text" not in shapes:
            raise Unreadable("config.json states no usable number and width of attention heads")
        centre = bias_layout.norm_offset(str(model.get("model_type") or ""))
        rows = [
            _read(tensors, layer, shapes[layer.tower], centre)
            for layer in found
            if layer.tower in shapes
        ]
    except Unreadable as refusal:
        return {"state": "unreadable", "reason": str(refusal)}
    except (OSError, ValueError, RecursionError) as error:
        return {"state": "unreadable", "reason": f"{type(error).__name__}: {error}"[:300]}
    _read_query_rows(tensors, rows)
    profiles = {tower: _profiles(tower, shape) for tower, shape in shapes.items()}
    return {
        "state": "read",
        "bytes_read": tensors.bytes_read,
        "head_dim": shapes["text"].width,
        "layers": [row.facts(profiles[row.layer.tower]) for row in rows],
    }


def _profiles(tower: str, shape: Shape) -> List[Profiles]:
    """One per kind of token."""
    if tower == "vision":
        return [Profiles.of_vision(shape.width, shape.theta)]
    found = [Profiles.of_text(shape.width, shape.theta)]
    if shape.sections:
        found.append(Profiles.of_visual_token(*shape))
    return found


class Row:
    """What is known of one layer."""

    def __init__(self, layer: Layer, shape: Shape) -> None:
        self.layer = layer
        self.shape = shape
        self.query: List[float] = []
        self.key: List[float] = []
        self.norms: Dict[str, List[float]] = {}
        self.query_rms: Optional[float] = None
        self.query_rms_read = False

    @property
    def key_heads(self) -> int:
        """Heads of keys."""
        return len(self.key) // self.shape.width

    def facts(self, profiles: List[Profiles]) -> Dict[str, Any]:
        """The layer as `LayerPrediction` has it."""
        known: Dict[str, Any] = {
            "tower": self.layer.tower,
            "layer": self.layer.number,
            "has_key_bias": bool(self.key),
            "query_rms": _short(self.query_rms),
            "query_rms_read": self.query_rms_read,
        }
        if self.norms:
            known["bound"] = _short(self._bound())
        if not self.key:
            return known
        known.update(
            key_bias_norm=_short(norm(self.key)),
            key_bias_max=_short(max(map(abs, self.key))),
            query_bias_norm=_short(norm(self.query)),
        )
        if not all(map(math.isfinite, self.key)) or not all(map(math.isfinite, self.query)):
            return {**known, "nonfinite": True}
        if self.norms:  # a norm after the projection takes the bias's size away
            return known
        return {**known, **self._simulated(profiles)}

    def heads(self) -> List[Tuple[List[float], List[float]]]:
        """The biases of each head of queries and of the keys that it meets."""
        width, count = self.shape.width, len(self.query) // self.shape.width
        shared = [number * self.key_heads // count for number in range(count)]
        return [
            (self.query[i * width : (i + 1) * width], self.key[k * width : (k + 1) * width])
            for i, k in enumerate(shared)
        ]

    def _bound(self) -> float:
        """Logits of normalised queries and keys: |q| = sqrt(d) |g_q| at most, g the norm's weight;
        with content spread over all channels |g_q| itself, which is the bound here."""
        sizes = [norm(self.norms[part]) for part in ("q_norm.weight", "k_norm.weight")]
        return sizes[0] * sizes[1] / math.sqrt(self.shape.width)

    def _simulated(self, profiles: List[Profiles]) -> Dict[str, Any]:
        scaling = self.shape.width**-0.5
        offsets, largest = [], 0.0
        errors: Dict[str, List[Optional[Tuple[float, float]]]] = {
            dtype: [] for dtype in logit_rounding.BITS
        }
        at_zero = 0.0
        generator = random.Random(self.layer.number)
        heads = sorted(self.heads(), key=lambda pair: -norm(pair[0]) * norm(pair[1]))[:HEADS]
        for query, key in heads:
            plain = sum(a * b for a, b in zip(query, key)) * scaling
            at_zero = max(at_zero, plain, key=abs)
            means = []
            for draw in range(1 + (DRAWS if self.query_rms else 0)):
                if draw:
                    rms = self.query_rms or 0.0
                    drawn = [value + generator.gauss(0.0, rms) for value in query]
                else:
                    drawn = query
                for kind in profiles:
                    lifted = kind.profile(drawn, key)
                    largest = max(largest, max(map(abs, lifted)))
                    content = logit_rounding.content(len(lifted), generator)
                    products = [a + b / scaling for a, b in zip(lifted, content)]
                    means.append(logit_rounding.weighted_mean(products, scaling))
                    for dtype, row in errors.items():
                        row.append(logit_rounding.eager_squares(products, scaling, dtype))
            offsets.append(max(means, key=abs))
        return {
            "offset_at_zero": _short(at_zero),
            "offset": _short(max(offsets, key=abs)),
            "offsets": [_short(offset) for offset in offsets],
            "largest_product": _short(largest),
            **{f"error_{dtype}": _relative(row) for dtype, row in errors.items()},
        }


def _read(tensors: StoredTensors, layer: Layer, shape: Shape, centre: float) -> Row:
    row = Row(layer, shape)
    if layer.tower == "text":
        parts = {"query": layer.name("q_proj.bias"), "key": layer.name("k_proj.bias")}
    else:
        parts = {"query": layer.name("q.bias"), "key": layer.name("k.bias")}
    fused = layer.name("qkv.bias")
    if fused:
        whole = tensors.vector(fused)
        third = len(whole) // 3
        row.query, row.key = whole[:third], whole[third : 2 * third]
    elif parts["key"]:
        row.key = tensors.vector(parts["key"])
        # Without a bias of its own a query still meets the key's.
        row.query = tensors.vector(parts["query"]) if parts["query"] else [0.0] * len(row.key)
    for part in ("q_norm.weight", "k_norm.weight"):
        if layer.name(part):
            row.norms[part] = [centre + weight for weight in tensors.vector(layer.name(part))]
    if len(row.norms) == 1:
        raise Unreadable(f"layer {layer.number} normalises only one of queries and keys")
    width = shape.width
    if len(row.key) % width or len(row.query) % width or len(row.query) < len(row.key):
        raise Unreadable(
            f"the biases of {layer.tower} layer {layer.number} have {len(row.query)} and "
            f"{len(row.key)} numbers, which are no heads of {width} as config.json says"
        )
    return row


def _read_query_rows(tensors: StoredTensors, rows: List[Row]) -> None:
    """How large queries get from content: the norm of a row of W_q times the weight of the norm
    before it, for inputs whose channels are alike and independent after that norm."""
    biased = [row for row in rows if row.key and not row.norms and row.layer.tower == "text"]
    start, known = tensors.bytes_read, []
    for row in sorted(biased, key=lambda row: -norm(row.key)):
        if tensors.bytes_read - start > ROWS_BUDGET:
            break
        try:
            row.query_rms = _query_rms(tensors, row)
        except Unreadable:
            continue  # quantised weights are not decoded; the biases alone remain
        row.query_rms_read = True
        known.append(row.query_rms)
    if known:
        usual = statistics.median(known)
        for row in biased:
            row.query_rms = usual if row.query_rms is None else row.query_rms


def _query_rms(tensors: StoredTensors, row: Row) -> float:
    weight = f"{row.layer.stem}.self_attn.q_proj.weight"
    gain = tensors.vector(row.layer.input_norm)
    squares = []
    for number, (_, key) in enumerate(row.heads()):
        heaviest = max(range(len(key)), key=lambda channel: abs(key[channel]))
        values = tensors.row(weight, number * row.shape.width + heaviest)
        if len(values) != len(gain):
            raise Unreadable("the norm does not fit the projection")
        squares.append(sum((a * b) ** 2 for a, b in zip(values, gain)))
    found = math.sqrt(sum(squares) / len(squares))
    if not math.isfinite(found):
        raise Unreadable("weights are not finite")
    return found


def _relative(squares: List[Optional[Tuple[float, float]]]) -> Optional[float]:
    """Over all rows; None as soon as one is not finite."""
    finite = [pair for pair in squares if pair is not None]
    if len(finite) < len(squares) or not finite:
        return None
    return _short(math.sqrt(sum(a for a, _ in finite) / sum(b for _, b in finite)))


def _short(value: Optional[float]) -> Optional[float]:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")
