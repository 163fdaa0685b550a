"""What a receiver may change without changing the meaning, and what never passes as the same."""

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.fhir import RENDERINGS
from cloud_bridge.fhir.compare import differences
from cloud_bridge.measured import Interval
from tests.cloud_bridge.fhir_fixtures import NOON_MS, oximetry, pressure

BASE = "https://pgo.example/fhir"
Resource = dict[str, Any]
SENT: Resource = RENDERINGS["r4"](pressure(late=True))[0].resource
PULSE: Resource = RENDERINGS["r4"](pressure())[1].resource
PERIOD: Resource = RENDERINGS["r4"](oximetry(placed=Interval(NOON_MS, NOON_MS + 100_000)))[0].resource


def changed(resource: Resource, change: Callable[[Resource], object]) -> Resource:
    found = copy.deepcopy(resource)
    change(found)
    return found


def through_floats(resource: Resource) -> Resource:
    """As a server gives it back that keeps numbers as binary floats."""
    text = simplejson.dumps(resource, use_decimal=True)
    back: Resource = simplejson.loads(simplejson.dumps(simplejson.loads(text)), use_decimal=True)
    return back


HARMLESS: dict[str, Callable[[Resource], object]] = {
    "nothing": lambda _: None,
    "id and version": lambda found: found.update(id="1", meta={"versionId": "1"}),
    "a narrative": lambda found: found.update(text={"status": "generated", "div": "<div/>"}),
    "another zone": lambda found: found.update(effectiveDateTime="2026-11-22T11:00:00Z"),
    "milliseconds": lambda found: found.update(effectiveDateTime="2026-11-22T12:00:00.000+01:00"),
    "its own address": lambda found: found["subject"].update(reference=BASE + "/Patient/p1"),
    "a name for the subject": lambda found: found["subject"].update(display="x"),
    "a translated code": lambda found: found["code"]["coding"].insert(0, {"system": "urn:own", "code": "bp"}),
    "another order": lambda found: found["component"].reverse(),
    "another identifier beside": lambda found: found["identifier"].append(
        {"system": "urn:own", "value": "1"}
    ),
    "a category beside": lambda found: found["category"].append({"text": "thuis"}),
    "a note beside": lambda found: found["note"].append({"text": "Gezien."}),
    "no device": lambda found: (found.pop("contained"), found.pop("device")),
    "a whole number for 80": lambda found: found["component"][1]["valueQuantity"].update(value=80),
    "its own word for the unit": lambda found: found["component"][1]["valueQuantity"].update(unit="mm Hg"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_keeps_the_meaning(name: str) -> None:
    assert differences(SENT, changed(SENT, HARMLESS[name]), BASE) == []


HARMFUL: dict[str, tuple[str, Callable[[Resource], object]]] = {
    "another type": ("resourceType", lambda found: found.update(resourceType="Basic")),
    "another patient": ("subject", lambda found: found["subject"].update(reference="Patient/p2")),
    "the same patient elsewhere": (
        "subject",
        lambda found: found["subject"].update(reference="https://other.example/fhir/Patient/p1"),
    ),
    "no subject": ("subject", lambda found: found.pop("subject")),
    "a subject of another shape": ("subject", lambda found: found.update(subject=[1])),
    "another identifier": ("identifier", lambda found: found["identifier"][0].update(value="0")),
    "no identifier": ("identifier", lambda found: found.update(identifier=None)),
    "another status": ("status", lambda found: found.update(status="entered-in-error")),
    "another code": ("code", lambda found: found["code"]["coding"].pop(0)),
    "no code": ("code", lambda found: found.pop("code")),
    "no category": ("category", lambda found: found.pop("category")),
    "another time": (
        "effectiveDateTime",
        lambda found: found.update(effectiveDateTime="2026-11-22T12:00:00Z"),
    ),
    "a time without zone": (
        "effectiveDateTime",
        lambda found: found.update(effectiveDateTime="2026-11-22T12:00:00"),
    ),
    "a day only": ("effectiveDateTime", lambda found: found.update(effectiveDateTime="2026-11-22")),
    "a time of another shape": ("effectiveDateTime", lambda found: found.update(effectiveDateTime=5)),
    "no time": ("effectiveDateTime", lambda found: found.pop("effectiveDateTime")),
    "a period as well": ("effectivePeriod", lambda found: found.update(effectivePeriod={"start": "2026"})),
    "no note": ("note", lambda found: found.pop("note")),
    "a doubt that we did not send": (
        "interpretation",
        lambda found: found.update(interpretation=[{"text": "hoog"}]),
    ),
    "another digit": ("component", lambda found: quantity(found).update(value=Decimal("120.1"))),
    "another number": ("component", lambda found: quantity(found).update(value=12)),
    "a text for the number": ("component", lambda found: quantity(found).update(value="120.0")),
    "fewer digits and no precision": (
        "component",
        lambda found: (quantity(found).pop("_value"), quantity(found).update(value=120)),
    ),
    "another unit": ("component", lambda found: quantity(found).update(code="kPa")),
    "a comparator": ("component", lambda found: quantity(found).update(comparator="<")),
    "no value": ("component", lambda found: found["component"][0].pop("valueQuantity")),
    "a reason beside the value": (
        "component",
        lambda found: found["component"][0].update(dataAbsentReason={"text": "x"}),
    ),
    "another kind of value": ("component", lambda found: found["component"][0].update(valueString="120.0")),
    "swapped values": ("component", lambda found: swap(found["component"])),
    "a component less": ("component", lambda found: found["component"].pop()),
    "a component more": ("component", lambda found: found["component"].append({"code": {"text": "x"}})),
    "a component twice": ("component", lambda found: found["component"].append(found["component"][0])),
    "a value on the panel": ("value", lambda found: found.update(valueInteger=1)),
    "a modifier": ("modifierExtension", lambda found: found.update(modifierExtension=[{"url": "urn:not"}])),
}


def quantity(found: Resource) -> Resource:
    inside: Resource = found["component"][0]["valueQuantity"]
    return inside


def swap(components: list[Resource]) -> None:
    first, second = components[0], components[1]
    first["valueQuantity"], second["valueQuantity"] = second["valueQuantity"], first["valueQuantity"]


@pytest.mark.parametrize("name", HARMFUL)
def test_what_changes_the_meaning(name: str) -> None:
    element, change = HARMFUL[name]
    assert element in differences(SENT, changed(SENT, change), BASE)


@pytest.mark.parametrize("resource", [SENT, PULSE, PERIOD])
def test_binary_floats_lose_nothing(resource: Resource) -> None:
    assert differences(resource, through_floats(resource), BASE) == []


@pytest.mark.parametrize(
    ("edge", "what"),
    [("end", "2026-11-22T12:01:41+01:00"), ("start", None), ("end", None), ("start", "2026-11-22T11:59:00Z")],
)
def test_a_period_counts_with_both_edges(edge: str, what: str | None) -> None:
    found = changed(PERIOD, lambda found: found["effectivePeriod"].update({edge: what}))
    assert differences(PERIOD, found, BASE) == ["effectivePeriod"]


def test_a_single_value_is_compared() -> None:
    found = changed(PULSE, lambda found: found["valueQuantity"].update(value=73))
    assert differences(PULSE, found, BASE) == ["value"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(SENT)) | st.text(), inner)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted({*SENT, *PULSE})), JSON))
def test_any_garbage_differs_and_nothing_is_raised(found: Resource) -> None:
    assert differences(SENT, found, BASE)
    differences(SENT, {**SENT, **found}, BASE)
