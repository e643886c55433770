"""A folder, a cached repository, or room for a download; and the probe that looks in the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qvl_checks.checkpoint import hub_cache_probe
from qvl_checks.checkpoint.hub_cache_facts import HubCacheFacts, Snapshot
from qvl_checks.checkpoint.model_files_unreachable import model_files_unreachable
from qvl_checks.host.system_facts import Disk, HostFacts
from qvl_doctor.findings import Outcome

NAME = "Qwen2.5-VL-7B"
EMPTY = HubCacheFacts(state="read", folder="/home/user/.cache/huggingface/hub")
GIB = 2**30


def host(free_gib: float | None = 500, writable: bool | None = True, **variables: str) -> HostFacts:
    free = None if free_gib is None else int(free_gib * GIB)
    disk = Disk(purpose="model cache", path="/cache/hub", free_bytes=free, writable=writable)
    return HostFacts(disks=(disk,), environment=variables)


def cached(**changes: Any) -> HubCacheFacts:
    fields = {
        "repository": f"Qwen/{NAME}-Instruct",
        "revision": "abc",
        "folder": "/cache/hub/x",
        "has_config": True,
        "weight_files": 5,
        "expected_files": 5,
        **changes,
    }
    return HubCacheFacts(state="read", snapshots=(Snapshot(**fields),))


@pytest.fixture
def judged(model: Any, whole: Any) -> Any:
    def judge(cache: HubCacheFacts, machine: HostFacts, source: str = "published") -> Any:
        return model_files_unreachable.judge(whole(), model(source=source), cache, machine)

    return judge


def test_a_folder_is_there_or_not(model: Any, whole: Any) -> None:
    here = model_files_unreachable.judge(whole(), model(), EMPTY, host())
    gone = model_files_unreachable.judge(whole(state="missing"), model(), EMPTY, host())
    assert (here.outcome, gone.outcome) == (Outcome.PASS, Outcome.FAIL)


def test_a_cached_model_needs_no_room(judged: Any) -> None:
    assert judged(cached(), host(free_gib=0, writable=False)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "flaw", [{"weight_files": 4}, {"has_config": False}, {"dangling": 1}, {"weight_files": 0}]
)
def test_an_incomplete_copy_does_not_count(judged: Any, flaw: dict[str, Any]) -> None:
    assert judged(cached(**flaw), host(free_gib=1)).outcome is Outcome.FAIL


def test_room_for_the_download(judged: Any) -> None:
    small = judged(EMPTY, host(free_gib=10))
    assert small.outcome is Outcome.FAIL
    assert "needs 15.4 GiB there; 10.0 GiB are free" in small.title
    assert judged(EMPTY, host(writable=False)).outcome is Outcome.FAIL
    roomy = judged(EMPTY, host(HF_ENDPOINT="https://mirror.example"))
    assert roomy.outcome is Outcome.NOT_APPLICABLE
    assert roomy.evidence["environment"] == {"HF_ENDPOINT": "https://mirror.example"}


def test_what_is_not_known(judged: Any) -> None:
    assert judged(EMPTY, host(), source="tiny").outcome is Outcome.NOT_APPLICABLE
    assert judged(EMPTY, HostFacts()).outcome is Outcome.BLOCKED
    unreadable = HubCacheFacts(state="unreadable", reason="PermissionError")
    assert judged(unreadable, host()).outcome is Outcome.BLOCKED


def probe(model: dict[str, Any]) -> HubCacheFacts:
    wire = json.dumps(hub_cache_probe.run({"model": model}), allow_nan=False)
    return msgspec.convert(json.loads(wire), HubCacheFacts, strict=True)


def repository(cache: Path, name: str, *files: str) -> Path:
    folder = cache / name
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    for file in files:
        (folder / "blobs" / file).write_text("x")
        (snapshot / file).symlink_to(folder / "blobs" / file)
    return folder


def test_the_probe_finds_repositories_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    files = ("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    folder = repository(tmp_path, f"models--Qwen--{NAME}-Instruct", *files)
    repository(tmp_path, "models--Qwen--Qwen2-VL-7B", *files)
    (folder / "blobs" / "abc.incomplete").write_text("")
    facts = probe({"name": NAME, "source": "published"})
    (snapshot,) = facts.snapshots
    assert (snapshot.repository, snapshot.whole) == (f"Qwen/{NAME}-Instruct", True)
    assert facts.unfinished == 1
    (folder / "blobs" / files[2]).unlink()
    (snapshot,) = probe({"name": NAME, "source": "published"}).snapshots
    assert (snapshot.dangling, snapshot.whole) == (1, False)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ],
)
def test_where_the_cache_is(variables: dict[str, str], expected: str) -> None:
    assert str(hub_cache_probe.cache_folder(variables)) == expected


def test_the_probe_where_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe({"name": NAME, "source": "tiny"}).state == "not-asked"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    assert probe({"name": NAME, "source": "published"}).state == "missing"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    assert probe({"name": NAME, "source": "published"}).state == "unreadable"
    (tmp_path / "models--odd").mkdir()
    (tmp_path / f"models--Qwen--{NAME}").write_text("")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert probe({"name": NAME, "source": "published"}).snapshots == ()
