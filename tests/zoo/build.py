"""``python tests/zoo/build.py FOLDER [NAME ...]``: build the broken environments and checkpoints.

Run with the Python of the reference stack, whose torch is shared. Without names everything is built
that is not big. What is there already is kept: an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.zoo.checkpoints import Checkpoints
from tests.zoo.environments import Builder, CannotBuild, recipes


def main() -> int:
    """Build what was asked for; 1 when something could not be built here."""
    known = recipes()
    environments, checkpoints = known["environment"], known["checkpoint"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[2].strip())
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="environments or checkpoints")
    parser.add_argument("--all", action="store_true", help="the big environments, too")
    wished = parser.parse_args()
    unknown = [name for name in wished.names if name not in {*environments, *checkpoints}]
    if unknown:
        parser.error(f"no recipe for {', '.join(unknown)}")
    names = wished.names or [
        *(name for name, recipe in environments.items() if wished.all or not recipe.get("big")),
        *checkpoints,
    ]

    def say(line: str) -> None:
        print(line, flush=True)

    builder, maker = Builder(wished.folder, say), Checkpoints(wished.folder, say)
    left_out = 0
    for name in names:
        try:
            where = builder.python(name) if name in environments else maker.path(name)
        except CannotBuild as reason:
            say(f"{name}: left out, {reason}")
            left_out += 1
        else:
            say(f"{name}: {where}")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
