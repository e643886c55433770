"""Which files a path means."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = {".py", ".pyw", ".ipynb"}
SKIPPED = {
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".ipynb_checkpoints",
    ".tox",
    ".mypy_cache",
    "site-packages",
}


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The Python files and notebooks under the paths, each once; links to folders are not followed
    below them.
    """
    seen: set[str] = set()
    for path in paths:
        for file in _below(path):
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in sorted(files):
            file = Path(folder, name)
            if file.suffix in SUFFIXES and file.is_file():
                yield file
