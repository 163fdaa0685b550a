"""What the records in the memory of Omron blood pressure monitors say.

Sources: userx14/omblepy@708c13e deviceSpecific/ and eigger/hass-omron@d6758ed record_parsers.py (positions of
the bits), tried on records captured from HEM-7142T2 and HEM-7600T.

- Where the sources contradict each other nothing is told: irregular pulse and movement of HEM-6232T (their
  bits are swapped in one of them), how the cuff sat and the position (which value means good is not known).
- The last two bytes of a 14-byte record hold the sum of the first twelve; the number that counts up stands
  before them. It is told where captures show it. It is no part of the record key: nobody knows that it lasts.
"""

from gateway.drivers.base import Record
from gateway.drivers.families.omron_models import Model, model_named
from gateway.drivers.shared.fields import DeviceTime, between, date_text
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

EEPROM = "eeprom"
"""Begins the source of a record cut from memory: "eeprom:HEM-7322T:2" is of that model's second user."""

# (first bit, bits), counted from the lowest bit of a whole number: systolic - 25, diastolic, pulse,
# year - 2000, month, day, hour, minute, second, moved, irregular.
_BE_DAY = ((26, 4), (21, 5), (16, 5), (6, 6), (0, 6))
_BE_VALUES = ((48, 8), (56, 8), (32, 8))
_BE_FLAGS, _NO_FLAGS = ((31, 1), (30, 1)), ((0, 0), (0, 0))
_LE = ((0, 8), (8, 8), (16, 8), (24, 6), (42, 4), (37, 5), (32, 5), (54, 6), (48, 6), (47, 1), (46, 1))
_BYTES = ((48, 8), (56, 8), (64, 8), (0, 8), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (90, 2), (88, 2))

# form: whether the high byte stands first, bytes that are read as that number, the fields in it, place of the
# record's number (2 bytes) and of an error code.
_FORMS = {
    "be14": (True, 8, _BE_VALUES + ((40, 8),) + _BE_DAY + _BE_FLAGS, None, None),
    "be14-short-year": (True, 8, _BE_VALUES + ((40, 6),) + _BE_DAY + _BE_FLAGS, None, None),
    "be14-no-flags": (True, 8, _BE_VALUES + ((40, 6),) + _BE_DAY + _NO_FLAGS, None, None),
    "le14": (False, 8, _LE, 10, None),
    "le16": (False, 8, _LE, None, None),
    "le24": (False, 8, _LE, 10, 17),
    "bytes": (False, 12, _BYTES, None, None),
}
_HIGHEST = 0xE1  # little-endian forms: beyond it the systolic byte marks an empty slot
_USERS = ("1", "2")


class Slots:
    """Cuts the blocks of a memory into slots. A slot that begins in one block may end in the next one."""

    def __init__(self) -> None:
        self._part, self._next = b"", 0

    def cut(self, model: Model, address: int, block: bytes, offset_ms: int) -> list[Frame]:
        """The slots that end in this block, each as a frame of its own, with nothing of another one in it."""
        part = self._part if address == self._next else b""
        data, first, at = part + block, address - len(part), 0
        frames = []
        while at < len(data):
            user, into = model.place(first + at)
            if not user or into:
                at += 1
            elif len(data) - at < model.size:
                break
            else:
                source = "%s:%s:%d" % (EEPROM, model.name, user)
                frames.append(Frame(source, offset_ms, data[at : at + model.size]))
                at += model.size
        self._part, self._next = data[at:], first + len(data)
        return frames


def slot_records(frame: Frame) -> list[Record]:
    """What one slot of the memory says: none when it is empty, or when the monitor noted a failure."""
    try:
        return _slot(frame)
    except DecodeError as error:
        return [Record([frame], None, None, error)]


def _slot(frame: Frame) -> list[Record]:
    _, name, user = (frame.source + "::").split(":")[:3]
    model, data = model_named(name), frame.data
    if model is None or user not in _USERS[: model.users]:
        raise DecodeError("model-unknown", "%s, user %s" % (name, user))
    if len(data) < model.size:
        raise DecodeError("frame-short", "%d bytes missing" % (model.size - len(data)))
    is_big, size, fields, number_at, error_at = _FORMS[model.form]
    whole = int.from_bytes(data[:size], "big") if is_big else int.from_bytes(data[:size], "little")
    parts = [whole >> first & (1 << bits) - 1 for first, bits in fields]
    blank = not any(parts[1:]) or data[:size] == b"\xff" * size
    if blank or (not is_big and parts[0] > _HIGHEST) or (error_at and data[error_at]):
        return []
    number = int.from_bytes(data[number_at : number_at + 2], "little") if number_at else None
    return [_record(frame, parts, user, number, model.users)]


def _record(frame: Frame, parts: list[int], user: str, number: int | None, users: int) -> Record:
    text = date_text(
        2000 + parts[3], parts[4], parts[5], parts[6], parts[7], min(parts[8], 59)
    )  # up to 63 occur
    if text is None:
        raise DecodeError("frame-garbled", "no such moment")
    time = DeviceTime(bytes(parts[3:9]), text)
    values = [
        Value("systolic", parts[0] + 25, 0, "mm[Hg]"),
        Value("diastolic", parts[1], 0, "mm[Hg]"),
        Value("pulse-rate", parts[2], 0, "/min"),
    ]
    whose = int(user) if users > 1 else None  # a monitor with one memory names nobody
    reading = Reading("blood-pressure", "stored", values, _notes(parts, values, time), whose, number, text)
    key = RecordKey(EEPROM + ":" + user, None, time.key(), bytes(parts[:3]), stored=True)
    return Record([frame], reading, key)


def _notes(parts: list[int], values: list[Value], time: DeviceTime) -> list[str]:
    notes = []
    if parts[9]:
        notes.append("body-moved")
    if parts[10]:
        notes.append("irregular-pulse")
    if not time.clock_set():
        notes.append("clock-not-set")
    if not all(between(value, 10, 350) for value in values):
        notes.append("implausible")
    return notes
