"""Whatever the text, the linter answers, quickly."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from qvl_checks.lint.project import lint_source
from qvl_checks.lint.source import Unreadable, decode

from .snippets import CASES

RELEASE = Version("4.57.1")
TEXTS = [text for fires, _ in CASES.values() for _, text in fires]
PIECES = st.sampled_from([line for text in TEXTS for line in text.split("\n") if line])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    lint_source(text, "a.py", RELEASE)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try:
        text = decode(data)
    except Unreadable:
        return
    lint_source(text, "a.py", RELEASE)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=25), st.randoms())
def test_shuffled_programs(lines: list[str], random) -> None:  # type: ignore[no-untyped-def]
    text = "\n".join(lines)
    cut = random.randrange(len(text) + 1)
    for variant in (text, text[:cut], text[cut:]):
        lint_source(variant, "a.py", RELEASE)


def test_bombs_end_soon() -> None:
    bombs = [
        "import transformers  # qwen\nx = []\nfor i in y:\n    x += x\n" * 20,
        "qwen = 'a'\n" + "qwen = qwen + qwen\n" * 200,
        "qwen = 1\n" + "qwen = qwen * qwen\n" * 200,
        "def qwen(a):\n    return qwen(qwen(a))\nqwen(1)\n",
        "".join(f"def f{n}(a): return f{n + 1}(a), f{n + 1}(a)\n" for n in range(60))
        + "f0('qwen')\n",
        "qwen = {}\n" + "".join(f"if a{n}:\n    qwen['k'] = {n}\n" for n in range(300)),
        "qwen = 1\n"
        + "if a:\n"
        + "".join(f"{' ' * (n + 1)}if b{n}:\n" for n in range(90))
        + " " * 95
        + "pass\n",
        "qwen = 2 ** 9 ** 9 ** 9\nqwen = 'a' * 10 ** 12\nqwen = [0] * 10 ** 12\n",
        "qwen = " + " + ".join(["1"] * 3000) + "\n",
    ]
    for bomb in bombs:
        start = time.perf_counter()
        lint_source(bomb, "a.py", RELEASE)
        assert time.perf_counter() - start < 10, bomb[:60]
