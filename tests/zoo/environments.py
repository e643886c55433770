"""Broken environments by recipe: virtual environments over the packages of the running interpreter.

Nothing here knows a single environment; `recipes.toml` does. What is built once stays: a folder
counts as built when its mark is written, which is the last thing done to it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MARK = ".built"
PIP_S = 1200
"""Seconds for one pip command: the big environments download gigabytes."""

Say = Callable[[str], None]
Recipe = dict[str, Any]


def recipes() -> dict[str, dict[str, Recipe]]:
    """``base``, ``environment`` and ``checkpoint``, each by name."""
    path = Path(__file__).with_name("recipes.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


class CannotBuild(Exception):
    """This machine lacks what the recipe needs (another Python, a compiler)."""


class Builder:
    """Builds into one folder, and only what is not there yet."""

    def __init__(self, folder: Path, say: Say = print) -> None:
        self.folder = folder.absolute()
        self._recipes = recipes()
        self._say = say

    def recipe(self, name: str) -> Recipe:
        """The recipe of an environment."""
        recipe: Recipe = self._recipes["environment"][name]
        return recipe

    def python(self, name: str) -> Path:
        """The interpreter of an environment, built if need be.

        Raises:
            CannotBuild: the recipe needs what this machine does not have.
        """
        home = self.folder / "environments" / name
        if not (home / MARK).exists():
            self._environment(name, home)
        return home / "bin" / "python"

    def _environment(self, name: str, home: Path) -> None:
        recipe = self.recipe(name)
        if home.exists():
            self._say(f"{name}: starts again, the last build did not end")
            shutil.rmtree(home)
        self._say(f"{name}: virtual environment")
        interpreter = find_python(recipe["python"]) if "python" in recipe else sys.executable
        if interpreter == sys.executable:
            venv.create(home, with_pip=False, symlinks=True)
        else:
            subprocess.run([interpreter, "-m", "venv", home], check=True, capture_output=True)
        site = next((home / "lib").glob("python3*/site-packages"))
        if "like" in recipe:
            original = self.python(recipe["like"]).parents[1]
            copy_linked(next((original / "lib").glob("python3*/site-packages")), site)
        if "base" in recipe:
            (site / "_base.pth").write_text(f"{self._base(recipe['base'])}\n")
        for arguments in recipe.get("pip", ()):
            self._say(f"{name}: pip install {' '.join(arguments)}")
            pip_install(home / "bin" / "python", arguments)
        for requirement in recipe.get("sdist", ()):
            self._say(f"{name}: Python files of {requirement}")
            unpack_sdist(requirement, site)
        for module, source in recipe.get("compile", {}).items():
            self._say(f"{name}: compiles {source}")
            compile_extension(Path(__file__).with_name(source), site / f"{module}.so")
        for file, text in recipe.get("write", {}).items():
            replace(site / file, text)
        for file, marks in recipe.get("delete_lines", {}).items():
            kept = [
                line
                for line in (site / file).read_text(encoding="utf-8").splitlines(keepends=True)
                if not any(mark in line for mark in marks)
            ]
            replace(site / file, "".join(kept))
        (home / MARK).touch()

    def _base(self, name: str) -> Path:
        home = self.folder / "bases" / name
        if not (home / MARK).exists():
            recipe = self._recipes["base"][name]
            self._say(f"base {name}: links to the packages of {sys.executable}")
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            for found in closure(recipe["packages"], frozenset(recipe["without"])):
                link(found, home)
            (home / MARK).touch()
        return home


def closure(roots: Iterable[str], without: frozenset[str]) -> list[Distribution]:
    """Installed distributions and all that they require (extras aside), some left out."""
    found: dict[str, Distribution] = {}
    waiting = list(roots)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found or name in without:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        requirements = [Requirement(line) for line in found[name].requires or ()]
        waiting += [r.name for r in requirements if not r.marker or r.marker.evaluate()]
    return list(found.values())


def link(found: Distribution, folder: Path) -> None:
    """Symbolic links to the top-level files and folders of a distribution."""
    tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    for top in tops:
        original, mark = Path(str(found.locate_file(top))), folder / top
        if original.exists() and not mark.exists():
            mark.symlink_to(original)


def copy_linked(original: Path, copy: Path) -> None:
    """A copy that shares the files; whoever changes one must replace it, as pip does."""
    shutil.copytree(original, copy, copy_function=os.link, symlinks=True, dirs_exist_ok=True)


def replace(path: Path, text: str) -> None:
    """Write a file without touching what shares its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")


def find_python(version: str) -> str:
    """An interpreter of that version: on PATH, or of pyenv.

    Raises:
        CannotBuild: there is none.
    """
    of_pyenv = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")
    for candidate in (shutil.which(f"python{version}"), *map(str, sorted(of_pyenv))):
        if candidate is None:
            continue
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=60)
        if answer.stdout.strip() == version:
            return candidate
    raise CannotBuild(f"there is no Python {version} on this machine")


def pip_install(python: Path, arguments: list[str]) -> None:
    """``pip install`` into another environment.

    Raises:
        CalledProcessError: pip failed; its output was shown.
    """
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    options = ["--no-compile", "--disable-pip-version-check"]
    subprocess.run([*command, *options, *arguments], check=True, timeout=PIP_S)


def unpack_sdist(requirement: str, site: Path) -> None:
    """The packages of a source distribution as they are, with metadata, unbuilt.

    Raises:
        CalledProcessError: pip cannot download it.
    """
    name, _, version = requirement.partition("==")
    module = name.replace("-", "_")
    with tempfile.TemporaryDirectory() as folder:
        download = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            ":all:",
        ]
        subprocess.run(
            [*download, "--no-build-isolation", "-d", folder, requirement],
            check=True,
            timeout=PIP_S,
            env={**os.environ, "FLASH_ATTENTION_SKIP_CUDA_BUILD": "TRUE"},
        )
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        shutil.copytree(next(Path(folder).glob(f"*/{module}")), site / module)
    info = site / f"{module}-{version}.dist-info"
    replace(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    replace(info / "INSTALLER", "pip\n")
    replace(info / "RECORD", "")


def compile_extension(source: Path, output: Path) -> None:
    """A shared library whose unresolved symbols are looked up as soon as it is loaded.

    Raises:
        CannotBuild: there is no C++ compiler.
    """
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise CannotBuild("there is no C++ compiler on this machine")
    command = [compiler, "-shared", "-fPIC", "-Wl,-z,now", str(source), "-o", str(output)]
    subprocess.run(command, check=True, timeout=120)
