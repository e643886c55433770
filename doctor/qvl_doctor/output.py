"""Writing a run's files: the reports in the wanted formats, and the facts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from qvl_doctor.errors import DoctorError, UsageError
from qvl_doctor.facts import encode_record
from qvl_doctor.registry import Registry
from qvl_doctor.report import Report

DEFAULT_FOLDER = Path("qvl-doctor-report")
DEFAULT_FORMATS = ("html", "json")


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
        return Path(tempfile.mkdtemp(prefix="qvl-doctor-report-"))
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


def write(report: Report, folder: Path, formats: Iterable[str], registry: Registry) -> list[Path]:
    """Write ``facts.json`` and one ``report.<format>`` each; return the paths, reports first.

    Raises:
        DoctorError: a file cannot be written, or a renderer did not load.
    """
    paths = []
    for name in formats:
        render = registry.renderer(name)
        if render is None:
            raise DoctorError(f"the renderer {name!r} did not load: {registry.failures}")
        paths.append(_save(folder / f"report.{_extension(name)}", render(report).encode()))
    paths.append(_save(folder / "facts.json", encode_record(report.facts)))
    return paths


def _extension(format_name: str) -> str:
    return "txt" if format_name == "terminal" else format_name


def _save(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise DoctorError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _writable(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    return folder
