"""Every kind of damage is named with its file; a whole folder passes."""

from __future__ import annotations

from typing import Any

import pytest

from qvl_checks.checkpoint.checkpoint_damaged import checkpoint_damaged
from qvl_checks.checkpoint.files_facts import (
    Adapter,
    Examples,
    FirstBytes,
    Index,
    Settings,
    Shard,
)
from qvl_checks.models.catalogue import published_config
from qvl_doctor.findings import Outcome
from qvl_doctor.judgement import Judgement

FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def judged(files: Any, packages: Any = None) -> Judgement:
    return checkpoint_damaged.judge(files, packages)


def broken(verdict: str, **more: Any) -> tuple[Shard, ...]:
    return (
        Shard(name=FIRST, verdict="ok", tensors=300, size_bytes=10),
        Shard(name=SECOND, verdict=verdict, **more),
    )


def test_a_whole_folder_passes(whole: Any) -> None:
    judgement = judged(whole())
    assert judgement.outcome is Outcome.PASS
    assert judgement.title == "All 2 weight files are whole (16.00 GiB)"


def test_no_folder(no_folder: Any) -> None:
    judgement = judged(no_folder)
    assert judgement.outcome is Outcome.NOT_APPLICABLE
    assert "--model FOLDER" in judgement.title


@pytest.mark.parametrize("state", ["missing", "not-a-folder", "unreadable"])
def test_a_folder_that_cannot_be_read_blocks(whole: Any, state: str) -> None:
    assert judged(whole(state=state)).outcome is Outcome.BLOCKED


@pytest.mark.parametrize(
    "verdict",
    [
        "empty",
        "git-lfs-pointer",
        "html-page",
        "truncated",
        "overlong",
        "header-too-large",
        "header-invalid",
        "offsets-invalid",
        "unreadable",
    ],
)
def test_every_verdict_but_ok_fails_and_names_the_file(whole: Any, verdict: str) -> None:
    judgement = judged(whole(shards=broken(verdict)))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title.startswith(SECOND)
    assert judgement.fixes


def test_the_missing_bytes_are_counted(whole: Any) -> None:
    shards = broken("truncated", expected_bytes=1000, missing_bytes=400, size_bytes=600)
    assert judged(whole(shards=shards)).title == (
        f"{SECOND} is cut off: 400 of 1000 bytes are missing"
    )


def test_a_pointer_is_fetched_with_lfs(whole: Any) -> None:
    first = judged(whole(shards=broken("git-lfs-pointer"))).fixes[0]
    assert first.command is not None
    assert first.command[-2:] == ("lfs", "pull")


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ({"files_missing": Examples(count=1, examples=(SECOND,))}, f"{SECOND} is missing"),
        ({"tensors_missing": Examples(count=3, examples=("x.weight",))}, "names 3 tensors"),
    ],
)
def test_an_index_that_disagrees(whole: Any, index: dict[str, Any], expected: str) -> None:
    judgement = judged(whole(index=Index(name=INDEX, state="read", files_named=2, **index)))
    assert judgement.outcome is Outcome.FAIL
    assert expected in judgement.title


def test_an_invalid_index(whole: Any) -> None:
    index = Index(name=INDEX, state="invalid", reason="no weight_map")
    assert "no weight_map" in judged(whole(index=index)).title


def test_numbered_files_need_their_index_and_each_other(whole: Any) -> None:
    lost = Index(name=INDEX, state="missing")
    judgement = judged(whole(index=lost, shards=broken("ok")[:1]))
    assert [row["file"] for row in judgement.evidence["damaged"]] == [INDEX, SECOND]


def test_a_single_file_needs_no_index(whole: Any) -> None:
    single = (Shard(name="model.safetensors", verdict="ok", tensors=9, size_bytes=10),)
    files = whole(index=Index(name=INDEX, state="missing"), shards=single)
    assert judged(files).outcome is Outcome.PASS


@pytest.mark.parametrize("kind", ["empty", "git-lfs-pointer", "html-page", "unreadable"])
def test_tokenizer_files_are_looked_at_too(whole: Any, kind: str) -> None:
    judgement = judged(whole(other_files=(FirstBytes(name="tokenizer.json", kind=kind),)))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title.startswith("tokenizer.json")


def test_settings_that_are_no_json(whole: Any) -> None:
    settings = {"preprocessor_config.json": Settings(state="invalid", reason="not JSON")}
    assert "preprocessor_config.json" in judged(whole(settings=settings)).title


def test_pickles_are_not_vouched_for(whole: Any) -> None:
    pickles = (FirstBytes(name="pytorch_model.bin", kind="data", size_bytes=9),)
    files = whole(shards=(), pickles=pickles, index=Index(name=INDEX, state="missing"))
    assert judged(files).outcome is Outcome.INCONCLUSIVE


def test_a_folder_without_weights(whole: Any) -> None:
    files = whole(shards=(), index=Index(name=INDEX, state="missing"))
    assert "holds no weight files" in judged(files).title


def test_files_that_were_not_looked_at_leave_it_open(whole: Any) -> None:
    assert judged(whole(shards=broken("not-read"))).outcome is Outcome.INCONCLUSIVE


def test_an_unfinished_download(whole: Any) -> None:
    judgement = judged(whole(unfinished=("model-00003-of-00003.safetensors.incomplete",)))
    assert "never downloaded to its end" in judgement.title
    assert judged(whole(unfinished=(f"{SECOND}.incomplete",))).outcome is Outcome.PASS


def fix_of(files: Any, packages: Any = None) -> Any:
    return judged(files, packages).fixes[-1]


def test_the_cache_tells_the_repository(whole: Any) -> None:
    path = "/home/user/.cache/huggingface/hub/models--Qwen--Qwen2.5-VL-7B-Instruct/snapshots/abc"
    fix = fix_of(whole(path=path, shards=broken("truncated")))
    assert fix.command == (
        "hf", "download", "Qwen/Qwen2.5-VL-7B-Instruct", SECOND, "--force-download",
    )  # fmt: skip


def test_the_config_tells_the_repository_with_a_warning(whole: Any, packages: Any) -> None:
    files = whole(config={"_name_or_path": "Qwen/Qwen2-VL-2B"}, shards=broken("empty"))
    fix = fix_of(files, packages(huggingface_hub="0.30.0"))
    assert fix.command[:4] == ("huggingface-cli", "download", "Qwen/Qwen2-VL-2B", SECOND)
    assert "fine-tune" in fix.summary


@pytest.mark.parametrize("stated", ["./output/run-3", "/data/models/x", "a/b/c", "--flag/x", 7])
def test_a_path_is_not_taken_for_a_repository(whole: Any, stated: object) -> None:
    fix = fix_of(whole(config={"_name_or_path": stated}, shards=broken("empty")))
    assert fix.kind == "advice"


def _settings(**states: str) -> dict[str, Settings]:
    return {
        "config.json": Settings(state="read", value=published_config("Qwen2.5-VL-7B")),
        "preprocessor_config.json": Settings(state=states.get("alone", "missing")),
        "processor_config.json": Settings(
            state="read", value={"image_processor": {}} if states.get("parts") else {}
        ),
    }


def test_a_folder_without_what_the_processor_is_made_from_is_not_whole(whole: Any) -> None:
    judgement = judged(whole(settings=_settings()))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.title.startswith("preprocessor_config.json is missing")
    assert judgement.fixes


@pytest.mark.parametrize("states", [{"alone": "read"}, {"parts": "yes"}])
def test_either_file_serves_the_processor(whole: Any, states: dict[str, str]) -> None:
    assert judged(whole(settings=_settings(**states))).outcome is Outcome.PASS


def test_an_adapter_alone_needs_no_processor(whole: Any) -> None:
    facts = whole(settings=_settings(), adapter=Adapter(count=4), tensors={"count": 0})
    assert "preprocessor_config.json" not in judged(facts).title
