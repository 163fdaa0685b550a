"""The Nonin 3230 finger oximeter over Bluetooth, by its own service.

Sources: Nonin Oximetry Service (Nonin document 113142, revision B) as read by andreasdri/nonin-3230-ble
(index.js) and by Nonin's own sample for iOS, revision 1.0 (what the status bits mean; 127 and 511: missing).
A packet a second, high byte first: length, status, battery (0.1 V), pulse amplitude index (2 bytes, 0.01 %),
seconds counter (2), SpO2, pulse rate (2). Status bit 2 is SmartPoint, the oximeter's own check of a value;
bit 4 is CorrectCheck, the finger is placed well. Nothing is kept: the stream rule of last_valid.py applies.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.fields import Fields, between
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

_MEASUREMENT = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
_SHORTEST = 9  # whether the length counts itself is not sure
_NO_SPO2, _NO_PULSE = 127, 511
_PLACED = 0x10

# (mask, value, note)
_STATUS_NOTES = (
    (0x02, 0x02, "low-perfusion"),
    (0x04, 0x04, "quality-checked"),
    (0x08, 0x08, "questionable"),  # it looks for a regular pulse
    (0x10, 0x00, "sensor-displaced"),
    (0x20, 0x20, "low-battery"),
)


class Nonin3230(Driver):
    """One visit: values as long as a finger is in."""

    name = "nonin-3230"
    services = ("46a970e0-0d5f-11e2-8b5e-0002a5d5c51b",)
    names = ("Nonin3230_",)
    subscribe = (_MEASUREMENT,)
    cuts = True

    def __init__(self) -> None:
        self._rule = LastValid()

    def received(self, frame: Frame) -> list[Record]:
        """The value that is due, if any; an error for a packet without form."""
        if frame.source != _MEASUREMENT:
            return []
        try:
            packet = _Packet(frame.data)
        except DecodeError as error:
            return self._rule.damaged(Record([frame], None, None, error))
        if not packet.missing():
            return self._rule.valid(packet.record(frame), frame.offset_ms)
        return self._rule.passed(frame.offset_ms) if packet.status & _PLACED else self._rule.ended()

    def finish(self) -> list[Record]:
        """The last value of a stream that ends without a word."""
        return self._rule.ended()


class _Packet:
    """The fields of one packet."""

    def __init__(self, data: bytes) -> None:
        fields = Fields(data)
        length = fields.uint8()
        self.status = fields.uint8()
        fields.take(1)
        self._amplitude = _big(fields.take(2))
        fields.take(2)
        self._raw = fields.take(3)
        if length < _SHORTEST:
            raise DecodeError("frame-garbled", "no packet is that short: %d" % length)
        if length > len(data):
            raise DecodeError("frame-short", "%d bytes missing" % (length - len(data)))

    def missing(self) -> bool:
        return self._raw[0] == _NO_SPO2 and _big(self._raw[1:]) == _NO_PULSE

    def record(self, frame: Frame) -> Record:
        values = [
            _value("spo2", self._raw[0], "%", _NO_SPO2),
            _value("pulse-rate", _big(self._raw[1:]), "/min", _NO_PULSE),
        ]
        notes = [note for mask, value, note in _STATUS_NOTES if self.status & mask == value]
        if not (between(values[0], 1, 100) and between(values[1], 10, 350)):
            notes.append("implausible")
        if self._amplitude:
            values.append(Value("perfusion-index", self._amplitude, -2, "%"))
        key = RecordKey("nonin-3230", None, None, self._raw)
        return Record([frame], Reading("oximetry", "spot", values, notes), key)


def _value(name: str, number: int, unit: str, missing: int) -> Value:
    return Value(name, None, 0, unit, "unknown") if number == missing else Value(name, number, 0, unit)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")
