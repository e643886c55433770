"""The record: everything a check may see, typed, versioned and saved with every report."""

from __future__ import annotations

import enum
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from qvl_doctor import __version__, stable_json
from qvl_doctor.embedded import json_inside
from qvl_doctor.errors import UsageError
from qvl_doctor.probe import Facts, Level

FACTS_SCHEMA = "qvl-doctor/facts/1"


class ProbeStatus(enum.Enum):
    """How a probe ended."""

    OK = "ok"
    RAISED = "raised"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    BLOCKED = "blocked"
    """Not started: something that it needs (an import, another probe) failed."""
    NOT_RUN = "not_run"
    """Not asked for: outside the level, or deselected."""
    INTERRUPTED = "interrupted"


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one probe returned, or how it failed to."""

    status: ProbeStatus
    data: Any = None
    reason: str = ""
    """One sentence, for every status but ok."""
    seconds: float = 0.0
    signal: str = ""
    """Name of the signal that ended it (``SIGSEGV``), if one did."""
    exit_code: int | None = None
    abandoned_pid: int | None = None
    """Set when the child could not be killed and was left behind."""
    output: str = ""
    """The end of what it printed (a traceback, faulthandler's text), at most a few KB."""


class ImportState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What importing one heavy module in the target did."""

    status: ProbeStatus
    seconds: float = 0.0
    version: str = ""
    """``module.__version__`` as imported, which may disagree with the metadata."""
    file: str = ""
    error_type: str = ""
    reason: str = ""
    signal: str = ""
    exit_code: int | None = None
    output: str = ""


class ImportsFacts(Facts):
    """The heavy imports, in the order in which they were made."""

    probe: ClassVar[str] = "engine.imports"
    modules: dict[str, ImportState] = {}

    def works(self, module: str) -> bool:
        """Whether this module was imported here."""
        state = self.modules.get(module)
        return state is not None and state.status is ProbeStatus.OK


class TargetFacts(Facts):
    """The interpreter that is examined, as it describes itself."""

    probe: ClassVar[str] = "engine.target"
    python: str
    """The path that was started, symbolic links kept (a virtual environment is its path)."""
    chosen_because: str
    runs: bool = True
    reason: str = ""
    """Why it does not run, in one sentence, if it does not."""
    output: str = ""
    """What it printed instead of an answer, the end of it."""
    version: str = ""
    implementation: str = ""
    prefix: str = ""
    base_prefix: str = ""
    platform: str = ""
    machine: str = ""
    is_conda: bool = False
    has_pip: bool = False
    can_fork: bool = False
    import_path: tuple[str, ...] = ()
    """``sys.path`` as a script of the user's would see it, without the script's folder."""

    @property
    def version_tuple(self) -> tuple[int, ...]:
        """(3, 11, 7); empty when it does not run."""
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())

    def install(self, *requirements: str) -> tuple[str, ...]:
        """The argv that installs into this interpreter, with what it has."""
        if self.has_pip:
            return (self.python, "-m", "pip", "install", *requirements)
        return ("uv", "pip", "install", "--python", self.python, *requirements)


class ModelFacts(Facts):
    """The model that the run is about."""

    probe: ClassVar[str] = "engine.model"
    name: str
    source: str
    """``folder`` (a checkpoint), ``published`` (a size by name) or ``tiny`` (nothing was named)."""
    path: str | None = None
    model_type: str = ""
    class_name: str = ""
    """The transformers class for it; empty when the family is not known."""
    family: str = ""
    config: dict[str, Any] = {}
    """As its ``config.json`` would say."""
    tiny_config: dict[str, Any] = {}
    """The same architecture reduced to a few layers, head sizes kept."""
    heavy_imports: tuple[str, ...] = ()
    """Modules (``module`` or ``module:attribute``) whose import a program that uses it pays."""
    parameters: int | None = None


class WorkloadFacts(Facts):
    """The load that the user states."""

    probe: ClassVar[str] = "engine.workload"
    stated: bool = False
    """Whether the user said what prompts hold and how many go together; if not, the pictures below
    are an example, and a program may send anything."""
    images: tuple[tuple[int, int], ...] = ()
    """(width, height) in pixels, one per image."""
    videos: tuple[tuple[int, int, int], ...] = ()
    """(width, height, frames), one per video."""
    text_tokens: int = 50
    new_tokens: int = 2
    batch: int = 1
    mode: Literal["generate", "forward"] = "generate"
    """``forward`` calls the model once, as scoring and feature extraction do."""
    attention: str | None = None
    """One name for the whole model, or ``vision=NAME,text=NAME``; None: what transformers
    selects."""
    dtype: str = "bfloat16"
    device_map: str | None = None
    """None: everything on the first device."""
    cap_bytes: int | None = None
    """The most that each GPU may give, context included; plays a smaller card."""
    prompt_file: str | None = None
    """A text of the user's that their checkpoint is run with; what it says is not recorded."""
    picture_files: tuple[str, ...] = ()
    """Pictures for the same prompt, in its order."""


class LogFacts(Facts):
    """A log or a message of the user's own program, handed over to be explained."""

    probe: ClassVar[str] = "engine.log"
    text: str
    """The end of it, where it is long."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One examination: enough to reproduce every verdict without the machine."""

    schema: str
    doctor: str
    """Version of the doctor that recorded it."""
    recorded_at: str
    """ISO 8601, UTC."""
    level: Level
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    interrupted: bool = False
    failure: str = ""
    """What went wrong in the doctor itself and cut the run short."""
    plugin_failures: dict[str, str] = {}
    """Entry points that did not load, and why."""
    probes: dict[str, ProbeRecord] = {}
    """By probe id; the engine's own facts (target, imports, model, workload) are among them."""


def encode_record(record: Record) -> bytes:
    """Stable, readable JSON."""
    return stable_json.encode(record)


def as_saved(record: Record) -> Record:
    """The record as a reader of its file has it: what is judged is what is saved.

    A number that JSON does not have (in a checkpoint's config) becomes null, half a surrogate pair
    an escape.
    """
    return msgspec.json.decode(encode_record(record), type=Record)


def load_record(path: Path) -> Record:
    """Read the facts from a facts file or from a report (JSON or HTML) that embeds them.

    Raises:
        UsageError: the file cannot be read, is not JSON, or holds no facts of a known schema.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        document = msgspec.json.decode(json_inside(raw))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(
            f"{path} is not JSON ({error}); give a facts.json, report.json or report.html"
        ) from error
    if isinstance(document, dict) and isinstance(document.get("facts"), dict):
        document = document["facts"]
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != FACTS_SCHEMA:
        raise UsageError(
            f"{path} holds no facts that this version can judge "
            f"(schema {schema!r}, expected {FACTS_SCHEMA!r})"
        )
    try:
        record = msgspec.convert(document, Record)
        date.fromisoformat(record.recorded_at[:10])
        return record
    except (msgspec.ValidationError, ValueError) as error:
        author = document.get("doctor")
        if isinstance(author, str) and author != __version__:
            raise UsageError(
                f"{path} was recorded by qvl-doctor {author}, and this is {__version__}, "
                f"which cannot read it: {error}"
            ) from error
        raise UsageError(f"{path} is damaged: {error}") from error
