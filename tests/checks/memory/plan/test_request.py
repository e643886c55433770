"""What a plan is asked: workload files, cards, what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from qvl_checks.memory.plan.request import (
    Gpu,
    parse_capability,
    read_workload,
    stated_gpus,
)
from qvl_checks.memory.trace.workload import CONTEXT_BYTES
from qvl_doctor.errors import UsageError

GIB = 2**30


def written(folder: Path, text: str) -> Path:
    path = folder / "workload.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_that_options_say(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'gpus = ["24GiB", "16GiB"]\nimages = ["1680x1680", "640x480"]\nvideos = ["1280x720x64"]\n'
        'text = 500\nnew_tokens = 512\nbatch = 2\nattn = "vision=sdpa,text=eager"\n'
        'dtype = "float16"\nmode = "generate"\ndevice_map = "auto"\ncapability = "8.6"\n'
        'expandable_segments = true\nmax_memory = {0 = "10GiB", cpu = "64GiB"}\n',
    )
    assert read_workload(path).options() == {
        "gpu": (24 * GIB, 16 * GIB),
        "image": ((1680, 1680), (640, 480)),
        "video": ((1280, 720, 64),),
        "text": 500,
        "new_tokens": 512,
        "batch": 2,
        "attn": "vision=sdpa,text=eager",
        "dtype": "float16",
        "mode": "generate",
        "device_map": "auto",
        "capability": "8.6",
        "expandable_segments": True,
        "max_memory": {"0": 10 * GIB, "cpu": 64 * GIB},
    }


def test_an_empty_file_states_nothing(tmp_path: Path) -> None:
    assert read_workload(written(tmp_path, "")).options() == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("imagess = []", "imagess"),
        ('text = "many"', "text"),
        ("text = 0", "at least 1"),
        ("= =", "not TOML"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_workload(written(tmp_path, text))


def test_a_wrong_size_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="24 apples"):
        read_workload(written(tmp_path, 'gpus = ["24 apples"]')).options()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_workload(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_workload(tmp_path)


def test_a_card_smaller_than_a_context_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="24GiB"):
        stated_gpus([24], (9, 0))


@pytest.mark.parametrize(
    ("size", "capability", "context"),
    [
        (24, None, 2**29),
        (80, None, CONTEXT_BYTES),
        (80, (8, 0), 2**29),
        (48, (9, 0), CONTEXT_BYTES),
    ],
)
def test_a_process_takes_less_on_a_smaller_card(
    size: int, capability: tuple[int, int] | None, context: int
) -> None:
    [card] = stated_gpus([size * GIB], capability)
    assert card.context_bytes == context


def test_without_a_context_the_size_is_what_torch_may_reserve() -> None:
    [card] = stated_gpus([24 * GIB], context=0)
    assert card.usable_bytes == 24 * GIB


def test_what_is_left_for_torch() -> None:
    card = Gpu(capacity_bytes=24 * GIB, others_bytes=2 * GIB, context_bytes=GIB)
    assert card.usable_bytes == 21 * GIB


@pytest.mark.parametrize("text", ["8", "8,6", "a.b", "8.", "123.456"])
def test_no_capability(text: str) -> None:
    with pytest.raises(UsageError, match=r"8\.6"):
        parse_capability(text)


def test_a_capability() -> None:
    assert parse_capability("12.0") == (12, 0)
