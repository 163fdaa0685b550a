"""Xiaomi Mi scales, which tell a weight in their advertisements: Mi Scale and Mi Body Composition Scale.

Source: service data of 181D (first scale) and 181B (second one), which no specification describes; read as
Bluetooth-Devices/xiaomi-ble, custom-components/ble_monitor and theengs/decoder read them. The scale says the
same over and over; a measurement is known by the time that stands in it. People who pass by are weighed too.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.fields import Fields, between
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

_FIRST, _SECOND = "advert:181d", "advert:181b"
_REMOVED, _STABLE = 0x80, 0x20
# First scale: one byte of control bits. Second scale: bits of its first byte, and of the one after.
_POUND, _JIN, _OBJECT = 0x01, 0x10, 0x40
_OBJECT_2, _JIN_2, _HAS_IMPEDANCE = 0x04, 0x40, 0x02
_TOO_MANY_OHM = 3000  # from here on the scale says that no current flowed (esphome, xiaomi_miscale)
_MOST_DAMAGE = 8
# What no scale can measure on a person: a fault of the device, not a medical judgement.
_LIMITS = {"kg": (1, 327), "[lb_av]": (2, 655)}


class MiScale(Driver):
    """Somebody stands on the scale and leaves. One weighing is one record, however often it is told.

    The second scale first tells the weight and some seconds later the impedance with it, so its weight waits
    for that until the person has left.
    """

    name = "mi-scale"
    services = ("181d", "181b")
    names = ("MI_SCALE", "MI SCALE", "MISCALE", "MIBCS", "MIBFS")
    adverts = True
    cuts = True  # one of hundreds of equal advertisements is kept
    repeats_within_s = 20  # a scale without a clock

    def __init__(self) -> None:
        self._waiting: _Weighing | None = None
        self._told = b""
        self._last: bytes | None = None
        self._damaged: list[bytes] = []

    def received(self, frame: Frame) -> list[Record]:
        """The record of a weighing that is complete; nothing for what was told or is not stable yet."""
        if frame.data == self._last or frame.source not in (_FIRST, _SECOND):
            return []  # a scale says the same hundreds of times
        self._last = frame.data
        try:
            found = _Weighing(frame)
        except DecodeError as error:
            return self._short(frame, error)
        if found.removed:
            return self.finish()
        if not found.counts or found.same == self._told:
            return []
        records: list[Record] = []
        if self._waiting is not None and self._waiting.same != found.same:
            records += self.finish()
        if self._waiting is None or found.impedance:
            self._waiting = found
        if found.impedance or frame.source == _FIRST:
            records += self.finish()
        return records

    def finish(self) -> list[Record]:
        """The weighing that waited for its impedance."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return []
        self._told = waiting.same
        self._damaged = []
        return [waiting.record()]

    def _short(self, frame: Frame, error: DecodeError) -> list[Record]:
        if frame.data in self._damaged or len(self._damaged) == _MOST_DAMAGE:
            return []
        self._damaged.append(frame.data)
        return [Record([frame], None, None, error)]


class _Weighing:
    """The fields of one advertisement. counts: stable, of a person who still stands there."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        fields = Fields(frame.data)
        first = fields.uint8()
        if frame.source == _FIRST:
            control, jin, thing = first, first & _JIN, first & _OBJECT
            raw = fields.uint16()
            self.raw_value = fields.since(1)
            self.time = fields.date_time()
            self.impedance = 0
        else:
            control = fields.uint8()
            jin, thing = control & _JIN_2, first & _OBJECT_2
            self.time = fields.date_time()
            ohm = fields.uint16()
            self.impedance = ohm if control & _HAS_IMPEDANCE and ohm < _TOO_MANY_OHM else 0
            raw = fields.uint16()
            self.raw_value = fields.since(fields.at - 2)
        self.removed = control & _REMOVED != 0
        self.counts = control & _STABLE != 0 and not self.removed and not thing and raw != 0
        self.same = self.time.raw + self.raw_value
        # 1/200 kg; 1/100 pound; 1/100 jin, which is half a kilogram: 1/200 kg again.
        pound = first & _POUND
        self._weight = Value("body-weight", raw if pound else raw * 5, -2 if pound else -3, _unit(pound))
        self._context = [("shown-unit", "jin")] if jin and not pound else []

    def record(self) -> Record:
        values = [self._weight]
        if self.impedance:
            values.append(Value("impedance", self.impedance, 0, "Ohm"))
        notes = [] if self.time.clock_set() else ["clock-not-set"]
        low, high = _LIMITS[self._weight.unit]
        if not between(self._weight, low, high):
            notes.append("implausible")
        reading = Reading(
            "body-composition" if self.impedance else "weight",
            "spot",
            values,
            notes,
            None,
            None,
            self.time.text,
            self._context,
        )
        key = RecordKey(self.frame.source, None, self.time.key(), self.raw_value)
        return Record([self.frame], reading, key)


def _unit(pound: int) -> str:
    return "[lb_av]" if pound else "kg"
