"""Writing a run's files: the reports in the wanted formats, and the facts."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from qvl_doctor.errors import DoctorError, UsageError
from qvl_doctor.facts import encode_record
from qvl_doctor.registry import Registry
from qvl_doctor.report import Report

DEFAULT_FOLDER = Path("qvl-doctor-report")
DEFAULT_FORMATS = ("html", "json")
FACTS = "facts.json"
ROOM_BYTES = 2 << 20
"""What must be free in the folder before a run begins whose report would be lost."""


def prepare_folder(wished: Path | None) -> Path:
    """The folder for the report, made and tried before the run starts.

    Without a wish it is ``./qvl-doctor-report``, or a temporary folder where that cannot be
    written (a read-only working directory).

    Raises:
        UsageError: the wished folder, or every folder, cannot be written.
    """
    if wished is not None:
        try:
            return _writable(wished)
        except OSError as error:
            raise UsageError(
                f"cannot write the report to {wished}: {error.strerror or error}; "
                "choose another folder with --output"
            ) from error
    try:
        return _writable(DEFAULT_FOLDER)
    except OSError:
        pass
    try:
        return _writable(Path(tempfile.mkdtemp(prefix="qvl-doctor-report-")))
    except OSError as error:
        raise UsageError(
            "neither the working directory nor the temporary folder can be written "
            f"({error.strerror or error}); choose a folder with --output"
        ) from error


def check_formats(formats: Iterable[str], registry: Registry) -> tuple[str, ...]:
    """The formats, each once, in the order given.

    Raises:
        UsageError: there is no renderer of that name.
    """
    known = registry.formats()
    for name in formats:
        if name not in known:
            raise UsageError(f"--format {name}: there is {', '.join(known)}")
    return tuple(dict.fromkeys(formats))


def write(
    report: Report, folder: Path, formats: Iterable[str], registry: Registry
) -> tuple[list[Path], list[str]]:
    """Write ``facts.json`` and one ``report.<format>`` each: (paths, reports first; what failed).

    One file that cannot be made does not keep the others from being written.
    """
    documents: dict[str, Callable[[], bytes]] = {FACTS: lambda: encode_record(report.facts)}
    for name in formats:
        documents[f"report.{_extension(name)}"] = partial(_rendered, registry, name, report)
    paths, troubles = [], []
    for file_name, content in documents.items():
        try:
            paths.append(_save(folder / file_name, content()))
        except DoctorError as error:
            troubles.append(str(error))
    return sorted(paths, key=lambda path: path.name == FACTS), troubles


def _rendered(registry: Registry, name: str, report: Report) -> bytes:
    return render_with(registry, name, report).encode("utf-8", "backslashreplace")


def render_with(registry: Registry, name: str, report: Report, **options: Any) -> str:
    """The report in one format.

    Raises:
        DoctorError: the renderer does not load or fails; the message names it.
    """
    render = registry.renderer(name)
    if render is None:
        reasons = "; ".join(reason for key, reason in registry.failures.items() if name in key)
        raise DoctorError(f"the renderer {name!r} did not load ({reasons or 'there is none'})")
    try:
        return render(report, **options)
    except Exception as error:
        raise DoctorError(
            f"the renderer {name!r} failed ({type(error).__name__}: {error})"
        ) from error


def _extension(format_name: str) -> str:
    return "txt" if format_name == "terminal" else format_name


def _save(path: Path, content: bytes) -> Path:
    """Whole or not at all, also when two runs write to the same folder."""
    growing = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        growing.write_bytes(content)
        growing.replace(path)
    except OSError as error:
        raise DoctorError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            growing.unlink()
    return path


def _writable(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM_BYTES))
    return folder
