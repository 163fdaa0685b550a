"""What the virtual devices sent against what the FHIR server holds, read back from the server itself.

Knows nothing of gateway or bridge: truth logs on one side, plain FHIR on the other.
"""

import json
from collections import Counter
from dataclasses import dataclass
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
    """One kind: what was sent and what was found, as values in order with how often each."""

    kind: str
    sent: Counter[Values]
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
        """Found and never sent: altered or doubled."""
        return (self.found - self.sent).total()


def compare(fhir: FhirServer, patient: str, street: Path, kinds: tuple[str, ...]) -> list[Comparison]:
    """A Comparison for each kind of device; pressures and pulses of the cuff are two Observations."""
    observations = read_observations(fhir, patient)
    rows = []
    if "cuff" in kinds:
        sent = sent_by_cuff(street)
        rows.append(Comparison("blood pressure", Counter(v[:3] for v in sent), _panels(observations)))
        rows.append(
            Comparison("pulse of the cuff", Counter(v[3:] for v in sent), _pulses(observations, "149546"))
        )
    if "oximeter" in kinds:
        demanded = sent_by_oximeter(street)
        rows.append(
            Comparison("oxygen saturation", Counter(v[:1] for v in demanded), _singles(observations, SPO2))
        )
        pulses = Counter(v[1:] for v in demanded)
        rows.append(Comparison("pulse of the oximeter", pulses, _pulses(observations, "149530")))
    return rows


def sent_by_cuff(street: Path) -> list[Values]:
    """(systolic, diastolic, mean, pulse) of every measurement, as the device's digits."""
    events = read_truth(street / "blood-pressure-monitor" / "truth.jsonl")
    names = ("systolic", "diastolic", "mean-arterial", "pulse-rate")
    measured = [event["values"] for event in events if event["event"] == "measured"]
    return [tuple(_text(values[name]) for name in names) for values in measured]


def sent_by_oximeter(street: Path) -> list[Values]:
    """(SpO2, pulse) that the stated rule demands of each finger session that was heard whole."""
    events = read_truth(street / "oximeter-data" / "truth.jsonl")
    sessions = [event["demanded"] for event in events if event["event"] == "session"]
    return [(_text(row["spo2"]), _text(row["pulse-rate"])) for rows in sessions for row in rows]


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
