"""``qvl-doctor explain``: one rule page in the terminal."""

from __future__ import annotations

import difflib
import sys
from io import StringIO

import click

from qvl_doctor.cli.streams import show
from qvl_doctor.errors import DoctorError, UsageError
from qvl_doctor.registry import Registry
from qvl_doctor.rule import Rule


@click.command(name="explain")
@click.argument("rule_id", metavar="ID")
def command(rule_id: str) -> None:
    """Explain one rule: what happens, why, how it is detected, what cures it."""
    from rich.console import Console
    from rich.markdown import Markdown

    rule = _find(rule_id, Registry().rules())
    written = StringIO()
    console = Console(file=written, force_terminal=sys.stdout.isatty())
    console.print(Markdown(f"# {rule.title}\n\n`{rule.id}`"))
    facts = [f"Severity **{rule.severity.value}** · confidence **{rule.confidence.value}**"]
    if rule.affected:
        facts.append("Affected: " + ", ".join(f"`{item}`" for item in rule.affected))
    if rule.fixed:
        facts.append("Fixed in: " + ", ".join(f"`{item}`" for item in rule.fixed))
    if rule.models:
        facts.append("Models: " + ", ".join(f"`{item}`" for item in rule.models))
    facts.append(f"Last verified {rule.verified_on} ({rule.verified_with})")
    console.print(Markdown("\n\n".join(facts)))
    console.print(Markdown(rule.body))
    for link in rule.evidence:
        console.print(link, markup=False, highlight=False, soft_wrap=True)
    if trouble := show(written.getvalue()):
        raise DoctorError(trouble)


def _find(wished: str, rules: dict[str, Rule]) -> Rule:
    """By id, or by its last part when only one rule ends so.

    Raises:
        UsageError: there is no such rule; names the nearest.
    """
    if wished in rules:
        return rules[wished]
    by_slug = [rule for rule_id, rule in rules.items() if rule_id.partition(".")[2] == wished]
    if len(by_slug) == 1:
        return by_slug[0]
    near = difflib.get_close_matches(wished, rules, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "'qvl-doctor list' shows every id"
    raise UsageError(f"there is no rule {wished!r}; {hint}")
