"""Numbers: out-of-memory messages read and turned back into patches, tokens and rows."""

from __future__ import annotations

import pytest

from qvl_checks.memory.oom_message import GIB
from qvl_checks.triage.diagnosing import diagnose
from qvl_checks.triage.failures import failures
from qvl_checks.triage.knowledge import knowledge
from qvl_checks.triage.model import Environment
from qvl_checks.triage.page import Page, fold
from qvl_checks.triage.pictures import patches_of

FAMILY = knowledge().families["qwen2_5_vl"]


def computed(text: str) -> dict[str, object]:
    return dict(diagnose(text).diagnoses[0].computed)


@pytest.mark.parametrize("patches", [7056, 14308, 25660, 64000])
@pytest.mark.parametrize("width", [2, 4])
def test_patches_come_back_from_the_buffer_they_make(patches: int, width: int) -> None:
    text = f"Qwen2-VL-7B image: you tried to allocate {16 * patches**2 * width} bytes."
    assert computed(text)[f"patches_at_{width}_bytes"] == patches


@pytest.mark.parametrize("patches", [7056, 14308, 25660, 64000])
def test_patches_come_back_from_a_rounded_message(patches: int) -> None:
    text = (
        "Qwen2-VL-7B image\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate "
        f"{16 * patches**2 * 4 / GIB:.2f} GiB."
    )
    assert computed(text)["patches_at_4_bytes"] == pytest.approx(patches, rel=0.002)


def test_logits_rows() -> None:
    text = (
        "Qwen2-VL-7B\n    logits = self.lm_head(hidden_states)\n"
        f"you tried to allocate {24_000 * 152_064 * 2} bytes."
    )
    found = computed(text)
    assert (found["logits_rows_at_4_bytes"], found["logits_rows_at_2_bytes"]) == (12_000, 24_000)


@pytest.mark.parametrize(
    ("size", "patches"),
    [((2048, 1365), 14308), ((2044, 2044), 21316), ((1680, 1680), 14400), ((280, 280), 400)],
)
def test_patches_of_known_images(size: tuple[int, int], patches: int) -> None:
    assert patches_of(*size, FAMILY) == patches


def test_misread_digits_and_letters_of_a_message() -> None:
    [failure] = failures(Page("Tried to all0cate l2.2O GiB"))
    assert failure.requested.middle / GIB == pytest.approx(12.20, abs=0.001)
    assert str(failure.requested) == "12.20 GiB"


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


@pytest.mark.parametrize(
    ("model_type", "billions"),
    [(name, size) for name, family in knowledge().families.items() for size in family.sizes],
)
def test_every_published_size_is_inverted_with_its_own_numbers(
    model_type: str, billions: str
) -> None:
    family = knowledge().families[model_type]
    size = family.sizes[billions]
    buffers = (
        ("attn_output, _ = attention_interface(", family.vision_heads * 14308**2, 14308),
        ("attn_output, attn_weights = attention_interface(", size.heads * 14001**2, 14001),
        ("logits = self.lm_head(hidden_states)", size.vocab * 24001, 24001),
    )
    for frame, elements, count in buffers:
        for width in (2, 4):
            text = (
                f"{size.label}\n    {frame}\nRuntimeError: DefaultCPUAllocator: can't allocate "
                f"memory: you tried to allocate {elements * width} bytes."
            )
            [diagnosis, *_] = diagnose(text).diagnoses
            assert count in diagnosis.computed.values(), (frame, width)
