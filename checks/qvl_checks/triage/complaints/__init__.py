"""How people complain, by cause: short texts in English and Chinese, in tables by topic.

`ABOUT` says for each cause what a text has to speak of before the cause is worth a guess
(conditions of `rule.holds`, all of them). The table ``none.toml`` holds texts without a known
cause: questions, wishes, other models, mistakes in a user's own program.
"""

from __future__ import annotations

from ..tables import tables

NO_CAUSE = "none"
_ABOUT = "about"

COMPLAINTS: dict[str, tuple[str, ...]] = {
    cause: tuple(texts)
    for name, rows in tables(__package__).items()
    if name != _ABOUT
    for cause, texts in rows.items()
}
ABOUT: dict[str, tuple[str, ...]] = {
    cause: tuple(conditions) for cause, conditions in tables(__package__)[_ABOUT].items()
}
