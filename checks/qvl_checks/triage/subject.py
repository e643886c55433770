"""What a text is about: which model, and whether it tells of a failure at all.

A message can be quoted, a model can be named only to be compared or ruled out, and release notes
and documentation speak of failures that nobody had.
"""

from __future__ import annotations

import re

from . import marks
from .page import Page

#: What a text is about is said in this much of its beginning.
TITLE_CHARACTERS = 400
#: A line that a program prints about itself.
_LOGGED = re.compile(
    r"[^\n]{0,12}(?:\d{4}-\d\d-\d\d|\[(?:info|warning|debug)\]| {0,3}\d{1,3}%\||"
    r"loading checkpoint|setting `|/[^\n ]{1,200}:\d+: \w*warning)[^\n]{0,400}"
)
#: A model of the same house that draws, hears or speaks.
_SIBLING = re.compile(
    r"(?:qwen[/\\])?qwen[\d.]{0,4}(?:[-_]?(?:image|audio|tts|asr)(?!processor)|[-_]coder)[\w.-]*",
    re.ASCII,
)
#: Qwen as a part of another model's name.
_WITHIN = re.compile(rf"(?:{marks.OTHERS.pattern})[\w.-]{{0,40}}[-_]qwen[\w.-]*", re.ASCII)
#: A mention that says that the model is not there.
_RULED_OUT = re.compile(
    r"(?:(?:do|does|did|is|are|am|was|were)(?:n't| not) (?:even )?"
    r"(?:us(?:e|ing)|running|run|involve|about|related to)|without|unrelated to|"
    r"nothing to do with) (?:any |a |the )?qwen[\w./-]*|"
    r"(?:没有?(?:使)?用|(?<!是)不是|并非|不涉及) ?qwen[\w./-]*|"
    r"[与和跟] ?qwen[\w./-]* ?(?:模型)?(?:无关|没有?关系)"
)
#: What somebody calls their own is what they run.
_OWNED = re.compile(r"\b(?:our|my) own\b[^.\n;:,]{0,40}|自己的[^。\n;,:]{0,20}")
_END = re.compile(r"[.!?]\s|[。！？\n]")
_CHANGE = re.compile(
    r"\s{0,8}(?:[-*+•]|\d{1,3}[.)])\s{1,3}(?:[\w\[\]()/,& -]{1,30}: ?)?"
    r"(?:fix|add|remov|updat|support|bump|skip|improv|refactor|allow|deprecat|renam|doc|"
    r"修复|新增|支持|优化|移除|更新)\w*",
)
_RELEASE_NOTES = re.compile(
    r"full changelog|what'?s changed|release notes|更新日志|发布说明|版本说明|"
    r"^#{1,3} \[?v?\d+\.\d+",
    re.MULTILINE,
)
#: The first line of a commit, by the usual convention.
_COMMIT = re.compile(
    r"(?:fix|feat|chore|docs|refactor|perf|test|build|ci|style)(?:\([\w/., -]{1,40}\))?!?: [^\n]+"
)
#: One object in JSON.
_SETTINGS = re.compile(r"\{\s{0,8}\"[\s\S]*\}\s{0,8}")
#: A line of a recipe for an image of a container.
_RECIPE = re.compile(
    r"(?:from|run|copy|add|env|arg|workdir|cmd|entrypoint|expose|user|volume|label|shell)\s|\s|&&|#"
)
_INSTRUCTIONS = re.compile(
    r"\b(?:we (?:highly |strongly )?(?:recommend|suggest|advise)|you (?:can|may|should|need to) |"
    r"make sure)|"
    r"(?:^|[.!?] |\n)\W{0,4}to (?:use|run|install|enable|get started)\b[^.\n]*,|"
    r"建议(?:使用|安装|用)|推荐(?:使用|用)"
)
_WISHES = re.compile(
    r"^\W{0,4}feature(?: request)?\b|please (?:add|support|implement)\b|"
    r"\b(?:any|is there an?) plans? (?:to|for)\b|when will (?:you|it|there)\b|"
    r"希望(?:能|可以)?(?:支持|增加|添加)|(?:什么时候|何时|求|能否|请)(?:能|会)?(?:支持|适配)|"
    r"有(?:没有)?计划(?:支持|适配)?",
    re.MULTILINE,
)
_FAILED = re.compile(r"traceback \(most|\b\w*(?:error|exception)\b\"? ?:|[?？]|请问|求助|help")


def own(low: str) -> str:
    """`low` with the names blanked that are no Qwen-VL model at hand; places stay the same."""
    for pattern in (_SIBLING, _RULED_OUT, _WITHIN):
        low = pattern.sub(lambda match: " " * len(match.group()), low)
    return low


def other_model(low: str, own_text: str, qwen: bool, qwen_vl: bool) -> str | None:
    """Another model's name, where no Qwen model is named, or where the text is about that one and
    Qwen is only compared with it. `own_text` is what `own` leaves of `low`; `qwen`, `qwen_vl`:
    that names a Qwen model, one that sees.
    """
    # Where Qwen is ruled out, its name can still stand in a message.
    if not qwen or _RULED_OUT.search(low):
        match = marks.OTHERS.search(low) or _SIBLING.search(low)
        return match.group() if match else None
    for owned in _OWNED.finditer(own_text, 0, 4 * TITLE_CHARACTERS):
        match = marks.OTHERS.search(owned.group())
        if match and "qwen" not in owned.group():
            return match.group()
    end = _title(low)
    match = marks.OTHERS.search(low, 0, end)
    # A text model named in a later sentence is what the other one is compared with.
    if match and not qwen_vl and _END.search(own_text, match.start(), own_text.find("qwen")):
        return match.group()
    sibling = _SIBLING.search(low, 0, end)
    first = own_text.find("qwen")
    if sibling and (first < 0 or sibling.start() < first):
        return sibling.group()
    # The first line that names a model tells which one the text is about.
    if match is None or (first >= 0 and "\n" not in low[match.start() : first]):
        return None
    return None if marks.OWN_CODE.search(own_text) else match.group()


def _title(low: str) -> int:
    """Where the beginning ends that says what the text is about; what programs print about
    themselves does not count.
    """
    end, left = 0, TITLE_CHARACTERS
    while left > 0 and end < min(len(low), 48_000):
        stop = low.find("\n", end, end + 500)
        stop = end + 500 if stop < 0 else stop + 1
        left -= 0 if _LOGGED.match(low, end) else stop - end
        end = stop
    return end + min(left, 0)


def lists_changes(page: Page) -> bool:
    """Are these release notes, or a list of things mended?"""
    low = page.low[:48_000]
    if _FAILED.search(low):
        return False
    lines = low.split("\n")
    changes = sum(_CHANGE.match(line) is not None for line in lines)
    return (changes >= 2 and 2 * changes >= len(lines)) or (
        changes > 0 and _RELEASE_NOTES.search(low) is not None
    )


def states(page: Page) -> bool:
    """Is this the message of a commit, a file of settings or the recipe of a container?"""
    low = page.low[:48_000]
    if _FAILED.search(low):
        return False
    lines = low.split("\n")
    recipe = len(lines) >= 2 and lines[0].startswith("from ") and all(map(_RECIPE.match, lines))
    return recipe or bool(_COMMIT.match(low) or _SETTINGS.fullmatch(low))


def wish(low: str) -> int | None:
    """Where something new is asked for, if it is."""
    match = _WISHES.search(low, 0, 4 * TITLE_CHARACTERS)
    return match.start() if match else None


def instructs(page: Page) -> bool:
    """Does it tell how something is done?"""
    return _INSTRUCTIONS.search(page.low, 0, 48_000) is not None
