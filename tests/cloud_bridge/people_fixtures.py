"""A household with hubs, citizens and receivers on a real ledger, and meters whose clocks lie as real ones do."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from cloud_bridge import people_desk
from cloud_bridge.ledger import measurements as taking
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.envelopes import Ledger
from cloud_bridge.placing import local_seconds
from cloud_bridge.registry import Registry
from cloud_bridge.schema import (
    arrivals,
    citizen_receivers,
    citizens,
    holds,
    measurements,
    receivers,
)
from gateway.drivers import decode_record
from gateway.wire.items import DeviceClock, Frame, Item, ReadingItem, Statement
from gateway.wire.measurement import Capture, Device, Moment, measurement_key
from tests.cloud_bridge.ledger_fixtures import HOUSEHOLD, Chain, Sealed, Signing

START = 1_800_000_000_000  # 15 January 2027, 09:00 in Amsterdam
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CUFF = "cuff-1"
RESTART = "2020-01-01T00:00:00"
ANNA, BERT = "citizen-anna", "citizen-bert"
PGO = "pgo-1"


def civil(seconds: int) -> tuple[int, int, int, int, int, int]:
    """A device clock's count of seconds as (year, month, day, hour, minute, second)."""
    own = datetime.fromtimestamp(seconds, UTC)
    return own.year, own.month, own.day, own.hour, own.minute, own.second


def iso(seconds: int) -> str:
    return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*civil(seconds))


def cuff_frame(systolic: int, own: int | None = None, user: int | None = None) -> bytes:
    """A blood pressure measurement (2A35) in mmHg: systolic/80, mean 90, with the device's own time if any."""
    flags = (0x02 if own is not None else 0) | (0x08 if user is not None else 0)
    data = bytes([flags]) + b"".join(value.to_bytes(2, "little") for value in (systolic, 80, 90))
    if own is not None:
        year, *rest = civil(own)
        data += year.to_bytes(2, "little") + bytes(rest)
    return data + (b"" if user is None else bytes([user]))


@dataclass
class Hub:
    """A hub with one signing key: knows the true time, and counts its captures."""

    chain: Chain
    booted_ms: int = START - DAY
    boot: bytes = b"boot-0-0"
    counter: int = 0
    quality: str = "ntp"

    def reboot(self, true_ms: int) -> None:
        self.booted_ms = true_ms
        self.boot = b"%08d" % (int.from_bytes(self.boot, "big") % 9_999_991)
        self.counter = 0

    def moment(self, true_ms: int) -> Moment:
        wall = None if self.quality == "none" else true_ms
        return Moment(self.boot, true_ms - self.booted_ms, wall, self.quality)

    def capture(self, true_ms: int) -> Capture:
        self.counter += 1
        return Capture(self.chain.kid, self.counter, self.moment(true_ms))

    def item(
        self,
        true_ms: int,
        frame: bytes,
        clock: tuple[int, int] | None = None,
        *,
        device: str = CUFF,
        written: bool = False,
    ) -> ReadingItem:
        """clock: (what the device's clock showed, true ms when it was read)."""
        frames = [Frame("2a35", 0, frame)]
        record = decode_record("blood-pressure", frames)[0]
        shown = None
        if clock is not None:
            shown = DeviceClock(iso(clock[0]), clock[1] - self.booted_ms, written=written)
        capture = self.capture(true_ms)
        return ReadingItem(
            capture, Device(device), "blood-pressure", 1, frames, record.reading, None, clock=shown
        )


@dataclass
class Street:
    """One household on a real ledger."""

    database: Database
    taken: int = 0
    keys: int = 0
    hubs: list[Hub] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, taking.take_item, taking.hold_forked)

    def hub(self, name: str = "hub-1", household: str = HOUSEHOLD, since_ms: int = START - DAY) -> Hub:
        """A hub of this name with a key of its own; the hub's earlier key retires."""
        self.keys += 1
        chain = Chain(Signing(self.keys), name)
        with self.database.transaction() as connection:
            registry = Registry(connection)
            if registry.hub(name) is None:
                registry.enrol(name, household, START - DAY)
            registry.add_key(chain.kid, name, chain.signing.public_key, since_ms)
        made = Hub(chain, boot=b"boot-%03d" % self.keys)
        self.hubs.append(made)
        return made

    def citizen(self, name: str = ANNA, *to: str, household: str = HOUSEHOLD) -> str:
        with self.database.transaction() as connection:
            connection.execute(insert(citizens).values(id=name, household=household))
        for receiver in to or (PGO,):
            self.receiver(receiver, name)
        return name

    def receiver(self, name: str, citizen: str, url: str = "http://127.0.0.1:1/", **more: Any) -> None:
        with self.database.transaction() as connection:
            if connection.execute(select(receivers).where(receivers.c.id == name)).first() is None:
                row = {"id": name, "kind": "fhir", "base_url": url, "rendering": "r4"}
                connection.execute(insert(receivers).values(**row, **more))
            mine = {"citizen": citizen, "receiver": name, "patient": "Patient/" + citizen}
            connection.execute(insert(citizen_receivers).values(**mine, secret=(citizen + name).encode()))

    def bind(self, citizen: str = ANNA, device: str = CUFF, from_ms: int = START - DAY, **more: Any) -> int:
        with self.database.transaction() as connection:
            more = {"now_ms": from_ms} | more
            return people_desk.bind(connection, device, citizen, from_ms=from_ms, **more)

    def take(self, hub: Hub, at_ms: int, *items: Item) -> Sealed:
        """Seal these items in one envelope, and take it in at this moment."""
        sealed = hub.chain.seal(*items)
        self.arrive(hub, sealed, at_ms)
        return sealed

    def arrive(self, hub: Hub, sealed: Sealed, at_ms: int) -> None:
        taken = self.ledger.take(hub.chain.hub, sealed.raw, at_ms)
        assert taken.outcome in ("accepted", "seen-again"), taken

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.database.reading() as connection:
            chosen = select(table).where(*where).order_by(*table.primary_key.columns)
            return list(connection.execute(chosen))

    def relations(self) -> list[str]:
        """What each arrival was to the ledger, in the order of arrival."""
        return [row.relation for row in sorted(self.rows(arrivals), key=lambda row: row.disclosure)]

    def statuses(self) -> list[str]:
        return [row.status for row in self.rows(measurements)]

    def open_codes(self) -> list[str]:
        return [row.code for row in self.rows(holds, holds.c.ended_ms.is_(None))]

    def question(self, at: int = -1) -> bytes:
        rows = self.rows(holds, holds.c.ended_ms.is_(None), holds.c.question_id.is_not(None))
        return bytes(rows[at].question_id)

    def within(self) -> Any:
        return self.database.transaction()


def said(hub: Hub, verb: str, number: int, true_ms: int, **more: Any) -> Statement:
    return Statement(verb, number.to_bytes(16, "big"), hub.moment(true_ms), **more)


def key_of(item: ReadingItem) -> bytes:
    record = decode_record(item.driver, item.frames)[0]
    assert record.key is not None
    return measurement_key(item.device.identity, record.key, item.capture)


@dataclass
class Meter:
    """A cuff with a clock and a memory. It knows which true measurement each of its records is."""

    offset_s: int | None = None  # own clock = true seconds + offset; None: right local time
    memory: list[tuple[int, int, int]] = field(default_factory=list)  # (number, own time, systolic)
    count: int = 0

    def clock(self, true_ms: int) -> int:
        return local_seconds(true_ms) if self.offset_s is None else true_ms // 1000 + self.offset_s

    def set(self, true_ms: int, own: int) -> None:
        self.offset_s = own - true_ms // 1000

    def measure(self, true_ms: int, systolic: int) -> int:
        self.count += 1
        self.memory.append((self.count, self.clock(true_ms), systolic))
        return self.count
