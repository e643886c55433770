"""Facts about readers and processors as recorded, and interpreters with hand-made packages."""

from __future__ import annotations

import os
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import qvl_checks
from qvl_checks.versions.packages_facts import ModuleLocation, PackagesFacts
from qvl_checks.video.readers_facts import VIDEO_READERS, ReadersFacts
from qvl_doctor.facts import ModelFacts, ProbeStatus, TargetFacts
from qvl_doctor.running.client import AgentClient

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}


@pytest.fixture
def target() -> TargetFacts:
    """An ordinary interpreter with pip."""
    return TargetFacts(python="/venv/bin/python", chosen_because="test", has_pip=True)


@pytest.fixture
def qwen25() -> ModelFacts:
    """A family that keeps time in the position ids."""
    return ModelFacts(
        name="Qwen2.5-VL-7B",
        source="published",
        model_type="qwen2_5_vl",
        class_name="Qwen2_5_VLForConditionalGeneration",
        family="Qwen2.5-VL",
    )


@pytest.fixture
def qwen3() -> ModelFacts:
    """A family that writes time stamps."""
    return ModelFacts(
        name="Qwen3-VL-8B",
        source="published",
        model_type="qwen3_vl",
        class_name="Qwen3VLForConditionalGeneration",
        family="Qwen3-VL",
    )


@pytest.fixture
def packages() -> Callable[..., PackagesFacts]:
    """``packages(transformers="5.23.0")``."""

    def build(**versions: str) -> PackagesFacts:
        return PackagesFacts(
            installed=versions, modules={name: ModuleLocation() for name in versions}
        )

    return build


class Environment:
    """A real virtual environment without pip, filled by hand."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = str(folder / "bin" / "python")
        self.site_packages = next((folder / "lib").glob("python3*/site-packages"))

    def install(self, name: str, version: str, **files: str) -> None:
        """A package; ``files`` are paths with ``__`` for a slash."""
        module = name.replace("-", "_")
        info = self.site_packages / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(text)
        for path, source in {"init": "", **files}.items():
            parts = ["__init__"] if path == "init" else path.split("__")
            if parts[-1] == "init":
                parts[-1] = "__init__"
            file = self.site_packages.joinpath(module, *parts).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)

    def readers(self, level: str = "standard", **variables: str) -> ReadersFacts:
        """What the probe sees in it."""
        client = AgentClient(self.python, ROOTS, {**os.environ, **variables})
        try:
            request: dict[str, Any] = {"level": level}
            record = client.run(VIDEO_READERS.entry, request, VIDEO_READERS.budget_s)
        finally:
            client.close()
        assert record.status is ProbeStatus.OK, record.reason
        return msgspec.convert(record.data, ReadersFacts)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A fresh one."""
    return Environment(tmp_path / "environment")
