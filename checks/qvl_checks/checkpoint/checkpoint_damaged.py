"""checkpoint.checkpoint-damaged: every weight file whole, and every file that the index names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts, Shard
from qvl_checks.checkpoint.folder import setting, vision_part, without_folder
from qvl_checks.checkpoint.origin import download
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, failed, inconclusive, passed

POINTER = "is a git-lfs pointer: the text that stands in for the file, which was never fetched"
HTML = "is a web page that was saved in place of the file"
SENTENCES = {
    "empty": "is empty",
    "git-lfs-pointer": POINTER,
    "html-page": HTML,
    "truncated": "is cut off",
    "overlong": "is longer than its header states",
    "header-too-large": "is no safetensors file: its first bytes state an impossible header",
    "header-invalid": "is no safetensors file: its header cannot be read",
    "offsets-invalid": "has a header that contradicts itself",
    "unreadable": "cannot be read",
}
NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
PROCESSOR = "preprocessor_config.json"
"""What an image processor is made from; newer releases can keep it in `PROCESSOR_PARTS`."""
PROCESSOR_PARTS = "processor_config.json"
SHOWN = 8
"""Damaged files that the title's sentence and the commands name; the evidence has all."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One file and what is wrong with it."""

    file: str
    wrong: str
    missing_bytes: int | None = None
    expected_bytes: int | None = None
    pointer: bool = False

    def sentence(self) -> str:
        """``model-1.safetensors is cut off: 5 of 10 bytes are missing``."""
        if self.missing_bytes is None or self.missing_bytes <= 0:
            return f"{self.file} {self.wrong}"
        of = f" of {self.expected_bytes}" if self.expected_bytes is not None else " or more"
        return f"{self.file} {self.wrong}: {self.missing_bytes}{of} bytes are missing"


@check("checkpoint.checkpoint-damaged")
def checkpoint_damaged(files: CheckpointFilesFacts, packages: PackagesFacts | None) -> Judgement:
    """Headers, sizes and the index; the data inside the tensors is not compared with anything."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    found = list(damages(files))
    evidence = {
        "folder": files.path,
        "shards": [
            {"file": s.name, "verdict": s.verdict, "bytes": s.size_bytes, "tensors": s.tensors}
            for s in files.shards
        ],
        "index": {"file": files.index.name, "state": files.index.state},
        "tensors_named_by_index": files.index.tensors_named,
        "pickle_files_not_opened": [pickle.name for pickle in files.pickles],
        "unfinished_downloads": list(files.unfinished),
    }
    if found:
        return _failed(found, files, packages, evidence)
    unread = [shard.name for shard in files.shards if shard.verdict == "not-read"]
    if unread:
        return inconclusive(
            f"{len(unread)} of {len(files.shards)} weight files were not looked at; "
            "there are more than one run reads",
            evidence=evidence,
        )
    if not files.shards:
        return inconclusive(
            "the weights are in pickle files, which are never opened; only their first bytes "
            "were looked at",
            evidence=evidence,
        )
    size = sum(shard.size_bytes or 0 for shard in files.shards)
    return passed(
        f"All {len(files.shards)} weight files are whole ({size / 2**30:.2f} GiB)",
        "Sizes, headers and the index agree. Checksums were not compared, so changed bytes inside "
        "the data would not show.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
    )


def damages(files: CheckpointFilesFacts) -> Iterator[Damage]:
    """Everything that is wrong with the files, one row per file."""
    if not files.shards and not files.pickles and not files.index.files_named:
        yield Damage(file=files.path, wrong="holds no weight files")
    for shard in files.shards:
        if shard.verdict not in ("ok", "not-read"):
            yield _of_shard(shard)
    for other in (*files.pickles, *files.other_files):
        if other.kind != "data":
            wrong = SENTENCES[other.kind]
            if other.reason:
                wrong += f" ({other.reason})"
            yield Damage(file=other.name, wrong=wrong, pointer=other.kind == "git-lfs-pointer")
    known_broken = {other.name for other in files.other_files if other.kind != "data"}
    settings = {name: (fact.state, fact.reason) for name, fact in files.settings.items()}
    settings["tokenizer_config.json"] = (files.tokenizer.state, files.tokenizer.reason)
    settings[files.index.name] = (files.index.state, files.index.reason)
    for name, (state, reason) in settings.items():
        if state not in ("read", "missing") and name not in known_broken:
            yield Damage(file=name, wrong=f"cannot be used ({reason or state})")
    yield from _of_processor(files)
    yield from _of_index(files)
    present = {shard.name for shard in files.shards} | {pickle.name for pickle in files.pickles}
    for name in files.unfinished:
        whole = name.rpartition(".")[0]
        if whole not in present:
            yield Damage(file=whole, wrong=f"was never downloaded to its end ({name} is there)")


def _of_processor(files: CheckpointFilesFacts) -> Iterator[Damage]:
    """Training programs often save weights without what the processor is made from."""
    adapter_alone = files.adapter.count and not files.tensors.count
    if adapter_alone or not vision_part(setting(files, "config.json")):
        return
    alone = files.settings.get(PROCESSOR)
    if alone is None or alone.state != "missing":
        return
    if "image_processor" not in setting(files, PROCESSOR_PARTS):
        yield Damage(
            file=PROCESSOR,
            wrong="is missing, so no processor can be loaded from this folder; "
            "the base model's fits",
        )


def _of_shard(shard: Shard) -> Damage:
    wrong = SENTENCES.get(shard.verdict, shard.verdict)
    if shard.reason:
        wrong += f" ({shard.reason})"
    return Damage(
        file=shard.name,
        wrong=wrong,
        missing_bytes=shard.missing_bytes,
        expected_bytes=shard.expected_bytes,
        pointer=shard.verdict == "git-lfs-pointer",
    )


def _of_index(files: CheckpointFilesFacts) -> Iterator[Damage]:
    index = files.index
    for name in index.files_missing.examples:
        yield Damage(file=name, wrong=f"is missing, although {index.name} names it")
    if index.tensors_missing.count:
        first = index.tensors_missing.examples[0]
        yield Damage(
            file=index.name,
            wrong=f"names {index.tensors_missing.count} tensors that their files do not hold, "
            f"such as {first}",
        )
    if index.state != "missing":
        return
    numbered = [match for shard in files.shards if (match := NUMBERED.fullmatch(shard.name))]
    if not numbered:
        return
    stem, _, total = numbered[0].groups()
    yield Damage(
        file=f"{stem}.safetensors.index.json",
        wrong="is missing; without it the numbered weight files are not found",
    )
    there = {match[2] for match in numbered if match[1] == stem and match[3] == total}
    for number in range(1, min(int(total), 512) + 1):
        if f"{number:05d}" not in there:
            yield Damage(file=f"{stem}-{number:05d}-of-{total}.safetensors", wrong="is missing")


def _failed(
    found: list[Damage],
    files: CheckpointFilesFacts,
    packages: PackagesFacts | None,
    evidence: dict[str, object],
) -> Judgement:
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return failed(
        found[0].sentence() + more,
        "; ".join(damage.sentence() for damage in found[:SHOWN])
        + ". Loading stops there, or goes on with random values for what is missing.",
        confidence=Confidence.MEASURED,
        evidence={**evidence, "damaged": [msgspec.structs.asdict(damage) for damage in found]},
        fixes=list(_fixes(found, files, packages)),
        explains=("checkpoint.output-head-mismatch",),
    )


def _fixes(
    found: list[Damage], files: CheckpointFilesFacts, packages: PackagesFacts | None
) -> Iterator[Fix]:
    names = list(dict.fromkeys(damage.file for damage in found if damage.file != files.path))
    if any(damage.pointer for damage in found):
        yield Fix.run(
            "git", "-C", files.path, "lfs", "pull",
            summary="fetches the real files, if the folder is a git clone; needs git-lfs",
            safety=Safety.SAFE,
        )  # fmt: skip
    if names:
        yield download(files, names[:SHOWN], packages)
    else:
        yield Fix.advise(f"Download the weights into {files.path}, or name another folder.")
