"""What a worker has in hands while it delivers: one claimed delivery, and all that its rendering may know."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from cloud_bridge.measured import Interval, Measured
from cloud_bridge.schema import disclosures, measurements
from gateway.wire.cbor import decode
from gateway.wire.envelope import open_disclosure
from gateway.wire.items import ReadingItem
from gateway.wire.reading import reading_from_wire


@dataclass(frozen=True)
class Endpoint:
    """A receiver as it was set up. conditional_create: False when it takes one at a time, after a search."""

    id: str
    kind: str
    base_url: str
    rendering: str
    conditional_create: bool


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker alone has until lease_ms. attempts: how many tries came before.

    citizen: for whom it was queued, whatever was said since about whose the measurement is.
    """

    id: int
    measurement: int
    household: str
    citizen: str
    part: str
    attempts: int
    endpoint: Endpoint
    measured: Measured
    lease_ms: int


def measured(connection: Connection, measurement: int, patient: str, secret: bytes) -> Measured:
    """From the measurement's row and the disclosure it first came in, for this patient at a receiver."""
    found = connection.execute(
        select(measurements, disclosures.c.data)
        .join_from(measurements, disclosures, disclosures.c.id == measurements.c.first_disclosure)
        .where(measurements.c.id == measurement)
    ).one()
    item = open_disclosure(bytes(found.data))
    assert isinstance(item, ReadingItem), "a measurement is first seen in a reading item"
    return Measured(
        reading=reading_from_wire(decode(bytes(found.reading))),
        key=bytes(found.key),
        device=item.device,
        hub=found.hub,
        driver=found.driver,
        driver_version=found.driver_version,
        placed=Interval(found.placed_low_ms, found.placed_high_ms),
        arrived_ms=found.arrived_ms,
        late=found.late,
        subject=patient,
        secret=secret,
    )
