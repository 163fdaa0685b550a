"""What a continuous glucose sensor tells: its values (2AA7), features (2AA8) and session (2AAA).

Source: Continuous Glucose Monitoring Service 1.0.1 and the GATT Specification Supplement. The E2E-CRC is
CRC-16/MCRF4XX over all bytes before it, low byte first. Features tell whether there is one (bit 12); where
they were not read, two bytes more than the fields need are one. Time zone and summer time are in quarters of
an hour (Nordic's Android library takes minutes; the specification says 15-minute units).
"""

from gateway.drivers.families.glucose_records import beyond, plausible, sample, status_notes
from gateway.drivers.shared.checksums import crc16_mcrf4xx
from gateway.drivers.shared.fields import Fields
from gateway.wire.errors import DecodeError

_HAS_TREND, _HAS_QUALITY = 0x01, 0x02
# Octets of the status in the order in which they stand: (flag, how far its bits are moved up).
_OCTETS = ((0x80, 0), (0x40, 8), (0x20, 16))
_CLOCK_DOUBT, _BELOW_RANGE, _ABOVE_RANGE = 0x000100, 0x400000, 0x800000
_STATUS_NOTES = (
    (0x000001, "session-stopped"),
    (0x000002, "low-battery"),
    (0x000004, "sensor-wrong"),
    (0x000028, "device-fault"),
    (0x000010, "device-alert"),
    (0x000400, "calibration-advised"),
    (0x000800, "calibration-needed"),
    (0x004000, "calibration-pending"),
    (0x001000, "too-warm"),
    (0x002000, "too-cold"),
    (0x050000, "below-set-limit"),
    (0x0A0000, "above-set-limit"),
    (0x100000, "falling-fast"),
    (0x200000, "rising-fast"),
)
_CRC_SIZE = 2
_CRC_FEATURE, _CRC_UNUSED = 0x1000, 0xFFFF
_UNKNOWN_ZONE, _UNKNOWN_SUMMER = 0x80, 0xFF
# Answers of the control point (2AAC) by their first byte: lengths without CRC. Some send the interval (03) in
# one byte where the supplement says two.
_ANSWERS = {
    0x03: (2, 3),
    0x06: (11,),  # a calibration, which a person typed
    0x09: (3,),  # limits of alarms
    0x0C: (3,),
    0x0F: (3,),
    0x12: (3,),
    0x15: (3,),
    0x18: (3,),
    0x1C: (3,),
}


class Features:
    """2AA8. context: what the sensor measures in, and where. Its CRC field always stands there."""

    def __init__(self, data: bytes) -> None:
        fields = Fields(data)
        bits, what = fields.uint24(), fields.uint8()
        self.has_crc = bits & _CRC_FEATURE != 0
        self.context = sample(what)
        if fields.uint16() != _CRC_UNUSED or self.has_crc:
            _check(data[: fields.at])


class Session:
    """2AAA. start: when the session began; offset: how far that is ahead of UTC, as context where told."""

    def __init__(self, data: bytes) -> None:
        check_other("2aaa", data)
        fields = Fields(data)
        self.start = fields.date_time()
        zone, summer = fields.uint8(), fields.uint8()
        self.context: list[tuple[str, str]] = []
        if self.start.text is not None and zone != _UNKNOWN_ZONE and summer != _UNKNOWN_SUMMER:
            quarters = summer + (zone - 256 if zone & 0x80 else zone)
            self.context.append(("utc-offset-minutes", str(15 * quarters)))


class Sample:
    """One record of a 2AA7. data: all its bytes, the first of which is their number.

    has_crc: as the features say, None where they are unknown. minute: since the session began.
    """

    def __init__(self, data: bytes, has_crc: bool | None) -> None:  # noqa: FBT001 (private to the sensor)
        fields = Fields(data)
        fields.take(1)
        flags = fields.uint8()
        glucose = fields.sfloat("glucose", "mg/dL")
        self.raw_value = fields.since(fields.at - 2)
        self.minute = fields.uint16()
        self._status = 0
        for flag, shift in _OCTETS:
            self._status |= fields.uint8() << shift if flags & flag else 0
        if self._status & (_BELOW_RANGE | _ABOVE_RANGE):
            glucose = beyond(glucose, self._status & _ABOVE_RANGE)
        self.values = [glucose]
        if flags & _HAS_TREND:
            self.values.append(fields.sfloat("trend", "mg/dL/min"))
        if flags & _HAS_QUALITY:
            self.values.append(fields.sfloat("quality", "%"))
        if has_crc or (has_crc is None and len(data) == fields.at + _CRC_SIZE):
            fields.take(_CRC_SIZE)
            _check(data)

    def notes(self, session: Session | None) -> list[str]:
        """What the sensor says next to its values, and our own doubts."""
        notes = status_notes(self._status, _STATUS_NOTES)
        if self._status & _CLOCK_DOUBT or (session is not None and not session.start.clock_set()):
            notes.append("clock-not-set")
        if not plausible(self.values[0]):
            notes.append("implausible")
        return notes


def check_other(source: str, data: bytes) -> None:
    """DecodeError for a session (2AAA, 2AAB), status (2AA9) or answer (2AAC) that is short or damaged."""
    if source == "2aac":
        sizes = _ANSWERS.get(Fields(data).uint8(), (1,))
    else:
        sizes = ({"2aa9": 5, "2aaa": 9, "2aab": 2}[source],)
    Fields(data).take(sizes[0])
    if len(data) - _CRC_SIZE in sizes:
        _check(data)


def _check(data: bytes) -> None:
    """DecodeError unless the last two bytes are the CRC of those before."""
    if int.from_bytes(data[-_CRC_SIZE:], "little") != crc16_mcrf4xx(data[:-_CRC_SIZE]):
        raise DecodeError("checksum-wrong", "E2E-CRC")
