"""The HTML report: one file, complete without scripts, that asks for nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from qvl_doctor.embedded import embed
from qvl_doctor.findings import Finding
from qvl_doctor.report import Report
from qvl_reports import json_report, wording
from qvl_reports.chart.figure import figure
from qvl_reports.markup import anchor, text
from qvl_reports.outline import TOP_CAUSES, outline
from qvl_reports.tables import table

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"


def render(report: Report) -> str:
    """The whole file as text."""
    told = outline(report)
    style, script = _asset("report.css"), _asset("report.js")
    return _page().render(
        report=report,
        told=told,
        top=told.causes[:TOP_CAUSES],
        places=_places(report),
        words=wording,
        policy=_policy(style, script),
        style=style,
        script=script,
        data=Markup(embed(json_report.render(report))),
    )


@cache
def _page() -> Template:
    """The compiled page. Autoescape and ``finalize`` together are the same as ``markup.text``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        anchor=anchor, table=table, charts=_charts, fix_text=wording.fix_text
    )
    environment.globals["count"] = wording.count
    return environment.get_template("report.html.jinja")


def _asset(name: str) -> Markup:
    """Our own style or script, which goes into the page as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """A content security policy: nothing but this very style and this very script."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _places(report: Report) -> frozenset[str]:
    """The rule ids that have a place in the page, and so can be linked to."""
    return frozenset(one.id for one in report.findings) | {one.id for one in report.unchecked}


def _charts(finding: Finding) -> list[Markup]:
    key = anchor(finding.id)
    return [figure(chart, f"chart-{n}-{key}") for n, chart in enumerate(finding.charts, 1)]
