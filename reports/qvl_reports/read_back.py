"""Reading the report that an HTML file embeds: ``python -m qvl_reports.read_back report.html``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

SCRIPT_ID = "qvl-doctor-report"
OPEN = f'<script type="application/json" id="{SCRIPT_ID}">'
EMBEDDED = re.compile(re.escape(OPEN) + r"(.*?)</script>", re.DOTALL)
CAREFUL = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def embed(json: str) -> Markup:
    """JSON as a data block; the same JSON, spelled so that no HTML parser sees a tag in it."""
    return Markup(f"{OPEN}{json.translate(CAREFUL)}</script>")


def read_back(text: str) -> dict[str, Any]:
    """The report's data from the text of an HTML report.

    Raises:
        ValueError: there is no report in it, or it is damaged.
    """
    found = EMBEDDED.search(text)
    if found is None:
        raise ValueError("this is not an HTML report of qvl-doctor: it embeds no report data")
    try:
        data = msgspec.json.decode(found[1])
    except msgspec.DecodeError as error:
        raise ValueError(f"the report data in this HTML file is damaged: {error}") from error
    if not isinstance(data, dict):
        raise ValueError("the report data in this HTML file is damaged: it is not an object")
    return data


def main(arguments: list[str]) -> int:
    """Write the report.json that an HTML report was made from to standard output."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m qvl_reports.read_back report.html > report.json\n")
        return 2
    try:
        data = read_back(Path(arguments[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 2
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
