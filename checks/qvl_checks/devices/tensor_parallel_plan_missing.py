"""A model that transformers has no plan to split for."""

from __future__ import annotations

from qvl_checks.devices.tensor_plan_facts import TensorPlanFacts
from qvl_checks.devices.torch_facts import TorchFacts
from qvl_checks.host.system_facts import HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

SPREAD = 'model = AutoModelForImageTextToText.from_pretrained(path, device_map="auto")'


@check("devices.tensor-parallel-plan-missing")
def tensor_parallel_plan_missing(
    model: ModelFacts,
    torch: TorchFacts | None,
    plan: TensorPlanFacts | None,
    host: HostFacts | None,
) -> Judgement:
    """A wish for several processes (WORLD_SIZE) against the plan of the installed classes."""
    processes = (host.environment if host is not None else {}).get("WORLD_SIZE", "")
    several = processes.isdigit() and int(processes) > 1
    known = plan is not None and not plan.reason and plan.text_rules is not None
    if not several:
        words = ""
        if plan is not None and known:
            has = f"a plan of {plan.text_rules} rules" if plan.text_rules else "no plan"
            has += " that does not work" if plan.obstacle else ""
            words = f"; transformers {plan.transformers} has {has} for {model.name}"
        return not_applicable(
            f"nothing asks for tensor parallelism (WORLD_SIZE is not above 1){words}",
            evidence={"WORLD_SIZE": processes or None},
        )
    if plan is None or not known:
        why = plan.reason if plan is not None and plan.reason else "its classes do not import"
        return blocked(f"the plan of {model.name} cannot be read: {why}")
    evidence = {
        "WORLD_SIZE": processes,
        "gpus": len(torch.devices) if torch is not None else None,
        "transformers": plan.transformers,
        "config": plan.text_config,
        "rules for the text layers": plan.text_rules,
        "rules for the head": plan.head_rules,
    }
    fixes = [
        Fix.edit(
            SPREAD,
            summary="spreads the layers over the GPUs in one process, without torchrun",
            safety=Safety.REVIEW,
        )
    ]
    if plan.text_rules and plan.obstacle:
        return failed(
            f"transformers {plan.transformers} cannot run {model.name} in tensor parallelism",
            f"{plan.obstacle[:1].upper()}{plan.obstacle[1:]}.",
            confidence=Confidence.DERIVED,
            evidence=evidence,
            fixes=fixes,
        )
    if plan.text_rules:
        return passed(
            f"transformers {plan.transformers} has a tensor-parallel plan for {model.name}",
            "Only its text layers are split; the vision tower is copied to every GPU.",
            evidence=evidence,
        )
    return failed(
        f"transformers {plan.transformers} has no tensor-parallel plan for {model.name}",
        f"{plan.text_config} holds no rule how its weights are split, so {processes} processes "
        "with tp_plan would each hold the whole model, or refuse.",
        confidence=Confidence.DERIVED,
        evidence=evidence,
        fixes=fixes,
    )
