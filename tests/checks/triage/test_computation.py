"""Numbers: out-of-memory messages read and turned back into patches, tokens and rows."""

from __future__ import annotations

import pytest

from qvl_checks.triage.allocation import GIB, Allocations, Bytes
from qvl_checks.triage.diagnosing import diagnose
from qvl_checks.triage.inversion import attention, logits, patches_of, smart_resize
from qvl_checks.triage.knowledge import knowledge
from qvl_checks.triage.model import Environment
from qvl_checks.triage.page import Page, fold

FAMILY = knowledge().families["qwen2_5_vl"]


def exact(value: int) -> Bytes:
    return Bytes(value, 0, f"{value} bytes")


@pytest.mark.parametrize("patches", [196, 5184, 14308, 65536])
@pytest.mark.parametrize("width", [2, 4])
def test_patches_come_back_from_the_buffer_they_make(patches: int, width: int) -> None:
    readings = attention(exact(16 * patches**2 * width), 16, "vision", "vision tower")
    assert [(r.count, r.exact) for r in readings if r.width == width] == [(patches, True)]


@pytest.mark.parametrize("patches", [3600, 14308, 25660, 64000])
def test_patches_come_back_from_a_rounded_message(patches: int) -> None:
    text = (
        f"Qwen2-VL-7B\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate "
        f"{16 * patches**2 * 4 / GIB:.2f} GiB."
    )
    [event] = Allocations(Page(text)).all
    counts = [r.count for r in attention(event.tried, 16, "vision", "") if r.width == 4]
    assert counts[0] == pytest.approx(patches, rel=0.002)


def test_logits_rows() -> None:
    assert [(r.count, r.width) for r in logits(exact(24_000 * 152_064 * 2), 152_064, "7B")] == [
        (12_000, 4),
        (24_000, 2),
    ]


@pytest.mark.parametrize(
    ("size", "patches"),
    [((2048, 1365), 14308), ((2044, 2044), 21316), ((1680, 1680), 14400), ((280, 280), 400)],
)
def test_patches_of_known_images(size: tuple[int, int], patches: int) -> None:
    assert patches_of(*size, FAMILY) == patches


def test_smart_resize_keeps_the_limits() -> None:
    for width, height in [(10, 10), (9000, 100), (8000, 8000), (1365, 2048)]:
        w, h = smart_resize(width, height, FAMILY, 3136, 1_003_520)
        assert w % 28 == h % 28 == 0
        assert 3136 <= w * h <= 1_003_520


def test_every_number_of_a_modern_message_is_read() -> None:
    text = (
        "CUDA out of memory. Tried to allocate 1.12 GiB. GPU 3 has a total capacity "
        "of 23.64 GiB of which 512.00 MiB is free. Process 77 has 14.90 GiB memory in "
        "use. "
        "Including non-PyTorch memory, this process has 8.20 GiB memory in use. Of "
        "the allocated memory 7.70 GiB is allocated by PyTorch, and 100.00 MiB is "
        "reserved by PyTorch but unallocated."
    )
    [event] = Allocations(Page(text)).all
    assert (
        event.gpu,
        event.capacity and round(event.capacity.value / GIB, 2),
        event.free and event.free.value,
    ) == (3, 23.64, 512 * 2**20)
    assert event.held_by_others is not None
    assert event.held_by_others / GIB == pytest.approx(14.94, abs=0.05)


def test_every_number_of_an_old_message_is_read() -> None:
    text = (
        "CUDA out of memory. Tried to allocate 2.10 GiB (GPU 0; 23.69 GiB total "
        "capacity; 17.05 GiB already allocated; 1.83 GiB free; 20.32 GiB reserved in "
        "total by PyTorch)"
    )
    [event] = Allocations(Page(text)).all
    assert event.idle is not None
    assert event.idle.value / GIB == pytest.approx(3.27, abs=0.01)


def test_misread_digits() -> None:
    [event] = Allocations(Page("Tried to all0cate l2.2O GiB")).all
    assert event.tried.value / GIB == pytest.approx(12.20, abs=0.001)


def test_a_process_listed_under_its_own_number_is_not_another() -> None:
    text = (
        "qwen2-7b-instruct --dtype=float\nCUDA out of memory. Tried to allocate "
        "518.00 MiB. GPU 0 has a total capacty of 21.67 GiB of which 4.06 MiB is "
        "free. Process 99 has 21.65 GiB memory in use. "
        "Of the allocated memory 21.32 GiB is allocated by PyTorch, and 1018.00 KiB "
        "is reserved by PyTorch but unallocated."
    )
    assert [d.id for d in diagnose(text).diagnoses if d.id == "memory.co-tenant-memory"] == []


def test_two_widths_are_both_reported_where_the_text_does_not_decide() -> None:
    computed = (
        diagnose("Qwen2-VL video: CUDA out of memory. Tried to allocate 56.43 GiB.")
        .diagnoses[0]
        .computed
    )
    assert (computed["patches_at_4_bytes"], computed["patches_at_2_bytes"]) == (
        pytest.approx(30769, rel=0.001),
        pytest.approx(43514, rel=0.001),
    )


def test_the_environment_fills_in_what_the_text_does_not_say() -> None:
    text = "MMMU with batch size 8 and a padded batch: accuracy drops from 86.7 to 73.3"
    assert not any(d.id == "versions.wrong-position-ids" for d in diagnose(text).diagnoses)
    environment = Environment(packages={"transformers": "4.55.2"}, model_type="qwen2_5_vl")
    assert diagnose(text, environment).diagnoses[0].id == "versions.wrong-position-ids"


def test_fold_forgets_what_a_screenshot_loses() -> None:
    assert fold("Qwen2_5_VLForConditionalGeneration") == fold(
        "Qwen2 5 VLForCondit\nionaIGeneration"
    )
    assert fold("CUDA out of memory") == fold("CUDA 0ut 0f mernory")
