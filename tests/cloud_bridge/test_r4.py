"""FHIR R4: what stands in the Observations of blood pressure and oximetry, and what is refused."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import simplejson
from fhir.resources.R4B.observation import Observation
from hypothesis import given, settings

from cloud_bridge.fhir import IDENTIFIER_SYSTEM, RENDERINGS, Part, RenderError
from cloud_bridge.fhir.notes import LATE, ORIGINS, PRELIMINARY, SENTENCES, UNSURE_TIME
from cloud_bridge.fhir.quantity import exact_text
from cloud_bridge.measured import Interval, Measured
from gateway.wire.measurement import Device
from gateway.wire.reading import Reading
from tests.cloud_bridge.fhir_fixtures import (
    NOON_MS,
    absent,
    measured,
    measurements,
    oximetry,
    pressure,
    value,
)

LOINC, MDC, SNOMED = "http://loinc.org", "urn:iso:std:iso:11073:10101", "http://snomed.info/sct"
NL_CORE = "http://nictiz.nl/fhir/StructureDefinition/nl-core-"
DAY_MS = 86_400_000
REFUSALS = {"kind-unknown", "value-unfit", "reading-empty", "subject-unfit", "time-unplaced"}


def render(what: Measured) -> dict[str, dict[str, Any]]:
    return {part.name: part.resource for part in RENDERINGS["r4"](what)}


def codings(concept: dict[str, Any]) -> list[tuple[str, str]]:
    return [(coding["system"], coding["code"]) for coding in concept["coding"]]


def with_values(kind: str, *values: Any, **changes: Any) -> Measured:
    return measured(Reading(kind, "spot", list(values)), **changes)


def with_reading(start: Measured, **changes: Any) -> Measured:
    reading = Reading(start.reading.kind, start.reading.origin, start.reading.values)
    for name, what in changes.items():
        setattr(reading, name, what)
    return replace(start, reading=reading)


def refused(what: Measured) -> str:
    with pytest.raises(RenderError) as caught:
        render(what)
    return caught.value.code


def test_a_blood_pressure_is_a_panel_and_a_pulse() -> None:
    parts = render(pressure())
    assert list(parts) == ["blood-pressure", "pulse"]
    panel, pulse = parts.values()
    assert codings(panel["code"]) == [(LOINC, "85354-9"), (MDC, "150020")]
    assert [codings(component["code"]) for component in panel["component"]] == [
        [(LOINC, "8480-6"), (MDC, "150021")],
        [(LOINC, "8462-4"), (MDC, "150022")],
        [(SNOMED, "6797001"), (LOINC, "8478-0"), (MDC, "150023")],
    ]
    assert codings(pulse["code"]) == [(LOINC, "8893-0"), (LOINC, "8867-4"), (MDC, "149546")]
    assert panel["meta"]["profile"] == [NL_CORE + "BloodPressure"]
    assert pulse["meta"]["profile"] == [NL_CORE + "PulseRate.PulseRateValue"]


def test_an_oximetry_is_saturation_pulse_and_perfusion() -> None:
    parts = render(oximetry())
    assert list(parts) == ["spo2", "pulse", "perfusion-index"]
    assert codings(parts["spo2"]["code"]) == [(LOINC, "2708-6"), (LOINC, "59408-5"), (MDC, "150456")]
    assert codings(parts["pulse"]["code"]) == [(LOINC, "8893-0"), (LOINC, "8867-4"), (MDC, "149530")]
    assert codings(parts["perfusion-index"]["code"]) == [(LOINC, "61006-3"), (MDC, "150488")]
    assert parts["spo2"]["meta"]["profile"] == [NL_CORE + "O2Saturation"]


VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"


@pytest.mark.parametrize(
    ("kind", "name", "unit", "codes", "profile"),
    [
        ("weight", "body-weight", "kg", [(LOINC, "29463-7"), (MDC, "188736")], NL_CORE + "BodyWeight"),
        ("weight", "body-weight", "[lb_av]", [(LOINC, "29463-7"), (MDC, "188736")], VITAL_SIGNS),
        ("weight", "body-height", "m", [(LOINC, "8302-2"), (MDC, "188740")], VITAL_SIGNS),
        ("body-composition", "body-fat", "%", [(LOINC, "41982-0"), (MDC, "188748")], VITAL_SIGNS),
        ("body-composition", "body-water-mass", "kg", [(MDC, "188764")], None),
        ("body-composition", "impedance", "Ohm", None, None),
        (
            "temperature",
            "body-temperature",
            "Cel",
            [(LOINC, "8310-5"), (MDC, "150364")],
            NL_CORE + "BodyTemperature",
        ),
        ("temperature", "body-temperature", "[degF]", [(LOINC, "8310-5"), (MDC, "150364")], VITAL_SIGNS),
        ("heart-rate", "heart-rate", "/min", [(LOINC, "8867-4"), (MDC, "147842")], NL_CORE + "HeartRate"),
        ("glucose", "glucose", "mmol/L", [(LOINC, "14743-9")], None),
        ("glucose", "glucose", "mg/dL", None, None),
        ("ketone", "ketone", "mmol/L", None, None),
        ("cgm-glucose", "glucose", "mg/dL", [(LOINC, "99504-3"), (MDC, "160212")], None),
    ],
)
def test_what_each_value_is_called(
    kind: str, name: str, unit: str, codes: list[tuple[str, str]] | None, profile: str | None
) -> None:
    (resource,) = render(with_values(kind, value(name, "70.50", unit))).values()
    assert exact_text(resource["valueQuantity"]) == "70.50"
    assert (resource["valueQuantity"]["code"], resource["code"]["text"] != "") == (unit, True)
    assert (codings(resource["code"]) if codes else resource["code"].get("coding")) == codes
    assert resource.get("meta", {"profile": [None]})["profile"] == [profile]
    laboratory = kind in {"glucose", "ketone", "cgm-glucose"}
    category = "laboratory" if laboratory else "vital-signs"
    assert [coding["code"] for coding in resource["category"][0]["coding"]] == [category]


@pytest.mark.parametrize(
    ("context", "unit", "codes"),
    [
        ([("meal", "fasting")], "mmol/L", ["14770-2"]),
        ([("meal", "after-meal")], "mmol/L", ["14743-9"]),
        ([("meal", "after-meal"), ("minutes-after-meal", "120")], "mmol/L", ["14760-3"]),
        ([("meal", "after-meal"), ("minutes-after-meal", "60")], "mmol/L", ["14743-9"]),
        ([("meal", "after-meal"), ("minutes-after-meal", "soon")], "mmol/L", ["14743-9"]),
        ([("minutes-after-meal", "120")], "mmol/L", ["14743-9"]),
        ([("sample", "capillary-plasma")], "mmol/L", ["14743-9", "160188"]),
        ([("sample", "capillary-plasma"), ("meal", "fasting")], "mg/dL", ["160188"]),
    ],
)
def test_glucose_is_called_by_unit_meal_and_sample(
    context: list[tuple[str, str]], unit: str, codes: list[str]
) -> None:
    start = with_reading(with_values("glucose", value("glucose", "5.4", unit)), context=context)
    assert [code for _, code in codings(render(start)["glucose"]["code"])] == codes


def test_intervals_between_beats_stay_in_their_order() -> None:
    intervals = [value("rr-interval", text, "s") for text in ("0.8125000000", "0.7900390625", "0.8125000000")]
    parts = render(with_values("heart-rate", value("heart-rate", "74", "/min"), *intervals))
    assert list(parts) == ["heart-rate", "rr-interval"]
    components = parts["rr-interval"]["component"]
    assert [exact_text(one["valueQuantity"]) for one in components] == [found.text() for found in intervals]


def test_the_elements_that_all_share() -> None:
    for resource in [*render(pressure()).values(), *render(oximetry()).values()]:
        assert resource["resourceType"] == "Observation"
        assert resource["status"] == "final"
        assert resource["subject"] == {"reference": "Patient/p1"}
        assert [coding["code"] for coding in resource["category"][0]["coding"]] == ["vital-signs"]
        assert resource["effectiveDateTime"] == "2026-11-22T12:00:00+01:00"
        assert resource["issued"] == "2026-11-22T12:00:02+01:00"
        assert "note" not in resource
        assert "interpretation" not in resource


def test_identifiers_are_frozen() -> None:
    """A receiver finds what it has by these: a change would write everything a second time."""
    found = {name: resource["identifier"] for name, resource in render(pressure()).items()}
    assert found == {
        "blood-pressure": [
            {
                "system": "urn:meethub:measurement",
                "value": "fe82996ed7478d715d38f419d8bf7dde6c07c05e7a8d5d17359978acd059c763",
            }
        ],
        "pulse": [
            {
                "system": IDENTIFIER_SYSTEM,
                "value": "88be7704e995f5ae941f3b24bcb7029a0b7b9f7880d8f01a33247d3b21ed0f6e",
            }
        ],
    }
    others = {resource["identifier"][0]["value"] for resource in render(oximetry()).values()}
    assert len(others) == 3


def test_receivers_cannot_link_identifiers() -> None:
    mine, other = render(pressure())["pulse"], render(pressure(secret=b"t" * 32))["pulse"]
    assert mine["identifier"] != other["identifier"]
    assert {**mine, "identifier": None} == {**other, "identifier": None}


def test_digits_stay_as_the_device_sent_them() -> None:
    texts = {
        text: render(with_values("oximetry", value("spo2", text, "%")))["spo2"]["valueQuantity"]
        for text in ("97", "97.0", "36.60", "0.10", "100.000", "0.0")
    }
    for text, quantity in texts.items():
        assert isinstance(quantity["value"], Decimal)
        assert f'"value": {text},' in simplejson.dumps(quantity, use_decimal=True)
        assert exact_text(quantity) == text


@pytest.mark.parametrize(
    ("number", "places", "text"),
    [
        (Decimal("36.6"), 2, "36.60"),
        (120, 1, "120.0"),
        (Decimal("120.000"), 1, "120.0"),
        (Decimal("1.2E+2"), 0, "120"),
        (Decimal("120.5"), 0, "120.5"),  # never fewer digits than are written
        (Decimal("120.50"), None, "120.50"),
        (Decimal("-0.5"), 2, "-0.50"),
        (Decimal("1E+999999"), 0, None),
        (Decimal("1E-999999"), 0, None),
        (Decimal("NaN"), 0, None),
        ("120", 0, None),
        (True, 0, None),
        (None, 0, None),
        (120, -1, "120"),
        (120, 10**9, "120"),
        (120, "1", "120"),
    ],
)
def test_exact_text(number: Any, places: Any, text: str | None) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/quantity-precision"
    beside = {} if places is None else {"_value": {"extension": [{"url": url, "valueInteger": places}]}}
    assert exact_text({"value": number, **beside}) == text


@pytest.mark.parametrize("beside", [None, 1, {}, {"extension": None}, {"extension": [None, {"url": "x"}]}])
def test_exact_text_without_usable_extension(beside: Any) -> None:
    assert exact_text({"value": Decimal("36.60"), "_value": beside}) == "36.60"


def test_units_stay_as_sent_and_kilopascal_claims_no_dutch_profile() -> None:
    panel = render(
        with_values("blood-pressure", value("systolic", "16.0", "kPa"), value("diastolic", "10.7", "kPa"))
    )["blood-pressure"]
    assert panel["component"][0]["valueQuantity"]["code"] == "kPa"
    assert panel["meta"]["profile"] == ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]


def test_the_word_for_a_unit_is_what_people_write() -> None:
    quantity = render(pressure())["blood-pressure"]["component"][0]["valueQuantity"]
    assert (quantity["unit"], quantity["code"]) == ("mmHg", "mm[Hg]")


def test_absent_values_give_their_reason() -> None:
    parts = render(
        with_values(
            "blood-pressure",
            absent("systolic", "mm[Hg]", "positive-infinity"),
            value("diastolic", "80", "mm[Hg]"),
            absent("pulse-rate", "/min", "not-a-number"),
        )
    )
    systolic, diastolic = parts["blood-pressure"]["component"]
    assert systolic["dataAbsentReason"]["coding"][0]["code"] == "positive-infinity"
    assert "valueQuantity" not in systolic
    assert "dataAbsentReason" not in diastolic
    assert parts["pulse"]["dataAbsentReason"]["coding"][0]["code"] == "not-a-number"
    assert parts["pulse"]["meta"]["profile"] == ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]
    assert parts["blood-pressure"]["meta"]["profile"] == [NL_CORE + "BloodPressure"]


def test_a_required_pressure_that_was_never_named_is_unknown() -> None:
    panel = render(with_values("blood-pressure", value("systolic", "120", "mm[Hg]")))["blood-pressure"]
    assert panel["component"][1]["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert len(panel["component"]) == 2


def test_no_panel_without_any_pressure() -> None:
    assert list(render(with_values("blood-pressure", value("pulse-rate", "60", "/min")))) == ["pulse"]


def test_a_limit_keeps_its_comparator() -> None:
    spo2 = render(with_values("oximetry", value("spo2", "70", "%", "<")))["spo2"]
    assert spo2["valueQuantity"]["comparator"] == "<"


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (with_values("activity", value("steps", "70", "{steps}")), "kind-unknown"),
        (with_values("oximetry", value("systolic", "120", "mm[Hg]")), "value-unfit"),
        (with_values("oximetry", value("spo2", "97", "mm[Hg]")), "value-unfit"),
        (with_values("oximetry", value("spo2", "97", "%"), value("spo2", "96", "%")), "value-unfit"),
        (with_values("oximetry", absent("spo2", "%", "lost")), "value-unfit"),
        (with_values("oximetry"), "reading-empty"),
        (with_values("blood-pressure"), "reading-empty"),
        (pressure(subject="Patient/"), "subject-unfit"),
        (pressure(subject="Patient/1&x=2"), "subject-unfit"),
        (pressure(subject="Group/1"), "subject-unfit"),
        (pressure(placed=Interval(NOON_MS, NOON_MS + DAY_MS + 1)), "time-unplaced"),
        (pressure(placed=Interval(NOON_MS, NOON_MS - 1)), "time-unplaced"),
        (pressure(placed=Interval(-1, 0)), "time-unplaced"),
        (pressure(arrived_ms=10**18), "time-unplaced"),
    ],
)
def test_what_cannot_be_said_is_refused(what: Measured, code: str) -> None:
    assert refused(what) == code


@pytest.mark.parametrize(
    ("low", "high", "element"),
    [
        (NOON_MS, NOON_MS + 60_000, {"effectiveDateTime": "2026-11-22T12:00:00+01:00"}),
        (NOON_MS + 7, NOON_MS + 7, {"effectiveDateTime": "2026-11-22T12:00:00.007+01:00"}),
        (
            NOON_MS,
            NOON_MS + 60_001,
            {
                "effectivePeriod": {
                    "start": "2026-11-22T12:00:00+01:00",
                    "end": "2026-11-22T12:01:00.001+01:00",
                }
            },
        ),
        (
            NOON_MS - DAY_MS,
            NOON_MS,
            {"effectivePeriod": {"start": "2026-11-21T12:00:00+01:00", "end": "2026-11-22T12:00:00+01:00"}},
        ),
        # the hour that the Dutch clock shows twice
        (1_792_888_200_000, 1_792_888_200_000, {"effectiveDateTime": "2026-10-25T02:30:00+02:00"}),
        (1_792_891_800_000, 1_792_891_800_000, {"effectiveDateTime": "2026-10-25T02:30:00+01:00"}),
    ],
)
def test_when_it_was_measured(low: int, high: int, element: dict[str, Any]) -> None:
    resource = render(oximetry(placed=Interval(low, high)))["spo2"]
    assert {name: what for name, what in resource.items() if name.startswith("effective")} == element
    assert (UNSURE_TIME in note_of(resource)) == ("effectivePeriod" in element)


def note_of(resource: dict[str, Any]) -> str:
    notes = resource.get("note", [])
    assert len(notes) <= 1, "nl-core allows one note"
    return str(notes[0]["text"]) if notes else ""


def test_every_doubt_is_a_sentence_in_one_note() -> None:
    doubtful = with_reading(oximetry(late=True), notes=list(SENTENCES), final=False, origin="device-average")
    for resource in render(doubtful).values():
        text = note_of(resource)
        expected = [*SENTENCES.values(), PRELIMINARY, LATE, ORIGINS["device-average"]]
        assert all(sentence in text for sentence in expected)
        assert resource["status"] == "preliminary"
        assert resource["interpretation"][0]["coding"][0]["code"] == "questionable"


def test_every_note_of_the_vocabulary_has_its_sentence() -> None:
    vocabulary = (Path(__file__).parents[2] / "docs" / "vocabulary.md").read_text()
    notes = vocabulary.split("\n## Notes\n")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `([a-z\-]+)` \|", notes, re.MULTILINE))
    assert "irregular-pulse" in named
    assert named <= SENTENCES.keys()


def test_an_unknown_note_is_still_shown() -> None:
    assert "sensor-upside-down" in note_of(
        render(with_reading(oximetry(), notes=["sensor-upside-down"]))["spo2"]
    )
    assert "onleesbaars" in note_of(render(with_reading(oximetry(), notes=["\x00"]))["spo2"])


def test_the_device_is_described_but_not_identified() -> None:
    resource = render(pressure())["pulse"]
    assert resource["contained"] == [
        {
            "resourceType": "Device",
            "id": "device",
            "manufacturer": "Maker",
            "modelNumber": "Model 1",
            "version": [{"type": {"text": "firmware"}, "value": "1.2"}],
        }
    ]
    assert resource["device"] == {"reference": "#device"}


def test_nothing_that_names_specimen_household_or_hub_leaves() -> None:
    start = with_reading(pressure(), user=7, record=4711)
    text = simplejson.dumps(render(start), use_decimal=True)
    hidden = ("SER-9", "feedabee", "00:11:22", "hub-1", "4711", start.key.hex(), start.secret.hex())
    assert not [word for word in hidden if word in text]


@pytest.mark.parametrize("name", [None, "", "  ", "\x00\x00", "\ud800"])
def test_a_device_without_a_readable_name_is_left_out(name: str | None) -> None:
    resource = render(pressure(device=Device("dev", name, name, name)))["pulse"]
    assert "contained" not in resource
    assert "device" not in resource


def test_control_bytes_in_a_name_are_dropped() -> None:
    resource = render(pressure(device=Device("dev", "Ma\x00ker\x00")))["pulse"]
    assert resource["contained"][0]["manufacturer"] == "Ma ker"


@given(measurements())
@settings(max_examples=300, deadline=None)
def test_any_measurement_renders_or_is_refused_with_a_code(what: Measured) -> None:
    refused_with = ""
    try:
        parts = RENDERINGS["r4"](what)
    except RenderError as error:
        refused_with = error.code
    if refused_with:
        assert refused_with in REFUSALS
        return
    assert len({part.name for part in parts}) == len(parts)
    told = [text for part in parts for text in texts_in(part)]
    expected = [found.text() or f"no {found.absent}" for found in what.reading.values] + added_unknown(what)
    assert sorted(told) == sorted(expected)


def added_unknown(what: Measured) -> list[str]:
    """The required pressures that the device did not name."""
    names = {found.name for found in what.reading.values}
    if not names & {"systolic", "diastolic", "mean-arterial"}:
        return []
    return ["no unknown" for name in ("systolic", "diastolic") if name not in names]


def texts_in(part: Part) -> list[str]:
    """Every value, as it can be read back after a server that keeps binary floats."""
    text = simplejson.dumps(part.resource, use_decimal=True)
    assert "�" not in text
    through_floats = simplejson.loads(json.dumps(json.loads(text)), use_decimal=True)
    places = through_floats.get("component", [through_floats])
    return [
        str(exact_text(place["valueQuantity"]))
        if "valueQuantity" in place
        else "no " + place["dataAbsentReason"]["coding"][0]["code"]
        for place in places
    ]


@pytest.mark.parametrize("what", [pressure(), oximetry(late=True), with_reading(pressure(), final=False)])
def test_the_shape_is_fhir(what: Measured) -> None:
    for resource in render(what).values():
        plain = simplejson.loads(simplejson.dumps(resource, use_decimal=True))
        assert Observation.model_validate(plain).status in ("final", "preliminary")
