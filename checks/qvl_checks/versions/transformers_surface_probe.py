"""What the installed transformers offers, read from its files: it may be too broken to import."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

from qvl_checks.host.guarded import Guarded, reason_of, valid

FAMILY_PREFIXES = ("qwen", "colqwen")
CONFIG_ENTRY = re.compile(r"""\(\s*["']([\w.-]+)["']\s*,\s*["']\w+Config["']\s*,?\s*\)""")
GENERATION_CLASS = re.compile(r"^class (\w+ForConditionalGeneration)\(", re.MULTILINE)
AUTO_CLASS = re.compile(r"^class (AutoModel\w*)\(", re.MULTILINE)
TAKES_DTYPE = re.compile(r"""kwargs\.pop\(\s*["']dtype["']""")
TAKES_TORCH_DTYPE = re.compile(r"""kwargs\.pop\(\s*["']torch_dtype["']""")
CONFIG_FILES = ("configuration_auto.py", "auto_mappings.py")
"""The table of model types moved to the second file in the course of 5.x."""
FILE_LIMIT = 8 * 1024 * 1024


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Model types, classes of the Qwen families, automatic classes, keywords."""
    try:
        spec = importlib.util.find_spec("transformers")
    except Exception as error:
        return {"installed": False, "reason": reason_of(error)}
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        return {"installed": False, "reason": "import would not find transformers"}
    return surface(Path(folders[0]))


def surface(folder: Path) -> dict[str, Any]:
    """The same for the package in ``folder``."""
    package = Guarded()
    models = folder / "models"
    package.read("model_types", lambda: _model_types(models / "auto"))
    package.read("classes", lambda: _classes(models))
    package.read("auto_classes", lambda: _auto_classes(models / "auto"))
    package.read("accepts_dtype", lambda: _loads_with(folder, TAKES_DTYPE))
    package.read("accepts_torch_dtype", lambda: _loads_with(folder, TAKES_TORCH_DTYPE))
    return {**package.row(), "installed": True, "folder": valid(str(folder))}


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as source:
        return source.read(FILE_LIMIT)


def _model_types(auto: Path) -> list[str]:
    texts = [_text(auto / name) for name in CONFIG_FILES if (auto / name).exists()]
    found = {name for text in texts for name in CONFIG_ENTRY.findall(text)}
    if not found:
        raise ValueError("no table of model types was recognised")
    return sorted(found)


def _classes(models: Path) -> dict[str, list[str]]:
    """``model_type`` (folder name) -> its classes that generate."""
    families = {}
    for folder in sorted(models.iterdir()):
        source = folder / f"modeling_{folder.name}.py"
        if folder.name.startswith(FAMILY_PREFIXES) and source.exists():
            families[folder.name] = GENERATION_CLASS.findall(_text(source))
    return families


def _auto_classes(auto: Path) -> list[str]:
    return sorted(set(AUTO_CLASS.findall(_text(auto / "modeling_auto.py"))))


def _loads_with(folder: Path, keyword: re.Pattern[str]) -> bool:
    return keyword.search(_text(folder / "modeling_utils.py")) is not None
