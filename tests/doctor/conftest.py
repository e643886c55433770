"""A second environment that sees the packages of this one, for tests that install something."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest


class Sandbox:
    """A virtual environment on top of the test's own."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        site_packages = next((folder / "lib").glob("python3*/site-packages"))
        base = sysconfig.get_paths()["purelib"]
        # addsitedir, unlike a plain path line, also obeys the .pth of an editable installation.
        (site_packages / "base.pth").write_text(f"import site; site.addsitedir({base!r})\n")

    def pip_install(self, *arguments: str) -> None:
        """With this environment's pip, into the sandbox."""
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, "install", "-q", *arguments],
            check=True,
            timeout=240,
        )

    def doctor(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run ``qvl-doctor`` there."""
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [self.python, "-m", "qvl_doctor", *arguments],
            capture_output=True,
            text=True,
            timeout=200,
            **options,
        )


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A fresh one."""
    return Sandbox(tmp_path / "sandbox")
