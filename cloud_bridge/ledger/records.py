"""What a record is, told by its own frames: the bridge decodes each again and trusts no sent value."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, select

from cloud_bridge.ledger import captures, devices
from cloud_bridge.ledger.anchors import Sight
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.placing import device_seconds
from cloud_bridge.schema import disclosures, parts
from gateway.drivers import decode_record, driver_named
from gateway.wire.cbor import encode
from gateway.wire.envelope import open_disclosure
from gateway.wire.errors import DecodeError, MeethubError, WireError
from gateway.wire.items import Addition, Frame, Part, ReadingItem
from gateway.wire.measurement import DOMAIN, Capture, RecordKey, measurement_key
from gateway.wire.reading import Reading
from gateway.wire.records import frames_of

REPEAT_DOMAIN = "meethub/measurement/repeat/1"


class RecordError(MeethubError):
    """An item gives no measurement now; the code says why it is held (holds.py), detail what was seen."""


@dataclass(frozen=True)
class Seen:
    """One arrival of one decoded record, with all that recognising and placing it need.

    key: the measurement key; record_key: the same without the capture. own_time, own_number: the device's
    own, where the record key holds them. version: of the bridge's driver.
    """

    taken: TakenItem
    item: ReadingItem
    reading: Reading
    record: RecordKey
    version: int
    key: bytes
    record_key: bytes
    device: devices.KnownDevice
    captured: captures.Captured

    @property
    def own_time(self) -> int | None:
        return None if self.record.time is None else device_seconds(self.reading.device_time)

    @property
    def own_number(self) -> int | None:
        return self.record.number

    @property
    def order_ms(self) -> int:
        """Its place among the anchors of the device's clock: that of its visit, where the clock was read."""
        clock = self.item.clock
        since_ms = 0 if clock is None else self.capture.moment.mono_ms - clock.mono_ms
        return self.captured.at_ms - since_ms

    @property
    def capture(self) -> Capture:
        return self.item.capture

    @property
    def sight(self) -> Sight:
        moment = self.capture.moment
        place = (self.captured.when, self.captured.at_ms)
        return Sight(self.device.id, self.capture.kid, moment.boot, moment.mono_ms, *place, self.item.clock)


def seen(connection: Connection, taken: TakenItem, item: ReadingItem) -> Seen:
    """Decode the item's frames again and see what record it is; RecordError when it is held as it is."""
    frames = item.frames if item.evidence is None else evidence(connection, taken.household, *item.evidence)
    reading, record, version = _decoded(item, frames)
    device = devices.seen(connection, taken.household, item.device, taken.arrived_ms)
    return Seen(
        taken=taken,
        item=item,
        reading=reading,
        record=record,
        version=version,
        key=measurement_key(item.device.identity, record, item.capture),
        record_key=hashlib.sha256(encode([DOMAIN, item.device.identity, record.wire(), None])).digest(),
        device=device,
        captured=captures.captured(connection, taken, item.capture),
    )


def _decoded(item: ReadingItem, frames: list[Frame]) -> tuple[Reading, RecordKey, int]:
    """As the bridge's driver reads it. A hub whose driver gave no reading does not differ from it."""
    kind = driver_named(item.driver)
    if kind is None:
        raise RecordError("undecoded", "driver-unknown")
    different = RecordError("decoded-differently", f"{item.driver} {item.version} / {kind.version}")
    try:
        reading, record = decoded(item.driver, frames)
    except RecordError:
        if item.reading is None:
            raise
        raise different from None
    if item.reading is not None and item.reading.wire() != reading.wire():
        raise different
    return reading, record, kind.version


def decoded(driver: str, frames: list[Frame]) -> tuple[Reading, RecordKey]:
    """The one reading in these frames; RecordError("undecoded"), with the driver's own code, when none."""
    try:
        found = decode_record(driver, frames)
    except DecodeError as error:
        raise RecordError("undecoded", error.code) from None
    errors = [one.error.code for one in found if one.error is not None]
    if errors:
        raise RecordError("undecoded", errors[0])
    if len(found) != 1 or found[0].reading is None or found[0].key is None:
        raise RecordError("undecoded", f"{len(found)} records")
    return found[0].reading, found[0].key


def repeat_key(record_key: bytes, capture: Capture) -> bytes:
    """The measurement key of a record that a person must tell apart from an earlier one with the same key."""
    place = [capture.kid, capture.moment.boot, capture.counter]
    return hashlib.sha256(encode([REPEAT_DOMAIN, record_key, place])).digest()


def with_addition(connection: Connection, household: str, item: ReadingItem, addition: Addition) -> Reading:
    """What the record says together with the frames that came after it was sealed.

    They may hold the whole record: what was there already counts once. Where the device tells the same record
    in other bytes by now (its records were numbered anew) they speak for themselves. RecordError when they
    are of another record.
    """
    frames = item.frames if item.evidence is None else evidence(connection, household, *item.evidence)
    there = {(frame.source, frame.data) for frame in frames}
    more = [frame for frame in addition.frames if (frame.source, frame.data) not in there]
    for whole in (frames + more, addition.frames):
        with suppress(RecordError):
            reading, record = decoded(item.driver, whole)
            if measurement_key(item.device.identity, record, item.capture) == addition.key:
                return reading
    raise RecordError("addition-differs")


def only_fills(old: Reading, new: Reading) -> bool:
    """Whether the new reading says all that the old one said, and at most more."""
    there = [value.wire() for value in new.values]
    kept = all(value.absent is not None or value.wire() in there for value in old.values)
    facts = ((old.user, new.user), (old.record, new.record), (old.device_time, new.device_time))
    same = all(before is None or before == after for before, after in facts)
    # What a device notes of a measurement that goes on ("questionable") ends with it.
    notes = not old.final or set(old.notes) <= set(new.notes)
    context = set(old.context) <= set(new.context) and notes
    return kept and same and context and (old.kind, old.origin) == (new.kind, new.origin)


# --- evidence that went ahead in parts ---


def evidence(connection: Connection, household: str, whole: bytes, size: int) -> list[Frame]:
    """The frames that were sent ahead in parts; RecordError("evidence-missing") while some are missing."""
    chosen = (
        select(parts.c.position, disclosures.c.data)
        .join_from(parts, disclosures)
        .where(parts.c.household == household, parts.c.whole == whole, disclosures.c.data.is_not(None))
        .order_by(parts.c.id)
    )
    pieces: dict[int, bytes] = {}
    total = 0
    for row in connection.execute(chosen):
        item = open_disclosure(bytes(row.data))
        if isinstance(item, Part):
            pieces.setdefault(row.position, item.data)
            total = item.count
    joined = b"".join(pieces.get(index, b"") for index in range(total))
    if len(joined) != size or hashlib.sha256(joined).digest() != whole:
        raise RecordError("evidence-missing", whole.hex())
    try:
        return frames_of(joined)
    except WireError:
        raise RecordError("undecoded", "evidence-unreadable") from None
