"""flash-attn read from its files and imported, with compiled parts made for the purpose."""

from __future__ import annotations

import importlib
import itertools
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from qvl_checks.attention import flash_attn_kernel_probe
from qvl_checks.attention.flash_attn_abi_mismatch import flash_attn_abi_mismatch
from qvl_checks.attention.flash_attn_elf import ERROR_NEW, ERROR_OLD, TORCH_SYMBOL
from qvl_checks.attention.flash_attn_files_facts import FlashAttnFilesFacts
from qvl_checks.attention.flash_attn_import_failed import flash_attn_import_failed
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.facts import TargetFacts, WorkloadFacts
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

EMPTY_TENSOR = "_ZN2at5emptyE"
CUDA_STREAM = "_ZN3c104cuda20getCurrentCUDAStreamEa"
TORCH = TorchFacts(version="2.8.0+cu128", cuda="12.8", cuda_built=True, cxx11_abi=True)


def abi(files: FlashAttnFilesFacts, target: TargetFacts) -> Judgement:
    judgement = flash_attn_abi_mismatch.judge(
        files=files,
        packages=PackagesFacts(installed={"torch": "2.8.0+cu128"}),
        target=target,
        torch=TORCH,
    )
    assert isinstance(judgement, Judgement)
    return judgement


def imported(stack: Any, target: TargetFacts, torch: TorchFacts = TORCH) -> Judgement:
    judgement = flash_attn_import_failed.judge(
        kernel=stack.kernel(),
        workload=WorkloadFacts(),
        target=target,
        packages=PackagesFacts(),
        torch=torch,
        files=stack.files(),
    )
    assert isinstance(judgement, Judgement)
    return judgement


def test_nothing_is_installed(stack: Any, target: TargetFacts) -> None:
    stack.torch(ERROR_NEW)
    files = stack.files()
    assert files.distributions == {} and files.torch_cxx11_abi is True
    assert abi(files, target).outcome is Outcome.NOT_APPLICABLE
    assert imported(stack, target).outcome is Outcome.NOT_APPLICABLE


def test_a_flash_attn_that_fits(stack: Any, target: TargetFacts, fat: Any) -> None:
    stack.torch(ERROR_NEW, EMPTY_TENSOR)
    stack.flash(
        ERROR_NEW,
        EMPTY_TENSOR,
        fat=fat((2, 80), (2, 90)) + b"\0" * 16 + fat((1, 90), (2, 120)),
        url="https://github.com/x/flash_attn-2.8.3%2Bcu12torch2.8cxx11abiTRUE-cp311-cp311-l.whl",
    )
    files = stack.files()
    distribution = files.distributions["flash-attn"]
    assert (distribution.tag, distribution.tag_torch) == ("cu12torch2.8cxx11abiTRUE", "2.8")
    assert (distribution.tag_cuda, distribution.tag_cxx11_abi) == ("12", True)
    (extension,) = distribution.extensions
    assert extension.architectures == ("sm_80", "compute_90", "sm_90", "sm_120")
    assert (extension.cxx11_abi, extension.missing_count) == (True, 0)
    assert extension.torch_symbols == 2
    assert extension.python_tag == f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
    assert abi(files, target).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("offered", "wanted", "words"),
    [
        (ERROR_NEW, ERROR_OLD, "the old C++ ABI, and torch 2.8.0+cu128 is built with the C++11"),
        (ERROR_OLD, ERROR_NEW, "the C++11 ABI, and torch 2.8.0+cu128 is built with the old"),
        (ERROR_NEW, EMPTY_TENSOR, "built for torch 2.5"),
    ],
    ids=["old ABI wanted", "new ABI wanted", "another torch"],
)
def test_an_undefined_symbol(
    offered: str, wanted: str, words: str, stack: Any, target: TargetFacts
) -> None:
    stack.torch(offered)
    stack.flash(wanted, url="file:///x/flash_attn-2.8.3+cu12torch2.5cxx11abiFALSE-cp312-l.whl")
    files = stack.files()
    judgement = abi(files, target)
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.cause
    assert judgement.evidence["first_missing"] == wanted
    failed = imported(stack, target)
    assert failed.outcome is Outcome.FAIL
    assert f"undefined symbol: {wanted}" in failed.title
    assert "attention.flash-attn-import-failed" in judgement.explains


def test_a_torch_without_cuda_is_no_mismatch(
    stack: Any, target: TargetFacts, library: Any, tmp_path: Path
) -> None:
    stack.torch(ERROR_NEW)
    library(tmp_path / "libc10_cuda.so", f"void {CUDA_STREAM}(void) {{}}")
    stack.flash(ERROR_NEW, CUDA_STREAM, flags=(f"-L{tmp_path}", "-l:libc10_cuda.so"))
    files = stack.files()
    (extension,) = files.distributions["flash-attn"].extensions
    assert extension.absent_libraries == ("libc10_cuda.so",)
    assert extension.missing == (CUDA_STREAM,)
    judgement = abi(files, target)
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert "without CUDA" in judgement.title


def test_a_damaged_extension_keeps_its_row(stack: Any, target: TargetFacts) -> None:
    stack.torch(ERROR_NEW)
    stack.flash(ERROR_NEW)
    library = next(stack.site_packages.glob("flash_attn_2_cuda*.so"))
    library.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    files = stack.files()
    (extension,) = files.distributions["flash-attn"].extensions
    assert not extension.readable and extension.reason
    assert abi(files, target).outcome is Outcome.NOT_APPLICABLE
    assert imported(stack, target).outcome is Outcome.FAIL


def test_truncated_gpu_code_ends_the_reading(stack: Any, fat: Any) -> None:
    stack.torch(ERROR_NEW)
    whole = fat((2, 80), (2, 90))
    stack.flash(ERROR_NEW, fat=whole[:100])
    (extension,) = stack.files().distributions["flash-attn"].extensions
    assert extension.architectures == ("sm_80",)


def test_a_flash_attn_without_its_compiled_part(stack: Any, target: TargetFacts) -> None:
    stack.torch(ERROR_NEW)
    stack.flash()
    next(stack.site_packages.glob("flash_attn_2_cuda*.so")).unlink()
    judgement = imported(stack, target)
    assert judgement.outcome is Outcome.FAIL
    assert "without its compiled part" in judgement.cause


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os._exit(3)", "exit code 3"),
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "CUDA major"),
        ('raise ImportError("version `GLIBC_2.32\' not found")', "newer system"),
    ],
)
def test_imports_that_fail(source: str, words: str, stack: Any, target: TargetFacts) -> None:
    stack.torch(ERROR_NEW)
    stack.flash(ERROR_NEW)
    stack.write("flash_attn/__init__.py", source)
    judgement = imported(stack, target)
    assert judgement.outcome is Outcome.FAIL
    assert words in judgement.title + judgement.cause


def test_a_cpu_torch_without_a_wish_is_left_alone(stack: Any, target: TargetFacts) -> None:
    stack.torch(ERROR_NEW)
    stack.flash(ERROR_NEW)
    stack.write("flash_attn/__init__.py", "raise ImportError('libc10_cuda.so: cannot open')")
    cpu = TorchFacts(version="2.8.0+cpu", cuda_built=False)
    assert imported(stack, target, cpu).outcome is Outcome.NOT_APPLICABLE


def test_a_leftover_folder_is_no_module(stack: Any) -> None:
    stack.torch(ERROR_NEW)
    (stack.site_packages / "flash_attn").mkdir()
    kernel = stack.kernel()
    assert not kernel.installed
    assert not kernel.cuda and kernel.not_run_because == "torch sees no CUDA device"


def test_the_real_torch_has_what_it_exports() -> None:
    from contextlib import ExitStack

    from qvl_checks.attention.flash_attn_elf import offered_abi
    from qvl_checks.attention.flash_attn_files_probe import open_libraries

    spec = importlib.util.find_spec("torch")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    with ExitStack() as opened:
        libraries, unread = open_libraries(folder, opened)
        assert unread == {} and "libc10.so" in libraries
        assert offered_abi(libraries.values()) is True
        assert libraries["libc10.so"].exports(ERROR_NEW)
        assert not libraries["libc10.so"].exports(ERROR_OLD)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (ERROR_OLD, True),
        ("_ZNK3c1010TensorImpl4sizeEv", True),
        ("_ZTIN3c105ErrorE", True),
        ("aoti_torch_empty", True),
        ("_ZNSt12atomicIiE5storeEv", False),
        ("cudaLaunchKernel", False),
        ("PyModule_Create2", False),
    ],
)
def test_which_symbols_are_torch_s(name: str, ours: bool) -> None:
    assert bool(TORCH_SYMBOL.match(name)) is ours


def attention_module(scale: float) -> types.ModuleType:
    """A flash-attn of torch's own parts; a scale other than 1 makes it wrong."""
    torch = importlib.import_module("torch")
    module = types.ModuleType("pretend_flash")

    def plain(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
        group = q.shape[2] // k.shape[2]
        parts = (q, k.repeat_interleave(group, 2), v.repeat_interleave(group, 2))
        q, k, v = (part.transpose(1, 2) for part in parts)
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(q * scale, k, v, is_causal=causal).transpose(1, 2)

    def varlen(q: Any, k: Any, v: Any, a: Any, b: Any, c: int, d: int, causal: bool = False) -> Any:
        bounds = a.tolist()
        return torch.cat(
            [
                plain(q[None, i:j], k[None, i:j], v[None, i:j], causal)[0]
                for i, j in itertools.pairwise(bounds)
            ]
        )

    module.flash_attn_func = plain  # type: ignore[attr-defined]
    module.flash_attn_varlen_func = varlen  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(("scale", "right"), [(1.0, True), (0.9, False)])
def test_the_comparison_tells_right_from_wrong(
    scale: float, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    from qvl_checks.attention.flash_attn_kernel_facts import (
        FlashAttnKernelFacts,
        FlashModule,
        KernelRow,
    )
    from qvl_checks.attention.flash_attn_wrong_results import flash_attn_wrong_results

    monkeypatch.setitem(sys.modules, "pretend_flash", attention_module(scale))
    rows = flash_attn_kernel_probe.compared("pretend_flash", "cpu")
    assert len(rows) == 32 and all(row["error"] is not None for row in rows), rows[:2]
    kernel = FlashAttnKernelFacts(
        modules={"flash_attn": FlashModule(status="ok")},
        ran=True,
        kernel_status="ok",
        rows=msgspec.convert(rows, tuple[KernelRow, ...]),
    )
    judgement = flash_attn_wrong_results.judge(kernel=kernel)
    assert judgement.outcome is (Outcome.PASS if right else Outcome.FAIL)
    if not right:
        assert len(judgement.evidence["wrong"]) == 32
        assert judgement.charts


@pytest.mark.parametrize(
    ("source", "kernels", "module", "kernel_status"),
    [
        ("", "return []", "ok", "ok"),
        ("", "import os; os._exit(3)", "ok", "crashed"),
        ("", "raise RuntimeError('no kernel image')", "ok", "raised"),
        ("import os; os._exit(3)", "return []", "crashed", None),
        ("raise OSError('libcudart.so.12')", "return []", "raised", None),
    ],
)
def test_an_import_and_kernels_that_fail_are_told_apart(
    source: str,
    kernels: str,
    module: str,
    kernel_status: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "pretend_flash_of_a_test"
    (tmp_path / f"{name}.py").write_text(
        f"{source}\ndef flash_attn_varlen_func(deterministic=False): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    scope: dict[str, Any] = {}
    exec(f"def compared(name, device): {kernels}", scope)
    monkeypatch.setattr(flash_attn_kernel_probe, "compared", scope["compared"])
    found, ran = flash_attn_kernel_probe._tried(name, cuda=True)
    assert found["status"] == module, found
    assert ran.get("kernel_status") == kernel_status
    assert flash_attn_kernel_probe._tried("no_such_flash", cuda=True) == ({"status": "absent"}, {})
