"""Builders of environments and of facts for the version rules."""

from __future__ import annotations

import os
import textwrap
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import qvl_checks
from qvl_checks.versions.packages_facts import Copy, ModuleLocation, PackagesFacts
from qvl_doctor.facts import ModelFacts, ProbeStatus, TargetFacts
from qvl_doctor.probe import Probe
from qvl_doctor.running.client import AgentClient

ROOTS = {"qvl_checks": str(Path(qvl_checks.__file__).parent)}


class Environment:
    """A real virtual environment without pip, filled by hand."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = str(folder / "bin" / "python")
        self.site_packages = next((folder / "lib").glob("python3*/site-packages"))

    def module(self, name: str, source: str = "", *, folder: Path | None = None) -> Path:
        """A package of one file."""
        package = (folder or self.site_packages) / name
        package.mkdir(parents=True, exist_ok=True)
        file = package / "__init__.py"
        file.write_text(textwrap.dedent(source))
        return file

    def metadata(self, name: str, version: str, *lines: str, folder: Path | None = None) -> Path:
        """A ``.dist-info``, as an installer leaves it."""
        info = (folder or self.site_packages) / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        text = "\n".join((f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *lines))
        (info / "METADATA").write_text(text + "\n")
        (info / "INSTALLER").write_text("pip\n")
        return info

    def install(self, name: str, version: str, source: str = "", *lines: str) -> None:
        """Module and metadata that agree."""
        self.module(name.replace("-", "_"), source or f'__version__ = "{version}"\n')
        self.metadata(name, version, *lines)

    def client(self, **variables: str) -> AgentClient:
        """An agent in it; an empty variable is one that is not set."""
        merged = {**os.environ, **variables}
        return AgentClient(self.python, ROOTS, {k: v for k, v in merged.items() if v})

    def run(self, probe: Probe, **variables: str) -> Any:
        """The decoded facts of a probe that needs no heavy import."""
        client = self.client(**variables)
        try:
            record = client.run(probe.entry, {}, probe.budget_s)
        finally:
            client.close()
        assert record.status is ProbeStatus.OK, record.reason
        return msgspec.convert(record.data, probe.facts)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A fresh one."""
    return Environment(tmp_path / "environment")


@pytest.fixture
def target() -> TargetFacts:
    """An ordinary interpreter with pip."""
    return TargetFacts(
        python="/home/user/venv/bin/python",
        chosen_because="test",
        version="3.11.9",
        implementation="CPython",
        platform="linux",
        machine="x86_64",
        has_pip=True,
    )


@pytest.fixture
def qwen25() -> ModelFacts:
    """A Qwen2.5-VL checkpoint."""
    return ModelFacts(
        name="Qwen2.5-VL-7B",
        source="published",
        model_type="qwen2_5_vl",
        class_name="Qwen2_5_VLForConditionalGeneration",
        family="Qwen2.5-VL",
        config={"model_type": "qwen2_5_vl"},
    )


@pytest.fixture
def packages() -> Callable[..., PackagesFacts]:
    """``packages(transformers="5.23.0", torch=("2.13.0", ["filelock"]))``: facts as recorded.

    A value is a version, or a version and its Requires-Dist lines; every module lies where its
    metadata is.
    """
    folder = "/home/user/venv/lib/python3.11/site-packages"
    names = {"huggingface-hub": "huggingface_hub", "pillow": "PIL", "flash-attn": "flash_attn"}

    def build(**versions: str | tuple[str, list[str]]) -> PackagesFacts:
        installed, copies, modules = {}, {}, {}
        for key, value in versions.items():
            name = key.replace("_", "-")
            version, requires = value if isinstance(value, tuple) else (value, [])
            installed[name] = version
            copies[name] = (Copy(version=version, location=folder, requires=tuple(requires)),)
            module = names.get(name, name)
            modules[module] = ModuleLocation(
                file=f"{folder}/{module}/__init__.py", folder=f"{folder}/{module}"
            )
        return PackagesFacts(copies=copies, installed=installed, modules=modules)

    return build
