"""Facts about checkpoint folders, as the probe would have read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qvl_checks.checkpoint.files_facts import (
    ChatTemplate,
    CheckpointFilesFacts,
    Examples,
    Index,
    KeyBiases,
    Settings,
    Shard,
    Tensors,
    Tokenizer,
)
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.models.catalogue import published_config
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.facts import ModelFacts, TargetFacts

PATH = "/home/user/models/checkpoint"
SHARDS = tuple(
    Shard(
        name=f"model-0000{number}-of-00002.safetensors",
        verdict="ok",
        tensors=300,
        size_bytes=8 * 2**30,
        expected_bytes=8 * 2**30,
        missing_bytes=0,
    )
    for number in (1, 2)
)
NAMES = {
    "qwen2_vl": "Qwen2-VL-7B",
    "qwen2_5_vl": "Qwen2.5-VL-7B",
    "qwen3_vl": "Qwen3-VL-8B",
    "qwen3_5": "Qwen3.5-9B",
}


def one(name: str) -> Examples:
    return Examples(count=1, examples=(name,))


@pytest.fixture
def whole() -> Callable[..., CheckpointFilesFacts]:
    """``whole(field=value, ...)``: a sound Qwen2.5-VL-7B folder, but for the given fields.

    ``tensors`` may be a dictionary of what differs in them, and ``config`` is config.json.
    """

    def build(**changes: Any) -> CheckpointFilesFacts:
        config = changes.pop("config", published_config("Qwen2.5-VL-7B"))
        tensors = {
            "count": 729,
            "dtypes": {"BF16": 729},
            "output_head": one("lm_head.weight"),
            "embeddings": one("model.embed_tokens.weight"),
            "k_proj_biases": KeyBiases(count=28),
            "vision_prefixes": ("visual.",),
            "vision_tensors": 390,
            "vision_gates": 64,
            "layer_prefixes": {"model.layers": 336},
            **changes.pop("tensors", {}),
        }
        fields: dict[str, Any] = {
            "state": "read",
            "path": PATH,
            "entries": 12,
            "settings": {
                "config.json": Settings(state="read", value=config),
                "generation_config.json": Settings(state="read", value={"do_sample": True}),
                "preprocessor_config.json": Settings(
                    state="read", value={"patch_size": 14, "merge_size": 2}
                ),
            },
            "tokenizer": Tokenizer(state="read", padding_side="right"),
            "chat_templates": (
                ChatTemplate(place="chat_template.json", slots=("<|image_pad|>",), characters=1100),
            ),
            "shards": SHARDS,
            "index": Index(
                name="model.safetensors.index.json",
                state="read",
                tensors_named=729,
                files_named=2,
            ),
            "tensors": Tensors(**tensors),
            "quantization_config": config.get("quantization_config"),
            **changes,
        }
        return CheckpointFilesFacts(**fields)

    return build


@pytest.fixture
def no_folder() -> CheckpointFilesFacts:
    """The probe ran, and no folder was named."""
    return CheckpointFilesFacts(state="not-given")


@pytest.fixture
def model() -> Callable[..., ModelFacts]:
    """``model("qwen3_vl", key=value)``: a checkpoint of this family, config keys changed."""
    from qvl_checks.models.catalogue import families

    def build(model_type: str = "qwen2_5_vl", source: str = "folder", **config: Any) -> ModelFacts:
        family = families().get(model_type)
        base = published_config(NAMES[model_type]) if model_type in NAMES else {}
        return ModelFacts(
            name=NAMES.get(model_type, "checkpoint"),
            source=source,
            path=PATH,
            model_type=model_type,
            class_name=family.class_name if family else "",
            family=family.title if family else "",
            config={**base, "model_type": model_type, **config},
            parameters=8_292_166_656,
        )

    return build


@pytest.fixture
def packages() -> Callable[..., PackagesFacts]:
    """``packages(transformers="5.23.0")``: what is installed."""

    def build(**versions: str) -> PackagesFacts:
        return PackagesFacts(
            installed={name.replace("_", "-"): version for name, version in versions.items()}
        )

    return build


@pytest.fixture
def target() -> TargetFacts:
    """An ordinary interpreter with pip."""
    return TargetFacts(
        python="/home/user/venv/bin/python", chosen_because="test", version="3.11.9", has_pip=True
    )


@pytest.fixture
def gpu() -> Callable[..., TorchFacts]:
    """``gpu((7, 5), free_gib=14)``: what torch says on a machine with one card."""

    def build(capability: tuple[int, int], free_gib: float = 22.0) -> TorchFacts:
        device = TorchDevice(
            index=0,
            name=f"GPU of {capability[0]}.{capability[1]}",
            capability=capability,
            free_bytes=int(free_gib * 2**30),
        )
        return TorchFacts(version="2.13.0", device_count=1, devices=(device,))

    return build


@pytest.fixture
def no_gpu() -> TorchFacts:
    """torch on a machine without one."""
    return TorchFacts(version="2.13.0+cpu", device_count=0)
