"""What a packet of a Nonin oximeter says: one sample of a stream, or a spot check.

Sources: Nonin OEM specifications of the Onyx II 9560 and WristOx2 3150, serial data formats 2, 7, 8 and 13;
what the status bits mean also in NoninPulseOx (mattjlewis), the coding of dates in MediPi (NHS Digital).
"""

from gateway.drivers.base import Record
from gateway.drivers.families.nonin_packets import (
    FRAME,
    HIGHEST_PULSE,
    HIGHEST_SPO2,
    NO_PULSE,
    NO_SPO2,
    df8_numbers,
)
from gateway.drivers.shared.fields import DeviceTime, Fields, between, date_text
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

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


def sample_of(form: str, packet: bytes) -> Sample:
    """What a whole packet of this format says."""
    return _df8_sample(packet) if form == "df8" else _wave_sample(packet, form)


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


def live(form: str, sample: Sample, frames: list[Frame]) -> Record:
    """The record of a sample."""
    reading = _reading("spot", sample.pulse, sample.spo2, sample.notes, None)
    return Record(frames, reading, RecordKey(form, None, None, sample.value))


def spot(frames: list[Frame]) -> Record:
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
