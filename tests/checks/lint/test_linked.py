"""Tightly linked packages: what it takes to analyse them grows with their size and no faster, and
what is planted in them is found.
"""

from pathlib import Path

import pytest
from packaging.version import Version

from qvl_checks.lint import judging
from qvl_checks.lint.finding import NOT_ANALYSED, LintFinding
from qvl_checks.lint.flow.frame import World
from qvl_checks.lint.flow.program import analyse
from qvl_checks.lint.project import lint_paths

RELEASE = Version("4.57.1")
STEPS_PER_FILE = 700
"""What a file below may take; to follow every call takes 1,100."""
BASE = """
import torch
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

TABLE = {}

def register(name, cls, **options):
    TABLE[name] = (cls, dict(options, name=name, size=len(name)))
    return cls

class Base:
    repo = "Qwen/Qwen2.5-VL-7B-Instruct"

    def __init__(self, name, width=3, **options):
        self.name, self.width, self.options = name, width, options
        self.shape = [width * n for n in range(8)]
        if options.get("wide"):
            self.shape = [2 * n for n in self.shape]

    def build(self, **keywords):
        return Qwen2_5_VLForConditionalGeneration.from_pretrained(self.repo, **keywords)

    def collate(self, rows):
        lengths = [len(row) for row in rows]
        longest = max(lengths)
        padded = [row + [0] * (longest - len(row)) for row in rows]
        mask = [[1] * n + [0] * (longest - n) for n in lengths]
        if self.width > 2:
            padded = [row[: self.width * 100] for row in padded]
            mask = [row[: self.width * 100] for row in mask]
        return {"ids": padded, "mask": mask, "total": sum(lengths), "device_map": None}
"""
PART = """
from .base import Base, register
{imports}

class Part{n}(Base):
    repo = "Qwen/Qwen2.5-VL-{size}B-Instruct"

    def prepare(self, rows):
        batch = self.collate(rows)
        batch["first"] = m{first}.make{first}().prepare(rows)
        batch["second"] = m{second}.make{second}().prepare(batch["first"])
        for key in ("ids", "mask"):
            batch[key] = [row + [{n}] for row in batch[key]]
        return batch

def make{n}():
    return Part{n}("part{n}", width={n}, wide=True)

register("part{n}", Part{n}, made=make{n}())
batch{n} = make{n}().prepare([[1, 2], [3]])
"""
MISTAKE = """
from .base import Base

model = Base("last").build(dtype="auto", device_map="auto")
model.to("cuda")
"""


def package(folder: Path, size: int) -> None:
    """A package in which every module imports the base and three others."""
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text(BASE)
    for n in range(size):
        others = [(n + step) % size for step in (1, 7, 13)]
        text = PART.format(
            n=n,
            first=others[0],
            second=others[1],
            size=(3, 7, 32, 72)[n % 4],
            imports=f"from . import m{others[0]}\nfrom . import m{others[1]}, m{others[2]}",
        )
        (folder / f"m{n}.py").write_text(text)
    (folder / "last.py").write_text(MISTAKE)


def steps_for(
    folder: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[LintFinding]]:
    """What the analysis of a package of `size` modules takes, and finds."""
    package(folder, size)
    worlds: list[World] = []

    def noted(world: World, *rest: object) -> object:
        worlds.append(world)
        return analyse(world, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "analyse", noted)
    findings = lint_paths([folder], RELEASE)
    return sum(world.steps for world in worlds), findings


def test_the_work_grows_with_the_size_and_no_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, _ = steps_for(tmp_path / "small", 40, monkeypatch)
    large, findings = steps_for(tmp_path / "large", 160, monkeypatch)
    assert large < 5 * small
    assert large < 160 * STEPS_PER_FILE
    assert [(Path(f.file).name, f.id) for f in findings if f.level == "warning"] == [
        ("last.py", "memory.dispatch-undone")
    ]
    assert [f for f in findings if f.id == NOT_ANALYSED] == []


MANY = """
from transformers import Qwen2_5_VLForConditionalGeneration as Model

def choose(rows, kind):
    kept = [row for row in rows if row]
    lengths = {len(row): row for row in kept}
    longest = sorted(lengths, reverse=True)[:10]
    return {"eager": "eager", "other": "sdpa"}.get(kind, longest and "sdpa")

"""


def test_a_load_that_hangs_on_a_call_that_was_not_followed_is_named(tmp_path: Path) -> None:
    text = MANY + "".join(f"x{n} = choose([[{n}]], 'a{n}')\n" for n in range(1_300))
    last = "attn_implementation=choose([[1]], 'eager')"
    text += f"m = Model.from_pretrained('Qwen/Qwen2.5-VL-7B-Instruct', {last})\n"
    (tmp_path / "a.py").write_text(text)
    findings = lint_paths([tmp_path], RELEASE)
    (record,) = [f for f in findings if f.id == NOT_ANALYSED]
    assert record.line == text.count("\n") and f"line {record.line} may hold" in record.message


def test_a_loader_is_followed_for_every_model(tmp_path: Path) -> None:
    text = (
        "from transformers import Qwen2_5_VLForConditionalGeneration as Model\n"
        "def load(size, **keywords):\n"
        "    return Model.from_pretrained(f'Qwen/Qwen2.5-VL-{size}B-Instruct', **keywords)\n"
    )
    text += "".join(f"m{n} = load({n}, dtype='auto', device_map='auto')\n" for n in range(20))
    text += "m19.to('cuda')\n"
    (tmp_path / "a.py").write_text(text)
    found = [f for f in lint_paths([tmp_path], RELEASE) if f.id == "memory.dispatch-undone"]
    assert [f.line for f in found] == [text.count("\n")]
