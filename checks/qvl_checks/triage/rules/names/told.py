"""Classes, model types and packages that a person names in their own words, without the message."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from ...knowledge import Family, knowledge
from ...page import fold
from ...rule import FOREIGN_ENGINES, Case, Hit
from .classes import missing_class, outdated, upgrade
from .packages import OPTIONAL, install

_CLASS = re.compile(r"qwen[\w.]{0,12}?vl\w{0,8}forconditionalgeneration\w{0,10}", re.ASCII)
#: The class is there, but something of it is not.
_LACKS = re.compile(
    r"\W{0,3}(?:(?:does|do) ?(?:not|n't) (?:provide|have|contain|include|support|accept|take)|"
    r"has no|lacks) (?:a |an |any |the |this |that |such )?\w|"
    r"\W{0,3}(?:里|中)?没有?.{0,12}(?:方法|属性|函数|参数)"
)
_AUTO = re.compile(r"automodelfor(?:imagetexttotext|multimodallm)", re.ASCII)
_TYPE_WORD = re.compile(r"model[ _]?types?|architectures?|架构|模型类型|keyerror", re.ASCII)
_PACKAGE = re.compile(
    r"(?<![\w/-])(" + "|".join(sorted(OPTIONAL)).replace("_", "[-_]") + r")(?![\w/-])", re.ASCII
)
#: Between the name of a package and the word that it is missing.
_NEAR = 48
_LOADING = ("refuses", "unknown_to", "loads_checkpoint")


def told_class(case: Case) -> Iterator[Hit]:
    """A model class, and in the same sentence that it is not there."""
    clues = case.clues
    if clues.engine in FOREIGN_ENGINES or clues.concept("oom"):
        return
    absent = clues.said("not_there") - clues.said("attribute_error") - clues.said("fresh_weights")
    for match in _CLASS.finditer(clues.prose):
        sentence = clues.sentences.at(match.start())
        if sentence not in absent or _LACKS.match(clues.prose, match.end()):
            continue
        hit = missing_class(case, match.group(), clues.line_of(sentence), 78)
        if hit is not None:
            hit.by_message = False
            yield hit
            return
    for match in _AUTO.finditer(clues.prose):
        sentence = clues.sentences.at(match.start())
        if sentence not in absent:
            continue
        label, facts = next(
            (name, facts)
            for name, facts in knowledge().auto_classes.items()
            if name.lower() == match.group()
        )
        yield Hit(
            "versions.model-class-missing",
            72,
            [clues.line_of(sentence)],
            {"class": label, "minimum_transformers": facts.since},
            [f"{label} exists from transformers {facts.since} on."],
            [upgrade(facts.since)],
            by_message=False,
        )
        return


def told_model_type(case: Case) -> Iterator[Hit]:
    """A model type that is not known, or a release named that is older than the model named."""
    clues = case.clues
    family = clues.family
    if family is None or clues.engine in FOREIGN_ENGINES:
        return
    # "Only newer architectures are supported" can be about GPUs, too.
    about_gpus = clues.said("cuda_cap_7") | clues.said("gpu_needed") | clues.said("blackwell")
    places = clues.said("unknown_to") & clues.sentences.saying(_TYPE_WORD) - about_gpus
    if places:
        yield _unknown(case, family, clues.line_of(min(places)), 80)
        return
    releases = clues.transformers_versions
    since = Version(family.since)
    if (
        releases
        and clues.concept("cured")
        and any(r.release[:2] == since.release[:2] for r in releases)
        and any(clues.concept(name) for name in _LOADING)
        and not any(clues.concept(name) for name in ("oom", "accuracy_drop", "slow", "lora"))
    ):
        yield _unknown(case, family, 0, 54)
    if (
        releases
        and max(releases) < since
        and len(clues.families) == 1
        and any(clues.concept(name) for name in _LOADING)
        and not any(clues.concept(name) for name in ("oom", "accuracy_drop", "slow", "lora"))
    ):
        named = _CLASS.search(clues.prose) if "import" in clues.prose else None
        hit = missing_class(case, named.group(), 0, 56) if named else None
        if hit is not None:
            hit.by_message = False
        yield hit or _unknown(case, family, 0, 56)


def _unknown(case: Case, family: Family, line: int, score: float) -> Hit:
    model_type = next(k for k, f in knowledge().families.items() if f is family)
    notes = [
        f"{family.name} (model type {model_type}) is known from transformers {family.since} on."
    ]
    if outdated(case, family):
        notes.append(
            "The release of transformers that is named or installed knows it, so another "
            "environment is running: print `transformers.__file__` and `sys.executable` in the "
            "failing process."
        )
    return Hit(
        "versions.unknown-model-type",
        score,
        [line],
        {"model_type": model_type, "minimum_transformers": family.since},
        notes,
        [upgrade(family.since)],
        by_message=False,
    )


def told_package(case: Case) -> Iterator[Hit]:
    """An optional package, and next to its name that it is not installed."""
    clues = case.clues
    if not clues.qwen and clues.word("from_pretrained") is None:
        return
    absent = clues.said("not_installed")
    for match in _PACKAGE.finditer(clues.prose):
        sentence = clues.sentences.at(match.start())
        # Before a dot, the package is there: what is missing is a part of another edition.
        part = re.match(r"\.[a-z]", clues.prose[match.end() :][:2])
        if sentence not in absent or part:
            continue
        start = max(clues.sentences.start(sentence), match.start() - _NEAR)
        if clues.says_near("not_installed", start, match.end() + _NEAR):
            package = OPTIONAL[match.group(1).replace("-", "_")]
            if package == "kernels" and clues.concept("flash"):
                continue
            hit = install(package, clues.line_of(sentence), 72)
            hit.by_message = False
            yield hit
            return


def told_wrong_class(case: Case) -> Iterator[Hit]:
    """The class of one family named for the checkpoint of another, and weights that do not fit."""
    clues = case.clues
    loaded = clues.concept("loads_checkpoint") or clues.word("checkpoint") is not None
    if clues.engine in FOREIGN_ENGINES or not loaded:
        return
    matches = list(_CLASS.finditer(clues.prose))
    if not matches or not any(
        clues.concept(name) for name in ("fresh_weights", "garbled", "attribute_error")
    ):
        return
    classes = {
        model_type
        for model_type, family in knowledge().families.items()
        for match in matches
        if fold(family.model_class) == fold(match.group())
    }
    others = clues.families_in(_CLASS.sub(" ", clues.prose))
    if len(classes) == 1 and others and not classes & set(others):
        family = knowledge().families[others[0]]
        yield Hit(
            "checkpoint.wrong-model-class",
            80,
            [case.clues.line_of(clues.sentences.at(matches[0].start()))],
            {"right_class": family.model_class},
            [
                f"The checkpoint is {family.name}: its class is {family.model_class} "
                f"(transformers {family.since} or newer)."
            ],
            by_message=False,
        )


DETECTORS = (told_class, told_model_type, told_package, told_wrong_class)
