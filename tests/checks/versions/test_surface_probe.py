"""What a transformers offers, read from its files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qvl_checks.models.catalogue import families
from qvl_checks.versions.releases import releases
from qvl_checks.versions.transformers_surface_facts import (
    VERSIONS_TRANSFORMERS_SURFACE,
    TransformersSurfaceFacts,
)
from qvl_checks.versions.transformers_surface_probe import surface

OLD = """
CONFIG_MAPPING_NAMES = OrderedDict(
    [
        ("bert", "BertConfig"),
        (
            "qwen2_vl",
            "Qwen2VLConfig",
        ),
    ]
)
"""


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_reference_release_offers_every_family() -> None:
    spec = importlib.util.find_spec("transformers")
    assert spec is not None and spec.submodule_search_locations
    facts = msgspec.convert(
        surface(Path(spec.submodule_search_locations[0])), TransformersSurfaceFacts
    )
    assert facts.unread == {}
    for model_type, family in families().items():
        assert facts.classes is not None and family.class_name in facts.classes[model_type]
    assert facts.model_types is not None and set(releases().since) <= set(facts.model_types)
    assert facts.auto_classes is not None and "AutoModelForImageTextToText" in facts.auto_classes
    assert facts.accepts_dtype is True


def test_an_old_release_made_of_files(tmp_path: Path) -> None:
    write(tmp_path, "models/auto/configuration_auto.py", OLD)
    write(tmp_path, "models/auto/modeling_auto.py", "class AutoModelForVision2Seq(_Base):\n")
    write(tmp_path, "models/qwen2_vl/modeling_qwen2_vl.py", "class Qwen2VLModel(X):\n")
    write(tmp_path, "models/bert/modeling_bert.py", "class BertForConditionalGeneration(X):\n")
    write(tmp_path, "modeling_utils.py", 'torch_dtype = kwargs.pop("torch_dtype", None)\n')
    facts = msgspec.convert(surface(tmp_path), TransformersSurfaceFacts)
    assert facts.model_types == ("bert", "qwen2_vl")
    assert facts.classes == {"qwen2_vl": ()}
    assert facts.auto_classes == ("AutoModelForVision2Seq",)
    assert (facts.accepts_dtype, facts.accepts_torch_dtype) == (False, True)


def test_a_gutted_package_is_recorded_field_by_field(tmp_path: Path) -> None:
    facts = msgspec.convert(surface(tmp_path), TransformersSurfaceFacts)
    assert facts.installed
    assert facts.model_types is None and facts.classes is None
    assert set(facts.unread) >= {"model_types", "classes", "auto_classes", "accepts_dtype"}


def test_an_environment_without_transformers(environment: Any) -> None:
    facts: TransformersSurfaceFacts = environment.run(VERSIONS_TRANSFORMERS_SURFACE)
    assert not facts.installed and facts.reason


@pytest.mark.slow
def test_a_real_old_wheel(environment: Any) -> None:
    import subprocess
    import sys

    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", environment.python, "install", "-q",
            "--no-deps", "--no-compile", "transformers==4.44.2",
        ],
        check=True,
        timeout=240,
    )  # fmt: skip
    facts: TransformersSurfaceFacts = environment.run(VERSIONS_TRANSFORMERS_SURFACE)
    assert facts.classes is not None and "qwen2_vl" not in facts.classes
    assert facts.model_types is not None and len(facts.model_types) > 200
    assert "qwen2_vl" not in facts.model_types
    assert (facts.accepts_dtype, facts.accepts_torch_dtype) == (False, True)


def test_the_two_tables_of_first_releases_agree() -> None:
    for model_type, family in families().items():
        assert releases().since[model_type] == family.since
