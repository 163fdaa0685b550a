"""The frames in which hub and Viatom/Wellue rings talk, and what a reply of live values says.

Source: home-health-hub/viatom-o2ring-ble@0698a1b protocol.py, commands.py and data.py (which follow LepuBle
of the maker). A command: AA, code, code inverted, block (2 bytes, low byte first), size (2), data, CRC-8. A
reply: 55, status (0 is well), status inverted, block, size, data, CRC-8. It does not say which command it
answers; the form of its data does.
"""

from gateway.drivers.base import Record
from gateway.drivers.shared.checksums import crc8
from gateway.drivers.shared.fields import between, date_text
from gateway.drivers.shared.framing import Cut, Cutter
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value, is_digits

_HEAD, _AROUND = 7, 8
# Live values, by the code that asks for them: 1B in newer rings, its wave behind them; 17 in older ones.
_WAVE_AT, _BEFORE_WAVE = 10, 12
_OLD_SIZES = (12, 13)


def command_frame(command: bytes) -> bytes:
    """Code, block (2 bytes) and data, as they are sent."""
    size = (len(command) - 3).to_bytes(2, "little")
    whole = bytes((0xAA, command[0], command[0] ^ 0xFF)) + command[1:3] + size + command[3:]
    return whole + bytes((crc8(whole),))


class Replies(Cutter):
    """Cuts replies out of notifications of any size."""

    most = 4096
    delimited = True  # the next reply comes only when it is asked for

    def size(self, data: bytes) -> int:
        if data[0] != 0x55 or (len(data) > 2 and data[1] ^ data[2] != 0xFF):
            return -1
        return _AROUND + int.from_bytes(data[5:7], "little") if len(data) >= _HEAD else 0

    def fault(self, frame: bytes) -> str:
        return "" if crc8(frame[:-1]) == frame[-1] else "checksum-wrong"


def damage(cut: Cut) -> DecodeError | None:
    """Whether bytes are missing or too many depends on what comes behind; evidence stands alone."""
    return cut.error() if cut.code == "checksum-wrong" else DecodeError("frame-garbled", "no reply of a ring")


class Reply:
    """The parts of a whole reply."""

    def __init__(self, frame: bytes) -> None:
        self.failed = frame[1] != 0
        self.block = int.from_bytes(frame[3:5], "little")
        self.data = frame[_HEAD:-1]


class Live:
    """The values of this moment. worn: the finger is in."""

    def __init__(self, space: str, spo2: int, pulse: bytes, worn: int) -> None:
        self.worn = worn == 1
        self._space, self._spo2, self._pulse = space, spo2, pulse

    def measured(self) -> bool:
        """False while the ring still looks for a pulse: both are 0."""
        return self.worn and (self._spo2 != 0 or any(self._pulse))

    def record(self, frame: Frame) -> Record:
        pulse = int.from_bytes(self._pulse, "little")
        reading = oximetry("spot", self._spo2, pulse, [], None)
        raw = bytes((self._spo2,)) + self._pulse
        return Record([frame], reading, RecordKey("viatom-" + self._space, None, None, raw))


def live_values(data: bytes) -> Live | None:
    """What a reply with live values says; None when it is none."""
    if len(data) < _BEFORE_WAVE:
        return None
    if len(data) == _BEFORE_WAVE + int.from_bytes(data[_WAVE_AT:_BEFORE_WAVE], "little"):
        return Live("1b", data[0], data[1:3], data[6])
    return Live("17", data[0], data[1:2], data[11]) if len(data) in _OLD_SIZES else None


def oximetry(origin: str, spo2: int, pulse: int, notes: list[str], time: str | None) -> Reading:
    """0 and all ones: no value."""
    values = [_value("spo2", spo2, "%", 0xFF), _value("pulse-rate", pulse, "/min", 0xFFFF)]
    if not (between(values[0], 1, 100) and between(values[1], 10, 350)):
        notes.append("implausible")
    return Reading("oximetry", origin, values, notes, None, None, time)


def _value(name: str, number: int, unit: str, missing: int) -> Value:
    if number in (0, missing):
        return Value(name, None, 0, unit, "unknown")
    return Value(name, number, 0, unit)


def told_field(text: str, name: str) -> str:
    """The text of that name in what a ring tells of itself (JSON whose values are all texts); "" without."""
    _, found, rest = text.partition('"' + name + '"')
    colon, _, rest = rest.partition('"')
    value, end, _ = rest.partition('"')
    return value if found and end and colon.strip() == ":" else ""


def told_time(text: str) -> str | None:
    """A ring's clock ("2026-03-04,22:15:00") in the form of this project; None when it shows no moment."""
    parts = [text[at : at + size] for at, size in ((0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2))]
    if not all(is_digits(part) for part in parts):
        return None
    return date_text(*[int(part) for part in parts])
