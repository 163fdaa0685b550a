"""What the drivers make of recorded visits: one JSON line in, one JSON line out, in order.

A visit is what one device sent, after which it is gone. The contract, and what gives no reading, stands in
docs/vocabulary.md. Nothing is stored or sent here; any input whatever gives an answer.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.drivers import driver_named
from gateway.drivers.base import SENT, Driver, Record
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import Capture, Moment, RecordKey, measurement_key

_DEVICE_KEYS = ("manufacturer", "model", "firmware", "serial", "system_id", "address")
_INPUTS = ("received", "stream", "advertisement", "exchange")
# What a line may tell of the device, by the characteristic in which devices tell it.
_ABOUT = {"2a29": "manufacturer", "2a24": "model", "2a25": "serial", "2a26": "firmware"}
_SIG_UUID = re.compile(r"0000([0-9a-f]{4})-0000-1000-8000-00805f9b34fb")
_PLACE = re.compile(r"(?![0-9a-f]{4}$)(?:[0-9]|[a-z]+)")
_NO_CAPTURE = Capture(bytes(8), 0, Moment(bytes(8), 0, None, "none"))


@dataclass
class _Line:
    """One visit as it stands in a line: frames in order, each with its place in the line's list."""

    driver: type[Driver]
    frames: list[tuple[int, Frame]] = field(default_factory=list)
    device: dict[str, str] = field(default_factory=dict)
    at: str | None = None


def decode_lines(lines: Iterable[str] | Iterable[bytes], out: Callable[[str], None]) -> bool:
    """Answer every line with one line through `out`, in order; True when any of them holds an error.

    Lines may be bytes, so that what is no UTF-8 is one bad line and not the end of all.
    """
    failed = False
    for line in lines:
        answer = decode_line(line)
        failed = failed or bool(answer["errors"]) or answer["error"] is not None
        out(json.dumps(answer))
    return failed


def decode_line(line: str | bytes) -> dict[str, Any]:
    """The answer to one line: {"readings", "error", "errors"}."""
    try:
        visit = _parse(line)
    except DecodeError as error:
        return {"readings": [], "error": _error(error), "errors": []}
    return _decode(visit)


def _decode(visit: _Line) -> dict[str, Any]:
    """Frames are judged one by one: a bad frame adds an error and takes only its own readings."""
    driver = visit.driver()
    readings: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    last = 0
    for index, frame in visit.frames:
        last = index
        _add(visit, driver.received(frame), index, readings, errors)
    _add(visit, driver.finish(), last, readings, errors)
    error = {"code": errors[0]["code"], "message": errors[0]["message"]} if errors and not readings else None
    return {"readings": readings, "error": error, "errors": errors}


def _add(
    visit: _Line,
    records: list[Record],
    index: int,
    readings: list[dict[str, Any]],
    errors: list[dict[str, Any]],
) -> None:
    for record in records:
        if record.error is not None:
            errors.append({**_error(record.error), "frame": index})
        elif record.reading is not None:
            readings.append({**record.reading.json(), **_around(visit, record.key)})


def _around(visit: _Line, key: RecordKey | None) -> dict[str, Any]:
    """What the line tells about a reading beside the bytes."""
    around: dict[str, Any] = {"driver": visit.driver.name}
    if visit.device:
        around["device"] = {name: visit.device.get(name) for name in _DEVICE_KEYS}
    if visit.at is not None:
        around["received_at"] = visit.at
    identity = visit.device.get("identity")
    if identity is not None and key is not None and not key.live:
        around["measurement_key"] = measurement_key(identity, key, _NO_CAPTURE).hex()
    return around


def _error(error: DecodeError) -> dict[str, str]:
    return {"code": error.code, "message": error.detail or error.code}


# From a line to a visit. Every wrong shape is a DecodeError("line-invalid") that says what was expected.


def _parse(line: str | bytes) -> _Line:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise DecodeError("line-invalid", "not JSON") from None
    if not isinstance(data, dict):
        raise DecodeError("line-invalid", "a line is one JSON object")
    visit = _Line(_driver(data.get("driver")))
    if not any(name in data for name in _INPUTS):
        raise DecodeError("line-invalid", "one of received, stream, advertisement, exchange is needed")
    visit.device = _device(data.get("device", {}))
    visit.at = _moment(data.get("at"))
    visit.frames = _frames(data, visit.driver)
    return visit


def _driver(name: object) -> type[Driver]:
    if not isinstance(name, str):
        raise DecodeError("line-invalid", "driver: a driver's name is needed")
    driver = driver_named(name)
    if driver is None:
        raise DecodeError("driver-unknown", f"no driver is named {name[:40]!r}")
    return driver


def _frames(data: dict[str, Any], driver: type[Driver]) -> list[tuple[int, Frame]]:
    """All that the driver hears, in order: what was read, what the device sent, what it answered."""
    frames = _pairs(data.get("reads", []), "reads")
    frames = _told(data.get("device"), driver, {frame.source for _, frame in frames}) + frames
    frames += _pairs(data.get("received", []), "received")
    if "stream" in data:
        frames.append((0, Frame("serial", 0, _octets(data["stream"], "stream"))))
    if "advertisement" in data:
        frames += _advertisement(data["advertisement"])
    frames += _exchange(data.get("exchange", []), driver)
    _check_inputs(data, driver)
    return frames


def _check_inputs(data: dict[str, Any], driver: type[Driver]) -> None:
    hears = {
        "advertisement": driver.adverts or bool(driver.broadcasts),
        "received": bool(driver.subscribe),
        "stream": driver.serial is not None,
        "exchange": not driver.adverts,
    }
    for name, does in hears.items():
        if name in data and not does:
            raise DecodeError("input-unsupported", f"this driver does not hear: {name}")


def _told(device: object, driver: type[Driver], read: set[str]) -> list[tuple[int, Frame]]:
    """What the line tells of the device, where the driver reads it of the device and the line has no read."""
    about = device if isinstance(device, dict) else {}
    told = [(source, about.get(word)) for source, word in _ABOUT.items() if source in driver.reads]
    return [(0, Frame(source, 0, text.encode())) for source, text in told if text and source not in read]


def _pairs(item: object, name: str) -> list[tuple[int, Frame]]:
    return [
        (index, Frame(_source(source, name), 0, _octets(octets, name)))
        for index, (source, octets) in enumerate(_rows(item, 2, name))
    ]


def _exchange(item: object, driver: type[Driver]) -> list[tuple[int, Frame]]:
    """A dialogue in order; what the hub sent is marked."""
    frames = []
    for index, (side, source, octets) in enumerate(_rows(item, 3, "exchange")):
        if side not in {"sent", "received"}:
            raise DecodeError("line-invalid", "exchange: sent or received is needed")
        channel = _channel(_source(source, "exchange"), driver)
        mark = SENT if side == "sent" else ""
        frames.append((index, Frame(mark + channel, 0, _octets(octets, "exchange"))))
    return frames


def _channel(name: str, driver: type[Driver]) -> str:
    """A driver of cables knows one channel only; over the air a digit is a place among those it hears.

    A plain word ("notify", "rx") is the first of them.
    """
    if not driver.subscribe or (driver.serial is not None and name == "serial"):
        return "serial"
    place = int(name) if name.isdecimal() else 0
    return driver.subscribe[place] if _PLACE.fullmatch(name) and place < len(driver.subscribe) else name


def _rows(item: object, size: int, name: str) -> list[list[Any]]:
    if not isinstance(item, list) or not all(isinstance(row, list) and len(row) == size for row in item):
        raise DecodeError("line-invalid", f"{name}: a list of lists of {size} is needed")
    return item


def _source(item: object, name: str) -> str:
    """A characteristic in the form that drivers use: four digits for a SIG one, else the full UUID.

    What a driver cut from a memory is named with a colon ("eeprom:HEM-7322T:1") and stays as it is.
    """
    if not isinstance(item, str):
        raise DecodeError("line-invalid", f"{name}: a characteristic is text")
    short = _SIG_UUID.fullmatch(item.lower())
    return short.group(1) if short else item if ":" in item else item.lower()


def _octets(item: object, name: str) -> bytes:
    try:
        return bytes.fromhex(item)  # type: ignore[arg-type] # whatever is no text is refused right here
    except (TypeError, ValueError):
        raise DecodeError("line-invalid", f"{name}: bytes are hexadecimal text") from None


def _advertisement(item: object) -> list[tuple[int, Frame]]:
    """Service data by service, manufacturer data by company, each a frame of its own."""
    if not isinstance(item, dict):
        raise DecodeError("line-invalid", "advertisement: an object is needed")
    frames = []
    for name, mark in (("service_data", "advert:"), ("manufacturer_data", "maker:")):
        part = item.get(name, {})
        if not isinstance(part, dict):
            raise DecodeError("line-invalid", f"advertisement: {name} is an object")
        for source, octets in part.items():
            frames.append((0, Frame(mark + _source(source, name), 0, _octets(octets, name))))
    return frames


def _device(item: object) -> dict[str, str]:
    """What the line says of the device; null and absent are the same."""
    if not isinstance(item, dict) or not all(value is None or _is_text(value) for value in item.values()):
        raise DecodeError("line-invalid", "device: an object of texts is needed")
    return {name: value for name, value in item.items() if value is not None}


def _is_text(item: object) -> bool:
    """JSON can hold half characters (lone surrogates), which no UTF-8 can."""
    return isinstance(item, str) and item.encode(errors="replace").decode() == item


def _moment(item: object) -> str | None:
    """An RFC 3339 time, kept as it was written."""
    if item is None:
        return None
    try:
        known = isinstance(item, str) and datetime.fromisoformat(item).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise DecodeError("line-invalid", "at: an RFC 3339 time with its zone is needed")
    return str(item)
