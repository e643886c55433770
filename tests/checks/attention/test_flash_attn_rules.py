"""Rules about flash-attention: when they fire, when they do not. Without a wish, nothing fails."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.attention.flash_attention_broken_release import flash_attention_broken_release
from qvl_checks.attention.flash_attention_needs_half_precision import (
    flash_attention_needs_half_precision,
)
from qvl_checks.attention.flash_attention_on_cpu import flash_attention_on_cpu
from qvl_checks.attention.flash_attn_abi_mismatch import flash_attn_abi_mismatch
from qvl_checks.attention.flash_attn_files_facts import (
    FlashAttnFilesFacts,
    FlashDistribution,
    FlashExtension,
)
from qvl_checks.attention.flash_attn_import_failed import flash_attn_import_failed
from qvl_checks.attention.flash_attn_kernel_facts import (
    FlashAttnKernelFacts,
    FlashModule,
    KernelRow,
)
from qvl_checks.attention.flash_attn_missing import flash_attn_missing
from qvl_checks.attention.flash_attn_too_old import flash_attn_too_old
from qvl_checks.attention.flash_attn_unsupported_gpu import flash_attn_unsupported_gpu
from qvl_checks.attention.flash_attn_wheels import installing, published, wheel_for
from qvl_checks.attention.flash_attn_wrong_results import flash_attn_wrong_results
from qvl_checks.attention.hub_kernel_substituted import hub_kernel_substituted
from qvl_checks.attention.selection_facts import Selection, SelectionFacts
from qvl_checks.attention.vision_sdpa_precision import vision_sdpa_precision
from qvl_checks.devices.nvml_facts import Gpu, NvmlFacts
from qvl_checks.devices.torch_facts import TorchDevice, TorchFacts
from qvl_checks.versions.packages_facts import ModuleLocation, PackagesFacts
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.facts import ModelFacts, TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome

ABSENT = FlashModule(status="absent")
NO_FLASH = FlashAttnKernelFacts(modules={"flash_attn": ABSENT, "flash_attn_interface": ABSENT})
FLASH_2 = WorkloadFacts(attention="flash_attention_2")
CPU = TorchFacts(version="2.13.0+cpu", cuda_built=False)
NO_DRIVER = NvmlFacts(available=False, reason="no NVML")
QWEN25 = ModelFacts(name="x", source="folder", model_type="qwen2_5_vl", family="Qwen2.5-VL")


def cuda(*devices: TorchDevice, **fields: Any) -> TorchFacts:
    known: dict[str, Any] = {
        "version": "2.8.0+cu128",
        "cuda": "12.8",
        "cuda_built": True,
        "cxx11_abi": True,
    }
    return TorchFacts(**{**known, **fields}, devices=devices)


def card(major: int, minor: int) -> TorchDevice:
    return TorchDevice(index=0, name="A card", capability=(major, minor))


def packages(**versions: str) -> PackagesFacts:
    installed = {name.replace("_", "-"): version for name, version in versions.items()}
    modules = {"flash-attn": "flash_attn", "flash-attn-3": "flash_attn_interface"}
    return PackagesFacts(
        installed=installed,
        modules={modules.get(name, name): ModuleLocation() for name in installed},
    )


def selection(wish: str | None, **fields: Any) -> SelectionFacts:
    return SelectionFacts(rows=(Selection(wish=wish, **fields),))


def test_without_gpu_wish_and_package_nothing_fails(target: TargetFacts) -> None:
    nothing = packages(transformers="5.23.0", torch="2.13.0+cpu")
    workload, files = WorkloadFacts(), FlashAttnFilesFacts()
    sel = selection(None, selected={"": "sdpa", "vision_config": "sdpa"})
    common: dict[str, Any] = {"workload": workload, "target": target, "torch": CPU}
    judgements = [
        flash_attn_missing.judge(packages=nothing, selection=sel, **common),
        flash_attn_abi_mismatch.judge(files=files, packages=nothing, target=target, torch=CPU),
        flash_attn_import_failed.judge(kernel=NO_FLASH, packages=nothing, files=files, **common),
        flash_attn_too_old.judge(packages=nothing, **common),
        flash_attn_unsupported_gpu.judge(
            workload=workload, torch=CPU, nvml=NO_DRIVER, host=None, files=files, kernel=NO_FLASH
        ),
        flash_attn_wrong_results.judge(kernel=NO_FLASH),
        hub_kernel_substituted.judge(selection=sel, packages=nothing, **common),
        flash_attention_needs_half_precision.judge(workload=workload, surface=None),
        flash_attention_on_cpu.judge(workload=workload, torch=CPU, nvml=NO_DRIVER, selection=sel),
        flash_attention_broken_release.judge(
            packages=nothing, model=QWEN25, workload=workload, target=target
        ),
    ]
    assert {judgement.outcome for judgement in judgements} == {Outcome.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("wish", "installed", "outcome"),
    [
        ("flash_attention_2", {"flash_attn": "2.8.3"}, Outcome.PASS),
        ("flash_attention_2", {}, Outcome.FAIL),
        ("flash_attention_2", {"flash_attn_4": "4.0.0"}, Outcome.FAIL),
        ("flash_attention_3", {"flash_attn": "2.8.3"}, Outcome.FAIL),
        ("flash_attention_3", {"flash_attn_3": "3.0.0"}, Outcome.PASS),
        ("sdpa", {}, Outcome.NOT_APPLICABLE),
    ],
)
def test_flash_attn_missing(
    wish: str, installed: dict[str, str], outcome: Outcome, target: TargetFacts
) -> None:
    judgement = flash_attn_missing.judge(
        packages=packages(**installed),
        workload=WorkloadFacts(attention=wish),
        target=target,
        torch=cuda(card(9, 0)),
        selection=selection(wish, error="ImportError: FlashAttention2 has been toggled on"),
    )
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert judgement.fixes[0].command[-1].endswith("cp312-cp312-linux_x86_64.whl")
        assert "--no-build-isolation" in judgement.fixes[1].command
        assert 'attn_implementation="sdpa"' in judgement.fixes[-1].code
        assert not any(fix.verified for fix in judgement.fixes)


@pytest.mark.parametrize(
    ("flash", "transformers", "outcome"),
    [
        ("2.0.9", "4.57.6", Outcome.FAIL),
        ("2.3.0", "5.3.0", Outcome.FAIL),  # accepted, but knows no `deterministic`
        ("2.3.0", "5.23.0", Outcome.FAIL),
        ("2.4.1", "5.23.0", Outcome.PASS),
        ("2.8.3.post1", "4.45.2", Outcome.PASS),
        (None, "5.23.0", Outcome.NOT_APPLICABLE),
        ("2.8.3", None, Outcome.BLOCKED),
    ],
)
def test_flash_attn_too_old(
    flash: str | None, transformers: str | None, outcome: Outcome, target: TargetFacts
) -> None:
    versions = {"flash_attn": flash, "transformers": transformers}
    judgement = flash_attn_too_old.judge(
        packages=packages(**{name: version for name, version in versions.items() if version}),
        workload=FLASH_2,
        target=target,
        torch=None,
    )
    assert judgement.outcome is outcome


def built_for(*names: str) -> FlashAttnFilesFacts:
    extension = FlashExtension(name="x.so", readable=True, architectures=names)
    return FlashAttnFilesFacts(
        distributions={"flash-attn": FlashDistribution(extensions=(extension,))}
    )


@pytest.mark.parametrize(
    ("wish", "device", "files", "said", "outcome"),
    [
        ("flash_attention_2", card(8, 6), None, "", Outcome.PASS),
        ("flash_attention_2", card(7, 5), None, "", Outcome.FAIL),
        ("flash_attention_4", card(8, 0), None, "", Outcome.FAIL),
        ("flash_attention_4", card(9, 0), None, "", Outcome.PASS),
        ("flash_attention_2", card(8, 9), built_for("sm_80"), "", Outcome.PASS),
        ("flash_attention_2", card(12, 0), built_for("sm_80", "sm_90"), "", Outcome.FAIL),
        ("flash_attention_2", card(12, 0), built_for("compute_90"), "", Outcome.PASS),
        ("flash_attention_2", card(8, 0), None, "no kernel image is available", Outcome.FAIL),
        ("sdpa", card(7, 5), None, "", Outcome.NOT_APPLICABLE),
        ("flash_attention_2", None, None, "", Outcome.BLOCKED),
    ],
)
def test_flash_attn_unsupported_gpu(
    wish: str,
    device: TorchDevice | None,
    files: FlashAttnFilesFacts | None,
    said: str,
    outcome: Outcome,
) -> None:
    judgement = flash_attn_unsupported_gpu.judge(
        workload=WorkloadFacts(attention=wish),
        torch=cuda(*([device] if device else [])),
        nvml=NvmlFacts(available=True, devices=(Gpu(index=0),)),
        host=None,
        files=files,
        kernel=FlashAttnKernelFacts(kernel_error=said),
    )
    assert judgement.outcome is outcome


def rows(*values: tuple[float | None, float | None, str]) -> tuple[KernelRow, ...]:
    return tuple(
        KernelRow(
            function="flash_attn_func",
            dtype="bfloat16",
            head_size=size,
            causal=False,
            error=error,
            sdpa_error=sdpa,
            reason=reason,
        )
        for size, (error, sdpa, reason) in zip((64, 80, 128), values, strict=False)
    )


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        (rows((0.002, 0.002, ""), (0.003, 0.002, "")), Outcome.PASS),
        (rows((0.002, 0.002, ""), (0.5, 0.002, "")), Outcome.FAIL),
        (rows((None, 0.002, "")), Outcome.FAIL),
        (rows((0.02, 0.01, "")), Outcome.PASS),  # sdpa is as far off: rounding on this card
        (rows((0.002, 0.002, ""), (None, None, "RuntimeError: head size")), Outcome.INCONCLUSIVE),
        (rows(), Outcome.INCONCLUSIVE),
    ],
)
def test_flash_attn_wrong_results(measured: tuple[KernelRow, ...], outcome: Outcome) -> None:
    kernel = FlashAttnKernelFacts(
        modules={"flash_attn": FlashModule(status="ok")},
        ran=True,
        kernel_status="ok",
        kernel_module="flash_attn",
        rows=measured,
    )
    assert flash_attn_wrong_results.judge(kernel=kernel).outcome is outcome


def test_wrong_results_without_a_run() -> None:
    loaded = {"flash_attn": FlashModule(status="ok")}
    unrun = FlashAttnKernelFacts(modules=loaded, not_run_because="torch sees no CUDA device")
    broken = FlashAttnKernelFacts(modules={"flash_attn": FlashModule(status="raised")}, cuda=True)
    full = FlashAttnKernelFacts(
        modules=loaded, ran=True, kernel_status="raised", kernel_error="out of memory"
    )
    outcomes = [
        flash_attn_wrong_results.judge(kernel=facts).outcome for facts in (unrun, broken, full)
    ]
    assert outcomes == [Outcome.NOT_APPLICABLE, Outcome.BLOCKED, Outcome.INCONCLUSIVE]


@pytest.mark.parametrize("status", ["crashed", "timed_out"])
def test_a_kernel_that_ends_its_process_fails(status: str) -> None:
    dead = FlashAttnKernelFacts(
        modules={"flash_attn": FlashModule(status="ok")},
        ran=True,
        kernel_status=status,
        kernel_error="ended by SIGSEGV",
    )
    judgement = flash_attn_wrong_results.judge(kernel=dead)
    assert judgement.outcome is Outcome.FAIL
    assert "SIGSEGV" in judgement.title
    assert judgement.fixes


@pytest.mark.parametrize(
    ("wish", "sel", "outcome"),
    [
        (
            "flash_attention_2",
            selection("flash_attention_2", hub_kernels=("kernels-community/flash-attn2",)),
            Outcome.FAIL,
        ),
        (
            "flash_attention_2",
            selection("flash_attention_2", selected={"text_config": "flash_attention_2"}),
            Outcome.PASS,
        ),
        (
            "flash_attention_2",
            selection("flash_attention_2", error="ImportError: not installed"),
            Outcome.NOT_APPLICABLE,
        ),
        (
            "sdpa",
            selection("flash_attention_2", hub_kernels=("kernels-community/flash-attn2",)),
            Outcome.NOT_APPLICABLE,
        ),
        ("flash_attention_2", SelectionFacts(), Outcome.BLOCKED),
    ],
)
def test_hub_kernel_substituted(
    wish: str, sel: SelectionFacts, outcome: Outcome, target: TargetFacts
) -> None:
    judgement = hub_kernel_substituted.judge(
        selection=sel,
        workload=WorkloadFacts(attention=wish),
        packages=packages(kernels="0.18.2"),
        target=target,
        torch=cuda(card(9, 0)),
    )
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("wish", "dtype", "outcome"),
    [
        ("flash_attention_2", "bfloat16", Outcome.PASS),
        ("flash_attention_2", "float16", Outcome.PASS),
        ("flash_attention_2", "float32", Outcome.FAIL),
        ("sdpa", "float32", Outcome.NOT_APPLICABLE),
    ],
)
def test_needs_half_precision(wish: str, dtype: str, outcome: Outcome) -> None:
    old = TransformersSurfaceFacts(installed=True, accepts_dtype=False)
    judgement = flash_attention_needs_half_precision.judge(
        workload=WorkloadFacts(attention=wish, dtype=dtype), surface=old
    )
    assert judgement.outcome is outcome
    if outcome is Outcome.FAIL:
        assert "torch_dtype=torch.bfloat16" in judgement.fixes[0].code


@pytest.mark.parametrize(
    ("torch", "nvml", "outcome", "words"),
    [
        (cuda(card(9, 0)), NO_DRIVER, Outcome.PASS, ""),
        (CPU, NO_DRIVER, Outcome.FAIL, "no GPU that the driver shows"),
        (CPU, NvmlFacts(available=True, devices=(Gpu(index=0),)), Outcome.FAIL, "without CUDA"),
        (cuda(cuda_error="CUDA unknown error"), NO_DRIVER, Outcome.FAIL, "CUDA unknown error"),
    ],
)
def test_flash_attention_on_cpu(
    torch: TorchFacts, nvml: NvmlFacts, outcome: Outcome, words: str
) -> None:
    judgement = flash_attention_on_cpu.judge(
        workload=FLASH_2, torch=torch, nvml=nvml, selection=None
    )
    assert judgement.outcome is outcome
    assert words in judgement.cause


@pytest.mark.parametrize(
    ("version", "wish", "model", "outcome"),
    [
        ("4.53.0", "flash_attention_2", QWEN25, Outcome.FAIL),
        ("4.53.1", "flash_attention_2", QWEN25, Outcome.PASS),
        ("4.52.4", "flash_attention_2", QWEN25, Outcome.PASS),
        ("4.53.0", "sdpa", QWEN25, Outcome.NOT_APPLICABLE),
        (
            "4.53.0",
            "flash_attention_2",
            ModelFacts(name="x", source="folder", model_type="qwen3_vl"),
            Outcome.NOT_APPLICABLE,
        ),
        (None, "flash_attention_2", QWEN25, Outcome.BLOCKED),
    ],
)
def test_flash_attention_broken_release(
    version: str | None, wish: str, model: ModelFacts, outcome: Outcome, target: TargetFacts
) -> None:
    judgement = flash_attention_broken_release.judge(
        packages=packages(transformers=version) if version else packages(),
        model=model,
        workload=WorkloadFacts(attention=wish),
        target=target,
    )
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("version", "wish", "vision", "outcome"),
    [
        ("4.49.0", None, None, Outcome.FAIL),
        ("4.53.3", "sdpa", None, Outcome.FAIL),
        ("4.53.3", None, "sdpa", Outcome.FAIL),
        ("4.53.3", None, "eager", Outcome.NOT_APPLICABLE),
        ("4.53.3", "flash_attention_2", None, Outcome.NOT_APPLICABLE),
        ("4.54.0", None, None, Outcome.PASS),
        ("4.48.3", None, None, Outcome.PASS),
    ],
)
def test_vision_sdpa_precision(
    version: str, wish: str | None, vision: str | None, outcome: Outcome, target: TargetFacts
) -> None:
    judgement = vision_sdpa_precision.judge(
        packages=packages(transformers=version),
        model=QWEN25,
        workload=WorkloadFacts(attention=wish),
        target=target,
        selection=selection(wish, selected={"vision_config": vision}) if vision else None,
    )
    assert judgement.outcome is outcome


@pytest.mark.parametrize(
    ("python", "torch", "name"),
    [
        (
            "3.12.3",
            cuda(),
            "v2.8.3.post1/flash_attn-2.8.3.post1+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl",
        ),
        (
            "3.11.0",
            cuda(version="2.5.1+cu124", cuda="12.4", cxx11_abi=False),
            "v2.8.3.post1/flash_attn-2.8.3.post1+cu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl",
        ),
        (
            "3.10.1",
            cuda(version="2.6.0+cu124", cuda="12.4", cxx11_abi=False),
            "v2.7.4.post1/flash_attn-2.7.4.post1+cu12torch2.6cxx11abiFALSE-cp310-cp310-linux_x86_64.whl",
        ),
        ("3.13.0", cuda(version="2.4.0+cu124", cuda="12.4", cxx11_abi=False), None),
        ("3.11.0", cuda(version="2.9.1+cu128", cuda="12.8"), None),
        ("3.12.3", cuda(version="2.11.0+cu130", cuda="13.0"), None),
        ("3.12.3", cuda(cxx11_abi=None), None),
        ("3.12.3", CPU, None),
    ],
)
def test_the_exact_wheel(
    python: str, torch: TorchFacts, name: str | None, target: TargetFacts
) -> None:
    import msgspec

    here = msgspec.structs.replace(target, version=python)
    wheel = wheel_for(here, torch)
    assert wheel == (
        f"https://github.com/Dao-AILab/flash-attention/releases/download/{name}" if name else None
    )
    elsewhere = msgspec.structs.replace(here, machine="aarch64")
    assert wheel_for(elsewhere, torch) is None


def test_without_a_wheel_it_is_built_or_done_without(target: TargetFacts) -> None:
    kinds = [fix.kind for fix in installing(target, cuda(version="2.11.0+cu130", cuda="13.0"))]
    assert kinds == ["command", "code"]
    assert [fix.kind for fix in installing(target, None)] == ["code"]
    assert published().provenance and published().release
