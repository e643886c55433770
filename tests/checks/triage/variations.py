"""Variations of a case: the same failure as another machine, terminal, rank, release or screenshot
would show it.
"""

from __future__ import annotations

import html
import random
import re
import textwrap
from collections.abc import Callable

Variation = Callable[[str, random.Random], str]

_NOISE = (
    "Loading checkpoint shards: 100%|██████████| 5/5 [00:08<00:00,  1.64s/it]",
    "2025-06-11 03:12:45.123 INFO  starting worker 3",
    "Setting `pad_token_id` to `eos_token_id`:2 for open-end generation.",
    "/usr/lib/python3.10/asyncio/events.py:80: DeprecationWarning: There is no current event loop",
    "wandb: Currently logged in as: someone",
    "  0%|          | 0/1000 [00:00<?, ?it/s]",
    "[INFO] real_accelerator.py:219 get_accelerator: accelerator cuda",
    "Map: 100%|██████████| 2000/2000 [00:01<00:00, 1532.11 examples/s]",
)
_HOMES = (
    "/home/user/venv",
    "/root/miniconda3/envs/q",
    "/opt/conda",
    "/mnt/data/张伟/env",
    "/Users/ana/.venv",
    "/data1/x y/venv",
)
_GREETINGS = (
    ("Hi, thanks for the great work! I get the following:\n", "\nAny help is appreciated."),
    ("你好，运行时出现下面的报错，请问怎么解决？\n", "\n谢谢！"),
    ("### Reproduction\n```\n", "\n```\n### Expected behavior\nIt should work."),
    ("# environment: Ubuntu 22.04, 64 GB RAM\n", ""),
)


def paths(text: str, rng: random.Random) -> str:
    """Another home of the environment, another Python."""
    text = text.replace("/home/user/venv", rng.choice(_HOMES))
    return re.sub(r"python3\.\d{1,2}", f"python3.{rng.choice([9, 10, 11, 12, 13])}", text)


def windows(text: str, rng: random.Random) -> str:
    """Windows line ends and path separators in the traceback's file names."""
    turned = re.sub(
        r'File "(/[^"\n]+)"', lambda m: 'File "C:' + m.group(1).replace("/", "\\") + '"', text
    )
    return turned.replace("\n", "\r\n")


def ranks(text: str, rng: random.Random) -> str:
    """Every line prefixed as a distributed launcher does."""
    prefix = rng.choice(
        (
            "[rank{}]: ",
            "[{}]: ",
            "[default{}]:[rank{}]: ",
            "(EngineCore_0 pid=40{}) ",
            "(WorkerDict pid=333478{}) ",
        )
    )
    number = rng.randrange(8)
    return "\n".join(prefix.replace("{}", str(number)) + line for line in text.split("\n"))


def interleaved(text: str, rng: random.Random) -> str:
    """Two ranks that print the same lines, one after the other."""
    return "\n".join(f"[rank{rank}]: {line}" for line in text.split("\n") for rank in (0, 1))


def coloured(text: str, rng: random.Random) -> str:
    """Terminal colours around words and lines."""
    return "\n".join(
        f"\x1b[3{rng.randrange(8)}m{line}\x1b[0m" if rng.random() < 0.7 else f"\x1b[1m{line}"
        for line in text.split("\n")
    )


def escaped(text: str, rng: random.Random) -> str:
    """Copied from a page's source."""
    return html.escape(text)


def noisy(text: str, rng: random.Random) -> str:
    """Harmless log lines before, between and after."""
    lines = text.split("\n")
    before = [rng.choice(_NOISE) for _ in range(rng.randrange(1, 12))]
    after = [rng.choice(_NOISE) for _ in range(rng.randrange(0, 4))]
    return "\n".join([*before, *lines, *after])


def greeted(text: str, rng: random.Random) -> str:
    """Wrapped into an issue's text."""
    before, after = rng.choice(_GREETINGS)
    return before + text + after


def curly(text: str, rng: random.Random) -> str:
    """Typographic quotes, as a word processor or a chat program makes them."""
    return re.sub(r'"([^"\n]*)"', "“\\1”", re.sub(r"'([^'\n]*)'", "‘\\1’", text))


def full_width(text: str, rng: random.Random) -> str:
    """Full-width punctuation of a Chinese input method."""
    return text.translate(str.maketrans({",": "，", ":": "：", "(": "（", ")": "）", "!": "！"}))


def wrapped(text: str, rng: random.Random) -> str:
    """A narrow terminal that breaks long lines in the middle of words."""
    width = rng.choice((60, 72, 80))
    return "\n".join(
        "\n".join(line[i : i + width] for i in range(0, len(line), width)) or ""
        for line in text.split("\n")
    )


def folded(text: str, rng: random.Random) -> str:
    """A mail program or an editor that breaks long lines between words."""
    width = rng.choice((64, 72, 80))
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        if len(line) > width
        else line
        for line in text.split("\n")
    )


def line_numbers(text: str, rng: random.Random) -> str:
    """Other line numbers in the frames."""
    return re.sub(r"line \d+", lambda m: f"line {rng.randrange(10, 4000)}", text)


def screenshot(text: str, rng: random.Random) -> str:
    """A few of the usual misreadings in long words of letters: I for l, O for 0, a lost
    underscore.
    """

    def misread(match: re.Match[str]) -> str:
        word = match.group()
        if rng.random() < 0.6 or len(word) < 9:
            return word
        return word.replace("l", "I", 1) if rng.random() < 0.6 else word.replace("_", " ", 1)

    return re.sub(r"[A-Za-z_]{9,}", misread, text)


def lookalikes(text: str, rng: random.Random) -> str:
    """The letters that a screenshot's recognition takes for each other, in one long word of ten."""

    def misread(match: re.Match[str]) -> str:
        if rng.random() < 0.9:
            return match.group()
        return match.group().translate(str.maketrans({"l": "1", "I": "l", "O": "0"}))

    return re.sub(r"[A-Za-z_]{7,}", misread, text)


def quoted(text: str, rng: random.Random) -> str:
    """Cited in an answer."""
    mark = rng.choice(("> ", "> > ", ">"))
    return "\n".join(mark + line for line in text.split("\n"))


def stamped(text: str, rng: random.Random) -> str:
    """Every line with the time and the level, as a service's log has them."""
    form = rng.choice(
        (
            "2025-10-1{} 04:12:33,871 - ERROR - ",
            "[2025-10-1{}T04:12:33.871Z] ",
            "2025-10-1{} 04:12:33 | INFO | ",
            "Oct 1{} 04:12:33 host01 app[394]: ",
            "server-{}  | ",
        )
    )
    return "\n".join(form.format(rng.randrange(10)) + line for line in text.split("\n"))


PLAIN: dict[str, Variation] = {
    "quoted": quoted,
    "stamped": stamped,
    "paths": paths,
    "windows": windows,
    "ranks": ranks,
    "interleaved": interleaved,
    "coloured": coloured,
    "escaped": escaped,
    "noisy": noisy,
    "greeted": greeted,
    "curly": curly,
    "full_width": full_width,
    "line_numbers": line_numbers,
}
LOSSY: dict[str, Variation] = {
    "wrapped": wrapped,
    "folded": folded,
    "screenshot": screenshot,
    "lookalikes": lookalikes,
}


def combined(text: str, rng: random.Random) -> str:
    """Three plain variations on top of each other."""
    for name in rng.sample(sorted(PLAIN), 3):
        text = PLAIN[name](text, rng)
    return text
