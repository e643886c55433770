"""Is the stated workload predicted to fit on the cards of this machine?"""

from __future__ import annotations

from qvl_checks.memory.history_charts import predicted_history
from qvl_checks.memory.predicted_facts import Device, PredictedFacts
from qvl_checks.memory.run_facts import RunAsStated
from qvl_checks.memory.run_words import gib, size
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed


@check("memory.predicted-out-of-memory")
def predicted_out_of_memory(
    predicted: PredictedFacts | None, stated: RunAsStated | None, model: ModelFacts | None
) -> Judgement:
    """Judges the prediction where the workload itself was not run."""
    if stated is not None and stated.status != "not_run":
        return not_applicable("the workload was run: memory.device-0-out-of-memory has the result")
    if predicted is None or model is None:
        return not_applicable("nothing was predicted")
    if predicted.status == "not_run":
        if predicted.obstacle == "untraceable":
            return blocked(f"the workload could not be predicted: {predicted.reason}")
        return not_applicable(f"nothing was predicted: {predicted.reason}")
    evidence = {
        "gpus": [_row(device) for device in predicted.devices],
        "prompt_tokens": predicted.prompt_tokens,
        "patches": list(predicted.patches),
        "torch": predicted.torch,
        "transformers": predicted.transformers,
    }
    charts = predicted_history(predicted.devices)
    failing = next((one for one in predicted.devices if one.failure is not None), None)
    if failing is not None and failing.failure is not None:
        failure = failing.failure
        return failed(
            f"The stated workload is predicted to run out of memory on GPU {failing.index}",
            f"{failure.module or 'the model'} will ask for {size(failure.requested_bytes)} while "
            f"{size(failure.reserved_bytes)} of {size(failing.usable_bytes)} are taken. In all it "
            f"would need {size(failing.peak_reserved_bytes)}.",
            evidence=evidence,
            charts=charts,
            fixes=[
                Fix.advise(
                    "qvl-doctor check --level deep with the same workload runs it and every "
                    "change that makes it fit."
                )
            ],
        )
    tightest = max(
        predicted.devices,
        key=lambda one: (one.peak_reserved_bytes or 0) / (one.usable_bytes or 1),
    )
    return passed(
        f"{model.name} is predicted to fit: peak {size(tightest.peak_allocated_bytes)}, "
        f"{size(tightest.peak_reserved_bytes)} reserved of {size(tightest.usable_bytes)} "
        f"on GPU {tightest.index}",
        "It was predicted from the installed model code and not run; --level deep runs it.",
        evidence=evidence,
        charts=charts,
    )


def _row(device: Device) -> dict[str, object]:
    return {
        "index": device.index,
        "usable_gib": gib(device.usable_bytes),
        "weights_gib": gib(device.weights_bytes),
        "peak_gib": gib(device.peak_allocated_bytes),
        "reserved_peak_gib": gib(device.peak_reserved_bytes),
        "peak_in": device.peak_module,
        "peak_phase": device.peak_phase,
        "largest_tensor": list(device.largest_tensor.shape) if device.largest_tensor else None,
        **{f"{name.removesuffix('_bytes')}_gib": gib(held) for name, held in device.terms.items()},
    }
