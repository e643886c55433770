"""An Auto class that cannot load the checkpoint."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.events import Encode
from ..flow.values import is_given
from ..knowledge import CAUSAL_ACCEPTED, LEGACY
from ..rule import Report, Rule

RULE = Rule("checkpoint.wrong-auto-class", "This Auto class does not load Qwen-VL checkpoints.")
REJECTING = {
    "AutoModelForCausalLM",
    "AutoModelForSeq2SeqLM",
    "AutoModelForVisualQuestionAnswering",
    "AutoModelForQuestionAnswering",
    "AutoModelForMaskedLM",
}


def check(program: Program) -> Iterator[Report]:
    """Qwen-VL ids given to text-only Auto classes, AutoModel that has to generate, tokenizers that
    get images.
    """
    better = (
        "AutoModelForImageTextToText"
        if program.transformers.release >= (4, 46)
        else "the class of the family"
    )
    for load, _ in program.loads():
        if program.chosen_by_condition(load):
            continue
        families = program.named_families(load)
        if not families or families & (
            CAUSAL_ACCEPTED if load.cls == "AutoModelForCausalLM" else {LEGACY}
        ):
            continue
        if load.cls in REJECTING:
            yield RULE.at(
                load.site,
                "error",
                f"{load.cls} does not know this architecture and raises 'Unrecognized configuration"
                " class'.",
                f"Use {better}.",
            )
        elif load.cls == "AutoModel" and program.runs_of(load.result, generates=True):
            yield RULE.at(
                load.site,
                "error",
                "AutoModel loads the network without its output head, so it cannot generate.",
                f"Use {better}.",
            )
    processed = {
        id(encode.site.node)
        for encode in program.of(Encode)
        if encode.processor is not None and encode.processor.kind == "processor"
    }
    for encode in program.of(Encode):
        if id(encode.site.node) in processed:
            continue
        if encode.processor is None or encode.processor.kind != "tokenizer":
            continue
        loaded = encode.processor.data
        own = loaded.cls == "AutoTokenizer" and "owner" not in encode.processor.attributes
        images = is_given(encode.keywords.get("images", encode.path))
        if own and images and program.families(loaded):
            yield RULE.at(
                encode.site,
                "error",
                "A tokenizer takes no images; this call raises TypeError.",
                "Load AutoProcessor instead of AutoTokenizer.",
            )
