"""What the values of arguments mean: dtypes, attention implementations, devices."""

from packaging.version import Version

from .flow.values import (
    Absent,
    Const,
    DictItem,
    Item,
    Ref,
    literal,
    text_of,
)

HALF = {"torch.float16": "fp16", "torch.half": "fp16", "torch.bfloat16": "bf16"}
FULL = {
    "torch.float32": "fp32",
    "torch.float": "fp32",
    "torch.float64": "fp64",
    "torch.double": "fp64",
}
_DTYPES = {**HALF, **FULL}
AUTO_MAPS = {"auto", "balanced", "balanced_low_0", "sequential"}


def dtype_name(item: Item) -> str | None:
    """'fp16', 'bf16', 'fp32', 'auto', or None if not known; 'absent' if not given."""
    if isinstance(item, Absent) or (isinstance(item, Const) and item.value is None):
        return "absent"
    if isinstance(item, Ref):
        return _DTYPES.get(item.name)
    text = text_of(item)
    if text is None:
        return None
    if text == "auto":
        return "auto"
    return _DTYPES.get(text if text.startswith("torch.") else f"torch.{text}") or {
        "fp16": "fp16",
        "bf16": "bf16",
    }.get(text)


def is_half(item: Item, version: Version) -> bool:
    """Whether a load with this dtype surely computes in 16 bits."""
    name = dtype_name(item)
    return name in ("fp16", "bf16", "auto") or (name == "absent" and version.major >= 5)


def is_full(item: Item, version: Version) -> bool:
    """Whether a load with this dtype surely computes in 32 bits."""
    name = dtype_name(item)
    return name == "fp32" or (name == "absent" and version.major < 5)


def attention_parts(item: Item) -> tuple[str | None, str | None]:
    """(language model, vision tower) attention names; None where not given or not known."""
    if isinstance(item, DictItem):
        top = literal(item.get(""))
        text, vision = (
            literal(item.get("text_config"), top),
            literal(item.get("vision_config"), top),
        )
        return (
            text if isinstance(text, str) else None,
            vision if isinstance(vision, str) else None,
        )
    name = text_of(item)
    if isinstance(item, Const) and item.value is True:
        name = "flash_attention_2"
    return name, name


def is_flash(name: str | None) -> bool:
    """Whether an attention name means a FlashAttention kernel."""
    return name is not None and ("flash" in name) and "\0" not in name


def device_kind(item: Item) -> str | None:
    """'cuda', 'cpu', 'auto', 'meta' ... of a device or device_map text; None if not known."""
    if isinstance(item, Const) and isinstance(item.value, int) and not isinstance(item.value, bool):
        return "cuda"
    text = text_of(item)
    if text is None:
        return None
    return text.partition(":")[0].partition("\0")[0] or None


def is_auto_map(item: Item) -> bool:
    """Whether a device_map lets accelerate spread the weights."""
    return isinstance(item, Const) and isinstance(item.value, str) and item.value in AUTO_MAPS
