"""``import transformers``, or the import of the model family's module, does not work."""

from __future__ import annotations

from qvl_checks.versions.import_outcome import (
    CAUSE_SEPARATOR,
    evidence,
    explain,
    failures,
    headline,
    is_missing,
    root_cause,
    tried,
)
from qvl_checks.versions.model_class_facts import ModelClassFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ImportsFacts, ImportState, ProbeStatus, TargetFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("versions.transformers-import-failed")
def transformers_import_failed(
    imports: ImportsFacts, target: TargetFacts, imported: ModelClassFacts | None
) -> Judgement:
    """The package first, then the family's modeling module by its full path.

    ``imported`` is declared so that the imports are made even when no other check asks for them.
    """
    modules = tried(imports, "transformers")
    if not modules:
        return not_applicable("nothing in this run needs transformers")
    failed_imports = failures(imports, "transformers")
    if not failed_imports:
        waiting = {n: s for n, s in modules.items() if s.status is not ProbeStatus.OK}
        for name, state in waiting.items():
            return blocked(f"{name} was not imported: {state.reason}")
        return passed(
            "transformers and the model's module are imported",
            confidence=Confidence.MEASURED,
            evidence={
                "modules": {
                    name: {"version": state.version, "seconds": state.seconds}
                    for name, state in modules.items()
                },
                "class_file": imported.class_file if imported else None,
                "auto_class": imported.auto_class if imported else None,
            },
        )
    name, state = next(iter(failed_imports.items()))
    if is_missing(state, "transformers"):
        return failed(
            "transformers is not installed in the examined interpreter",
            f"{target.python} finds no module of that name; perhaps another environment was meant.",
            confidence=Confidence.MEASURED,
            evidence=evidence(name, state),
            fixes=[
                Fix.run(*target.install("transformers"), summary="installs the newest transformers")
            ],
        )
    return failed(
        _title(name, state),
        explain(name, state)
        + (
            ". The first error of the chain is the one to mend; the last one only repeats it."
            if CAUSE_SEPARATOR in state.reason
            else ""
        ),
        confidence=Confidence.MEASURED,
        evidence=evidence(name, state),
        fixes=[_fix(name, target)],
    )


def _title(name: str, state: ImportState) -> str:
    if state.status is ProbeStatus.TIMED_OUT:
        return f"importing {name} hangs (stopped after {state.seconds:.0f} s)"
    if state.status is ProbeStatus.CRASHED:
        return f"importing {name} ends the interpreter"
    return f"importing {name} fails: {headline(root_cause(state)) or state.error_type}"


def _fix(name: str, target: TargetFacts) -> Fix:
    module, _, attribute = name.partition(":")
    statement = f"from {module} import {attribute}" if attribute else f"import {module}"
    return Fix.run(
        target.python,
        "-c",
        statement,
        summary="shows the whole traceback; mend what its first error names",
    )
