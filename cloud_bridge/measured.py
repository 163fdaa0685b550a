"""What a rendering may know of one measurement, for one citizen at one receiver."""

from dataclasses import dataclass

from gateway.wire.measurement import Device
from gateway.wire.reading import Reading


@dataclass(frozen=True)
class Interval:
    """When something happened, in ms UTC: not before `low_ms`, not after `high_ms` (protocol, time)."""

    low_ms: int
    high_ms: int


@dataclass(frozen=True)
class Measured:
    """All a rendering may know of one measurement for one citizen at one receiver.

    key: the measurement key; placed: when it was measured, with its doubt; arrived_ms: when the bridge
    got it; late: it was more than 24 hours old then ("nagekomen"); subject: the citizen's Patient at the
    receiver ("Patient/123"); secret: the random secret of this (citizen, receiver).
    """

    reading: Reading
    key: bytes
    device: Device
    hub: str
    driver: str
    driver_version: int
    placed: Interval
    arrived_ms: int
    late: bool
    subject: str
    secret: bytes
