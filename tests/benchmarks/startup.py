"""What the doctor costs by itself: starting, judging, rendering."""

from __future__ import annotations

import tempfile
from pathlib import Path

from stopwatch import PYTHON, medians

FACTS = sorted((Path(__file__).parents[1] / "facts").glob("*.json"))

if __name__ == "__main__":
    click, doctor = medians(
        [PYTHON, "-c", "import click"], [PYTHON, "-m", "qvl_doctor", "--help"], runs=15
    )
    print(f"import click       {click * 1000:.0f} ms")
    print(f"qvl-doctor --help  {doctor * 1000:.0f} ms")
    print(f"ratio              {doctor / click:.2f}   (target: at most 2)")
    with tempfile.TemporaryDirectory() as folder:
        for facts in FACTS:
            command = [PYTHON, "-m", "qvl_doctor", "judge", str(facts), "--output", folder]
            (judged,) = medians(command, runs=7)
            print(
                f"judge and render {facts.name}: {judged * 1000:.0f} ms   (target: at most 200 ms)"
            )
