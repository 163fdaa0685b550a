"""Thermometers that follow the Bluetooth Health Thermometer Profile (A&D UT-201BLE, Beurer FT95, TaiDoc).

Source: Health Thermometer Service 1.0 (0x1809): Temperature Measurement 2A1C, Temperature Type 2A1D,
Intermediate Temperature 2A1E. A reading keeps the unit and the digits in which it was sent.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.clocks import CURRENT_TIME, DATE_TIME
from gateway.drivers.shared.fields import DeviceTime, Fields, between
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading

# First byte: the unit, and what follows the temperature. Other bits are reserved.
_IN_FAHRENHEIT = 0x01
_HAS_TIME = 0x02
_HAS_SITE = 0x04

_MEASUREMENT, _INTERMEDIATE, _SITE = "2a1c", "2a1e", "2a1d"
# Temperature Type, by its code from 1; other codes are reserved.
_SITES = (
    "armpit",
    "body",
    "ear",
    "finger",
    "gastro-intestinal-tract",
    "mouth",
    "rectum",
    "toe",
    "tympanum",
)
# What no thermometer on a living person can measure: a fault of the device, not a medical judgement.
_LIMITS = {"Cel": (10, 50), "[degF]": (50, 122)}


class Thermometer(Driver):
    """One visit of a thermometer; each indication is a record of its own.

    A thermometer that measures at one site only tells it once (2A1D) instead of in every record: that frame
    then belongs to the evidence of each of its records.
    """

    name = "thermometer"
    services = ("1809",)
    subscribe = ("2a1c",)
    reads = ("2a1d",)
    clocks = (DATE_TIME, CURRENT_TIME)  # A&D has the former inside service 1809 itself
    repeats_within_s = 5  # a probe under the arm needs longer, an ear thermometer about as long

    def __init__(self) -> None:
        self._fixed_site: Frame | None = None

    def received(self, frame: Frame) -> list[Record]:
        """One record for a measurement; none for an intermediate one, which is no result."""
        if frame.source == _SITE:
            self._fixed_site = frame
        if frame.source not in (_MEASUREMENT, _INTERMEDIATE):
            return []
        try:
            content = _Content(frame)
        except DecodeError as error:
            return [Record([frame], None, None, error)]
        return [self._measurement(frame, content)] if frame.source == _MEASUREMENT else []

    def _measurement(self, frame: Frame, content: "_Content") -> Record:
        time, site, frames = content.time, content.site, [frame]
        if site is None and self._fixed_site is not None:
            site, frames = self._fixed_site.data[:1], [self._fixed_site, frame]
        word = _site_word(site)
        key_time = time.key() if time else None
        reading = Reading(
            "temperature",
            # With a time of its own it may come from the memory, and that time places it; else it is new.
            "spot" if key_time is None else "stored",
            [content.value],
            content.notes(),
            None,
            None,
            time.text if time else None,
            [("location", word)] if word else None,
        )
        return Record(frames, reading, RecordKey(frame.source, None, key_time, content.raw_value))


class _Content:
    """The fields of one record, read in the order in which they stand."""

    def __init__(self, frame: Frame) -> None:
        fields = Fields(frame.data)
        flags = fields.uint8()
        self.value = fields.float32("body-temperature", "[degF]" if flags & _IN_FAHRENHEIT else "Cel")
        self.raw_value = fields.since(1)
        self.time: DeviceTime | None = fields.date_time() if flags & _HAS_TIME else None
        self.site: bytes | None = fields.take(1) if flags & _HAS_SITE else None

    def notes(self) -> list[str]:
        notes = []
        if self.time and not self.time.clock_set():
            notes.append("clock-not-set")
        low, high = _LIMITS[self.value.unit]
        if not between(self.value, low, high):
            notes.append("implausible")
        return notes


def _site_word(site: bytes | None) -> str | None:
    """Where it was measured; None when that is not told, or with a reserved code."""
    return _SITES[site[0] - 1] if site and 1 <= site[0] <= len(_SITES) else None
