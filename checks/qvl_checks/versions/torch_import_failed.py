"""``import torch`` does not work in the examined interpreter."""

from __future__ import annotations

from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_checks.versions.import_outcome import evidence, explain, failures, is_missing, tried
from qvl_checks.versions.torch_builds import index_arguments
from qvl_doctor.check import check
from qvl_doctor.facts import ImportsFacts, ImportState, ProbeStatus, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

EXPLAINED = ("versions.transformers-import-failed", "versions.torchvision-mismatch")


@check("versions.torch-import-failed")
def torch_import_failed(
    imports: ImportsFacts,
    target: TargetFacts,
    host: HostFacts | None,
    torch: TorchFacts | None,
) -> Judgement:
    """The import was made in a child; its end is the verdict.

    ``torch`` is declared so that the import is made even when no other check asks for it.
    """
    if not tried(imports, "torch"):
        return not_applicable("nothing in this run needs torch")
    failed_imports = failures(imports, "torch")
    if not failed_imports:
        state = imports.modules["torch"]
        if state.status is not ProbeStatus.OK:
            return blocked(f"torch was not imported: {state.reason}")
        return passed(
            f"torch {state.version} is imported in {state.seconds:.1f} s",
            confidence=Confidence.MEASURED,
            evidence={
                "version": state.version,
                "file": state.file,
                "seconds": state.seconds,
                "built_for_cuda": torch.cuda if torch else None,
            },
        )
    name, state = next(iter(failed_imports.items()))
    if is_missing(state, "torch"):
        return failed(
            "torch is not installed in the examined interpreter",
            f"{target.python} finds no module of that name; perhaps another environment was meant.",
            confidence=Confidence.MEASURED,
            evidence=evidence(name, state),
            fixes=[
                Fix.run(
                    *target.install("torch", "torchvision"),
                    summary="installs torch and torchvision of the default index",
                )
            ],
            explains=EXPLAINED,
        )
    return failed(
        _title(state),
        explain(name, state),
        confidence=Confidence.MEASURED,
        evidence=evidence(name, state),
        fixes=_fixes(state, target, host),
        explains=EXPLAINED,
    )


def _title(state: ImportState) -> str:
    if state.status is ProbeStatus.TIMED_OUT:
        return f"import torch hangs (stopped after {state.seconds:.0f} s)"
    if state.signal:
        return f"import torch ends the interpreter with {state.signal}"
    if state.status is ProbeStatus.CRASHED:
        return f"import torch ends the interpreter with exit code {state.exit_code}"
    return f"import torch raises {state.error_type}"


def _fixes(state: ImportState, target: TargetFacts, host: HostFacts | None) -> list[Fix]:
    fixes = []
    libraries = host.environment.get("LD_LIBRARY_PATH") if host else None
    if libraries:
        fixes.append(
            Fix.run(
                "env",
                "-u",
                "LD_LIBRARY_PATH",
                target.python,
                "-c",
                "import torch",
                summary="tries the import without the foreign library folders; changes nothing",
            )
        )
    if state.signal == "SIGKILL":
        fixes.append(Fix.advise("Give the process more memory, or find out what killed it."))
    fixes.append(
        Fix.run(
            *target.install(
                "--force-reinstall", "torch", "torchvision", *index_arguments(state.version)
            ),
            summary="reinstalls torch and its companion; packages compiled against it must follow",
        )
    )
    return fixes
