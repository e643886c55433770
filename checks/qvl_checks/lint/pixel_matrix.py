"""Which way to limit pixels works where, as measured on four releases (a 2048 x 1365 image, a cap
of 200,000 pixels).
"""

from packaging.version import Version

IGNORED = True
HONOURED = False

# way -> one string per measured release; the columns are A-slow, A-fast, B-slow, B-fast;
# "+" is honoured, "-" is ignored
_MEASURED: dict[str, tuple[str, str, str, str]] = {
    "load max_pixels": ("+++-", "+++-", "++++", "++++"),
    "load both": ("++++", "++++", "++++", "++++"),
    "load size": ("----", "---+", "--++", "--++"),
    "attribute max_pixels": ("+++-", "+++-", "+-+-", "++++"),
    "attribute size": ("---+", "---+", "-+-+", "++++"),
    "call max_pixels": ("+++-", "+++-", "+-+-", "++++"),
    "call both": ("++++", "++++", "++++", "++++"),
    "call size": ("++++", "+-++", "++++", "++++"),
}
_RELEASES = (Version("4.51.3"), Version("4.57.1"), Version("5.0.0"), Version("5.23.0"))
_COLUMNS = {("A", False): 0, ("A", True): 1, ("B", False): 2, ("B", True): 3}


def outcome(release: Version, style: str, fast: bool, way: str) -> bool | None:
    """IGNORED, HONOURED, or None where the neighbouring measurements disagree or do not reach."""
    column = _COLUMNS[style, fast]
    if release < Version("4.50") and way.startswith("call") and way != "call size":
        return IGNORED
    results = {_MEASURED[way][index][column] == "-" for index in _neighbours(release)}
    return results.pop() if len(results) == 1 else None


def _neighbours(release: Version) -> tuple[int, ...]:
    if release < Version("4.52"):
        return (0,)
    if release < Version("4.57"):
        return (0, 1)
    if release < Version("5.0"):
        return (1,)
    if release < Version("5.1"):
        return (2,)
    if release < Version("5.23"):
        return (2, 3)
    return (3,)
