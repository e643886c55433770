"""Counts the fans that the kernel shows; standard library only, Python 3.9 and later."""

from pathlib import Path


def run(request):
    """``{"fans": int, "stuck": int}``; both 0 where the machine shows none."""
    speeds = []
    for path in Path("/sys/class/hwmon").glob("hwmon*/fan*_input"):
        try:
            speeds.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return {"fans": len(speeds), "stuck": sum(speed == 0 for speed in speeds)}
