"""Releases, sizes and counts, as texts give them."""

from __future__ import annotations

import re

SIZE = re.compile(
    r"(?:vl|instruct|chat|qwen[\w.]{0,12})[-_ ]{0,2}(\d{1,3})b\b|(?<![\w.])(\d{1,3})b\b(?!yte)"
)
VERSION = re.compile(
    r"\b(transformers|torch|pytorch|torchvision|flash[-_]attn|accelerate|peft|"
    r"tokenizers|huggingface[-_]hub|numpy|qwen[-_]vl[-_]utils|vllm|python|"
    r"bitsandbytes|decord)"
    r"(?: ?version| ?版本)?[\"']?[ :=v]{0,6}(\d{1,2}\.\d{1,3}(?:\.\d{1,"
    r"3})?(?:\.(?:post|dev)\d{1,3})?)"
)
TRANSFORMERS_ZH = re.compile(
    r"(?:在|装了|到|用|的)\s?([45]\.\d{1,2}(?:\.\d{1,2})?)(?!\d| ?(?:gb|gib|g\b|秒|倍|s\b))"
)
BARE_TRANSFORMERS = re.compile(
    r"(?<![\d.x])v?([45]\.\d{2}(?:\.\d{1,2})?|5\.\d{1,2}\.\d{1,2})(?!\d|\.\d|\s?(?:%|"
    r"gi?b|mi?b|s\b|秒|g\b))"
)
IMAGE_SIZE = re.compile(r"(?<![\d.])(\d{2,5}) ?[x*] ?(\d{2,5})(?![\d.])")
GRID = re.compile(r"\[\s{0,3}(\d{1,4})\s?,\s{0,3}(\d{1,4})\s?,\s{0,3}(\d{1,4})\s?\]")
PATCHES = re.compile(
    r"(\d[\d,]{2,9}) ?(?:vision |visual |image )?patches|patches[ =:]{1,3}(\d[\d,]{2,9})"
)
TOKENS = re.compile(
    r"(\d[\d,]{2,9}) ?(?:prompt |input |text |个)?(?:tokens?|token)|(?:tokens?|"
    r"seq_?len|sequence length|input_ids)[ =:]{1,3}(\d[\d,]{2,9})|(\d{2,3})k "
    r"(?:prompt |text |context )?(?:tokens|context)"
)
