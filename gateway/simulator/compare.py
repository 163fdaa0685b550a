"""What the virtual devices sent against what the FHIR server holds, read back from the server itself.

Knows nothing of gateway or bridge: truth logs on one side, plain FHIR on the other.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.simulator.fhir_server import FhirServer
from gateway.simulator.truth import read_truth

PAGE = 200
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

    values: Values
    at: float
    sure: bool


def compare(fhir: FhirServer, patient: str, street: Path, kinds: tuple[str, ...]) -> list[Comparison]:
    """A Comparison for each kind of Observation; a pressure and its pulse are two."""
    observations = read_observations(fhir, patient)
    rows = []
    if "cuff" in kinds:
        sent = sent_by_cuff(street)
        rows.append(_row("blood pressure", sent, slice(0, 3), _panels(observations)))
        rows.append(_row("pulse of the cuff", sent, slice(3, 4), _pulses(observations, "149546")))
    if "oximeter" in kinds:
        sent = sent_by_oximeter(street)
        rows.append(_row("oxygen saturation", sent, slice(0, 1), _singles(observations, SPO2)))
        rows.append(_row("pulse of the oximeter", sent, slice(1, 2), _pulses(observations, "149530")))
    return rows


def _row(kind: str, sent: list[Sent], part: slice, found: Counter[Values]) -> Comparison:
    sure = Counter(one.values[part] for one in sent if one.sure)
    return Comparison(kind, sure, Counter(one.values[part] for one in sent), found)


def sent_by_cuff(street: Path) -> list[Sent]:
    """(systolic, diastolic, mean, pulse) of every measurement that was indicated, as the device's digits."""
    events = read_truth(street / "blood-pressure-monitor" / "truth.jsonl")
    names = ("systolic", "diastolic", "mean-arterial", "pulse-rate")
    measured = {event["number"]: event["values"] for event in events if event["event"] == "measured"}
    said = {event["number"]: event for event in events if event["event"] in ("indicated", "confirmed")}
    return [
        Sent(
            tuple(_text(measured[number][name]) for name in names), _at(event), event["event"] == "confirmed"
        )
        for number, event in said.items()
    ]


def sent_by_oximeter(street: Path) -> list[Sent]:
    """(SpO2, pulse) that the stated rule demands of each finger session; sure when it was heard whole."""
    events = read_truth(street / "oximeter-data" / "truth.jsonl")
    sessions = [event for event in events if event["event"] in ("session", "session-cut")]
    return [
        Sent((_text(row["spo2"]), _text(row["pulse-rate"])), _at(event), event["event"] == "session")
        for event in sessions
        for row in event["demanded"]
    ]


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


def _pulses(observations: list[dict[str, Any]], source: str) -> Counter[Values]:
    """Pulses of one source: the MDC code says whether cuff or oximeter counted."""
    pulses = [resource for resource in observations if _has(resource, PULSE) and _has(resource, source)]
    return Counter((_quantity(pulse),) for pulse in pulses)


def _has(element: dict[str, Any], code: str) -> bool:
    return any(coding.get("code") == code for coding in element["code"]["coding"])


def _quantity(element: dict[str, Any]) -> str | None:
    value = element.get("valueQuantity", {}).get("value")
    return None if value is None else str(value)


def _text(number: object) -> str | None:
    return None if number is None else str(number)
