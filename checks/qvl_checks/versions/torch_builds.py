"""Which package index a torch build came from, and which companions fit it.

Pairs: torch 2.x goes with torchvision 0.(x+15) since 2.0, by the compatibility table in the
torchvision README (https://github.com/pytorch/vision#installation).
"""

from __future__ import annotations

import re

from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Fix

INDEX = "https://download.pytorch.org/whl/"
BUILD_TAG = re.compile(r"\+(cpu|cu\d{2,3}|rocm\d+(?:\.\d+)*|xpu)\b")
TORCHVISION_OFFSET = 15


def build_tag(version: str | None) -> str | None:
    """``cu128`` of 2.8.0+cu128; None for a build from the default index."""
    match = BUILD_TAG.search(version or "")
    return match.group(1) if match else None


def index_arguments(version: str | None) -> tuple[str, ...]:
    """``--index-url`` of the index that holds the same build, where the version names it."""
    tag = build_tag(version)
    return ("--index-url", INDEX + tag) if tag else ()


def release(version: str | None) -> tuple[int, int] | None:
    """(2, 8) of 2.8.0+cu128."""
    match = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(match[1]), int(match[2])) if match else None


def matching_torchvision(torch_version: str | None) -> str | None:
    """``0.23.*`` for torch 2.8; None outside the 2.x series."""
    known = release(torch_version)
    if known is None or known[0] != 2:
        return None
    return f"0.{known[1] + TORCHVISION_OFFSET}.*"


def install_torchvision(target: TargetFacts, torch_version: str | None) -> Fix:
    """The command that brings the torchvision of this torch, and leaves torch alone."""
    wanted = matching_torchvision(torch_version)
    requirement = f"torchvision=={wanted}" if wanted else "torchvision"
    return Fix.run(
        *target.install(
            "--force-reinstall", "--no-deps", requirement, *index_arguments(torch_version)
        ),
        summary=f"installs the torchvision that fits torch {torch_version}; torch stays",
    )
