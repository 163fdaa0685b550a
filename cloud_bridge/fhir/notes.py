"""What a reader must know beside the numbers, as plain Dutch sentences (Observation.note).

A reader that knows no extension and no code still sees every doubt.
"""

from typing import Any

from cloud_bridge.fhir.moments import INSTANT_MS
from cloud_bridge.fhir.part import shown
from cloud_bridge.measured import Measured

SENTENCES = {
    "questionable": "Het apparaat vindt deze meting twijfelachtig.",
    "irregular-pulse": "Het apparaat merkte een onregelmatige polsslag op.",
    "body-moved": "Het lichaam bewoog tijdens de meting.",
    "cuff-too-loose": "De manchet zat te los.",
    "improper-position": "De houding tijdens de meting was niet goed.",
    "pulse-above-range": "De polsslag was hoger dan het apparaat kan meten.",
    "pulse-below-range": "De polsslag was lager dan het apparaat kan meten.",
    "no-contact": "Het apparaat had geen goed contact met de huid.",
    "sensor-displaced": "De sensor zat niet goed op zijn plaats.",
    "low-perfusion": "De doorbloeding onder de sensor was zwak.",
    "marginal-perfusion": "De doorbloeding onder de sensor was matig.",
    "quality-checked": "Het apparaat keurde de kwaliteit van deze meting goed.",
    "implausible": "Dit getal kan het apparaat niet echt gemeten hebben.",
    "clock-not-set": "De klok van het apparaat was niet gelijkgezet.",
    "low-battery": "De batterij van het apparaat was bijna leeg.",
    "device-fault": "Het apparaat meldde een storing.",
    "device-alert": "Het apparaat gaf een melding.",
    "sample-too-small": "Er was te weinig bloed.",
    "strip-misplaced": "De strip zat niet goed in de meter.",
    "strip-wrong": "De strip past niet bij de meter.",
    "strip-removed-early": "De strip ging te vroeg uit de meter.",
    "too-warm": "Het apparaat was te warm.",
    "too-cold": "Het apparaat was te koud.",
    "session-stopped": "De sensor was gestopt.",
    "sensor-wrong": "De sensor past niet bij het apparaat.",
    "calibration-advised": "Het apparaat raadde een vingerprik aan om bij te stellen.",
    "calibration-needed": "Het apparaat moest met een vingerprik worden bijgesteld.",
    "calibration-pending": "Het apparaat was nog bezig met bijstellen.",
    "below-set-limit": "De waarde was lager dan de grens die op het apparaat is ingesteld.",
    "above-set-limit": "De waarde was hoger dan de grens die op het apparaat is ingesteld.",
    "falling-fast": "De waarde daalde sneller dan op het apparaat is ingesteld.",
    "rising-fast": "De waarde steeg sneller dan op het apparaat is ingesteld.",
}

ORIGINS = {
    "device-average": "Dit is een gemiddelde dat het apparaat zelf berekende.",
    "hub-summary": "Dit is een samenvatting van meerdere waarden, gemaakt door de hub.",
}

PRELIMINARY = "Voorlopige waarde: de meting was nog bezig."
UNSURE_TIME = "Het tijdstip is niet precies bekend; de meting viel in de genoemde periode."
LATE = "Nagekomen: deze meting kwam meer dan 24 uur na het meten binnen."


def sentences(measured: Measured) -> list[str]:
    """Every doubt about this measurement, one sentence each, in a fixed order."""
    reading = measured.reading
    found = [_sentence(note) for note in reading.notes]
    if reading.origin in ORIGINS:
        found.append(ORIGINS[reading.origin])
    if not reading.final:
        found.append(PRELIMINARY)
    if measured.placed.high_ms - measured.placed.low_ms > INSTANT_MS:
        found.append(UNSURE_TIME)
    if measured.late:
        found.append(LATE)
    return list(dict.fromkeys(found))


def note(texts: list[str]) -> list[dict[str, Any]]:
    """Observation.note: one annotation, for the nl-core profiles allow no more than one."""
    return [{"text": " ".join(texts)}] if texts else []


def said_in(resource: dict[str, Any]) -> list[str]:
    """The text of a resource's note, if it has one."""
    return [annotation["text"] for annotation in resource.get("note", [])]


def _sentence(note: str) -> str:
    """A note without a sentence of its own is still shown, in the driver's word."""
    return SENTENCES.get(note) or f"Het apparaat meldde: {shown(note) or 'iets onleesbaars'}."
