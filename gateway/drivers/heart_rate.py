"""Heart rate sensors that follow the Bluetooth Heart Rate Profile (chest straps like Polar H10, wrist bands).

Source: Heart Rate Service 1.0 (0x180D): Heart Rate Measurement 2A37, Body Sensor Location 2A38. The sensor
tells a value about every second and keeps none, so the stream rule of last_valid.py applies.

What Polar (006b) and XOSS (ff04) sensors advertise, as theengs/decoder@d6fdd205 reads it: 4 bytes, of which
the last one is the rate.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.fields import Fields, between
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

# First byte: the size of the rate, skin contact, and what follows the rate. Other bits are reserved.
_RATE_16_BITS = 0x01
_CONTACT = 0x02
_TELLS_CONTACT = 0x04
_HAS_ENERGY = 0x08
_HAS_INTERVALS = 0x10

_MEASUREMENT, _PLACE = "2a37", "2a38"
# Body Sensor Location, by its code from 1; 0 is "other", higher codes are reserved.
_PLACES = ("chest", "wrist", "finger", "hand", "earlobe", "foot")
_NO_RATE = (0, 0xFFFF)  # what a sensor sends that has found no pulse
_ENERGY_FULL = 0xFFFF  # the counter stays there until it is set back
# Intervals come in 1/1024 s = 9765625 x 10^-10 s: ten places tell each of them exactly, nothing is rounded.
_TICK, _TICK_EXPONENT = 9765625, -10
_BROADCAST_SIZE = 4
_LONGEST = 512  # bytes: no characteristic is longer (Bluetooth Core, Vol 3, Part F, 3.2.9)


class HeartRate(Driver):
    """One visit of a heart rate sensor.

    A value without skin contact counts only from a sensor that found no contact in the whole visit: some
    claim to tell contact and never do. Then the reading says so.
    """

    name = "heart-rate"
    services = ("180d",)
    subscribe = ("2a37",)
    reads = ("2a38",)
    broadcasts = ("maker:006b", "maker:ff04")
    cuts = True

    def __init__(self) -> None:
        self._rule = LastValid()
        self._place: Frame | None = None
        self._touched = False

    def received(self, frame: Frame) -> list[Record]:
        """The record that is due, if any; an error for a frame without form."""
        if frame.source == _PLACE:
            self._place = frame
        if frame.source != _MEASUREMENT and frame.source not in self.broadcasts:
            return []
        try:
            content = _Content(frame.data) if frame.source == _MEASUREMENT else _Broadcast(frame.data)
        except DecodeError as error:
            return self._rule.damaged(Record([frame], None, None, error))
        return self._judged(frame, content)

    def finish(self) -> list[Record]:
        """The last value of a sensor that leaves without a word."""
        return self._rule.ended()

    def _judged(self, frame: Frame, content: "_Content") -> list[Record]:
        self._touched = self._touched or content.contact is True
        if self._touched and content.contact is False:
            return self._rule.ended()
        if content.rate in _NO_RATE:
            return self._rule.passed(frame.offset_ms)
        return self._rule.valid(self._record(frame, content), frame.offset_ms)

    def _record(self, frame: Frame, content: "_Content") -> Record:
        word = _place_word(self._place)
        frames = [self._place, frame] if self._place and word else [frame]
        context = [("location", word)] if word else None
        reading = Reading("heart-rate", "spot", content.values, content.notes(), context=context)
        return Record(frames, reading, RecordKey(frame.source, None, None, content.raw_value))


class _Content:
    """The fields of one notification, read in the order in which they stand."""

    def __init__(self, data: bytes) -> None:
        if len(data) > _LONGEST:
            raise DecodeError("frame-garbled", "longer than a characteristic can be")
        fields = Fields(data)
        flags = fields.uint8()
        self.rate = fields.uint16() if flags & _RATE_16_BITS else fields.uint8()
        # None: the sensor cannot tell.
        self.contact: bool | None = flags & _CONTACT != 0 if flags & _TELLS_CONTACT else None
        self.values = [Value("heart-rate", self.rate, 0, "/min")]
        if flags & _HAS_ENERGY:
            self.values.append(_energy(fields.uint16()))
        while flags & _HAS_INTERVALS and fields.at < len(data):
            self.values.append(Value("rr-interval", fields.uint16() * _TICK, _TICK_EXPONENT, "s"))
        self.raw_value = fields.since(1)

    def notes(self) -> list[str]:
        notes = []
        if self.contact is False:
            notes.append("no-contact")
        if not between(self.values[0], 10, 350):
            notes.append("implausible")
        return notes


class _Broadcast(_Content):
    """The rate in an advertisement, where no other field is known."""

    def __init__(self, data: bytes) -> None:
        if len(data) != _BROADCAST_SIZE:
            raise DecodeError("frame-garbled", "not the advertisement of a heart rate")
        super().__init__(bytes(1) + data[-1:])


def _energy(total: int) -> Value:
    return Value("energy", total, 0, "kJ", None, ">" if total == _ENERGY_FULL else None)


def _place_word(place: Frame | None) -> str | None:
    """Where the sensor is worn; None when that is not told."""
    code = place.data[0] if place and place.data else 0
    return _PLACES[code - 1] if 1 <= code <= len(_PLACES) else None
