"""`meethub-bridge map`: reading JSON lines in, one FHIR Bundle a line out. It renders and holds nothing.

A line is a reading (docs/vocabulary.md) with `received_at` (RFC 3339) and `citizen` (a reference such as
"Patient/123"). Identifiers here come from a fixed secret: they are never those of a delivery.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

import simplejson

from cloud_bridge.fhir import RENDERINGS, Part, RenderError
from cloud_bridge.fhir.notes import note, said_in
from cloud_bridge.measured import Interval, Measured
from gateway.wire.errors import MeethubError, WireError
from gateway.wire.measurement import Device
from gateway.wire.reading import COMPARATORS, ORIGINS, Reading, Value, parse_decimal

NEAR = timedelta(minutes=15)
"""How far a device's clock may be from the arrival to be believed where nothing else is known."""
LATE = timedelta(hours=24)
SECRET = hashlib.sha256(b"meethub/map/1").digest()
DEVICE_FIELDS = ("manufacturer", "model", "firmware", "serial", "system_id", "address")
RECEIVED_NOTE = "Het tijdstip is dat van ontvangst; wanneer precies gemeten is, is niet bekend."
MAX_LINE = 1 << 20
DEVICE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
RFC_3339 = re.compile(DEVICE_TIME.pattern + r"(\.\d+)?(Z|[+\-]\d\d:\d\d)", re.ASCII)


class MapError(MeethubError):
    """A line that is not a reading: code "line-unfit", the detail names the element."""


def map_lines(lines: Iterable[str], render: str, out: TextIO) -> bool:
    """One line out for each line in, in order: a Bundle, or {"error": {"code", "message"}}.

    True when every line gave a Bundle. RenderError("rendering-unknown") for a rendering that does not exist.
    """
    if render not in RENDERINGS:
        raise RenderError("rendering-unknown", render)
    good = True
    for line in lines:
        try:
            answer = bundle(line, render)
        except MeethubError as error:
            answer = {"error": {"code": error.code, "message": str(error)}}
            good = False
        out.write(simplejson.dumps(answer, use_decimal=True) + "\n")
    return good


def bundle(line: str, render: str) -> dict[str, Any]:
    """The Bundle of one line. MapError or RenderError when it cannot be made."""
    measured, notes = measured_of(_object(line))
    entries = [_entry(part, notes) for part in RENDERINGS[render](measured)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def measured_of(said: dict[str, Any]) -> tuple[Measured, list[str]]:
    """What a line says as a Measured, and the sentences that its time needs."""
    reading = reading_of(said)
    received = _moment(_text(said, "received_at"), RFC_3339, "received_at")
    placed, notes = _placed(reading, received)
    measured = Measured(
        reading=reading,
        key=_key(said),
        device=_device(said),
        hub=_optional_text(said, "hub") or "",
        driver=_optional_text(said, "driver") or "",
        driver_version=0,
        placed=Interval(_ms(placed), _ms(placed)),
        arrived_ms=_ms(received),
        late=received - placed > LATE,
        subject=_text(said, "citizen"),
        secret=SECRET,
    )
    return measured, notes


def reading_of(said: dict[str, Any]) -> Reading:
    """The Reading that this JSON object is; MapError("line-unfit") otherwise."""
    final = said.get("final", True)
    origin = said.get("origin", "spot")
    context = said.get("context") or {}
    if not isinstance(final, bool) or origin not in ORIGINS or not isinstance(context, dict):
        raise MapError("line-unfit", "final, origin or context")
    return Reading(
        _text(said, "kind"),
        origin,
        [_value(value) for value in _list(said, "values")],
        [_word(note) for note in _list(said, "notes", missing=[])],
        _optional_number(said, "user"),
        _optional_number(said, "record"),
        _optional_text(said, "device_time"),
        [(key, _word(word)) for key, word in context.items()],
        final,
    )


def _value(said: object) -> Value:
    if not isinstance(said, dict):
        raise MapError("line-unfit", "values")
    name, unit = _text(said, "name"), _text(said, "unit")
    text, absent = _optional_text(said, "value"), _optional_text(said, "absent")
    comparator = _optional_text(said, "comparator")
    if (text is None) == (absent is None) or comparator not in (None, *COMPARATORS):
        raise MapError("line-unfit", "a value is a number or a reason, never both or neither")
    try:
        digits, exponent = (None, 0) if text is None else parse_decimal(text)
    except WireError as error:
        raise MapError("line-unfit", "a value is not a plain decimal") from error
    return Value(name, digits, exponent, unit, absent, comparator)


def _placed(reading: Reading, received: datetime) -> tuple[datetime, list[str]]:
    """The device's time, in the zone of the arrival, when both agree; else the arrival, and that is said."""
    if reading.device_time is not None:
        zone = UTC if ("device-time", "utc") in reading.context else received.tzinfo
        told = _moment(reading.device_time, DEVICE_TIME, "device_time").replace(tzinfo=zone)
        if abs(_ms(received) - _ms(told)) <= NEAR / timedelta(milliseconds=1):
            return min(told, received), []
    return received, [RECEIVED_NOTE]


def _moment(text: str, form: re.Pattern[str], name: str) -> datetime:
    """One form only: fromisoformat takes dates without time and weeks as well."""
    if not form.fullmatch(text):
        raise MapError("line-unfit", name)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MapError("line-unfit", name) from error


def _ms(moment: datetime) -> int:
    """Milliseconds UTC in whole numbers: a float of seconds would lose the last digit."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _entry(part: Part, notes: list[str]) -> dict[str, Any]:
    resource = part.resource | {"note": note([*said_in(part.resource), *notes])}
    if not resource["note"]:
        del resource["note"]
    name = uuid.UUID(bytes=bytes.fromhex(resource["identifier"][0]["value"])[:16], version=5)
    return {"fullUrl": f"urn:uuid:{name}", "resource": resource}


def _key(said: dict[str, Any]) -> bytes:
    """The measurement key where it is known; else a hash of what the line says."""
    stated = _optional_text(said, "measurement_key")
    if stated is None:
        return hashlib.sha256(simplejson.dumps(said, sort_keys=True, use_decimal=True).encode()).digest()
    try:
        return bytes.fromhex(stated)
    except ValueError as error:
        raise MapError("line-unfit", "measurement_key") from error


def _device(said: dict[str, Any]) -> Device:
    device = said.get("device") or {}
    if not isinstance(device, dict):
        raise MapError("line-unfit", "device")
    return Device("", *(_optional_text(device, name) for name in DEVICE_FIELDS))


def _object(line: str) -> dict[str, Any]:
    try:
        said = simplejson.loads(line, use_decimal=True) if len(line) <= MAX_LINE else None
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise MapError("line-unfit", "not JSON") from error
    if not isinstance(said, dict):
        raise MapError("line-unfit", "not a JSON object")
    return said


def _list(said: dict[str, Any], name: str, missing: list[Any] | None = None) -> list[Any]:
    found = said.get(name, missing)
    if not isinstance(found, list):
        raise MapError("line-unfit", name)
    return found


def _word(said: object) -> str:
    if not isinstance(said, str):
        raise MapError("line-unfit", "not a text")
    return said


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name)
    if found is None:
        raise MapError("line-unfit", f"{name} is missing")
    if not isinstance(found, str) or not found:
        raise MapError("line-unfit", name)
    return found


def _optional_text(said: dict[str, Any], name: str) -> str | None:
    return None if said.get(name) is None else _text(said, name)


def _optional_number(said: dict[str, Any], name: str) -> int | None:
    found = said.get(name)
    if found is not None and type(found) is not int:
        raise MapError("line-unfit", name)
    return found
