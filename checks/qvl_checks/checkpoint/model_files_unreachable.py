"""checkpoint.model-files-unreachable: are the files here, and if not, could they arrive?"""

from __future__ import annotations

from typing import Any

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.hub_cache_facts import HubCacheFacts
from qvl_checks.host.system_facts import Disk, HostFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

CACHE = "model cache"
BF16 = 2
"""Bytes per parameter of the published checkpoints."""
VARIABLES = ("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HTTPS_PROXY", "https_proxy")
GIB = 2**30


@check("checkpoint.model-files-unreachable")
def model_files_unreachable(
    files: CheckpointFilesFacts, model: ModelFacts, cache: HubCacheFacts, host: HostFacts
) -> Judgement:
    """A folder is looked at; a published name is looked for in the cache, then room for it."""
    if model.source == "folder":
        return _folder(files)
    if model.source != "published":
        return not_applicable("no model was named (--model FOLDER or a published size)")
    disk = next((disk for disk in host.disks if disk.purpose == CACHE), None)
    evidence: dict[str, Any] = {
        "cache": cache.folder,
        "snapshots": [
            {"repository": s.repository, "revision": s.revision, "whole": s.whole}
            for s in cache.snapshots
        ],
        "unfinished_downloads": cache.unfinished,
        "environment": {n: host.environment[n] for n in VARIABLES if n in host.environment},
    }
    whole = [snapshot for snapshot in cache.snapshots if snapshot.whole]
    if whole:
        return passed(
            f"{whole[0].repository} is in the cache, so nothing has to be downloaded",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    if cache.state == "unreadable":
        return blocked(f"the cache {cache.folder} cannot be read: {cache.reason}")
    if disk is None:
        return blocked("the disk of the download cache was not looked at", evidence=evidence)
    return _download(model, disk, evidence)


def _folder(files: CheckpointFilesFacts) -> Judgement:
    if files.state != "read":
        reason = f": {files.reason}" if files.reason else ""
        return failed(
            f"The checkpoint folder {files.path} is {files.state}{reason}",
            "from_pretrained takes a path that is no folder for the name of a repository and asks "
            "the hub for it.",
            confidence=Confidence.MEASURED,
            fixes=[Fix.advise("Correct the path, or the permissions of the folder.")],
        )
    return passed(
        "The model is a folder on this machine, so nothing has to be downloaded",
        "Whether its files are whole is judged by checkpoint.checkpoint-damaged.",
        confidence=Confidence.MEASURED,
        evidence={"folder": files.path, "weight_files": len(files.shards) + len(files.pickles)},
    )


def _download(model: ModelFacts, disk: Disk, evidence: dict[str, Any]) -> Judgement:
    needed = model.parameters * BF16 if model.parameters else None
    evidence |= {"free_bytes": disk.free_bytes, "needed_bytes": needed, "writable": disk.writable}
    if disk.writable is False:
        return failed(
            f"{model.name} is not in the cache, and {disk.path} cannot be written",
            "A download has no place to go to.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_other_disk()],
        )
    if needed is not None and disk.free_bytes is not None and disk.free_bytes < needed:
        return failed(
            f"{model.name} is not in the cache and needs {needed / GIB:.1f} GiB there; "
            f"{disk.free_bytes / GIB:.1f} GiB are free",
            "The download would stop with 'No space left on device' and leave a cut-off file.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_other_disk()],
        )
    room = "there is room for it" if needed and disk.free_bytes else "its size is not known"
    return not_applicable(
        f"{model.name} is not in the cache; {room}, and whether the hub can be reached was not "
        "tried: the doctor opens no connection",
        evidence=evidence,
    )


def _other_disk() -> Fix:
    return Fix.environment(
        "HF_HOME=/path/to/a/larger/disk",
        summary="keeps the download cache on another disk; set it before Python starts",
        safety=Safety.SAFE,
    )
