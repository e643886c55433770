"""A class of one family for a checkpoint of another."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode, Load, Run
from ..flow.values import Site, on_path
from ..knowledge import LEGACY, QWEN2, QWEN3, family_of_class
from ..rule import Report, Rule

RULE = Rule(
    "checkpoint.wrong-model-class", "The class belongs to another family than the checkpoint."
)
CLASS_OF = {
    "qwen2_vl": "Qwen2VLForConditionalGeneration",
    "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
    "qwen3_vl_moe": "Qwen3VLMoeForConditionalGeneration",
    "qwen2_5_omni": "Qwen2_5OmniForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeForConditionalGeneration",
    "qwen3_5": "Qwen3_5ForConditionalGeneration",
    "qwen3_5_moe": "Qwen3_5MoeForConditionalGeneration",
}


def check(program: Program) -> Iterator[Report]:
    """Concrete classes against the family that the model id names, for models and processors."""
    for load, _ in program.loads():
        if program.chosen_by_condition(load):
            continue
        own, named = family_of_class(load.cls), program.named_families(load)
        if own is None or not named or own in named:
            continue
        right = " or ".join(CLASS_OF.get(family, family) for family in sorted(named))
        yield RULE.at(
            _pairing(program, load) or load.site,
            "error",
            f"{load.cls} is the class of another family than this checkpoint: weights go missing or"
            " are random.",
            (
                f"Use {right}, or AutoModelForImageTextToText."
                if LEGACY not in named
                else "Use AutoModelForCausalLM."
            ),
        )
    for processor, _ in program.processors():
        if program.chosen_by_condition(processor):
            continue
        own, named = family_of_class(processor.cls), program.named_families(processor)
        if own is None or not named or own in named or processor.cls.startswith("Qwen2VLImage"):
            continue
        if not _same_patches(frozenset({own}), named):
            yield RULE.at(
                processor.site,
                "warning",
                f"{processor.cls} belongs to another family than this checkpoint.",
                "Use AutoProcessor.",
            )
    yield from _pairs(program)


def _pairing(program: Program, load: Load) -> Site | None:
    """Where the checkpoint stands that this load gets, if the same line loads others too."""
    places = [other for other in program.of(Load) if other.site.node is load.site.node]
    sites = {alt.site for alt in on_path(load.source, load.path) if alt.site is not None}
    one_file = {site for site in sites if site.module is load.site.module}
    return one_file.pop() if len(places) > 1 and len(sites) == len(one_file) == 1 else None


def _pairs(program: Program) -> Iterator[Report]:
    """A model that is fed by the processor of another checkpoint."""
    seen: set[int] = set()
    for run in program.of(Run):
        families = program.model_families(run.model)
        if (
            run.model is not None
            and families
            and families != (program.named_families(run.model.data) or families)
        ):
            continue
        for encode in program.inputs_of(run):
            processor: Encode = encode
            others = program.processor_families(processor.processor)
            if not families or not others or families & others or processor.processor is None:
                continue
            load = processor.processor.data
            if run.model is None or program.chosen_by_condition(load):
                continue
            if any(a.soft for a in (*load.source, *run.model.data.source)):
                continue
            model = run.model.data if run.model is not None else load
            if id(load) in seen or family_of_class(load.cls) or program.chosen_by_condition(model):
                continue
            seen.add(id(load))
            yield RULE.at(
                load.site,
                "info" if _same_patches(families, others) else "warning",
                "The processor is loaded from a checkpoint of another family than the model that it"
                " feeds.",
                "Load the processor from the model's own checkpoint.",
            )


def _same_patches(left: frozenset[str], right: frozenset[str]) -> bool:
    return (left <= QWEN2 and right <= QWEN2) or (left <= QWEN3 and right <= QWEN3)
