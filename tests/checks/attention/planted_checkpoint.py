"""``python planted_checkpoint.py < SPEC``: a small checkpoint with key biases of stated norms.

Runs in the target: it imports torch and transformers. SPEC is JSON: ``checks`` (folder on which
``qvl_checks`` lies), ``config``, ``folder``, ``layers`` and ``norms`` (layer -> norm of its
k_proj.bias; that of its q_proj.bias is the same, at most 600), and where wished ``direction``
(see `plant`) and ``shard`` (largest file).

The model is random, with projections of trained sizes: queries and keys give logits a standard
deviation of 2, values and outputs keep the variance, so that a sound implementation stays within a
percent of float32. The biases lie on the slowest rotary pair, which keeps their product the
same at every distance, and that pair carries no content, so that storing the keys in half precision
loses nothing and what is seen is the rounding of logits alone.
"""

from __future__ import annotations

import json
import math
import sys

LARGEST_QUERY = 600.0
LOGIT_SPREAD = 2.0


def scale(projection, spread):
    weight = projection.weight
    now = weight.float().std().item() * math.sqrt(projection.in_features)
    weight.mul_(spread / now)


def plant(module, norm, direction):
    """``slow``: on the slowest rotary pair; ``fast``: on the fastest; ``all``: on every channel, by
    chance, which makes the product depend on the distance."""
    import torch

    width = module.head_dim
    for name, spread in (
        ("q_proj", math.sqrt(LOGIT_SPREAD)),
        ("k_proj", math.sqrt(LOGIT_SPREAD)),
        ("v_proj", 1.0),
        ("o_proj", 1.0),
    ):
        scale(getattr(module, name), spread)
    if module.k_proj.bias is None:
        return
    for projection, size in ((module.q_proj, min(norm, LARGEST_QUERY)), (module.k_proj, norm)):
        heads = projection.out_features // width
        projection.bias.zero_()
        if direction == "all":
            generator = torch.Generator().manual_seed(module.layer_idx)
            drawn = torch.randn(projection.out_features, generator=generator)
            projection.bias.copy_(drawn * size / drawn.norm())
            continue
        channel = 0 if direction == "fast" else width // 2 - 1
        rows = projection.weight.view(heads, width, projection.in_features)
        rows[:, [channel, channel + width // 2]] = 0.0
        projection.bias.view(heads, width)[:, channel] = size / math.sqrt(heads)


def main(spec):
    sys.path.insert(0, spec["checks"])
    import torch

    from qvl_checks.attention import text_tower
    from qvl_checks.models.build import make_config, make_model

    config = dict(spec["config"])
    text = config.get("text_config", config)
    text["num_hidden_layers"] = text["max_window_layers"] = spec["layers"]
    model = make_model(make_config(config))
    with torch.no_grad():
        for module in text_tower.attention_modules(model):
            norm = float(spec["norms"].get(str(module.layer_idx), 0.0))
            plant(module, norm, spec.get("direction", "slow"))
    shards = {"max_shard_size": spec["shard"]} if spec.get("shard") else {}
    model.save_pretrained(spec["folder"], **shards)
    with open(spec["folder"] + "/config.json", "w") as file:
        json.dump(config, file)


if __name__ == "__main__":
    main(json.load(sys.stdin))
