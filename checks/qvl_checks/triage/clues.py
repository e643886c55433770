"""What a page says, as typed clues: models, engines, versions, GPUs, sizes, numbers, concepts."""

from __future__ import annotations

import re
from functools import cached_property

from packaging.version import InvalidVersion, Version

from . import marks, quantities, subject
from .knowledge import Family, Size, knowledge
from .lexicon import CONCEPTS
from .model import Environment
from .page import Page
from .sentences import Sentences

#: Prose is short; the concepts of a long log are read from this much of its end.
CONCEPT_CHARACTERS = 60_000
_NOTICE = re.compile(
    r"using\s+a\s+slow\s+image\s+processor\s+as(?:[\s\S]{0,420}?with\s+`?use_fast=false|"
    r"[\s\S]{0,320}?differences\s+in\s+outputs|[^\n]{0,400})|"
    r"the image processor of type[^\n]{0,500}|"
    r"using `use_fast=true` but[^\n]{0,200}|deprecationwarning: there is no current event loop"
)

_SIGN = re.compile(r"[^\n]")


def _integer(text: str) -> int:
    return int(text.replace(",", ""))


class Clues:
    """Lazily read clues of one page; an `Environment` fills in what the text does not say."""

    def __init__(self, page: Page, environment: Environment | None = None) -> None:
        self.page = page
        self.environment = environment or Environment()
        self._concepts: dict[str, int | None] = {}
        self._said: dict[str, frozenset[int]] = {}

    @cached_property
    def prose(self) -> str:
        """The part of the text in which concepts are looked for: its end, with the notices that
        sound programs print blanked out, so that places in it stay the same.
        """
        low = self.page.low[-CONCEPT_CHARACTERS:]
        return _NOTICE.sub(lambda match: _SIGN.sub(" ", match.group()), low)

    @cached_property
    def sentences(self) -> Sentences:
        """The sentences of `prose`."""
        return Sentences(self.prose)

    def said(self, name: str) -> frozenset[int]:
        """Indices of the sentences that express `name` of the lexicon (``word:…``: that hold a
        word with this beginning).
        """
        if name not in self._said:
            word = name.removeprefix("word:")
            if word != name:
                # As in `word`: a CJK sign is no border of a word.
                border = r"(?<![a-z0-9])" if word[0].isascii() and word[0].isalnum() else ""
                pattern = re.compile(border + re.escape(word.lower()))
                self._said[name] = self.sentences.saying(pattern)
            elif self.concept(name):
                self._said[name] = self.sentences.saying(CONCEPTS[name])
            else:
                self._said[name] = frozenset()
        return self._said[name]

    def line_of(self, sentence: int) -> int:
        """Index of the line on which a sentence begins to say something."""
        text = self.sentences.text(sentence)
        start = self.sentences.start(sentence) + len(text) - len(text.lstrip())
        return self.page.line_at(start + len(self.page.low) - len(self.prose))

    def says_near(self, name: str, start: int, end: int) -> bool:
        """Does ``prose[start:end]`` express `name` of the lexicon?"""
        return CONCEPTS[name].search(self.prose, start, end) is not None

    def concept(self, name: str) -> bool:
        """Does the text express `name` of the lexicon?"""
        return self.concept_line(name) is not None

    def concept_line(self, name: str) -> int | None:
        """Index of the line that expresses `name`, or None."""
        if name not in self._concepts:
            match = CONCEPTS[name].search(self.prose)
            offset = len(self.page.low) - len(self.prose)
            self._concepts[name] = (
                None if match is None else self.page.line_at(match.start() + offset)
            )
        return self._concepts[name]

    def word(self, text: str) -> int | None:
        """Index of the line where a word begins with `text` (any place for text that begins with a
        CJK sign), or None.
        """
        prose, wanted = self.prose, text.lower()
        at = prose.find(wanted)
        bounded = wanted[0].isascii() and wanted[0].isalnum()
        while at >= 0:
            if not bounded or at == 0 or not (prose[at - 1].isascii() and prose[at - 1].isalnum()):
                return self.page.line_at(at + len(self.page.low) - len(prose))
            at = prose.find(wanted, at + 1)
        return None

    @cached_property
    def own(self) -> str:
        """The text in lower case without the names of models that are not at hand."""
        return subject.own(self.page.low)

    def families_in(self, low: str) -> list[str]:
        """Model types of the families named in a lower-cased text, in the order of
        `marks.FAMILIES`.
        """
        found = [model_type for model_type, pattern in marks.FAMILIES if pattern.search(low)]
        if (
            "qwen3_vl_moe" in found
            and "qwen3_vl" in found
            and not re.search(r"qwen3_?vl(?!_?moe|-(?:30|235)b)", low)
        ):
            found.remove("qwen3_vl")
        return found

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Model types of the families named in the text, in the order of `marks.FAMILIES`."""
        found = self.families_in(self.own)
        if not found and self.environment.model_type in knowledge().families:
            found.append(str(self.environment.model_type))
        return tuple(found)

    @cached_property
    def family(self) -> Family | None:
        """The first family named, if any."""
        return knowledge().families[self.families[0]] if self.families else None

    @cached_property
    def legacy(self) -> bool:
        """Is it about the first generation, Qwen-VL and Qwen-VL-Chat?"""
        return not self.families and marks.LEGACY.search(self.own) is not None

    @cached_property
    def qwen_vl(self) -> bool:
        """Does anything in the text point to a Qwen-VL model?"""
        return bool(self.families) or self.legacy or marks.VL_MARKS.search(self.own) is not None

    @cached_property
    def qwen(self) -> bool:
        """Does the text name any Qwen model?"""
        return self.qwen_vl or marks.ANY_QWEN.search(self.own) is not None

    @cached_property
    def text_qwen(self) -> bool:
        """Is it about a Qwen model that reads only: one is named, and nothing is said of sight?"""
        low = self.page.low
        return (
            not self.qwen_vl
            and marks.TEXT_QWEN.search(low) is not None
            and marks.SEEING.search(low) is None
        )

    @cached_property
    def other_model(self) -> str | None:
        """Another model's name, where no Qwen model is named, or where the title is about that
        one and Qwen is only compared with it.
        """
        return subject.other_model(self.page.low, self.own, self.qwen, self.qwen_vl)

    @cached_property
    def lists_changes(self) -> bool:
        """Release notes: does it list what was done, not what failed?"""
        return subject.lists_changes(self.page)

    @cached_property
    def tells_of_none(self) -> bool:
        """Release notes, documentation, or a wish: does it tell of no failure that somebody had?"""
        if self.lists_changes or subject.states(self.page):
            return True
        wish = subject.wish(self.prose)
        if wish is not None and not self.concept("oom"):
            # A greeting can speak of a failure: what counts is what the wish is about.
            return self.sentences.at(wish) not in self.said("refuses")
        return subject.instructs(self.page) and not self.concept("trouble")

    @cached_property
    def engine(self) -> str | None:
        """The serving engine whose log this is, if it is not transformers."""
        for name, pattern in marks.ENGINES.items():
            if pattern.search(self.page.low):
                return name
        return None

    @cached_property
    def served(self) -> bool:
        """Does an engine with kernels of its own run the model: one is named, and nothing that
        belongs to a run in transformers?
        """
        return (
            self.engine in marks.OWN_KERNELS and marks.IN_TRANSFORMERS.search(self.page.low) is None
        )

    @cached_property
    def size_names(self) -> tuple[str, ...]:
        """Published sizes named in the text, such as ``7B``."""
        return tuple(
            dict.fromkeys(
                f"{m.group(1) or m.group(2)}B" for m in quantities.SIZE.finditer(self.prose)
            )
        )

    @cached_property
    def sizes(self) -> tuple[tuple[str, Size], ...]:
        """(label, numbers) of the checkpoints that the text can mean; all known ones when it names
        none.
        """
        families = knowledge().families
        chosen = [families[name] for name in self.families] or [
            families[n] for n in ("qwen2_5_vl", "qwen2_vl", "qwen3_vl")
        ]
        named = [f.sizes[name] for f in chosen for name in self.size_names if name in f.sizes]
        every = [size for f in chosen for size in f.sizes.values()]
        return tuple((size.label, size) for size in named or every)

    @cached_property
    def size_known(self) -> bool:
        """Is exactly one published size meant?"""
        return len({(s.heads, s.hidden) for _, s in self.sizes}) == 1

    @cached_property
    def versions(self) -> dict[str, Version]:
        """Package versions, of the text first, of the environment else."""
        found: dict[str, Version] = {}
        for match in quantities.VERSION.finditer(self.page.low):
            name = match.group(1).replace("_", "-").replace("pytorch", "torch")
            try:
                found.setdefault(name, Version(match.group(2)))
            except InvalidVersion:
                continue
        for name, text in self.environment.packages.items():
            try:
                found.setdefault(name.lower().replace("_", "-"), Version(text))
            except InvalidVersion:
                continue
        return found

    @cached_property
    def transformers_versions(self) -> tuple[Version, ...]:
        """Every transformers release that the text can be read to name, in its order."""
        found: list[Version] = []
        for pattern in (
            re.compile(
                r"transformers(?: ?version| ?版本)?[\"']?[ :=v]{0,6}(\d\.\d{1,2}(?:\.\d{1,2})?)"
            ),
            quantities.BARE_TRANSFORMERS,
            quantities.TRANSFORMERS_ZH,
        ):
            found += [Version(m.group(1)) for m in pattern.finditer(self.prose)]
        if not found and "transformers" in self.versions:
            found.append(self.versions["transformers"])
        return tuple(dict.fromkeys(found))

    @cached_property
    def old_gpu(self) -> str | None:
        """A GPU named here whose compute capability is below 8.0."""
        known = knowledge().gpus
        names = [
            n
            for n in known
            if known[n] < 8 and re.search(rf"(?<![\w.]){re.escape(n)}(?!\w)", self.prose, re.ASCII)
        ]
        names += [
            g for g in self.environment.gpus for n, cc in known.items() if cc < 8 and n in g.lower()
        ]
        return names[0] if names else None

    @cached_property
    def image_sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) in pixels of the images named in the text."""
        sizes = [
            (int(m.group(1)), int(m.group(2))) for m in quantities.IMAGE_SIZE.finditer(self.prose)
        ]
        return tuple(
            dict.fromkeys(
                (w, h)
                for w, h in sizes
                if 28 <= w <= 40_000 and 28 <= h <= 40_000 and w * h >= 10_000
            )
        )

    @cached_property
    def grids(self) -> tuple[tuple[int, int, int], ...]:
        """(t, h, w) grids printed in the text, in patches."""
        found = [
            (int(m.group(1)), int(m.group(2)), int(m.group(3)))
            for m in quantities.GRID.finditer(self.prose)
        ]
        return tuple(
            g
            for g in found
            if g[0] >= 1 and g[1] >= 2 and g[2] >= 2 and g[1] % 2 == 0 and g[2] % 2 == 0
        )

    @cached_property
    def patch_counts(self) -> tuple[int, ...]:
        """Patch counts stated in the text."""
        return tuple(
            _integer(m.group(1) or m.group(2)) for m in quantities.PATCHES.finditer(self.prose)
        )

    @cached_property
    def token_counts(self) -> tuple[int, ...]:
        """Token counts stated in the text."""
        return tuple(
            int(m.group(3)) * 1000 if m.group(3) else _integer(m.group(1) or m.group(2))
            for m in quantities.TOKENS.finditer(self.prose)
        )
