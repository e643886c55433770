"""cooling.fan-stuck: a fan that stands still."""

from qvl_doctor.check import check
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, failed, not_applicable, passed
from qvl_doctor_example.cooling.fan_facts import FanFacts


@check("cooling.fan-stuck")
def fan_stuck(fan: FanFacts) -> Judgement:
    """Fails when a fan reports 0 rpm."""
    evidence = {"fans": fan.fans, "stuck": fan.stuck}
    if fan.fans == 0:
        return not_applicable("this machine shows no fan", evidence=evidence)
    if fan.stuck:
        return failed(
            f"{fan.stuck} of {fan.fans} fans stand still",
            "a hot GPU slows down",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[Fix.advise("look at the fan")],
        )
    return passed("every fan turns", confidence=Confidence.MEASURED, evidence=evidence)
