"""How a wish for attention is read."""

from __future__ import annotations

from qvl_checks.attention.flash_attn_wish import wished_generation
from qvl_checks.models.attention_wish import argument, code
from qvl_doctor.facts import WorkloadFacts

BOTH = "vision=flash_attention_2,text=eager"


def test_one_name_stays() -> None:
    assert argument("sdpa") == "sdpa"
    assert argument(None) is None
    assert code("sdpa") == '"sdpa"'


def test_parts_become_sub_configs() -> None:
    assert argument(BOTH) == {"vision_config": "flash_attention_2", "text_config": "eager"}
    assert code(BOTH) == '{"vision_config": "flash_attention_2", "text_config": "eager"}'


def test_flash_attention_for_a_part_is_a_wish_for_it() -> None:
    assert wished_generation(WorkloadFacts(attention=BOTH)) == 2
    assert wished_generation(WorkloadFacts(attention="vision=sdpa,text=eager")) is None
    assert wished_generation(WorkloadFacts(attention="flash_attention_3")) == 3
