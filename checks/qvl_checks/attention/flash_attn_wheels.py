"""Which published flash-attn wheel fits an interpreter and its torch, and what else there is."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import msgspec

from qvl_checks.devices.torch_facts import TorchFacts
from qvl_doctor.facts import TargetFacts
from qvl_doctor.findings import Fix, Safety

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).with_name("flash_attn_wheels.toml")
DOWNLOAD = "https://github.com/Dao-AILab/flash-attention/releases/download"
PLATFORM = ("linux", "x86_64")

USE_SDPA = Fix.edit(
    'model = AutoModelForImageTextToText.from_pretrained(path, attn_implementation="sdpa")',
    summary="uses torch's own attention: the same answers up to rounding, nothing to install",
)


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A combination that a release leaves out."""

    torch: str
    python: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The combinations of one release; each of its lists is crossed with the others."""

    version: str
    cuda: tuple[str, ...]
    torch: tuple[str, ...]
    cxx11_abi: tuple[bool, ...]
    python: tuple[str, ...]
    gaps: tuple[Gap, ...] = msgspec.field(default=(), name="except")


class Wheels(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``flash_attn_wheels.toml``."""

    provenance: str
    source: str
    verified_on: str
    release: tuple[Release, ...]


@cache
def published() -> Wheels:
    """The data, checked on loading."""
    return msgspec.convert(tomllib.loads(DATA.read_text(encoding="utf-8")), Wheels)


def wheel_for(target: TargetFacts, torch: TorchFacts) -> str | None:
    """The URL of the wheel for exactly this Python, torch, CUDA and ABI; None: none is known."""
    if (target.platform, target.machine) != PLATFORM or target.implementation != "CPython":
        return None
    if torch.release is None or torch.cuda is None or torch.cxx11_abi is None:
        return None
    python = "cp" + "".join(map(str, target.version_tuple[:2]))
    minor = ".".join(map(str, torch.release))
    cuda = torch.cuda.partition(".")[0]
    for release in published().release:
        fits = (
            python in release.python
            and minor in release.torch
            and cuda in release.cuda
            and torch.cxx11_abi in release.cxx11_abi
            and Gap(torch=minor, python=python) not in release.gaps
        )
        if fits:
            abi = str(torch.cxx11_abi).upper()
            name = (
                f"flash_attn-{release.version}+cu{cuda}torch{minor}cxx11abi{abi}"
                f"-{python}-{python}-linux_x86_64.whl"
            )
            return f"{DOWNLOAD}/v{release.version}/{name}"
    return None


def installing(target: TargetFacts, torch: TorchFacts | None) -> list[Fix]:
    """The exact wheel where one is published, else the build; and always the way without it."""
    fixes = []
    if torch is not None and torch.cuda is not None:
        wheel = wheel_for(target, torch)
        if wheel is not None:
            fixes.append(
                Fix.run(
                    *target.install("--no-deps", "--force-reinstall", wheel),
                    summary="installs the published wheel for this Python, torch, CUDA and ABI",
                )
            )
        fixes.append(
            Fix.run(
                *target.install(
                    "flash-attn",
                    "--no-build-isolation",
                    "--no-cache-dir",
                    "--no-binary",
                    "flash-attn",
                ),
                summary="builds it against the installed torch; needs nvcc, much memory and time",
                safety=Safety.REVIEW,
            )
        )
    return [*fixes, USE_SDPA]


def removing(target: TargetFacts) -> Fix:
    """Taking it out, for who does not need it."""
    argv = (
        (target.python, "-m", "pip", "uninstall", "-y", "flash-attn")
        if target.has_pip
        else ("uv", "pip", "uninstall", "--python", target.python, "flash-attn")
    )
    return Fix.run(*argv, summary="removes flash-attn, so that nothing tries to load it")
