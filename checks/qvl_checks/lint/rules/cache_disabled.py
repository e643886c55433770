"""Generation without the KV cache."""

from collections.abc import Iterator

from ..facts import Program
from ..flow.certainty import CERTAIN, NEVER, judge
from ..flow.events import Run
from ..flow.values import (
    ABSENT,
    Alt,
    Const,
    DictItem,
    Item,
    Site,
    Value,
    items_of,
    literal,
    objects,
    on_path,
)
from ..rule import Report, Rule, graded

RULE = Rule("kv-cache.cache-disabled", "generate() runs without its KV cache.")
FIX = (
    "Use the cache for generation: use_cache=True, and model.eval() or"
    " gradient_checkpointing_disable() after training."
)


def check(program: Program) -> Iterator[Report]:
    """use_cache=False in its several places, and gradient checkpointing of a model in train
    mode.
    """
    for run in program.of(Run):
        if not run.generates or (run.model is not None and not program.model_families(run.model)):
            continue
        if run.model is None and not program.related(run.site.module):
            continue
        if literal(run.keywords.get("max_new_tokens", run.path)) == 1:
            continue
        report = _direct(run) or _configured(program, run) or _checkpointed(run)
        if report is not None:
            yield report


def _off(item: Item) -> bool:
    return isinstance(item, Const) and item.value is False


def _direct(run: Run) -> Report | None:
    value = run.keywords.get("use_cache", run.path)
    certainty, alt = judge(run.path, [value], _off)
    if certainty != NEVER and alt is not None:
        # Where the value was chosen, as a keyword if that is here.
        keyword = run.keywords.keys.get("use_cache")
        here = alt.site is None or (
            keyword is not None
            and keyword.module is alt.site.module
            and keyword.line <= alt.site.line <= (getattr(keyword.node, "end_lineno", None) or 0)
        )
        site = (keyword if here else alt.site) or run.site
        return _report(site, graded(certainty), "use_cache=False")
    if certainty == NEVER and "use_cache" in run.keywords.entries and literal(value) is True:
        return None
    for config in objects(run.keywords.get("generation_config", run.path), "generation_config"):
        certainty, alt = judge(run.path, [config.attributes.get("use_cache", ABSENT)], _off)
        if certainty != NEVER and alt is not None:
            return _report(
                alt.site or run.site, graded(certainty), "use_cache=False in the generation config"
            )
    return None


def _configured(program: Program, run: Run) -> Report | None:
    if literal(run.keywords.get("use_cache", run.path)) is True:
        return None
    own = _setting(run, "generation_config values")
    if own:
        certainty, alt = judge(run.path, [own], _off)
        if certainty != NEVER and alt is not None:
            return _report(
                alt.site or run.site,
                graded(certainty),
                "generation_config.use_cache is False, which",
            )
        return None
    config = _setting(run, "config values")
    if config:
        certainty, alt = judge(run.path, [config], _off)
        if certainty != NEVER and alt is not None:
            old = program.transformers.major < 5
            return _report(
                alt.site or run.site,
                graded(certainty) if old else "info",
                "config.use_cache is False, which",
            )
        return None
    load = run.model.data if run.model is not None else None
    if load is None:
        return None
    certainty, _ = judge(run.path | load.path, [load.keywords.get("use_cache", load.path)], _off)
    if certainty != NEVER:
        return _report(
            load.keywords.keys.get("use_cache", load.site),
            graded(certainty),
            "use_cache=False at load",
        )
    return None


def _setting(run: Run, name: str) -> Value:
    for values in items_of(run.state.get(name, ()), DictItem):
        if "use_cache" in values.entries:
            return on_path(values.entries["use_cache"], run.path)
    return ()


def _checkpointed(run: Run) -> Report | None:
    values = [run.state.get("checkpointing", ABSENT), run.state.get("training", ABSENT)]
    certainty, alt = judge(run.path, values, lambda a, b: _on(a) and _on(b))
    if certainty == CERTAIN and isinstance(alt, Alt):
        return _report(
            alt.site or run.site,
            "warning",
            "Gradient checkpointing of a model that is still in train mode",
        )
    return None


def _on(item: Item) -> bool:
    return isinstance(item, Const) and item.value is True


def _report(site: Site, level: str, cause: str) -> Report:
    return RULE.at(
        site,
        level,  # type: ignore[arg-type]
        f"{cause} turns the KV cache off, and generate() recomputes the whole prompt for every"
        " token.",
        FIX,
    )
