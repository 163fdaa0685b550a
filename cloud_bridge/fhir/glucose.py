"""What a glucose value is called: its codes depend on its unit, on the meal and on the sample.

Sources: zib2017 vitalsign-bloodglucose (Nictiz STU3 2.2.18), which takes these three LOINC codes only, all of
them for mol per volume; IEEE 11073-10101 for the sample. So mg/dL never stands under one of those.
"""

from cloud_bridge.fhir.codes import LOINC, MDC, Concept
from gateway.wire.reading import Reading, Value

_BY_GLUCOMETER, _FASTING, _TWO_HOURS_AFTER = "14743-9", "14770-2", "14760-3"
_ABOUT_TWO_HOURS = (105, 135)  # minutes after the meal
_SAMPLES = {
    "capillary-blood": "160184",
    "capillary-plasma": "160188",
    "venous-blood": "160192",
    "venous-plasma": "160196",
    "arterial-blood": "160200",
    "arterial-plasma": "160204",
    "blood": "160364",
    "plasma": "160368",
    "interstitial-fluid": "160212",
}


def glucose_concept(base: Concept, reading: Reading, value: Value) -> Concept:
    """The concept of this very value; without any code when nothing is known of its sample."""
    context = dict(reading.context)
    codings = []
    if value.unit == "mmol/L":
        codings.append((LOINC, _by_meal(context)))
    if sample := _SAMPLES.get(context.get("sample", "")):
        codings.append((MDC, sample))
    return Concept(base.text, tuple(codings), base.units)


def _by_meal(context: dict[str, str]) -> str:
    """Two hours after a meal only where the minutes are known; nothing is guessed."""
    meal, minutes = context.get("meal"), context.get("minutes-after-meal", "")
    if meal == "fasting":
        return _FASTING
    low, high = _ABOUT_TWO_HOURS
    if meal == "after-meal" and minutes.isdecimal() and low <= int(minutes) <= high:
        return _TWO_HOURS_AFTER
    return _BY_GLUCOMETER
