"""What the rules look at: the calls, reads and writes of a program, in the order in which they
would happen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .guards import ALWAYS, Guard
from .values import ABSENT, DictItem, ObjectItem, Site, Value


@dataclass(eq=False, slots=True)
class Event:
    """Something that happens at `site`, if `path` holds."""

    site: Site
    path: Guard = ALWAYS
    order: int = 0
    loops: int = 0
    """How many loops surround it, across calls."""
    gradients_off: bool = False
    autocast: bool = False
    functions: tuple[str, ...] = ()
    """Names of the functions that are being executed, outermost first."""
    catches: frozenset[str] = frozenset()
    """Exceptions that surrounding try statements catch."""
    tests: tuple[str, ...] = ()
    """Source of the surrounding conditions; `except Name` inside a handler."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """The surrounding conditions, and those whose other branch has left."""
        return (*self.tests, *(key for key, _, _ in self.path if isinstance(key, str)))


@dataclass(eq=False, slots=True)
class Named(Event):
    """Something with a full dotted name comes into the program."""

    name: str = ""


@dataclass(eq=False, slots=True)
class Import(Named):
    """`from package import name` or `import package`; `name` is the full dotted name."""


@dataclass(eq=False, slots=True)
class Call(Event):
    """A call of anything that was imported, by its dotted name."""

    name: str = ""
    args: list[Value] = field(default_factory=list)
    keywords: DictItem = field(default_factory=DictItem)
    result: ObjectItem | None = None


@dataclass(eq=False, slots=True)
class Load(Call):
    """`Class.from_pretrained(source, ...)` of a model (or a pipeline)."""

    cls: str = ""
    source: Value = ABSENT


@dataclass(eq=False, slots=True)
class LoadProcessor(Call):
    """`Class.from_pretrained(source, ...)` of a processor, tokenizer or image processor."""

    cls: str = ""
    source: Value = ABSENT


@dataclass(eq=False, slots=True)
class Encode(Call):
    """The processor turns prompts and images into model inputs."""

    processor: ObjectItem | None = None
    template: bool = False
    """Through apply_chat_template(tokenize=True)."""
    state: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Template(Call):
    """apply_chat_template(tokenize=False)."""

    processor: ObjectItem | None = None
    messages: Value = ABSENT


@dataclass(eq=False, slots=True)
class VisionInfo(Call):
    """qwen_vl_utils.process_vision_info(messages, ...)."""

    messages: Value = ABSENT


@dataclass(eq=False, slots=True)
class Run(Call):
    """`model.generate(...)` or `model(...)`."""

    model: ObjectItem | None = None
    generates: bool = True
    state: dict[str, Value] = field(default_factory=dict)
    """The model's attributes at that moment."""
    spreads: list[Value] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Decode(Call):
    """decode or batch_decode."""

    ids: Value = ABSENT


@dataclass(eq=False, slots=True)
class Move(Event):
    """`.to(...)`, `.cuda()`, `.half()` ... of a model or of inputs."""

    what: ObjectItem | None = None
    method: str = ""
    device: Value = ABSENT
    dtype: Value = ABSENT
    chained: bool = False


@dataclass(eq=False, slots=True)
class SetAttribute(Event):
    """`thing.name = value`."""

    what: ObjectItem | None = None
    name: str = ""
    value: Value = ABSENT


@dataclass(eq=False, slots=True)
class ReadAttribute(Event):
    """`thing.name`."""

    what: ObjectItem | None = None
    name: str = ""


@dataclass(eq=False, slots=True)
class ReadName(Named):
    """A name reached through an imported package:
    `transformers.Qwen3VLForConditionalGeneration`.
    """


@dataclass(eq=False, slots=True)
class SetEnvironment(Event):
    """`os.environ[key] = value` in any spelling."""

    key: str = ""
    value: Value = ABSENT


@dataclass(eq=False, slots=True)
class Keep(Event):
    """A value is added to a collection (or total) that outlives the loop."""

    value: Value = ABSENT


@dataclass(eq=False, slots=True)
class Drop(Event):
    """A key is removed from model inputs."""

    what: ObjectItem | None = None
    key: str = ""
