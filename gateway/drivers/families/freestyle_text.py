"""What FreeStyle meters write: dates, clocks, records, and the text with their whole memory.

Sources: FreeStyle Optium and FreeStyle Lite pages of the Glucometer Protocols (glucometers-tech), read from
meters of these families; what the last field means and that ketones are kept as 18 times mmol/L: Tidepool
uploader. A record: `093  May  25 2013 05:25 G 0x00`; where Lite has two digits, Optium has G or K.
"""

from gateway.drivers.base import Record
from gateway.drivers.shared.checksums import sum16
from gateway.drivers.shared.fields import DeviceTime, between, date_text
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value, is_digits

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WRITTEN_IN_FULL = ("June", "July")
_BEYOND = {"HI": "positive-infinity", "LO": "negative-infinity"}
_CONTROL, _TIME_LOST = 0x01, 0x02
# What no strip can measure: a fault of the device, not a medical judgement.
_LIMITS = {"glucose": (5, 1000), "ketone": (0, 15)}
_KETONE_FACTOR = 18
_HEAD = 4  # lines before the records: serial number, software, clock, how many


class MemoryText:
    """The answer that holds the memory, line by line. Its last line has the sum of all characters before.

    head: the lines before the records; records: all others.
    """

    def __init__(self) -> None:
        self.head: list[Frame] = []
        self.records: list[Frame] = []
        self._sum = 0

    def add(self, line: Frame) -> None:
        """A line other than the last."""
        words = line.data.split()
        if words:
            at_head = not self.records and len(self.head) < _HEAD and not _is_record(words)
            (self.head if at_head else self.records).append(line)
        self._sum += sum(line.data)

    def about(self) -> dict[str, str]:
        """Serial number and firmware; empty without a head."""
        words = [line.data.decode().strip() for line in self.head] + [""]
        return {"serial": words[0], "firmware": words[1]} if self.head else {}

    def clock(self) -> str | None:
        """The meter's time, where its text tells it."""
        return clock(self.head[2].data.decode().split()) if len(self.head) > 2 else None

    def right(self, last: bytes) -> bool:
        """True when the last line, `0xhhhh  END` or `Log Empty END`, fits the others."""
        shown, at = last.strip()[:-3].strip(), last.find(b"0x")
        if at < 0:
            return shown == b"Log Empty" and not self.records
        if not self.head:
            return False
        return _hexadecimal(shown[-4:].decode(), 4) == sum16(last[:at]) + self._sum & 0xFFFF


def record(line: Frame) -> Record:
    """What a line of a memory says; without a reading for a control solution."""
    try:
        return _record(line, line.data.split())
    except DecodeError as error:
        return Record([line], None, None, error)


def _is_record(words: list[bytes]) -> bool:
    return len(words) == 7 and words[6].startswith(b"0x")


def _record(line: Frame, raw: list[bytes]) -> Record:
    if not _is_record(raw):
        raise DecodeError("frame-garbled", "no line of a meter")
    words = [word.decode() for word in raw]
    shown, kind, status = words[0], words[5], _hexadecimal(words[6][2:], 2)
    time = _time(words[1:5])
    value = _ketone(shown) if kind == "K" else _glucose(shown, kind)
    if status & _CONTROL:
        return Record([line], None, None)
    notes = [] if time.clock_set() and not status & _TIME_LOST else ["clock-not-set"]
    if not between(value, *_LIMITS[value.name]):
        notes.append("implausible")
    reading = Reading(value.name, "stored", [value], notes, None, None, time.text)
    key = RecordKey("memory", None, time.key(), (shown + kind).encode(), stored=True)
    return Record([line], reading, key)


def clock(words: list[str]) -> str | None:
    """The moment in ["Apr", "22", "2014", "02:14:37"], or None when it is none."""
    try:
        return _time(words).text if len(words) == 4 and len(words[3]) == 8 else None
    except DecodeError:
        return None


def _time(words: list[str]) -> DeviceTime:
    month, day, year, time = words
    parts = time.split(":")
    numbers = [day, year] + parts
    named = month[:3] in _MONTHS and (len(month) == 3 or month in _WRITTEN_IN_FULL)
    if not (named and len(parts) in (2, 3) and [len(text) for text in numbers[:4]] == [2, 4, 2, 2]):
        raise DecodeError("frame-garbled", "no date")
    if not all(is_digits(text) for text in numbers):
        raise DecodeError("frame-garbled", "no date")
    second = int(parts[2]) if len(parts) == 3 else 0
    number = _MONTHS.index(month[:3]) + 1
    text = date_text(int(year), number, int(day), int(parts[0]), int(parts[1]), second)
    return DeviceTime(" ".join(words).encode(), text)


def _glucose(shown: str, kind: str) -> Value:
    """Always mg/dL, whatever unit the meter shows."""
    if kind != "G" and not (len(kind) == 2 and is_digits(kind)):
        raise DecodeError("frame-garbled", "no known kind of test")
    if shown in _BEYOND:
        return Value("glucose", None, 0, "mg/dL", _BEYOND[shown])
    return Value("glucose", _number(shown), 0, "mg/dL")


def _ketone(shown: str) -> Value:
    """As the meter shows it: 003, which is 3/18 mmol/L, is shown as 0.2."""
    if shown in _BEYOND:
        return Value("ketone", None, 0, "mmol/L", _BEYOND[shown])
    tenths = (_number(shown) * 20 + _KETONE_FACTOR) // (2 * _KETONE_FACTOR)
    return Value("ketone", tenths, -1, "mmol/L")


def _number(shown: str) -> int:
    if len(shown) != 3 or not is_digits(shown):
        raise DecodeError("frame-garbled", "no number")
    return int(shown)


def _hexadecimal(text: str, digits: int) -> int:
    """The number in exactly so many hexadecimal digits. DecodeError("frame-garbled")."""
    if len(text) != digits or not all(sign in "0123456789ABCDEFabcdef" for sign in text):
        raise DecodeError("frame-garbled", "no hexadecimal number")
    return int(text, 16)
