"""Facts about the files of a checkpoint folder, as the probe beside it returns them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from qvl_doctor.probe import Facts, Probe

FileState = Literal["read", "missing", "unreadable", "invalid", "too-large"]
Verdict = Literal[
    "ok",
    "empty",
    "git-lfs-pointer",
    "html-page",
    "truncated",
    "overlong",
    "header-too-large",
    "header-invalid",
    "offsets-invalid",
    "unreadable",
    "not-read",
]


class Examples(msgspec.Struct, frozen=True, kw_only=True):
    """A number of names, and the first of them in order."""

    count: int = 0
    examples: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON file of the checkpoint."""

    state: FileState
    value: dict[str, Any] | None = None
    reason: str = ""


class Tokenizer(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of ``tokenizer_config.json``."""

    state: FileState
    reason: str = ""
    padding_side: str | None = None
    tokenizer_class: str | None = None
    has_chat_template: bool = False


class ChatTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template, by the file that holds it; that of the tokenizer is not read by a processor."""

    place: str
    slots: tuple[str, ...] = ()
    """Media placeholders that its text names."""
    characters: int | None = None
    """None: not readable."""
    reason: str = ""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A safetensors file, judged by its header and its size."""

    name: str
    verdict: Verdict
    tensors: int = 0
    size_bytes: int | None = None
    expected_bytes: int | None = None
    """What the header, or a git-lfs pointer, states; None: not known."""
    missing_bytes: int | None = None
    """At least so many; negative when the file is too long."""
    header_bytes: int | None = None
    reason: str = ""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The index against the files present and the tensors in their headers."""

    name: str
    state: FileState
    reason: str = ""
    tensors_named: int = 0
    files_named: int = 0
    files_missing: Examples = Examples()
    files_not_named: Examples = Examples()
    """Weight files beside it that it does not name; harmless unless a loader reads them."""
    tensors_missing: Examples = Examples()
    """Named for a file that was read and does not hold them."""
    tensors_in_unreadable_files: Examples = Examples()
    tensors_not_named: Examples = Examples()


class KeyBiases(msgspec.Struct, frozen=True, kw_only=True):
    """Biases of the key projections of the language model."""

    count: int = 0
    names: tuple[str, ...] = ()


class Tensors(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensor names say, of readable headers and the index together."""

    count: int = 0
    dtypes: dict[str, int] = {}
    output_head: Examples = Examples()
    embeddings: Examples = Examples()
    k_proj_biases: KeyBiases = KeyBiases()
    qk_norms: int = 0
    vision_prefixes: tuple[str, ...] = ()
    vision_tensors: int = 0
    vision_quantized: Examples = Examples()
    vision_gates: int = 0
    """Gate projections of the vision tower's MLPs; Qwen2-VL has none, Qwen2.5-VL has."""
    layer_prefixes: dict[str, int] = {}
    """Path before the layer number -> tensors under it, without the vision tower."""


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors of ``adapter_*.safetensors``."""

    count: int = 0
    examples: tuple[str, ...] = ()
    prefixes: dict[str, int] = {}


class FirstBytes(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is not read, such as a pickle; ``kind`` is judged by its first bytes."""

    name: str
    kind: Literal["data", "empty", "git-lfs-pointer", "html-page", "unreadable"]
    size_bytes: int | None = None
    reason: str = ""


class Tied(msgspec.Struct, frozen=True, kw_only=True):
    """``tie_word_embeddings`` where transformers 5 and 4 read it; None: not set there."""

    top: bool | None = None
    text_config: bool | None = None


class RemoteCode(msgspec.Struct, frozen=True, kw_only=True):
    """Python that the checkpoint asks to be imported; the doctor never does."""

    auto_map: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ()


class CheckpointFilesFacts(Facts):
    """The folder; every other field has its default unless ``state`` is "read"."""

    probe: ClassVar[str] = "checkpoint.files"
    state: Literal["read", "not-given", "missing", "not-a-folder", "unreadable"]
    path: str = ""
    reason: str = ""
    entries: int = 0
    more_entries: bool = False
    settings: dict[str, Settings] = {}
    quantization_config: dict[str, Any] | None = None
    tie_word_embeddings: Tied = Tied()
    tokenizer: Tokenizer = Tokenizer(state="missing")
    chat_templates: tuple[ChatTemplate, ...] = ()
    shards: tuple[Shard, ...] = ()
    index: Index = Index(name="", state="missing")
    tensors: Tensors = Tensors()
    adapter: Adapter = Adapter()
    pickles: tuple[FirstBytes, ...] = ()
    other_files: tuple[FirstBytes, ...] = ()
    """Files of the tokenizer and the index."""
    unfinished: tuple[str, ...] = ()
    """Names of downloads that did not end."""
    remote_code: RemoteCode = RemoteCode()


CHECKPOINT_FILES = Probe(
    id="checkpoint.files",
    title="reads the headers of the checkpoint's files",
    facts=CheckpointFilesFacts,
    entry="qvl_checks.checkpoint.files_probe:run",
    budget_s=60,
)
