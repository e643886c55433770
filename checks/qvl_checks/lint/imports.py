"""What a file imports (a scan of its text, fast and generous), and which file of the project that
is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

STATEMENT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+([^\n#]+)|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
LIBRARIES = sys.stdlib_module_names | {
    "torch",
    "transformers",
    "numpy",
    "PIL",
    "tqdm",
    "accelerate",
    "peft",
    "qwen_vl_utils",
}
MAX_PARENTS = 7
"""How many folders upwards an absolute import is looked for."""


def imported(text: str) -> Iterator[tuple[str, int]]:
    """The modules that import statements name, as (name, number of leading dots)."""
    for dots, name, names, plain in STATEMENT.findall(text):
        if plain:
            for part in plain.split(","):
                yield part.split()[0] if part.split() else "", 0
            continue
        yield name, len(dots)
        for part in names.strip("() \\").split(","):
            if part.split():
                yield f"{name}.{part.split()[0]}".strip("."), len(dots)


class Project:
    """The Python files that are linted together, and how they name each other."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_place = {str(Path(path).resolve()): path for path in paths}
        self._names = {
            part for place in self._by_place for part in Path(place).with_suffix("").parts
        }
        self._folders: dict[str, Path] = {}

    def find(self, importer: str, name: str, level: int) -> str | None:
        """The file that `from <level dots><name>` in `importer` means, or None for a library."""
        parts = [part for part in name.split(".") if part]
        if not level and (not parts or parts[0] in LIBRARIES or parts[0] not in self._names):
            return None
        if importer not in self._folders:
            self._folders[importer] = Path(importer).resolve().parent
        folder = self._folders[importer]
        if level:
            for _ in range(level - 1):
                folder = folder.parent
            return self._at(folder.joinpath(*parts))
        for base in (folder, *list(folder.parents)[: MAX_PARENTS - 1]):
            found = self._at(base.joinpath(*parts))
            if found is not None:
                return found
        return None

    def _at(self, stem: Path) -> str | None:
        return self._by_place.get(f"{stem}.py") or self._by_place.get(f"{stem}/__init__.py")
