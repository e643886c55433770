"""A forward pass that records gradients nobody wants."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Run
from ..rule import Report, Rule

RULE = Rule(
    "generation.forward-without-inference-mode",
    "A forward pass keeps activations for a backward pass.",
)
TRAINING = {
    "forward",
    "compute_loss",
    "training_step",
    "validation_step",
    "train",
    "train_step",
    "train_epoch",
}


def check(program: Program) -> Iterator[Report]:
    """Manual forwards outside no_grad and inference_mode, in files that do not train."""
    for run in program.of(Run):
        if run.generates or run.gradients_off or not program.model_families(run.model):
            continue
        if (
            "labels" in run.keywords.entries
            or program.trains(run.site.module)
            or set(run.functions) & TRAINING
        ):
            continue
        yield RULE.at(
            run.site,
            "hint",
            "Outside torch.inference_mode() this forward pass keeps all activations for a backward"
            " pass.",
            "Wrap it in `with torch.inference_mode():`.",
        )
