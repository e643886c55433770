"""What the fan probe returns, and its declaration."""

from typing import ClassVar

from qvl_doctor.probe import Facts, Probe


class FanFacts(Facts):
    """Fans of this machine."""

    probe: ClassVar[str] = "cooling.fan"
    fans: int = 0
    stuck: int = 0
    """Fans that report 0 rpm."""


FAN = Probe(
    id="cooling.fan",
    title="reads the fans",
    facts=FanFacts,
    entry="qvl_doctor_example.cooling.fan_probe:run",
    budget_s=5,
)
