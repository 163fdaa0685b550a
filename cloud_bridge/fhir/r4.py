"""FHIR R4: a measurement as Observations. Pure: a Measured in, resources or a RenderError out.

Codes and profiles: codes.py. What is not said by device or person is absent; docs/fhir.md shows the result.
"""

from typing import Any

from cloud_bridge.fhir.codes import GLUCOSE, KINDS, VITAL_SIGNS, Concept, Kind, Panel, Single
from cloud_bridge.fhir.glucose import glucose_concept
from cloud_bridge.fhir.moments import effective, moment
from cloud_bridge.fhir.notes import note, sentences
from cloud_bridge.fhir.part import IDENTIFIER_SYSTEM, Part, RenderError, identifier_value, shown
from cloud_bridge.fhir.quantity import value_elements
from cloud_bridge.fhir.ticket import SUBJECT
from cloud_bridge.measured import Measured
from gateway.wire.measurement import Device
from gateway.wire.reading import Reading, Value

CATEGORY = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
            "display": "Vital Signs",
        }
    ],
    "text": "Vitale functies",
}
LABORATORY = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "laboratory",
            "display": "Laboratory",
        }
    ],
    "text": "Bepalingen",
}
QUESTIONABLE = {
    "coding": [
        {"system": "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status", "code": "questionable"}
    ],
    "text": "Twijfelachtig",
}


def render(measured: Measured) -> list[Part]:
    """The Observations of one measurement.

    RenderError: "kind-unknown"; "value-unfit" (a name, unit or reason that the kind does not have, or a name
    twice); "reading-empty" (no value at all); "time-unplaced"; "subject-unfit".
    """
    kind = KINDS.get(measured.reading.kind)
    if kind is None:
        raise RenderError("kind-unknown", "no R4 rendering")
    if not SUBJECT.fullmatch(measured.subject):
        raise RenderError("subject-unfit", "not a reference to a Patient")
    values = _values(measured.reading, kind)
    parts = _panel_parts(measured, kind.panel, values) if kind.panel else []
    parts += [
        _single_part(measured, single, values[name])
        for name, single in kind.singles.items()
        if name in values
    ]
    parts += [
        _series_part(measured, single, [value for value in measured.reading.values if value.name == name])
        for name, single in kind.series.items()
        if name in values
    ]
    if not parts:
        raise RenderError("reading-empty", "no value")
    return parts


def _values(reading: Reading, kind: Kind) -> dict[str, Value]:
    """The values by name. Nothing is left out silently: what the kind does not know is refused."""
    values: dict[str, Value] = {}
    for value in reading.values:
        concept = kind.concept(value.name)
        if concept is None or (value.name in values and value.name not in kind.series):
            raise RenderError("value-unfit", "a name that the kind does not have, or has once")
        if value.digits is not None and value.unit not in concept.units:
            raise RenderError("value-unfit", "a unit that the kind does not have")
        values[value.name] = value
    return values


def _panel_parts(measured: Measured, panel: Panel, values: dict[str, Value]) -> list[Part]:
    if not any(name in values for name in panel.components):
        return []
    components = [
        _component(concept, values.get(name))
        for name, concept in panel.components.items()
        if name in values or name in panel.required
    ]
    profile = panel.profile if _fits(panel, values) else VITAL_SIGNS
    body = {"component": components}
    return [Part(panel.part, _observation(measured, panel.part, panel.concept, profile, body))]


def _fits(panel: Panel, values: dict[str, Value]) -> bool:
    """True when every number stands in the unit that the panel's profile demands."""
    stated = [(concept, values[name]) for name, concept in panel.components.items() if name in values]
    return all(value.unit == concept.unit for concept, value in stated if value.digits is not None)


def _component(concept: Concept, value: Value | None) -> dict[str, Any]:
    """A required value that the device never named is absent because it is unknown."""
    stated = value or Value("", None, 0, "", "unknown")
    return {"code": _code(concept)} | value_elements(stated)


def _single_part(measured: Measured, single: Single, value: Value) -> Part:
    concept = single.concept
    if single is GLUCOSE:
        concept = glucose_concept(concept, measured.reading, value)
    fits = value.digits is not None and concept.unit in ("", value.unit)
    profile = single.profile if fits or not single.profile else VITAL_SIGNS
    return Part(single.part, _observation(measured, single.part, concept, profile, value_elements(value)))


def _series_part(measured: Measured, single: Single, values: list[Value]) -> Part:
    components = [_component(single.concept, value) for value in values]
    body = {"component": components}
    return Part(single.part, _observation(measured, single.part, single.concept, single.profile, body))


def _observation(
    measured: Measured, part: str, concept: Concept, profile: str, body: dict[str, Any]
) -> dict[str, Any]:
    """The elements that all Observations share, and `body`. `profile` is one that holds for it."""
    reading = measured.reading
    device = _device(measured.device)
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "meta": {"profile": [profile]} if profile else None,
        "contained": [device] if device else None,
        "identifier": [
            {
                "system": IDENTIFIER_SYSTEM,
                "value": identifier_value(measured.secret, measured.key, part),
            }
        ],
        "status": "final" if reading.final else "preliminary",
        "category": [LABORATORY if KINDS[reading.kind].laboratory else CATEGORY],
        "code": _code(concept),
        "subject": {"reference": measured.subject},
        **effective(measured.placed),
        "issued": moment(measured.arrived_ms),
        "interpretation": [QUESTIONABLE] if "questionable" in reading.notes else None,
        "note": note(sentences(measured)),
        "device": {"reference": "#device"} if device else None,
        **body,
    }
    return {name: element for name, element in resource.items() if element}


def _code(concept: Concept) -> dict[str, Any]:
    codings = [{"system": system, "code": code} for system, code in concept.codings]
    return ({"coding": codings} if codings else {}) | {"text": concept.text}


def _device(device: Device) -> dict[str, Any] | None:
    """Maker, model and firmware as the device gave them; nothing that names this specimen or its owner."""
    manufacturer, model, firmware = map(shown, (device.manufacturer, device.model, device.firmware))
    if not (manufacturer or model or firmware):
        return None
    resource: dict[str, Any] = {
        "resourceType": "Device",
        "id": "device",
        "manufacturer": manufacturer,
        "modelNumber": model,
        "version": [{"type": {"text": "firmware"}, "value": firmware}] if firmware else None,
    }
    return {name: element for name, element in resource.items() if element}
