"""`# qvl-doctor: ignore` and `# qvl-doctor: ignore[id, ...]` at the end of a line."""

import re

COMMENT = re.compile(r"#\s*qvl-doctor:\s*ignore(?:\[([^\]]*)\])?")


def suppressed(line: str, rule_id: str) -> bool:
    """Whether the line's comment silences this rule; ids may be given with or without their
    topic.
    """
    found = COMMENT.search(line)
    if found is None:
        return False
    if found.group(1) is None:
        return True
    named = {name.strip() for name in found.group(1).split(",")}
    return rule_id in named or rule_id.partition(".")[2] in named
