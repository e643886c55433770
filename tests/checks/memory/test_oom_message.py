"""Out-of-memory messages of every release say the same numbers in other words."""

from __future__ import annotations

import pytest

from qvl_checks.memory.oom_message import (
    GIB,
    Amount,
    amount,
    is_out_of_memory,
    messages,
    parse,
    sizes_in_words,
)

MIB = 2**20

TORCH_2_0 = (
    "CUDA out of memory. Tried to allocate 12.20 GiB (GPU 0; 23.69 GiB total capacity; 7.92 GiB "
    "already allocated; 3.06 GiB free; 8.10 GiB reserved in total by PyTorch) If reserved memory "
    "is >> allocated memory try setting max_split_size_mb to avoid fragmentation."
)
TORCH_2_1 = (
    "CUDA out of memory. Tried to allocate 1.95 GiB. GPU 1 has a total capacty of 14.75 GiB of "
    "which 1.66 GiB is free. Process 414660 has 13.09 GiB memory in use. Of the allocated memory "
    "10.09 GiB is allocated by PyTorch, and 1.92 GiB is reserved by PyTorch but unallocated. If "
    "reserved but unallocated memory is large try setting max_split_size_mb."
)
TORCH_2_5 = (
    "CUDA out of memory. Tried to allocate 42.00 MiB. GPU 0 has a total capacity of 47.27 GiB of "
    "which 9.38 MiB is free. Process 644963 has 5.59 MiB memory in use. Process 3053273 has 29.04 "
    "GiB memory in use. Including non-PyTorch memory, this process has 3.14 GiB memory in use. Of "
    "the allocated memory 2.92 GiB is allocated by PyTorch, with 1.50 GiB allocated in private "
    "pools (e.g., CUDA Graphs), and 34.62 MiB is reserved by PyTorch but unallocated."
)
CAPPED = (
    "CUDA out of memory. Tried to allocate 12.36 GiB. GPU 0 has a total capacity of 139.80 GiB of "
    "which 110.10 GiB is free. Including non-PyTorch memory, this process has 29.70 GiB memory in "
    "use. 23.60 GiB allowed; Of the allocated memory 8.90 GiB is allocated by PyTorch, and 512.00 "
    "bytes is reserved by PyTorch but unallocated."
)
WITHOUT_NUMBER = (
    "CUDA out of memory. Tried to allocate 224.00 MiB. GPU \x00 has a total capacity of 44.34 GiB "
    "of which 160.81 MiB is free. Of the allocated memory 43.36 GiB is allocated by PyTorch"
)
ON_THE_CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 327680000 bytes. Error code 12 (Cannot allocate memory)"
)


def gib(low: float, high: float) -> tuple[int, int]:
    return round(low * GIB), round(high * GIB)


def test_torch_2_0() -> None:
    message = parse(TORCH_2_0)
    assert message.requested == gib(12.195, 12.205)
    assert message.gpu == 0
    assert message.capacity == gib(23.685, 23.695)
    assert message.free == gib(3.055, 3.065)
    assert message.allocated == gib(7.915, 7.925)
    assert message.reserved == gib(8.095, 8.105)
    assert (message.unallocated, message.this_process, message.allowed) == (None, None, None)


def test_torch_2_1_to_2_3() -> None:
    message = parse(TORCH_2_1)
    assert (message.gpu, message.requested) == (1, gib(1.945, 1.955))
    assert message.capacity == gib(14.745, 14.755)
    assert message.free == gib(1.655, 1.665)
    assert message.other_processes == ((414660, gib(13.085, 13.095)),)
    assert message.allocated == gib(10.085, 10.095)
    assert message.unallocated == gib(1.915, 1.925)


def test_other_processes_and_private_pools() -> None:
    message = parse(TORCH_2_5)
    assert [pid for pid, _ in message.other_processes] == [644963, 3053273]
    assert message.other_processes[1][1] == gib(29.035, 29.045)
    assert message.this_process == gib(3.135, 3.145)
    assert message.private_pools == gib(1.495, 1.505)
    assert message.free == (round(9.375 * MIB), round(9.385 * MIB))


def test_an_allowed_fraction() -> None:
    message = parse(CAPPED)
    assert message.allowed == gib(23.595, 23.605)
    assert message.free == gib(110.095, 110.105)
    assert message.unallocated is not None


def test_a_gpu_without_a_number() -> None:
    message = parse(WITHOUT_NUMBER)
    assert message.gpu is None
    assert message.capacity == gib(44.335, 44.345)


def test_the_cpu_allocator_is_exact() -> None:
    message = parse(ON_THE_CPU)
    assert message.requested == (327680000, 327680000)
    assert message.requested.exact


def test_only_the_first_of_several_messages_counts() -> None:
    message = parse(f"{TORCH_2_0}\nand before: {TORCH_2_1}")
    assert (message.gpu, message.unallocated) == (0, None)


def test_other_text_says_nothing() -> None:
    assert parse("RuntimeError: shape mismatch").requested is None


@pytest.mark.parametrize(
    "text",
    [TORCH_2_0, TORCH_2_5, ON_THE_CPU, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"],
)
def test_running_out_is_recognised(text: str) -> None:
    assert is_out_of_memory(text)


def test_other_errors_are_not_out_of_memory() -> None:
    assert not is_out_of_memory("CUDA error: device-side assert triggered")


@pytest.mark.parametrize(
    ("printed", "size", "possible"),
    [
        ("12.20 GiB", 16 * 14308**2 * 4, True),
        ("12.20 GiB", 16 * 14320**2 * 4, False),
        ("1.00 GiB", GIB, True),
        ("20.00 MiB", 3 * MIB, True),  # served from a segment of 20 MiB
        ("2.00 MiB", 1000, True),
        ("14.00 MiB", 13 * MIB, True),  # rounded up to a multiple of 2 MiB
        ("14.00 MiB", 11 * MIB, False),
    ],
)
def test_what_a_tensor_may_have_asked_for(printed: str, size: int, possible: bool) -> None:
    assert parse(f"Tried to allocate {printed}.").may_be(size) is possible


def test_case_line_breaks_and_misread_characters_make_no_difference() -> None:
    message = parse("tried to all0cate\n l2.2O GiB. gpu 3 has a total capacity\nof 23.69 gib")
    assert message.requested == gib(12.195, 12.205)
    assert message.gpu == 3
    assert message.capacity == gib(23.685, 23.695)


def test_every_message_of_a_log() -> None:
    found = list(messages(f"{TORCH_2_0}\n{TORCH_2_5}"))
    assert [m.requested for m in found] == [gib(12.195, 12.205), parse(TORCH_2_5).requested]
    assert found[1].position > len(TORCH_2_0)
    assert found[0].other_processes == ()
    assert len(list(messages(TORCH_2_0 * 100))) == 32


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("it wants to allocate 56.4 GiB at once", gib(56.35, 56.45)),
        ("a single allocation of 13 GB fails", gib(12.5, 13.5)),
        ("一次就申请了 12.2 GiB 显存", gib(12.15, 12.25)),
    ],
)
def test_sizes_that_a_person_tells_of(words: str, size: tuple[int, int]) -> None:
    [message] = sizes_in_words(words)
    assert message.requested == size


def test_words_without_an_allocation_have_no_size() -> None:
    assert list(sizes_in_words("the card has 24 GB, the model 15 GB")) == []


def test_idle_memory_is_stated_or_a_difference() -> None:
    idle = parse(TORCH_2_0).idle
    assert idle is not None
    assert idle.middle / GIB == pytest.approx(8.10 - 7.92, abs=0.01)
    assert parse(TORCH_2_1).idle == gib(1.915, 1.925)
    assert parse("no message").idle is None


def test_memory_of_others() -> None:
    held = parse(TORCH_2_5).held_by_others
    assert held is not None
    assert held / GIB == pytest.approx(47.27 - 3.14 - 0.01, abs=0.02)


def test_what_torch_2_0_leaves_unexplained_belongs_to_others() -> None:
    held = parse(TORCH_2_0).held_by_others
    assert held is not None
    assert held / GIB == pytest.approx(23.69 - 8.10 - 3.06 - 1, abs=0.02)
    alone = parse(TORCH_2_0.replace("3.06 GiB free", "15.00 GiB free")).held_by_others
    assert alone == 0
    assert parse("(GPU 0; 23.69 GiB total capacity; 3.06 GiB free)").held_by_others is None


def test_the_only_process_listed_is_this_one_under_the_id_outside_its_container() -> None:
    assert parse(TORCH_2_1).held_by_others == 0


@pytest.mark.parametrize(
    ("number", "unit", "shown"),
    [
        ("12.20", "GiB", "12.20 GiB"),
        ("518.00", "MiB", "518.00 MiB"),
        ("4096", "bytes", "4096 bytes"),
    ],
)
def test_an_amount_is_shown_as_it_was_printed(number: str, unit: str, shown: str) -> None:
    assert str(amount(number, unit)) == shown


def test_the_middle_of_an_exact_amount_is_itself() -> None:
    assert Amount(7, 7).middle == 7
