"""Attention implementations: installation, ABI, hardware and numerical trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..marks import OWN_KERNELS
from ..model import Computed
from ..rule import FOREIGN_ENGINES, Case, Hit

_A = "attention."

_SYMBOL = re.compile(r"undefined symbol:?\s{0,3}([\w ]{4,300})")
_FLASH_FILE = re.compile(r"flash[_ ]?attn\w{0,20}|flash_attn_2_cuda|flash_attn_3_cuda")
_LIBRARY = re.compile(
    r"(libcudart\.so\.\d{1,2}|libc10_cuda\.so|libc10\.so|libtorch\w{0,10}\.so|"
    r"glibc(?:xx)?_[\d.]{3,8})"
)


def undefined_symbol(case: Case) -> Iterator[Hit]:
    """What C++ ABI a symbol that flash-attn cannot resolve was compiled for."""
    low = case.page.low
    if "flash" not in low:
        return
    for match in list(_SYMBOL.finditer(low))[-3:]:
        before = low[max(0, match.start() - 400) : match.start()]
        sure = _FLASH_FILE.search(before) is not None
        if not sure and (
            ".so" in before
            or "_zn" not in match.group(1)
            or case.clues.concept_line("flash") is None
        ):
            continue
        symbol = match.group(1).split("\n")[0].strip().replace(" ", "")
        line = case.page.line_at(match.start())
        wanted, note = _abi(symbol)
        computed: dict[str, Computed] = {"symbol": symbol, "abi_wanted": wanted}
        yield Hit("attention.flash-attn-abi-mismatch", 95 if sure else 84, [line], computed, [note])
    if re.search(r"flash_attn_\d?_?cuda", low):
        missing = _LIBRARY.search(low)
        if missing and ("cannot open shared object" in low or "not found (required by" in low):
            line = case.page.line_at(missing.start())
            yield Hit(
                "attention.flash-attn-abi-mismatch",
                90,
                [line],
                {"library": missing.group(1)},
                ["The wheel was built for another CUDA, torch or glibc than the one installed."],
            )
        windows = case.page.says("DLL load failed while importing flash_attn_2_cuda")
        if windows is not None:
            yield Hit("attention.flash-attn-abi-mismatch", 92, [windows])


def _abi(symbol: str) -> tuple[str, str]:
    if "cxx1112basic_string" in symbol or "__cxx11" in symbol:
        return (
            "new (cxx11abi TRUE)",
            (
                "The symbol uses std::__cxx11::basic_string: the wheel was built with "
                "cxx11abiTRUE (new C++ ABI), the installed torch has the old ABI."
            ),
        )
    if re.search(r"(?:locationess|ss|ess|ssb|rkss)$", symbol) or "erkss" in symbol:
        return (
            "old (cxx11abi FALSE)",
            (
                "The symbol takes the old std::string (mangled Ss): the wheel was built with "
                "cxx11abiFALSE (old C++ ABI), the installed torch has the new ABI (as every "
                "torch from 2.7 on)."
            ),
        )
    return (
        "none in the name: another torch release",
        (
            "The symbol carries no string type, so its name does not tell the ABI flag: the "
            "wheel was compiled against another torch release than the one installed."
        ),
    )


#: What numbers can be of, if not of accuracy.
_SPEED = re.compile(r"throughput|faster|speed|latency|\d ?(?:ms|tok\w*/s)\b|吞吐|更快|加速|耗时")


def drop_by_numbers(case: Case) -> Iterator[Hit]:
    """Benchmarks that compare attention implementations without a word for 'worse'."""
    clues = case.clues
    if clues.engine in FOREIGN_ENGINES | OWN_KERNELS or clues.other_model:
        return
    line = clues.concept_line("eager")
    if (
        line is not None
        and clues.concept("flash")
        and not clues.concept("lm_eager_vision_flash")
        and not clues.concept("oom")
    ):
        if _SPEED.search(clues.prose) and not clues.concept("accuracy_drop"):
            return
        numbers = re.findall(r"(?<![\d.])\d{1,2}\.\d{1,4}(?![\d.])|\d{1,3} ?%", clues.prose)
        if len(numbers) >= 2 and clues.qwen:
            yield Hit("attention.eager-precision-drift", 66, [line], by_message=False)


DETECTORS = (undefined_symbol, drop_by_numbers)
