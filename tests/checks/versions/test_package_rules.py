"""Rules about installed packages: when they fire, when they do not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.dependency_pins_violated import dependency_pins_violated
from qvl_checks.versions.duplicate_packages import duplicate_packages
from qvl_checks.versions.metadata_disagrees import metadata_disagrees
from qvl_checks.versions.numpy_abi_mismatch import numpy_abi_mismatch
from qvl_checks.versions.optional_package_missing import optional_package_missing
from qvl_checks.versions.packages_facts import VERSIONS_PACKAGES, Copy, PackagesFacts
from qvl_checks.versions.torch_too_old import torch_too_old
from qvl_doctor.facts import ImportsFacts, ImportState, ModelFacts, ProbeStatus, TargetFacts
from qvl_doctor.facts import WorkloadFacts as Workload
from qvl_doctor.findings import Outcome

HUB = "huggingface-hub<1.0,>=0.34.0"


@pytest.mark.parametrize(
    ("lines", "installed", "violated"),
    [
        ([HUB], {"huggingface_hub": "0.36.2"}, []),
        ([HUB], {"huggingface_hub": "1.3.0"}, ["huggingface-hub<1.0,>=0.34.0, found 1.3.0"]),
        (["tokenizers<0.22,>=0.21"], {"tokenizers": "0.22.0"}, ["found 0.22.0"]),
        (["tokenizers!=0.22"], {}, ["tokenizers!=0.22, not installed"]),
        (["Tokenizers>=0.21"], {"tokenizers": "0.22.0rc1"}, []),
        (["sacremoses; extra == 'sentencepiece'"], {}, []),
        (["tomli; python_version < '3.11'"], {}, []),
        (["pywin32; sys_platform == 'win32'"], {}, []),
        (["filelock; platform_machine == 'x86_64' and sys_platform == 'linux'"], {}, ["filelock"]),
        (["this is ! not a requirement"], {}, []),
    ],
)
def test_dependency_pins(
    lines: list[str],
    installed: dict[str, str],
    violated: list[str],
    target: TargetFacts,
    packages: Any,
) -> None:
    facts = packages(transformers=("4.57.1", lines), **installed)
    judgement = dependency_pins_violated.judge(packages=facts, target=target)
    assert judgement.outcome is (Outcome.FAIL if violated else Outcome.PASS)
    found = judgement.evidence["violated"]
    assert len(found) == len(violated)
    for sentence, words in zip(found, violated, strict=True):
        assert words in sentence
    if violated:
        assert "transformers==4.57.1" in judgement.fixes[0].command


def test_pins_of_a_bystander_are_named_and_do_not_fail(target: TargetFacts, packages: Any) -> None:
    facts = packages(transformers="5.23.0", vllm=("0.10.0", ["transformers<5"]))
    judgement = dependency_pins_violated.judge(packages=facts, target=target)
    assert judgement.outcome is Outcome.PASS
    assert "vllm needs transformers<5, found 5.23.0" in judgement.title


def test_pins_without_any_package(target: TargetFacts) -> None:
    judgement = dependency_pins_violated.judge(packages=PackagesFacts(), target=target)
    assert judgement.outcome is Outcome.BLOCKED


def test_two_metadata_folders_in_a_real_environment(environment: Any, target: TargetFacts) -> None:
    environment.install("transformers", "4.57.6")
    environment.install("accelerate", "1.0.0")
    once = duplicate_packages.judge(packages=environment.run(VERSIONS_PACKAGES), target=target)
    assert once.outcome is Outcome.PASS
    environment.metadata("transformers", "4.44.2")
    twice = duplicate_packages.judge(packages=environment.run(VERSIONS_PACKAGES), target=target)
    assert twice.outcome is Outcome.FAIL
    assert twice.evidence["versions_differ"] == ["transformers"]
    assert len(twice.evidence["copies"]["transformers"]) == 2


@pytest.mark.parametrize(
    ("door", "kind"), [("PYTHONPATH", "advice"), ("user site", "setting"), ("other", "command")]
)
def test_the_fix_fits_the_door(door: str, kind: str, target: TargetFacts, packages: Any) -> None:
    facts = packages(torch="2.8.0")
    other = Copy(version="2.5.1", location="/elsewhere", found_through=door)
    facts.copies["torch"] = (*facts.copies["torch"], other)
    judgement = duplicate_packages.judge(packages=facts, target=target)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.fixes[0].kind == kind


def test_no_package_at_all_is_not_a_pass(target: TargetFacts) -> None:
    for rule, extra in ((duplicate_packages, {}), (metadata_disagrees, {"imports": None})):
        judgement = rule.judge(packages=PackagesFacts(), target=target, **extra)
        assert judgement.outcome is Outcome.BLOCKED


def test_metadata_that_disagrees_in_a_real_environment(
    environment: Any, target: TargetFacts
) -> None:
    environment.install("transformers", "4.57.6")
    environment.install("torch", "2.8.0+cu128", '__version__ = "2.8.0+cu128"')
    agreeing = environment.run(VERSIONS_PACKAGES)
    judgement = metadata_disagrees.judge(packages=agreeing, target=target, imports=None)
    assert judgement.outcome is Outcome.PASS, judgement.title
    environment.module("transformers", '__version__ = "4.44.2"')
    overwritten = environment.run(VERSIONS_PACKAGES)
    judgement = metadata_disagrees.judge(packages=overwritten, target=target, imports=None)
    assert judgement.outcome is Outcome.FAIL
    assert "4.44.2" in judgement.title and "4.57.6" in judgement.title


def test_metadata_without_code(environment: Any, target: TargetFacts) -> None:
    environment.metadata("tokenizers", "0.22.0")
    judgement = metadata_disagrees.judge(
        packages=environment.run(VERSIONS_PACKAGES), target=target, imports=None
    )
    assert judgement.outcome is Outcome.FAIL
    assert "would not find tokenizers" in judgement.title
    (environment.site_packages / "tokenizers").mkdir()
    judgement = metadata_disagrees.judge(
        packages=environment.run(VERSIONS_PACKAGES), target=target, imports=None
    )
    assert judgement.outcome is Outcome.FAIL and "no code" in judgement.title


@pytest.mark.parametrize(
    ("version", "file", "outcome"),
    [
        ("2.8.0+cu128", "{folder}/torch/__init__.py", Outcome.PASS),
        ("2.5.1+cu121", "{folder}/torch/__init__.py", Outcome.FAIL),
        ("2.8.0", "/opt/other/torch/__init__.py", Outcome.FAIL),
    ],
)
def test_what_was_really_imported_counts(
    version: str, file: str, outcome: Outcome, target: TargetFacts, packages: Any
) -> None:
    facts = packages(torch="2.8.0")
    folder = facts.copies["torch"][0].location
    imports = ImportsFacts(
        modules={
            "torch": ImportState(
                status=ProbeStatus.OK, version=version, file=file.format(folder=folder)
            )
        }
    )
    judgement = metadata_disagrees.judge(packages=facts, target=target, imports=imports)
    assert judgement.outcome is outcome


def test_a_shadowing_file_is_named(target: TargetFacts, packages: Any) -> None:
    facts = msgspec.structs.replace(
        packages(torch="2.8.0"), shadowed_by_working_folder=("/home/user/project/torch.py",)
    )
    judgement = metadata_disagrees.judge(packages=facts, target=target, imports=None)
    assert judgement.outcome is Outcome.FAIL
    assert "/home/user/project/torch.py" in judgement.title


@pytest.mark.parametrize(
    ("torch", "lines", "outcome"),
    [
        ("2.5.1+cu121", ["torch>=2.6; extra == 'torch'"], Outcome.FAIL),
        ("2.13.0+cpu", ["torch>=2.6; extra == 'torch'"], Outcome.PASS),
        ("2.6.0a0+nv25.1", ["torch>=2.6; extra == 'torch'"], Outcome.PASS),
        ("2.13.0", ["accelerate>=1; extra == 'torch'"], Outcome.INCONCLUSIVE),
        (None, ["torch>=2.6; extra == 'torch'"], Outcome.BLOCKED),
    ],
)
def test_torch_too_old(
    torch: str | None, lines: list[str], outcome: Outcome, target: TargetFacts, packages: Any
) -> None:
    versions: dict[str, Any] = {"transformers": ("5.23.0", lines)}
    if torch:
        versions["torch"] = torch
    judgement = torch_too_old.judge(packages=packages(**versions), target=target)
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert judgement.fixes[0].command[-1].endswith("/whl/cu121")


def test_torch_too_old_without_transformers(target: TargetFacts, packages: Any) -> None:
    judgement = torch_too_old.judge(packages=packages(torch="2.0.0"), target=target)
    assert judgement.outcome is Outcome.BLOCKED


@pytest.mark.parametrize(
    ("torch", "outcome"),
    [
        (TorchFacts(version="2.13.0", numpy_bridge=True, numpy_version="2.4.6"), Outcome.PASS),
        (
            TorchFacts(
                version="2.1.2+cu121",
                numpy_version="2.4.6",
                unread={"numpy_bridge": "RuntimeError: Numpy is not available"},
            ),
            Outcome.FAIL,
        ),
        (
            TorchFacts(
                version="2.8.0",
                unread={"numpy_bridge": "ModuleNotFoundError: No module named 'numpy'"},
            ),
            Outcome.NOT_APPLICABLE,
        ),
        (
            TorchFacts(
                version="2.8.0", numpy_version="2.0", unread={"numpy_bridge": "MemoryError:"}
            ),
            Outcome.INCONCLUSIVE,
        ),
    ],
)
def test_numpy_abi_mismatch(torch: TorchFacts, outcome: Outcome, target: TargetFacts) -> None:
    judgement = numpy_abi_mismatch.judge(torch=torch, target=target)
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert [fix.command[-1] for fix in judgement.fixes] == ["numpy<2", "torchvision"]


@pytest.mark.parametrize(
    ("workload", "config", "installed", "outcome"),
    [
        (Workload(), {}, {}, Outcome.NOT_APPLICABLE),
        (Workload(device_map="auto"), {}, {}, Outcome.FAIL),
        (Workload(device_map="auto"), {}, {"accelerate": "1.15.0"}, Outcome.PASS),
        (
            Workload(),
            {"quantization_config": {"quant_method": "awq"}},
            {"accelerate": "1.15.0"},
            Outcome.FAIL,
        ),
        (
            Workload(),
            {"quantization_config": {"quant_method": "awq"}},
            {"autoawq": "0.2.9"},
            Outcome.PASS,
        ),
        (Workload(), {"quantization_config": "odd"}, {}, Outcome.NOT_APPLICABLE),
    ],
)
def test_optional_package_missing(
    workload: Workload,
    config: dict[str, Any],
    installed: dict[str, str],
    outcome: Outcome,
    target: TargetFacts,
    packages: Any,
) -> None:
    judgement = optional_package_missing.judge(
        packages=packages(**installed),
        workload=workload,
        model=ModelFacts(name="x", source="folder", config=config),
        target=target,
    )
    assert judgement.outcome is outcome
