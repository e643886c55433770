"""Which implementation transformers selects: asked of the reference release, for real."""

from __future__ import annotations

import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.target import SharedAgent

import qvl_checks
from qvl_checks.attention.selection_facts import ATTENTION_SELECTION, SelectionFacts
from qvl_checks.models.catalogue import resolve
from qvl_doctor.facts import ProbeStatus
from qvl_doctor.running.client import AgentClient

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}
FAKE_KERNELS = """
__version__ = "{version}"
def get_kernel(*arguments, **options):
    raise SystemExit("something was fetched")
def passing(*arguments, **options):
    return lambda thing: thing
class Anything:
    def __init__(self, *arguments, **options): pass
    def __class_getitem__(cls, item): return cls
    INFERENCE = TRAINING = TORCH_COMPILE = 1
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return passing if name[0].islower() else Anything
"""


def selected(client: AgentClient | SharedAgent, wish: str | None = None) -> SelectionFacts:
    model = resolve(None)
    assert model is not None
    for name in model.heavy_imports:
        state = client.import_module(name, 120)
        assert state.status is ProbeStatus.OK, state.reason
    request = {
        "model": msgspec.to_builtins(model),
        "workload": {"attention": wish, "dtype": "bfloat16"},
    }
    record = client.run(ATTENTION_SELECTION.entry, request, ATTENTION_SELECTION.budget_s)
    assert record.status is ProbeStatus.OK, record.reason
    return msgspec.convert(record.data, SelectionFacts)


def test_the_reference_release_without_flash_attn(shared_agent: SharedAgent) -> None:
    facts = selected(shared_agent, wish="flash_attention_5")
    for wish, expected in ((None, "sdpa"), ("sdpa", "sdpa"), ("eager", "eager")):
        row = facts.for_wish(wish)
        assert row is not None and row.error is None, row
        assert set(row.selected) == {"", "text_config", "vision_config"}
        assert set(row.selected.values()) == {expected}
    for wish in ("flash_attention_2", "flash_attention_5"):
        row = facts.for_wish(wish)
        assert row is not None and row.error, "neither is installed, so neither may be selected"
        assert row.hub_kernels == ()


@pytest.mark.slow
def test_a_substitution_is_recorded_and_nothing_is_fetched(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    site_packages = next((folder / "lib").glob("python3*/site-packages"))
    base = sysconfig.get_paths()["purelib"]
    (site_packages / "base.pth").write_text(f"import site; site.addsitedir({base!r})\n")
    python = str(folder / "bin" / "python")
    floor = subprocess.run(
        [python, "-c", "from transformers.utils import import_utils as u; "
         "print(getattr(u, 'KERNELS_MIN_VERSION', '0.9.0'))"],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout.strip()  # fmt: skip
    (site_packages / "kernels").mkdir()
    (site_packages / "kernels" / "__init__.py").write_text(FAKE_KERNELS.format(version=floor))
    info = site_packages / f"kernels-{floor}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: kernels\nVersion: {floor}\n")
    client = AgentClient(python, ROOTS)
    try:
        facts = selected(client)
    finally:
        client.close()
    assert facts.kernels_installed and facts.kernels_accepted
    row: Any = facts.for_wish("flash_attention_2")
    assert row.hub_kernels == ("kernels-community/flash-attn2",)
    assert row.error is not None
    untouched: Any = facts.for_wish("sdpa")
    assert untouched.hub_kernels == () and untouched.selected["text_config"] == "sdpa"
