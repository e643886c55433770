"""The command: refusals in one sentence, and the whole road with a real interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qvl_doctor.cli.main import group
from qvl_doctor.errors import UsageError

TARGET = os.environ.get("QVL_TEST_TARGET", sys.executable)
GIB = 2**30
TWO = ("--gpu", "9GiB", "--gpu", "9GiB")
ROOM = ("--max-memory", "0=1GiB")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Qwen9-VL-1B", "--gpu", "24GiB"], "published"),
        (["Qwen2-VL-2B", "--gpu", "24"], "24GiB"),
        (["Qwen2-VL-2B", "--gpu", "24GiB", "--capability", "big"], "8.6"),
        (["Qwen2-VL-2B", "--gpu", "24GiB", "--max-memory", "10GiB"], "0=10GiB"),
        (["Qwen2-VL-2B", "--gpu", "24GiB", "--device-map", "cuda:3"], "counted from 0"),
        (["Qwen2-VL-2B", *TWO, "--device-map", "tensor-parallel", *ROOM], "no meaning"),
        (["Qwen2-VL-2B", "--gpu", "24GiB", "--workload", "/none.toml"], "cannot read"),
        (["Qwen2-VL-2B", "--gpu", "24GiB", "--python", "/none/python"], "--python"),
    ],
)
def test_one_sentence_says_what_is_wrong(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(group, ["plan", *arguments], standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_wrong_value_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    path.write_text('dtype = "int4"\n')
    arguments = ["plan", "Qwen2-VL-2B", "--gpu", "24GiB", "--workload", str(path)]
    result = CliRunner().invoke(group, arguments, standalone_mode=False)
    assert isinstance(result.exception, UsageError) and "bfloat16" in str(result.exception)


def plan(*arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "qvl_doctor", "plan", *arguments, "--json"]
    done = subprocess.run(
        [*command, "--python", TARGET], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
def test_it_does_not_fit_and_one_word_makes_it_fit() -> None:
    code, answer = plan(
        "Qwen2.5-VL-3B", "--gpu", "16GiB", "--image", "1400x1400", "--attn", "eager"
    )
    assert code == 1 and answer["fits"] is False
    [card] = answer["devices"]
    assert card["device"] == "cuda:0" and card["capacity_bytes"] == 16 * GIB
    assert card["failure"]["phase"] == card["peak_phase"] == "vision"
    assert card["largest_tensor"]["shape"][-2:] == [10_000, 10_000]
    assert card["terms"]["headroom_bytes"] < 0
    assert sum(card["at_peak"].values()) == card["peak_allocated_bytes"]
    first = answer["fixes"][0]
    assert first["change"] == {"attention": "vision=sdpa,text=eager"}
    assert all(one["saves_bytes"] > GIB for one in first["devices"])
    assert '"vision_config": "sdpa"' in first["code"]
    assert answer["needs_bytes"] > card["peak_reserved_bytes"]
    limits = answer["limits"]
    assert 0 < limits["largest_square_px"] < 1400 and limits["largest_square_px"] % 28 == 0
    assert limits["largest_batch"] == limits["most_images"] == 0


@pytest.mark.slow
def test_what_fits_by_prediction_is_the_edge(tmp_path: Path) -> None:
    """The largest square image fits, and one step more does not."""
    stated = ["Qwen2.5-VL-3B", "--gpu", "16GiB", "--attn", "eager"]
    _, answer = plan(*stated, "--image", "560x560")
    side = answer["limits"]["largest_square_px"]
    for pixels, fits in ((side, True), (side + 28, False)):
        code, edge = plan(*stated, "--image", f"{pixels}x{pixels}", "--only-fit")
        assert edge["fits"] is fits and code == (0 if fits else 1)
        assert edge["limits"]["unknown"]["largest_batch"] == "not asked for"


@pytest.mark.slow
def test_a_file_says_the_same_as_options(tmp_path: Path) -> None:
    path = tmp_path / "workload.toml"
    path.write_text('gpus = ["24GiB"]\nimages = ["560x560"]\ntext = 200\nattn = "sdpa"\n')
    written = plan("Qwen2-VL-2B", "--workload", str(path), "--only-fit")
    options = ["--gpu", "24GiB", "--image", "560x560", "--text", "200", "--attn", "sdpa"]
    assert written == plan("Qwen2-VL-2B", *options, "--only-fit")
    assert written[0] == 0
