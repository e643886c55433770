"""Rules about the model family and the transformers release: when they fire, when they do not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from qvl_checks.models.catalogue import resolve
from qvl_checks.versions.dtype_keyword_renamed import dtype_keyword_renamed
from qvl_checks.versions.known_ranges import known_ranges
from qvl_checks.versions.model_class_missing import model_class_missing
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.processor_needs_torchvision import processor_needs_torchvision
from qvl_checks.versions.python_too_old import python_too_old
from qvl_checks.versions.releases import first_release, python_for, requirement_for
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_checks.versions.unknown_model_type import unknown_model_type
from qvl_checks.versions.wrong_position_ids import wrong_position_ids
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome

OLD = TransformersSurfaceFacts(
    installed=True,
    folder="/x/transformers",
    model_types=("bert", "qwen2_vl"),
    classes={"qwen2_vl": ("Qwen2VLForConditionalGeneration",)},
    accepts_dtype=False,
    accepts_torch_dtype=True,
)
NEW = TransformersSurfaceFacts(
    installed=True,
    folder="/x/transformers",
    model_types=("bert", "qwen2_5_vl"),
    classes={"qwen2_5_vl": ("Qwen2_5_VLForConditionalGeneration",)},
    accepts_dtype=True,
    accepts_torch_dtype=True,
)
ABSENT = TransformersSurfaceFacts(installed=False, reason="import would not find transformers")
UNREADABLE = TransformersSurfaceFacts(installed=True, unread={"classes": "OSError: denied"})


@pytest.mark.parametrize(
    ("surface", "outcome"),
    [
        (OLD, Outcome.FAIL),
        (NEW, Outcome.PASS),
        (ABSENT, Outcome.BLOCKED),
        (UNREADABLE, Outcome.BLOCKED),
    ],
)
def test_model_class_missing(
    surface: TransformersSurfaceFacts,
    outcome: Outcome,
    qwen25: ModelFacts,
    target: TargetFacts,
    packages: Any,
) -> None:
    judgement = model_class_missing.judge(
        surface=surface, model=qwen25, target=target, packages=packages(transformers="4.48.3")
    )
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert "4.49.0" in judgement.cause
        (fix,) = judgement.fixes
        assert fix.command[:4] == (target.python, "-m", "pip", "install")
        assert Requirement(fix.command[-1]).specifier.contains("4.57.6")
        assert not fix.verified


def test_a_family_without_a_class_is_no_question(target: TargetFacts, packages: Any) -> None:
    model = ModelFacts(name="x", source="folder", model_type="llama")
    judgement = model_class_missing.judge(
        surface=NEW, model=model, target=target, packages=packages(transformers="5.0.0")
    )
    assert judgement.outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("model_type", "config", "surface", "outcome"),
    [
        ("qwen2_5_vl", {}, OLD, Outcome.FAIL),
        ("qwen2_5_vl", {}, NEW, Outcome.PASS),
        ("qwen2_6_vl", {}, NEW, Outcome.FAIL),
        ("qwen", {"auto_map": {"AutoConfig": "x.y"}}, NEW, Outcome.NOT_APPLICABLE),
        ("", {}, NEW, Outcome.NOT_APPLICABLE),
        ("qwen2_5_vl", {}, ABSENT, Outcome.BLOCKED),
        ("qwen2_5_vl", {}, UNREADABLE, Outcome.BLOCKED),
    ],
)
def test_unknown_model_type(
    model_type: str,
    config: dict[str, Any],
    surface: TransformersSurfaceFacts,
    outcome: Outcome,
    target: TargetFacts,
    packages: Any,
) -> None:
    model = ModelFacts(name="x", source="folder", model_type=model_type, config=config)
    judgement = unknown_model_type.judge(
        surface=surface, model=model, target=target, packages=packages(transformers="4.48.3")
    )
    assert judgement.outcome is outcome
    if model_type == "qwen2_6_vl":
        assert judgement.fixes[0].kind == "advice", "no release is promised for an unknown type"


@pytest.mark.parametrize(
    ("version", "model_type", "conditions"),
    [
        ("4.51.3", "qwen2_5_vl", 0),
        ("4.53.3", "qwen2_5_vl", 1),
        ("4.54.0", "qwen2_5_vl", 2),
        ("4.56.2", "qwen2_vl", 1),
        ("4.57.0", "qwen2_5_vl", 1),
        ("4.57.0", "qwen2_vl", 0),
        ("5.2.0", "qwen2_5_vl", 1),
        ("5.3.0", "qwen2_5_vl", 4),
        ("5.5.3", "qwen2_vl", 2),
        ("5.5.4", "qwen2_5_vl", 3),
        ("5.6.0", "qwen2_5_vl", 2),
        ("5.6.0", "qwen2_vl", 1),
        ("5.17.0", "qwen2_5_vl", 2),
        ("5.18.0", "qwen2_5_vl", 1),
        ("5.4.0.dev0", "qwen2_5_vl", 4),
    ],
)
def test_wrong_position_ids(
    version: str, model_type: str, conditions: int, target: TargetFacts, packages: Any
) -> None:
    model = ModelFacts(name="x", source="folder", model_type=model_type, family="Qwen")
    judgement = wrong_position_ids.judge(
        packages=packages(transformers=version),
        model=model,
        workload=WorkloadFacts(),
        target=target,
    )
    assert len(judgement.evidence.get("defects", ())) == conditions
    assert judgement.outcome is (Outcome.FAIL if conditions else Outcome.PASS)
    for fix in judgement.fixes:
        release = fix.command[-1].split("==")[1]
        cured = wrong_position_ids.judge(
            packages=packages(transformers=release),
            model=model,
            workload=WorkloadFacts(),
            target=target,
        )
        kept = {row["condition"] for row in cured.evidence.get("defects", ())}
        promised = fix.summary.partition("right for ")[2].partition(", but not for ")[0]
        assert promised and not any(condition in promised for condition in kept)
        assert all(condition in fix.summary for condition in kept), "what it has must be said"


def test_wrong_position_ids_elsewhere(target: TargetFacts, packages: Any) -> None:
    qwen3 = ModelFacts(name="x", source="folder", model_type="qwen3_vl", family="Qwen3-VL")
    other = wrong_position_ids.judge(
        packages=packages(transformers="5.4.0"),
        model=qwen3,
        workload=WorkloadFacts(),
        target=target,
    )
    assert other.outcome is Outcome.NOT_APPLICABLE
    qwen2 = msgspec.structs.replace(qwen3, model_type="qwen2_vl")
    nothing = wrong_position_ids.judge(
        packages=PackagesFacts(), model=qwen2, workload=WorkloadFacts(), target=target
    )
    assert nothing.outcome is Outcome.BLOCKED


VIDEO_CONDITIONS = ["videos", "videos with a fractional time step"]
PICTURE = WorkloadFacts(stated=True, images=((1024, 768),))


@pytest.mark.parametrize(
    ("version", "workload", "conditions"),
    [
        ("5.23.0", WorkloadFacts(), ["videos with more time steps than merged rows and columns"]),
        ("5.23.0", PICTURE, []),
        ("5.23.0", WorkloadFacts(stated=True, videos=((420, 364, 16),)), []),
        # 10 seconds at 2 frames per second: 9 steps of 2 against 15 columns.
        (
            "5.23.0",
            WorkloadFacts(stated=True, videos=((420, 364, 20),)),
            ["videos with more time steps than merged rows and columns"],
        ),
        ("4.55.0", PICTURE, []),
        (
            "4.55.0",
            msgspec.structs.replace(PICTURE, batch=4),
            ["batches with left padding"],
        ),
        ("5.4.0", PICTURE, ["still images"]),
        ("5.4.0", WorkloadFacts(stated=True, videos=((420, 364, 4),)), VIDEO_CONDITIONS),
    ],
)
def test_a_position_defect_counts_where_the_stated_load_meets_it(
    version: str,
    workload: WorkloadFacts,
    conditions: list[str],
    target: TargetFacts,
    packages: Any,
) -> None:
    model = resolve("Qwen2.5-VL-7B")
    assert model is not None
    judgement = wrong_position_ids.judge(
        packages=packages(transformers=version), model=model, workload=workload, target=target
    )
    assert judgement.outcome is (Outcome.FAIL if conditions else Outcome.PASS)
    assert len(judgement.evidence["defects"]) >= 1, "what the release has is kept"
    if conditions:
        assert judgement.title.endswith(", ".join(conditions))
        assert ("--video" in judgement.cause) is not workload.stated
    else:
        assert "Stated: " in judgement.cause and "Not right in this release" in judgement.cause


def test_every_known_range_has_provenance_and_a_cure() -> None:
    assert known_ranges()
    for row in known_ranges():
        assert row.evidence and all(url.startswith("https://") for url in row.evidence)
        assert row.verified_on and row.verified_with and row.models and row.condition
        assert not row.contains(Version(row.fixed)), row


@pytest.mark.parametrize(
    ("release", "python"),
    [
        ("4.44.2", "3.8"),
        ("4.46.3", "3.8"),
        ("4.57.6", "3.9"),
        ("5.20.0", "3.10"),
        ("5.23.0", "3.11"),
    ],
)
def test_python_floors(release: str, python: str) -> None:
    assert python_for(release) == python


def test_install_requirements_hold_the_type_they_are_for() -> None:
    assert requirement_for("bert") is None
    for model_type in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "qwen4_exp"):
        wanted, since = requirement_for(model_type), first_release(model_type)
        assert wanted is not None and since is not None
        floor = next(s.version for s in Requirement(wanted).specifier if s.operator == ">=")
        assert Version(floor) >= Version(since)


@pytest.mark.parametrize(
    ("python", "model_type", "requires", "outcome"),
    [
        ("3.9.18", "qwen3_5", None, Outcome.FAIL),
        ("3.10.2", "qwen3_5", None, Outcome.PASS),
        ("3.9.18", "qwen2_5_vl", None, Outcome.PASS),
        ("3.10.2", "qwen2_5_vl", ">=3.11.0", Outcome.FAIL),
        ("3.11.9", "qwen2_5_vl", ">=3.11.0", Outcome.PASS),
        ("3.8.18", "qwen2_5_vl", None, Outcome.FAIL),
        ("", "qwen2_5_vl", None, Outcome.BLOCKED),
    ],
)
def test_python_too_old(
    python: str,
    model_type: str,
    requires: str | None,
    outcome: Outcome,
    target: TargetFacts,
    packages: Any,
) -> None:
    facts = packages(transformers="5.23.0")
    copy = msgspec.structs.replace(facts.copies["transformers"][0], requires_python=requires)
    facts.copies["transformers"] = (copy,)
    judgement = python_too_old.judge(
        target=msgspec.structs.replace(target, version=python),
        model=ModelFacts(name="x", source="folder", model_type=model_type, family="Qwen"),
        packages=facts,
    )
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("transformers", "torchvision", "outcome"),
    [
        ("4.51.3", None, Outcome.NOT_APPLICABLE),
        ("4.52.0", None, Outcome.FAIL),
        ("5.23.0", None, Outcome.FAIL),
        ("5.23.0", "0.28.0", Outcome.PASS),
    ],
)
def test_processor_needs_torchvision(
    transformers: str,
    torchvision: str | None,
    outcome: Outcome,
    qwen25: ModelFacts,
    target: TargetFacts,
    packages: Any,
) -> None:
    versions = {"transformers": transformers, "torch": "2.13.0+cpu"}
    if torchvision:
        versions["torchvision"] = torchvision
    judgement = processor_needs_torchvision.judge(
        packages=packages(**versions), model=qwen25, target=target
    )
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert "torchvision==0.28.*" in judgement.fixes[0].command
        assert judgement.fixes[0].command[-1].endswith("/whl/cpu")


def test_processor_needs_torchvision_without_family_or_transformers(
    qwen25: ModelFacts, target: TargetFacts
) -> None:
    other = ModelFacts(name="x", source="folder", model_type="llama")
    for model, outcome in ((other, Outcome.NOT_APPLICABLE), (qwen25, Outcome.BLOCKED)):
        judgement = processor_needs_torchvision.judge(
            packages=PackagesFacts(), model=model, target=target
        )
        assert judgement.outcome is outcome


def test_dtype_keyword_is_information(packages: Any) -> None:
    new = dtype_keyword_renamed.judge(surface=NEW, packages=packages(transformers="5.0.0"))
    old = dtype_keyword_renamed.judge(surface=OLD, packages=packages(transformers="4.44.2"))
    assert new.outcome is old.outcome is Outcome.PASS
    assert "as dtype=" in new.title and "as torch_dtype=" in old.title
    for surface in (ABSENT, UNREADABLE):
        judgement = dtype_keyword_renamed.judge(surface=surface, packages=PackagesFacts())
        assert judgement.outcome is Outcome.BLOCKED
