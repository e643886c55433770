"""The report inside an HTML report: the renderer writes it, ``judge`` and ``render`` read it."""

from __future__ import annotations

import re

SCRIPT_ID = "qvl-doctor-report"
OPEN = f'<script type="application/json" id="{SCRIPT_ID}">'
EMBEDDED = re.compile(re.escape(OPEN.encode()) + rb"(.*?)</script>", re.DOTALL)
CAREFUL = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def embed(json: str) -> str:
    """JSON as a data block; the same JSON, spelled so that no HTML parser sees a tag in it."""
    return f"{OPEN}{json.translate(CAREFUL)}</script>"


def json_inside(raw: bytes) -> bytes:
    """The JSON that an HTML report embeds; any other content as it is."""
    found = EMBEDDED.search(raw) if raw.lstrip()[:1] == b"<" else None
    return found[1] if found else raw
