"""Strings that break careless renderers, and a strategy for more of them."""

from __future__ import annotations

from hypothesis import strategies as st

PAYLOADS = {
    "script": "</script><script>alert(1)</script>",
    "comment": "<!-- <script>",
    "attribute": "\"'><img src=http://127.0.0.1:9/x onerror=alert(1)>",
    "style": "</style><style>*{display:none}</style>",
    "jinja": "{{ 7 * 7 }}{% raw %}{# #}",
    "format": "%s %d {0} {cut} ${HOME} $x$",
    "escape-sequence": "\x1b]8;;http://x\x1b\\\x1b[31mred\x07\x9b31m\x00\x7f",
    "override": "abc\u202edef\u2066ghi\u200b\ufeff\u2028\U000e0041",
    "surrogate": "caf\udce9 \ud800",
    "fence": "`````\n```python\n~~~\n```",
    "details": "\n\n</details></summary>\n\n# heading\n\n<details>",
    "pipes": "| a | b |\n| --- | --- |\n| c \\| d |",
    "mention": "@everyone #1 GH-1 org/repo#2 a@b.de me@",
    "rich": "[bold red]x[/bold red] [/] [link=http://x]y[/link]",
    "list": "- a\n* b\n1. c\n> d\n    e\n===\n---",
    "links": "[x](javascript:alert(1)) ![y](http://x/y.png) "
    "https://github.com/a/b/issues/1 www.x.org",
    "entities": "&lt;b&gt; &amp;amp; &#64;x",
    "backslash": "C:\\new\\table\\",
    "newlines": "a\r\nb\rc\n\n\n",
    "empty": "",
    "blank": " \t ",
    "chinese": "显存不足：注意力分数在 softmax 之前被舍入，答案因此改变。" * 5,
    "emoji": "👩‍🔬 é ﷽",
    "long": "x" * 8_000,
    "long-with-ticks": "`|<@#" * 1_000,
}

any_text = st.text(st.characters(exclude_categories=()), max_size=30)
"""Any code points, lone surrogates among them."""

plain_words = st.text(
    st.characters(exclude_categories=(), exclude_characters="\n"), max_size=20
).filter(lambda text: bool(text.strip()) and text.strip() not in {"nested", "rows", "list", "n"})
"""One line that is not blank and collides with no key of the hostile report."""
