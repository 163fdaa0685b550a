"""A value of a reading as a FHIR Quantity, digit for digit, and back.

Receivers may keep numbers as binary floats: sekmet-fhir 0.1.1 gives 36.60 back as 36.6, a server in
JavaScript gives 120.0 back as 120. So each Quantity.value also carries HL7's own extension
`quantity-precision` (number of decimal places); `exact_text` reads the device's digits back with it.
"""

from decimal import Decimal
from typing import Any

from cloud_bridge.fhir.part import RenderError
from gateway.wire.reading import Value

UCUM = "http://unitsofmeasure.org"
PRECISION = "http://hl7.org/fhir/StructureDefinition/quantity-precision"
ABSENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
LONGEST = 60
"""Digits that a number may have before or after the point; longer ones are no measurement."""

UNIT_WORDS = {"mm[Hg]": "mmHg"}
"""How people write a unit, where that differs from UCUM."""

ABSENT_REASONS = frozenset({
    "unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable",
    "unsupported", "as-text", "error", "not-a-number", "negative-infinity", "positive-infinity",
    "not-performed", "not-permitted",
})  # fmt: skip
"""http://hl7.org/fhir/R4/codesystem-data-absent-reason.html"""


def value_elements(value: Value) -> dict[str, Any]:
    """`valueQuantity`, or `dataAbsentReason` where the device gave none."""
    if value.digits is None:
        return {"dataAbsentReason": absent_reason(value.absent)}
    return {"valueQuantity": quantity(value)}


def absent_reason(reason: str | None) -> dict[str, Any]:
    """The reason as a CodeableConcept. RenderError("value-unfit") when FHIR has no such reason."""
    if reason not in ABSENT_REASONS:
        raise RenderError("value-unfit", "no such reason for absence")
    return {"coding": [{"system": ABSENT_SYSTEM, "code": reason}]}


def quantity(value: Value) -> dict[str, Any]:
    """The Quantity of a value that is there; the number is a Decimal with the device's digits."""
    text = value.text()
    assert text is not None
    places = len(text.partition(".")[2])
    parts: dict[str, Any] = {
        "value": Decimal(text),
        "_value": {"extension": [{"url": PRECISION, "valueInteger": places}]},
    }
    if value.comparator:
        parts["comparator"] = value.comparator
    return parts | {
        "unit": UNIT_WORDS.get(value.unit, value.unit),
        "system": UCUM,
        "code": value.unit,
    }


def exact_text(found: dict[str, Any]) -> str | None:
    """The plain decimal text of a Quantity as the device gave it; None when there is no usable number.

    Trailing zeros that a receiver dropped come back from `quantity-precision`; digits never disappear by it.
    """
    number = found.get("value")
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    number = Decimal(number)
    if not number.is_finite() or not _writable(number):
        return None
    text = format(number, "f")
    places = _stated_places(found)
    if places is None:
        return text
    return _with_places(text, places)


def _writable(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent >= -LONGEST and max(exponent, number.adjusted()) <= LONGEST


def _with_places(text: str, places: int) -> str:
    whole, _, decimals = text.partition(".")
    if decimals[places:].strip("0"):
        return text  # more digits than stated: what is written counts
    decimals = decimals[:places].ljust(places, "0")
    return f"{whole}.{decimals}" if decimals else whole


def _stated_places(found: dict[str, Any]) -> int | None:
    beside = found.get("_value")
    extensions = beside.get("extension") if isinstance(beside, dict) else None
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, dict) and extension.get("url") == PRECISION:
            places = extension.get("valueInteger")
            return places if type(places) is int and 0 <= places <= LONGEST else None
    return None
