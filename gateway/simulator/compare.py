"""What the virtual devices sent against what the FHIR server holds, read back from the server itself.

Knows nothing of gateway or bridge: truth logs on one side, plain FHIR on the other.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.simulator.catalogue import Entry
from gateway.simulator.fhir_server import FhirServer
from gateway.simulator.truth import CONFIRMED, MEASURED, SENT, read_truth

PAGE = 200
PRECISION = "http://hl7.org/fhir/StructureDefinition/quantity-precision"
SYSTOLIC, DIASTOLIC, MEAN, PANEL, SPO2, PULSE = "8480-6", "8462-4", "8478-0", "85354-9", "59408-5", "8867-4"
Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Comparison:
    """One kind, as values in order with how often each.

    sent: what the device saw confirmed, or said to the end to somebody who listened. possible: what it said
    at all, so that the hub may have it. found: what the FHIR server holds.
    """

    kind: str
    sent: Counter[Values]
    possible: Counter[Values]
    found: Counter[Values]

    @property
    def confirmed(self) -> int:
        return (self.sent & self.found).total()

    @property
    def missing(self) -> int:
        """Sent and not found (yet)."""
        return (self.sent - self.found).total()

    @property
    def unexplained(self) -> int:
        """Found and never said: altered or doubled."""
        return (self.found - self.possible).total()


@dataclass(frozen=True)
class Sent:
    """What one device said, and when (seconds since 1970): surely received, or only possibly."""

    values: dict[str, str | None]
    at: float
    sure: bool

    def part(self, names: tuple[str, ...]) -> Values:
        """The values of these names, in order."""
        return tuple(self.values.get(name) for name in names)


def compare(
    fhir: FhirServer, patient: str, streets: Sequence[Path], devices: tuple[Entry, ...]
) -> list[Comparison]:
    """A Comparison for each kind of Observation that these devices make; a pressure and its pulse are two.

    streets: the directories of all virtual devices of this patient, whichever hub reads them.
    """
    observations = read_observations(fhir, patient)
    kinds_of: dict[Shown, list[str]] = {}
    for kind in sorted({kind for entry in devices for kind in entry.kinds}):
        for shown in SHOWN.get(kind, ()):
            kinds_of.setdefault(shown, []).append(kind)
    return [
        _row(
            shown,
            [one for street in streets for kind in kinds for one in sent_of(street, kind)],
            observations,
        )
        for shown, kinds in kinds_of.items()
    ]


def not_compared(devices: tuple[Entry, ...]) -> list[str]:
    """Kinds that these devices measure and that the bridge does not make into Observations yet."""
    return sorted({kind for entry in devices for kind in entry.kinds if kind not in SHOWN})


def _row(shown: "Shown", told: list[Sent], observations: list[dict[str, Any]]) -> Comparison:
    with_it = [one for one in told if any(name in one.values for name in shown.names)]
    sure = Counter(one.part(shown.names) for one in with_it if one.sure)
    possible = Counter(one.part(shown.names) for one in with_it)
    return Comparison(shown.label, sure, possible, shown.find(observations))


def sent_of(street: Path, kind: str) -> list[Sent]:
    """What the devices of this street said of this kind, told by their truth logs alone."""
    told: list[Sent] = []
    for path in sorted(street.glob("*/truth.jsonl")):
        events = read_truth(path)
        rows = {
            event["number"]: event for event in events if event["event"] == MEASURED and event["kind"] == kind
        }
        said = {event["number"]: event for event in reversed(events) if event["event"] == SENT}
        said |= {event["number"]: event for event in reversed(events) if event["event"] == CONFIRMED}
        told += [
            Sent(row["values"], _at(said[number]), said[number]["event"] == CONFIRMED)
            for number, row in rows.items()
            if number in said
        ]
    return told


def _at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def read_observations(fhir: FhirServer, patient: str) -> list[dict[str, Any]]:
    """Every Observation that the server holds of this patient, page by page."""
    found: list[dict[str, Any]] = []
    path: str | None = f"Observation?subject={patient}&_count={PAGE}"
    while path is not None:
        status, body = fhir.request("GET", path)
        if status != 200:
            raise OSError(f"the FHIR server answered {status}")
        bundle = json.loads(body, parse_float=str, parse_int=str)
        found += [entry["resource"] for entry in bundle.get("entry", [])]
        links = {link["relation"]: link["url"] for link in bundle.get("link", [])}
        path = _relative(links.get("next"), fhir.base_url)
    return found


def _relative(url: str | None, base_url: str) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    path = parts.path.removeprefix(urlsplit(base_url).path).lstrip("/")
    return f"{path}?{parts.query}"


def _panels(observations: list[dict[str, Any]]) -> Counter[Values]:
    panels = [resource for resource in observations if _has(resource, PANEL)]
    return Counter(tuple(_component(panel, code) for code in (SYSTOLIC, DIASTOLIC, MEAN)) for panel in panels)


def _component(panel: dict[str, Any], code: str) -> str | None:
    for component in panel["component"]:
        if _has(component, code):
            return _quantity(component)
    return None


def _singles(observations: list[dict[str, Any]], code: str) -> Counter[Values]:
    return Counter((_quantity(resource),) for resource in observations if _has(resource, code))


def _called(observations: list[dict[str, Any]], text: str) -> Counter[Values]:
    return Counter((_quantity(resource),) for resource in observations if resource["code"]["text"] == text)


def _pulses(observations: list[dict[str, Any]], source: str) -> Counter[Values]:
    """Pulses of one source: the MDC code says whether cuff or oximeter counted."""
    pulses = [resource for resource in observations if _has(resource, PULSE) and _has(resource, source)]
    return Counter((_quantity(pulse),) for pulse in pulses)


@dataclass(frozen=True)
class Shown:
    """How a part of a reading stands at a PGO: its values, in order, and where they are found.

    A part that several kinds of reading have stands at each of them.
    """

    label: str
    names: tuple[str, ...]
    find: Callable[[list[dict[str, Any]]], Counter[Values]]


def _has(element: dict[str, Any], code: str) -> bool:
    return any(coding.get("code") == code for coding in element["code"].get("coding", []))


def _quantity(element: dict[str, Any]) -> str | None:
    """The number as the device showed it: the server drops zeros at its end, and says beside how many."""
    quantity = element.get("valueQuantity", {})
    if "value" not in quantity:
        return None
    whole, _, decimals = str(quantity["value"]).partition(".")
    places = max(len(decimals), *(int(places) for places in _places(quantity)), 0)
    decimals = decimals.ljust(places, "0")
    return str(quantity.get("comparator", "")) + (f"{whole}.{decimals}" if places else whole)


def _places(quantity: dict[str, Any]) -> list[str]:
    extensions = quantity.get("_value", {}).get("extension", [])
    return [extension["valueInteger"] for extension in extensions if extension["url"] == PRECISION]


BODY_WEIGHT = Shown("body weight", ("body-weight",), partial(_called, text="Lichaamsgewicht"))
SHOWN = {
    "blood-pressure": (
        Shown("blood pressure", ("systolic", "diastolic", "mean-arterial"), _panels),
        Shown("pulse of the cuff", ("pulse-rate",), partial(_pulses, source="149546")),
    ),
    "oximetry": (
        Shown("oxygen saturation", ("spo2",), partial(_singles, code=SPO2)),
        Shown("pulse of the oximeter", ("pulse-rate",), partial(_pulses, source="149530")),
    ),
    "weight": (BODY_WEIGHT,),
    "body-composition": (Shown("body fat", ("body-fat",), partial(_called, text="Lichaamsvet")), BODY_WEIGHT),
    "temperature": (
        Shown("body temperature", ("body-temperature",), partial(_called, text="Lichaamstemperatuur")),
    ),
    "heart-rate": (Shown("heart rate", ("heart-rate",), partial(_called, text="Hartfrequentie")),),
    "glucose": (Shown("glucose", ("glucose",), partial(_called, text="Glucose")),),
    "ketone": (Shown("ketones", ("ketone",), partial(_called, text="Ketonen")),),
    "cgm-glucose": (Shown("glucose of the sensor", ("glucose",), partial(_called, text="Glucose (sensor)")),),
}
