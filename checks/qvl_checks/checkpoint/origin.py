"""Where a checkpoint folder came from, and the command that fetches single files of it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import CheckpointFilesFacts
from qvl_checks.checkpoint.folder import setting
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.findings import Fix, Safety

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
CACHE_FOLDER = re.compile(r"models--([\w.-]+?)--([\w.-]+)")
HF_SINCE = Version("0.34")
"""huggingface_hub release that brought the command ``hf``; before it is ``huggingface-cli``."""


def cached_repository(files: CheckpointFilesFacts) -> str | None:
    """``owner/name`` when the folder lies in the cache of huggingface_hub, whose paths say it."""
    for part in PurePath(files.path).parts:
        match = CACHE_FOLDER.fullmatch(part)
        if match:
            return "/".join(match.groups())
    return None


def stated_repository(files: CheckpointFilesFacts) -> str | None:
    """``_name_or_path`` of config.json if it looks like a repository.

    In a fine-tuned checkpoint this is the model that it was made from.
    """
    stated = setting(files, "config.json").get("_name_or_path")
    if isinstance(stated, str) and REPOSITORY.fullmatch(stated):
        return stated
    return None


def download(
    files: CheckpointFilesFacts, names: Sequence[str], packages: PackagesFacts | None
) -> Fix:
    """How to replace these files, as exactly as the folder tells where they came from."""
    hub = packages.version("huggingface-hub") if packages else None
    command = "huggingface-cli" if hub is not None and hub < HF_SINCE else "hf"
    listed = ", ".join(names)
    cached = cached_repository(files)
    if cached:
        return Fix.run(
            command, "download", cached, *names, "--force-download",
            summary=f"fetches {listed} again into the cache",
            safety=Safety.SAFE,
        )  # fmt: skip
    stated = stated_repository(files)
    if stated:
        return Fix.run(
            command, "download", stated, *names, "--local-dir", files.path, "--force-download",
            summary=f"fetches {listed} again, if this folder is a copy of {stated}; for a "
            "fine-tune of it copy the files from where the fine-tune is kept instead",
        )  # fmt: skip
    return Fix.advise(
        f"Fetch {listed} again from where the checkpoint came from: "
        f"{command} download OWNER/MODEL {' '.join(names)} --local-dir {files.path} "
        "--force-download",
        safety=Safety.REVIEW,
    )
