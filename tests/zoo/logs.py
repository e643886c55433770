"""What users' scripts really print in the broken environments.

``python tests/zoo/logs.py FOLDER [SCRIPT ...]`` builds what it needs into FOLDER, runs the scripts
of `scripts.toml` there and keeps each log under ``tests/zoo/logs``, with the machine's paths
replaced: fixtures that triage is held to without building anything.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.zoo.checkpoints import Checkpoints
from tests.zoo.environments import Builder, CannotBuild, recipes, tomllib

HERE = Path(__file__).parent
LOGS = HERE / "logs"
SCRIPT_S = 60
"""Seconds that one script may take."""
KEPT_CHARACTERS = 12_000


def scripts() -> dict[str, dict[str, Any]]:
    """By name."""
    return tomllib.loads((HERE / "scripts.toml").read_text(encoding="utf-8"))


class Runner:
    """Runs scripts in the environments of one folder; those of one environment together."""

    def __init__(self, builder: Builder, checkpoints: Checkpoints) -> None:
        self._builder = builder
        self._checkpoints = checkpoints
        self._scripts = scripts()
        self.project = builder.folder / "project"

    def run(self, names: list[str]) -> dict[str, str]:
        """The log of each script, anonymous.

        Raises:
            CannotBuild: an environment needs what this machine does not have.
        """
        first = [self._scripts[name]["after"] for name in names if "after" in self._scripts[name]]
        if first:
            self.run(first)
        found: dict[str, str] = {}
        for environment in dict.fromkeys(self._scripts[name]["environment"] for name in names):
            own = [name for name in names if self._scripts[name]["environment"] == environment]
            python = self._builder.python(environment)
            for name in own:
                if "pip" in self._scripts[name]:
                    found[name] = self._pip(python, self._scripts[name]["pip"])
            preload = self._builder.recipe(environment).get("preload", ["torch"])
            plain = [name for name in own if "code" in self._scripts[name]]
            found.update(self._together(python, plain, preload))
        return {name: found[name] for name in names}

    def _together(self, python: Path, names: list[str], preload: list[str]) -> dict[str, str]:
        if not names:
            return {}
        self.project.mkdir(parents=True, exist_ok=True)
        wishes = []
        for name in names:
            script = self._scripts[name]
            path = self.project / f"{name.replace('-', '_')}.py"
            path.write_text(script["code"].lstrip("\n"), encoding="utf-8")
            folders = [str(self._checkpoints.path(c)) for c in script.get("checkpoints", ())]
            wishes.append(
                {
                    "path": str(path),
                    "arguments": folders,
                    "folder": str(self.project),
                    "within_s": SCRIPT_S,
                }
            )
        done = subprocess.run(
            [python, str(HERE / "run_scripts.py")],
            input=json.dumps({"preload": preload, "scripts": wishes}),
            stdout=subprocess.PIPE,
            text=True,
            timeout=SCRIPT_S * len(names) + 120,
            env=quiet(),
            check=True,
        )
        answers = json.loads(done.stdout)
        return {
            name: self.anonymous(answer["output"], python)
            for name, answer in zip(names, answers, strict=True)
        }

    def _pip(self, python: Path, arguments: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(python), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            env=quiet(),
        )
        return self.anonymous(f"$ pip {' '.join(arguments)}\n{done.stdout}", python)

    def anonymous(self, log: str, python: Path) -> str:
        """The same text as if it came from /home/user."""
        site = next((python.parents[1] / "lib").glob("python3*/site-packages"))
        environment = "/home/user/venv"
        packages = f"{environment}/lib/{site.parent.name}/site-packages"
        replaced = {
            str(self.project): "/home/user/project",
            str(python.parents[1]): environment,
            f"{self._builder.folder}/bases/reference": packages,
            f"{self._builder.folder}/checkpoints": "/home/user/models",
            sys.prefix: environment,
            sys.base_prefix: "/usr/local",
        }
        for original, stand_in in replaced.items():
            log = log.replace(original, stand_in)
        return re.sub(r"/tmp/[\w.-]+", "/tmp/pip", log)


def quiet() -> dict[str, str]:
    """The environment without what colours or localises a log."""
    dropped = ("PYTHONPATH", "VIRTUAL_ENV", "FORCE_COLOR")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1", "COLUMNS": "120"}


def main() -> None:
    """Record the logs."""
    known = scripts()
    parser = argparse.ArgumentParser(description="Record what the scripts print.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="SCRIPT")
    wished = parser.parse_args()
    unknown = sorted(set(wished.names) - set(known))
    if unknown:
        parser.error(f"no script is called {', '.join(unknown)}")
    runner = Runner(Builder(wished.folder), Checkpoints(wished.folder))
    LOGS.mkdir(exist_ok=True)
    small = [name for name, recipe in recipes()["environment"].items() if not recipe.get("big")]
    failing = [name for name, script in known.items() if "expect" in script]
    for name in wished.names or [n for n in failing if known[n]["environment"] in small]:
        try:
            log = runner.run([name])[name]
        except CannotBuild as reason:
            print(f"{name}: left out, {reason}")
            continue
        (LOGS / f"{name}.log").write_text(log[-KEPT_CHARACTERS:], encoding="utf-8")
        print(f"{name}: {len(log)} characters")


if __name__ == "__main__":
    main()
