"""The resolved program that rules look at: events by kind, and answers about models, dtypes and
attention.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from packaging.version import Version

from . import knowledge
from .arguments import Arguments
from .flow import events as ev
from .flow.guards import Guard, contradicts
from .flow.module import Module
from .flow.values import (
    Const,
    ObjectItem,
    Value,
    on_path,
    text_of,
)

E = TypeVar("E", bound=ev.Event)

_ABOUT_MODEL = re.compile(
    r"qwen|type|arch|model|moe|name|path|version|config|ckpt|checkpoint|vlm?\b|vision|multimodal"
    r"|omni|family|causal",
    re.IGNORECASE,
)
_ABOUT_MACHINE = re.compile(
    r"^(?:not )?(?:\w*(?:cuda|bf16|gpu|flash)\w*|torch\.cuda\.[\w.]+\(\))$", re.IGNORECASE
)
QWEN_MODULES = ("qwen_vl_utils",)


class Program(Arguments):
    """All events of one analysis, for one release of transformers."""

    def __init__(self, events: list[ev.Event], transformers: Version) -> None:
        self.events = events
        self.transformers = transformers
        self._kinds: dict[type, list[ev.Event]] = {}
        for event in events:
            self._kinds.setdefault(type(event), []).append(event)
        self._calls: dict[str, list[ev.Call]] = {}
        for call in self.of(ev.Call):
            self._calls.setdefault(call.name.rpartition(".")[2], []).append(call)
        self._qwen_modules = {
            id(event.site.module)
            for event in self.of(ev.Import)
            if event.name.partition(".")[0] in QWEN_MODULES
        }
        self._families: dict[int, frozenset[str]] = {}
        self._runs: dict[int, list[ev.Run]] = {}
        self._consumers: dict[int, list[ev.Run]] = {}
        for run in self.of(ev.Run):
            self._runs.setdefault(id(run.model), []).append(run)
            for encode in self.inputs_of(run):
                self._consumers.setdefault(id(encode), []).append(run)
        self._trains = self._find_training()
        self._encodes: dict[int, list[ev.Encode]] = {}
        for encode in self.of(ev.Encode):
            self._encodes.setdefault(id(encode.processor and encode.processor.data), []).append(
                encode
            )
        self._writes: dict[int, list[ev.SetAttribute]] = {}
        for write in self.of(ev.SetAttribute):
            self._writes.setdefault(id(write.what and write.what.data), []).append(write)
        self._related = self._find_related()

    def of(self, kind: type[E]) -> list[E]:
        """All events of one kind, in order."""
        return self._kinds.get(kind, [])  # type: ignore[return-value]

    def names(self) -> list[ev.Named]:
        """Imported names and names reached through imported packages, in order."""
        return [*self.of(ev.Import), *self.of(ev.ReadName)]

    # --- families ---

    def families(self, load: ev.Load | ev.LoadProcessor) -> frozenset[str]:
        """The Qwen-VL families that a load may mean; empty if it is another model or not known to
        be Qwen-VL.
        """
        key = id(load)
        if key not in self._families:
            self._families[key] = self._resolve(load)
        return self._families[key]

    def _resolve(self, load: ev.Load | ev.LoadProcessor) -> frozenset[str]:
        own = knowledge.family_of_class(load.cls)
        if own:
            if isinstance(load, ev.LoadProcessor):
                named = self.named_families(load)
                return named or frozenset({own})
            return frozenset({own})
        named = self.named_families(load)
        if named == {knowledge.LEGACY} and load.cls in knowledge.NEVER_LEGACY:
            return frozenset()
        if named:
            return named
        texts = [text_of(alt.item) for alt in on_path(load.source, load.path)]
        unknown = all(text is None or "\0" in text or _opaque(text) for text in texts)
        if not unknown or not load.cls.startswith("Auto"):
            return frozenset()
        if id(load.site.module) in self._qwen_modules:
            return knowledge.ANY_VL
        return knowledge.families_written(load.site.module.text)

    def named_families(self, load: ev.Load | ev.LoadProcessor) -> frozenset[str]:
        """The families that the model id or path names; empty if any alternative names none."""
        found: set[str] = set()
        for alt in on_path(load.source, load.path):
            text = text_of(alt.item)
            families = knowledge.families_of_name(text) if text else frozenset()
            if not families:
                return frozenset()
            found |= families
        return frozenset(found)

    def loads(self) -> Iterator[tuple[ev.Load, frozenset[str]]]:
        """The loads of Qwen-VL models with their families."""
        for load in self.of(ev.Load):
            families = self.families(load)
            if families:
                yield load, families

    def processors(self) -> Iterator[tuple[ev.LoadProcessor, frozenset[str]]]:
        """The loads of Qwen-VL processors with their families."""
        for load in self.of(ev.LoadProcessor):
            families = self.families(load)
            if families:
                yield load, families

    def model_families(self, model: ObjectItem | None) -> frozenset[str]:
        """The families of a model object."""
        return (
            self.families(model.data)
            if model is not None and isinstance(model.data, ev.Load)
            else frozenset()
        )

    def processor_families(self, processor: ObjectItem | None) -> frozenset[str]:
        """The families of a processor object."""
        if processor is None or not isinstance(processor.data, ev.LoadProcessor):
            return frozenset()
        return self.families(processor.data)

    def _find_related(self) -> set[int]:
        related = set(self._qwen_modules)
        for model in self.of(ev.Load):
            if self.families(model):
                related.add(id(model.site.module))
        for processor in self.of(ev.LoadProcessor):
            if self.families(processor):
                related.add(id(processor.site.module))
        for event in self.of(ev.Import):
            if knowledge.family_of_class(event.name.rpartition(".")[2]):
                related.add(id(event.site.module))
        return related

    def related(self, module: Module) -> bool:
        """Whether a file deals with Qwen-VL at all."""
        return id(module) in self._related

    def concerns(self, call: ev.Call) -> bool:
        """Whether a call may have to do with a Qwen-VL model."""
        if not isinstance(call, (ev.Load, ev.LoadProcessor)):
            return self.related(call.site.module)
        return bool(self.families(call)) or (
            call.cls.startswith("Auto") and self.related(call.site.module)
        )

    def nearby(self, event: ev.Event, kind: type[E]) -> list[E]:
        """Events of a kind in the same file."""
        return [other for other in self.of(kind) if other.site.module is event.site.module]

    def trains(self, module: Module) -> bool:
        """Whether a file trains: its loads and forwards follow other rules."""
        return id(module) in self._trains

    def _find_training(self) -> set[int]:
        names = ("backward", "Trainer", "TrainingArguments", "SFTConfig", "GRPOConfig", "DPOConfig")
        return {
            id(call.site.module)
            for call in self.of(ev.Call)
            if call.name.rpartition(".")[2].endswith(names) or ".optim." in f".{call.name}"
        }

    def calls(self, *endings: str) -> list[ev.Call]:
        """Library calls by the last part of their name."""
        found = [call for ending in endings for call in self._calls.get(ending, ())]
        return sorted(found, key=lambda call: call.order) if len(endings) > 1 else found

    def runs_of(self, model: ObjectItem | None, generates: bool | None = None) -> list[ev.Run]:
        """generate() and forward calls of a model."""
        return [
            run
            for run in self._runs.get(id(model), ())
            if model is not None and (generates is None or run.generates is generates)
        ]

    def inputs_of(self, run: ev.Run) -> list[ev.Encode]:
        """The processor calls whose result is spread into a run."""
        found: dict[int, ev.Encode] = {}
        for value in (*run.spreads, *run.args, *run.keywords.entries.values()):
            for alt in value:
                item = getattr(alt.item, "receiver", alt.item)
                if (
                    isinstance(item, ObjectItem)
                    and item.kind == "inputs"
                    and not contradicts(alt.guard, run.path)
                ):
                    found[id(item.data)] = item.data
        return list(found.values())

    def consumers(self, encode: ev.Encode) -> list[ev.Run]:
        """The runs that get the result of a processor call."""
        return self._consumers.get(id(encode), [])

    def encodes_of(self, load: ev.LoadProcessor) -> list[ev.Encode]:
        """The calls of a processor."""
        return self._encodes.get(id(load), [])

    def writes_to(self, load: ev.LoadProcessor) -> list[ev.SetAttribute]:
        """The attributes set on a processor and its parts."""
        return self._writes.get(id(load), [])

    def on_condition(self, event: ev.Event) -> bool:
        """Whether conditions that look at the model surround an event: it happens for some models
        only.
        """
        return any(_ABOUT_MODEL.search(test) for test in event.tests)

    def chosen_by_condition(self, load: ev.Load | ev.LoadProcessor) -> bool:
        """Whether surrounding conditions look at the model, so that its id at this place is not
        the default one.
        """
        lookups = {
            part for part in load.path if isinstance(part[0], tuple) and part[0][0] == "lookup"
        }
        if lookups and not all(lookups <= alt.guard for alt in on_path(load.source, load.path)):
            return True
        tests = [
            key
            for key, _, _ in load.path
            if isinstance(key, str) and key != "entry" and not _ABOUT_MACHINE.search(key)
        ]
        soft = any(alt.soft for alt in load.source)
        return any(soft or _ABOUT_MODEL.search(test) for test in tests)


def _opaque(text: str) -> bool:
    """A local path says nothing about the architecture; a hub id of another family does."""
    return text.startswith((".", "/", "~")) or "/" not in text or "checkpoint" in text.lower()


def before(events: Iterable[E], event: ev.Event) -> Iterator[E]:
    """The events that come earlier on a compatible path."""
    for other in events:
        if other.order < event.order and not contradicts(other.path, event.path):
            yield other


def certain_truth(value: Value, path: Guard) -> bool | None:
    """The truth of a value on a path if all alternatives agree."""
    outcomes = {
        bool(a.item.value) if isinstance(a.item, Const) else None for a in on_path(value, path)
    }
    return outcomes.pop() if len(outcomes) == 1 else None
