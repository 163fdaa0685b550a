"""Nonin finger oximeters on a serial cable or serial port profile: continuous formats and spot checks.

Sources: Nonin OEM specifications of the Onyx II 9560 and WristOx2 3150, serial data formats 2, 7, 8 and 13;
what the status bits mean also in NoninPulseOx (mattjlewis), the coding of dates in MediPi (NHS Digital).

A continuous stream (df2, df7: 3 packets a second, df8: 1) gives the device's own displayed value, by one
rule: the last valid packet before the finger leaves, or before the device does; and while it lasts the last
valid packet of every 60 s, counted in packets. Never an average. A spot check (df13) is a record by itself.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.fields import DeviceTime, Fields, between, date_text
from gateway.drivers.nonin_packets import (
    FRAME,
    HIGHEST_PULSE,
    HIGHEST_SPO2,
    NO_PULSE,
    NO_SPO2,
    Cut,
    Cutter,
    df8_numbers,
)
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

_PER_MINUTE = {"df2": 180, "df7": 180, "df8": 60}
_ACK = b"\x06"
# Damaged stretches of a stream that are kept as evidence between two readings; a bad plug makes thousands.
_MOST_DAMAGE = 8
_DAMAGE = {
    "checksum-wrong": "the checksum does not match",
    "frame-short": "bytes are missing",
    "frame-garbled": "no packet of a known format",
}
_CENTURIES_BINARY, _CENTURIES_BCD = (19, 20), (0x19, 0x20)

# (mask, value, note). Perfusion in df2 and df7: 1 green, 2 red, 3 yellow.
_WAVE_NOTES = (
    (0x20, 0x20, "questionable"),
    (0x06, 0x04, "low-perfusion"),
    (0x06, 0x06, "marginal-perfusion"),
)
_DF8_NOTES = (
    (0x04, 0x04, "questionable"),
    (0x10, 0x10, "low-perfusion"),
    (0x08, 0x08, "marginal-perfusion"),
)
_STATUS_2_NOTES = ((0x20, 0x20, "quality-checked"), (0x01, 0x01, "low-battery"))
_SPOT_NOTES = ((0x0200, 0x0200, "quality-checked"), (0x0001, 0x0001, "low-battery"))
_NO_MEASUREMENT, _FROM_MEMORY = 0x0100, 0x0010


class Sample:
    """What one packet of a stream says. value: the raw bytes of the numbers, for the record key."""

    def __init__(self, pulse: int, spo2: int, value: bytes, notes: list[str], *, finger_out: bool) -> None:
        self.pulse = pulse
        self.spo2 = spo2
        self.value = value
        self.notes = notes
        self.finger_out = finger_out

    def valid(self) -> bool:
        """True when the device shows at least one number of a finger that is in."""
        return not self.finger_out and (self.pulse != NO_PULSE or self.spo2 != NO_SPO2)


class NoninSerial(Driver):
    """One visit of an oximeter on a cable; the format is told from the bytes. Only df13 is answered (ACK)."""

    name = "nonin-serial"
    serial = (9600, 8, "N", 1)
    cuts = True
    may_send = (("serial", _ACK, len(_ACK)),)

    def __init__(self) -> None:
        self._cutter = Cutter()
        self._best: Record | None = None
        self._packets = 0
        self._damage = 0

    def received(self, frame: Frame) -> list[Record]:
        """Records that these bytes complete, in whatever pieces they come."""
        if frame.source != "serial":
            return []
        return self._records(self._cutter.feed(frame.data), frame.offset_ms)

    def finish(self) -> list[Record]:
        """The last valid value of a stream that ends without a word."""
        return self._records(self._cutter.end(), 0) + self._emit()

    def _records(self, cuts: list[Cut], offset_ms: int) -> list[Record]:
        records = []
        for cut in cuts:
            frames = [Frame("serial", offset_ms, cut.data)]
            if cut.code:
                records += self._damaged(cut, frames)
            elif cut.form == "df13":
                records.append(_spot(frames))
                self.send("serial", _ACK)  # or the device keeps the record and sends it again
            else:
                records += self._streamed(cut, frames)
        return records

    def _damaged(self, cut: Cut, frames: list[Frame]) -> list[Record]:
        if cut.form != "df13":
            self._damage += 1
            if self._damage > _MOST_DAMAGE:
                return []
        code = cut.code or ""
        return [Record(frames, None, None, DecodeError(code, _DAMAGE[code]))]

    def _streamed(self, cut: Cut, frames: list[Frame]) -> list[Record]:
        sample = _df8_sample(cut.data) if cut.form == "df8" else _wave_sample(cut.data, cut.form)
        if sample.finger_out:
            return self._emit()
        if sample.valid():
            self._best = _live(cut.form, sample, frames)
        elif not self._packets:
            return []  # a finger that is not measured yet
        self._packets += 1
        return self._emit() if self._packets >= _PER_MINUTE[cut.form] else []

    def _emit(self) -> list[Record]:
        best, self._best, self._packets = self._best, None, 0
        if best is None:
            return []
        self._damage = 0
        return [best]


def _wave_sample(packet: bytes, form: str) -> Sample:
    """df2 and df7: every frame has a status and one of 25 values."""
    status, values = 0, []
    notes: list[str] = []
    for at in range(0, len(packet), FRAME):
        state = packet[at + 1] if form == "df2" else packet[at]
        status |= state
        values.append(packet[at + 3])
        _add(notes, _WAVE_NOTES, state)
    _add(notes, _STATUS_2_NOTES, values[7])
    pulse = (values[0] & 3) << 7 | values[1] & 0x7F
    return Sample(pulse, values[2] & 0x7F, bytes(values[:3]), notes, finger_out=status & 0x18 != 0)


def _df8_sample(packet: bytes) -> Sample:
    notes: list[str] = []
    _add(notes, _DF8_NOTES, packet[0])
    _add(notes, _STATUS_2_NOTES, packet[3])
    pulse, spo2 = df8_numbers(packet)
    value = bytes((packet[0] & 3, packet[1], packet[2]))  # without the status bits
    return Sample(pulse, spo2, value, notes, finger_out=packet[0] & 0x20 != 0 or packet[3] & 0x08 != 0)


def _live(form: str, sample: Sample, frames: list[Frame]) -> Record:
    reading = _reading("spot", sample.pulse, sample.spo2, sample.notes, None)
    return Record(frames, reading, RecordKey(form, None, None, sample.value))


def _spot(frames: list[Frame]) -> Record:
    """A df13 record."""
    fields = Fields(frames[0].data)
    fields.take(6)
    time = _spot_time(fields.take(8))
    status, pulse = _big(fields.take(2)), _big(fields.take(2))
    fields.take(1)
    spo2 = fields.uint8()
    if status & _NO_MEASUREMENT or (pulse == NO_PULSE and spo2 == NO_SPO2):
        return Record(frames, None, None)
    stored = status & _FROM_MEMORY != 0
    notes: list[str] = []
    _add(notes, _SPOT_NOTES, status)
    if not time.clock_set():
        notes.append("clock-not-set")
    reading = _reading("stored" if stored else "spot", pulse, spo2, notes, time.text)
    key = RecordKey("df13", None, time.key(), frames[0].data[16:18] + frames[0].data[19:20], stored=stored)
    return Record(frames, reading, key)


def _spot_time(raw: bytes) -> DeviceTime:
    """Century, year, month, day, hour, minute, second, fraction; the century tells BCD from binary."""
    if raw[0] in _CENTURIES_BCD:
        digits = raw[:7].hex()
        parts = [_two_digits(digits[at : at + 2]) for at in range(0, 14, 2)]
    elif raw[0] in _CENTURIES_BINARY:
        parts = list(raw[:7])
    else:
        return DeviceTime(raw, None)
    if parts[1] > 99:
        return DeviceTime(raw, None)
    century, year, month, day, hour, minute, second = parts
    return DeviceTime(raw, date_text(century * 100 + year, month, day, hour, minute, second))


def _two_digits(text: str) -> int:
    """The number of two decimal digits; 100, which no date has, when they are not decimal."""
    return int(text) if "0" <= text[0] <= "9" and "0" <= text[1] <= "9" else 100


def _reading(origin: str, pulse: int, spo2: int, notes: list[str], time: str | None) -> Reading:
    values = [_value("spo2", spo2, "%", NO_SPO2), _value("pulse-rate", pulse, "/min", NO_PULSE)]
    if not (between(values[0], 1, HIGHEST_SPO2) and between(values[1], 10, HIGHEST_PULSE)):
        notes.append("implausible")
    return Reading("oximetry", origin, values, notes, None, None, time)


def _value(name: str, number: int, unit: str, missing: int) -> Value:
    return Value(name, None, 0, unit, "unknown") if number == missing else Value(name, number, 0, unit)


def _add(notes: list[str], table: tuple[tuple[int, int, str], ...], bits: int) -> None:
    for mask, value, note in table:
        if bits & mask == value and note not in notes:
            notes.append(note)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")
