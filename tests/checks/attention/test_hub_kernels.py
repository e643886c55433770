"""Kernels of the Hub: found in a cache, loaded from it, never fetched."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from qvl_checks.attention import hub_kernels

REPOSITORY = "kernels-community/flash-attn2"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment that names it."""
    monkeypatch.setenv("KERNELS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """An installed ``kernels`` that records what it is asked for."""
    module = types.ModuleType("kernels")
    module.__spec__ = types.SimpleNamespace(name="kernels")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "kernels", module)
    constants = types.ModuleType("huggingface_hub.constants")
    constants.HF_HUB_OFFLINE = False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", constants)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return module


def snapshot(cache: Path, prefix: str, name: str, age: int) -> Path:
    folder = cache / f"{prefix}kernels-community--flash-attn2" / "snapshots" / name
    (folder / "build").mkdir(parents=True)
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_without_the_package_nothing_is_checked(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_kernels.importlib.util, "find_spec", lambda name: None)
    found, absent = hub_kernels.cached()
    assert found == {} and "not installed" in str(absent)


def test_what_is_not_in_the_cache_is_named(cache: Path, kernels: types.ModuleType) -> None:
    found, absent = hub_kernels.cached()
    assert found == {}
    assert set(absent) == set(hub_kernels.REPOSITORIES)
    assert all("nothing is downloaded" in why for why in absent.values())


@pytest.mark.parametrize("prefix", ["kernels--", "models--"])
def test_the_newest_snapshot_with_a_build_is_taken(
    cache: Path, kernels: types.ModuleType, prefix: str
) -> None:
    snapshot(cache, prefix, "older", 100)
    newest = snapshot(cache, prefix, "newest", 10)
    (newest.parent / "without-build").mkdir()
    found, _ = hub_kernels.cached()
    assert found == {"hub:flash-attn2": newest}


@pytest.mark.parametrize("old", [True, False])
def test_it_is_loaded_from_there_with_the_network_shut(
    cache: Path, kernels: types.ModuleType, old: bool
) -> None:
    asked: list[Any] = []

    def with_name(repo_path: Path, package_name: str) -> str:
        asked.append((repo_path, package_name, os.environ["HF_HUB_OFFLINE"]))
        return "module"

    def without_name(repo_path: Path) -> str:
        asked.append((repo_path, None, os.environ["HF_HUB_OFFLINE"]))
        return "module"

    kernels.get_local_kernel = with_name if old else without_name  # type: ignore[attr-defined]
    folder = snapshot(cache, "kernels--", "one", 1)
    assert hub_kernels.load(REPOSITORY, folder) == "module"
    assert asked == [(folder, "flash_attn2" if old else None, "1")]
    assert sys.modules["huggingface_hub.constants"].HF_HUB_OFFLINE is True
