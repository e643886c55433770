"""How a `Triage` looks: for the terminal, and as the JSON contract."""

from __future__ import annotations

import msgspec
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from .chinese import labels
from .language import Language
from .model import Diagnosis, Fix, Triage, Verdict

_SAFETY = {"safe": "green", "review": "yellow", "risky": "red"}
_CONFIDENCE = {
    "derived": "derived from the message",
    "reported": "reported upstream",
    "heuristic": "a guess from the description",
}
_STATUS = {
    "confirmed": ("Confirmed here", "bold red"),
    "refuted": ("Refuted here", "bold green"),
    "not-checkable": ("Not checkable here", "bold yellow"),
}


def to_json(triage: Triage) -> str:
    """The contract of ``--json``: ``recognised`` and ``diagnoses``, best first, indented."""
    return msgspec.json.format(msgspec.json.encode(triage), indent=2).decode()


def to_text(triage: Triage) -> str:
    """Everything a triage says as plain text, one statement a line, without colour or wrapping."""
    lines: list[str] = []
    for diagnosis in triage.diagnoses:
        lines += [diagnosis.id, diagnosis.explanation, *diagnosis.evidence, *_computed(diagnosis)]
        lines += [
            f"{fix.text}  ({fix.safety}{': ' + fix.note if fix.note else ''})"
            for fix in diagnosis.fixes
        ]
        lines += diagnosis.next_steps
    return "\n".join(lines)


def show(triage: Triage, console: Console, language: Language = "en") -> None:
    """Print the answer: the best cause in full, the others in one line each."""
    _Shown(console, labels() if language == "zh" else {}).show(triage)


class _Shown:
    """An answer on a console; `words` translates what stands around it."""

    def __init__(self, console: Console, words: dict[str, str]) -> None:
        self._console = console
        self._words = words

    def _say(self, text: str) -> str:
        return self._words.get(text, text)

    def show(self, triage: Triage) -> None:
        console = self._console
        if not triage.recognised:
            console.print(
                Text(self._say("Not recognised."), style="bold yellow"),
                Text(self._say("Nothing in this text points to a known Qwen-VL failure.")),
            )
            console.print(
                self._say(
                    "What would help: the whole traceback from its first line, the versions of "
                    "transformers, torch and flash-attn, the model's name, and the image or video "
                    "sizes."
                ),
                style="dim",
                soft_wrap=False,
            )
            return
        console.print(self._full(triage.diagnoses[0]))
        if len(triage.diagnoses) > 1:
            console.print(Text("\n" + self._say("Also possible"), style="bold"))
            for other in triage.diagnoses[1:]:
                line = Text("  ")
                line.append(other.id, style="cyan")
                line.append(f"  {_first_sentence(other.explanation)}")
                console.print(line)
                if other.verdict:
                    console.print(Padding(self._verdict(other.verdict), (0, 0, 0, 4)))

    def _full(self, diagnosis: Diagnosis) -> RenderableType:
        title = Text(diagnosis.id, style="bold cyan")
        title.append(f"  ({self._say(_CONFIDENCE[diagnosis.confidence])})", style="dim")
        parts: list[RenderableType] = [title, Padding(Text(diagnosis.explanation), (0, 0, 1, 0))]
        if diagnosis.verdict:
            parts.append(Padding(self._verdict(diagnosis.verdict), (0, 0, 1, 0)))
        if diagnosis.evidence:
            parts.append(self._section("Evidence", [Text(line) for line in diagnosis.evidence]))
        computed = _computed(diagnosis)
        if computed:
            parts.append(self._section("Computed", [Text(line) for line in computed]))
        parts.append(self._section("What to do", [self._fix(fix) for fix in diagnosis.fixes]))
        if diagnosis.next_steps:
            steps = [Text(step) for step in diagnosis.next_steps]
            parts.append(self._section("To be sure", steps))
        return Group(*parts)

    def _section(self, title: str, rows: list[Text]) -> RenderableType:
        heading = Text(self._say(title), style="bold")
        return Padding(Group(heading, *(Padding(row, (0, 0, 0, 2)) for row in rows)), (0, 0, 1, 0))

    def _verdict(self, verdict: Verdict) -> Text:
        words, style = _STATUS[verdict.status]
        row = Text(self._say(words), style=style)
        if verdict.check is not None:
            settled = verdict.status != "not-checkable"
            row.append(f" by {verdict.check}" if settled else "", style="dim")
            row.append(f": {verdict.title}")
            if verdict.reason and verdict.reason != verdict.title:
                row.append(f"\n{verdict.reason}", style="dim")
        else:
            row.append(f": {verdict.reason}")
        return row

    def _fix(self, fix: Fix) -> Text:
        row = Text("- ")
        row.append(fix.text, style="" if fix.kind == "advice" else "bold")
        row.append(f"  [{self._say(fix.safety)}]", style=_SAFETY[fix.safety])
        if fix.note:
            row.append(f"  {fix.note}", style="dim")
        return row


def _first_sentence(text: str) -> str:
    """The first sentence, in either language."""
    english, chinese = text.find(". "), text.find("。")
    ends = [end for end in (english, chinese) if end >= 0]
    return text[: min(ends) + 1] if ends else text


def _computed(diagnosis: Diagnosis) -> list[str]:
    return [
        (
            f"{name.replace('_', ' ')}: "
            f"{', '.join(map(str, value)) if isinstance(value, list) else value}"
        )
        for name, value in diagnosis.computed.items()
    ]
