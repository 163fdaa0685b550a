"""What the records of LifeScan meters say, from the payload of a frame or from a line.

Sources: glucometers-tech/glucometerutils@9b87a5b (otultraeasy, otverioiq, otultra2), xDrip VerioHelper
(NightscoutFoundation), tidepool-org/uploader (oneTouchUltraMini, oneTouchUltra2, oneTouchVerioBLE: HI, LO).
- 05 06, time u32 since 1970, mg/dL u32: Ultra Easy and Mini.
- 03 06, time u32 since 2000, mg/dL u16, control, meal, 2 bytes more: Verio IQ. On the air 5 bytes follow the
  value, of which only the first one, control, is known.
- P "DAY","mm/dd/yy","hh:mm:ss   ","C 123?","N","00", 00: Ultra2. C control, ? parity error in the meter's
  memory; N, B, A the meal; 00 to 11 the comment.
Times are the meter's local time and move with its clock. Values are mg/dL whatever unit the meter shows; it
measures 20 to 600 and shows LO and HI beyond. Control solution and 0 are no measurement of a person.
"""

from gateway.drivers.base import Record
from gateway.drivers.shared.fields import DeviceTime, Fields, date_text
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value, is_digits

# First byte and size of a record: space of its key, year its time starts with, size of the value, meal told.
_FORMS = {
    (5, 10): ("ultra-easy", 1970, 4, False),
    (3, 12): ("verio", 2000, 2, True),
    (3, 13): ("verio", 2000, 2, False),
}
_GOOD = 6
_NOT_ALLOWED, _NOT_ABLE, _NOT_UNDERSTOOD = 7, 8, 9
STATUSES = b"\x06\x07\x08\x09\x0f"  # second byte of every answer; 0f: no record has that number
_LOWEST, _HIGHEST = 20, 600  # mg/dL
_MEALS = {1: "before-meal", 2: "after-meal", "B": "before-meal", "A": "after-meal"}
_COMMENTS = (
    "",
    "not-enough-food",
    "too-much-food",
    "mild-exercise",
    "hard-exercise",
    "medication",
    "stress",
    "illness",
    "feel-hypo",
    "menses",
    "vacation",
    "other",
)
_LIMITS = {"HIGH": _HIGHEST + 1, "HI": _HIGHEST + 1, "LOW": _LOWEST - 1, "LO": _LOWEST - 1}


def is_record(payload: bytes) -> bool:
    """True when a frame's payload has the form of a record."""
    return payload[1:2] == bytes((_GOOD,)) and (payload[0], len(payload)) in _FORMS


def refusal(payload: bytes) -> DecodeError | None:
    """Why the meter did not answer a question; None when it did, or when this is no answer."""
    status = payload[1] if len(payload) > 1 else _GOOD
    if status == _NOT_ALLOWED:
        return DecodeError("device-not-allowed", "the meter wants to be paired")
    if status == _NOT_ABLE:
        return DecodeError("device-not-able", "the meter does not know this command")
    if status == _NOT_UNDERSTOOD:
        return DecodeError("device-not-understood", "the meter could not read this command")
    return None


def frame_records(frame: Frame, payload: bytes) -> list[Record]:
    """What a reply's payload gives as a record; nothing when it is none, or none of a person."""
    refused = refusal(payload)
    if refused:
        return [Record([frame], None, None, refused)]
    if not is_record(payload):
        return []
    space, first_year, size, tells_meal = _FORMS[(payload[0], len(payload))]
    fields = Fields(payload[2:])
    time = fields.seconds(first_year)
    raw = fields.take(size)
    value = int.from_bytes(raw, "little")
    control = space == "verio" and fields.uint8() > 0
    meal = _MEALS.get(fields.uint8()) if tells_meal else None
    if control or not value:
        return []
    if 0xFFFF < value < 0xFFFFFFFF:
        return [Record([frame], None, None, DecodeError("frame-garbled", "no glucose value"))]
    return [_record(frame, space, time, raw, _glucose(value), [("meal", meal)] if meal else [])]


def line_records(frame: Frame, text: str) -> list[Record]:
    """What a line gives: nothing when it is no record, or none of a person."""
    if text[:3] != 'P "':
        return []
    parts = [part.strip('"') for part in text[2:].split(",")]
    if len(parts) != 7 or len(parts[3]) < 3 or not is_digits(parts[5]):
        return [Record([frame], None, None, DecodeError("frame-garbled", "no record of an Ultra2"))]
    _, day, clock, result, meal, comment, _ = parts
    shown = result[1:-1].strip()
    if result[0] == "C" or shown == "000":
        return []
    if not is_digits(shown) and shown not in _LIMITS:
        return [Record([frame], None, None, DecodeError("frame-garbled", "no glucose value"))]
    value = _glucose(_LIMITS.get(shown) or int(shown))
    if result[-1] == "?":
        value = Value("glucose", None, 0, "mg/dL", "error")
    said = [("meal", _MEALS.get(meal)), ("comment", dict(enumerate(_COMMENTS)).get(int(comment)))]
    time = line_time(day, clock)
    context = [(key, word) for key, word in said if word]
    return [_record(frame, "ultra2", time, bytes(shown, "ascii"), value, context)]


def line_time(day: str, clock: str) -> DeviceTime:
    """mm/dd/yy and hh:mm:ss, as records and the clock tell them; the meter is younger than 2000."""
    parts = day.split("/") + clock.strip().split(":")
    whole = len(parts) == 6 and all(is_digits(part) for part in parts)
    month, date, year, hour, minute, second = [int(part) for part in parts] if whole else [0] * 6
    return DeviceTime(
        bytes(day + clock.strip(), "ascii"), date_text(2000 + year, month, date, hour, minute, second)
    )


def _glucose(mg_dl: int) -> Value:
    if _LOWEST <= mg_dl <= _HIGHEST:
        return Value("glucose", mg_dl, 0, "mg/dL")
    over = mg_dl > _HIGHEST
    return Value("glucose", _HIGHEST if over else _LOWEST, 0, "mg/dL", None, ">" if over else "<")


def _record(
    frame: Frame, space: str, time: DeviceTime, raw: bytes, value: Value, context: list[tuple[str, str]]
) -> Record:
    notes = [] if time.clock_set() else ["clock-not-set"]
    reading = Reading("glucose", "stored", [value], notes, None, None, time.text, context)
    return Record([frame], reading, RecordKey(space, None, time.key(), raw, stored=True))
