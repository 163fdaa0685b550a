"""A village on real parts: gateways, the wire, the bridge on its ledger, people, and where their readings go.

Nothing runs by itself: `turn` is one second of everybody's life, `settle` goes on until nothing moves any more.
"""

import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import select

from cloud_bridge import administration, journey, people_desk
from cloud_bridge.administration import Place
from cloud_bridge.bridge import BATCH, Bridge
from cloud_bridge.intake import Incoming, IntakeSettings
from cloud_bridge.ledger import chain, deliveries, measurements
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.envelopes import ItemTaker, Ledger
from cloud_bridge.schema import holds, losses
from gateway.simulator.compare import read_observations
from gateway.simulator.fhir_server import FhirServer
from tests.e2e.cuff import Cuff, Measured, Observed
from tests.e2e.gateways import Gateway, Time
from tests.e2e.receivers import observed
from tests.e2e.wire import Carried, Wire

QUIET_TURNS = 3


@dataclass(frozen=True)
class Person:
    """A citizen, and the Patient that the citizen is at one receiver."""

    citizen: str
    server: FhirServer
    patient: str

    def found(self) -> Counter[Observed]:
        """Everything this person's PGO holds now, read from the server itself."""
        return Counter(observed(resource) for resource in read_observations(self.server, self.patient))


class BridgeDied(BaseException):
    """The bridge's process is gone in the middle of its work; only what is on disk remains."""


class WireIntake:
    """The bridge's line to this wire. acknowledged: messages that the bridge will never ask for again."""

    def __init__(self, wire: Wire) -> None:
        self.publish_state = wire.publish_state
        self.acknowledged: set[int] = set()

    def acknowledge(self, incoming: Incoming) -> None:
        self.acknowledged.add(incoming.mid)


class WiredBridge(Bridge):
    """The bridge as it is, without threads and broker: a test turns it."""

    def __init__(self, directory: Path, wire: Wire, time: Time) -> None:
        nowhere = directory / "no-broker"
        settings = IntakeSettings("127.0.0.1", 1, nowhere, nowhere, nowhere)
        self.database = Database(Place(directory).database)
        self.database.migrate()
        self.messages = 0
        super().__init__(directory, self.database, settings, lambda: time.now_ms)
        self._intake: Any = WireIntake(wire)

    def take_with(self, items: ItemTaker) -> None:
        """Let another one keep the items: where a story needs the bridge to have a fault of its own."""
        self._ledger = Ledger(self.database, items, measurements.hold_forked)

    def hear(self, carried: list[Carried]) -> None:
        """Take messages in, as many at once as the bridge does."""
        for start in range(0, len(carried), BATCH):
            batch = []
            for topic, payload in carried[start : start + BATCH]:
                self.messages += 1
                batch.append(Incoming(topic, payload, self.messages))
            self._take(batch)
            self._tell()

    def deliver(self, at_ms: int) -> None:
        self._deliverer.deliver_once(at_ms)
        self._tell()

    def close(self) -> None:
        for receiver in self._deliverer._receivers.values():
            receiver.close()
        self.database.close()


class Village:
    """One household and what surrounds it. time: TrueTime, or the machine's for stories with a radio."""

    def __init__(self, directory: Path, time: Time | None = None) -> None:
        self.directory = directory
        self.time = time or Time()
        self.wire = Wire()
        self.gateways: dict[str, Gateway] = {}
        self.fault: ItemTaker | None = None
        self.place = Place(directory / "bridge")
        self.place.directory.mkdir(parents=True)
        self.start_bridge()
        with self.bridge.database.transaction() as connection:
            self.household = administration.add_household(connection, self.time.now_ms)

    def close(self) -> None:
        for gateway in self.gateways.values():
            gateway.stop()
        self.bridge.close()

    # Who is there.

    def gateway(self, name: str = "hub-1", *, connected: bool = True, **more: Any) -> Gateway:
        """A hub of this household: enrolled, started, online."""
        directory = self.directory / f"{name}-{token_hex(2)}"
        made = Gateway(name, directory, self.time, self.wire, **more)
        self.enrol(made)
        made.start()
        self.gateways[name] = made
        if connected:
            made.connect()
        return made

    def enrol(self, gateway: Gateway) -> None:
        """An installer carries the hub's request to the bridge, and the answer back."""
        with self.bridge.database.transaction() as connection:
            answer = administration.enrol(
                self.place, connection, gateway.request(), self.household, self.time.now_ms
            )
        gateway.state_key = bytes.fromhex(answer["state_key"])

    def person(self, server: FhirServer) -> Person:
        """A citizen of the household, whose readings go to this server."""
        patient = server.patient("p-" + token_hex(6))
        with self.bridge.database.transaction() as connection:
            citizen = administration.add_citizen(connection, self.household)
            receiver = administration.add_receiver(connection, server.base_url)
            administration.link(connection, citizen, receiver, patient)
        return Person(citizen, server, patient)

    def bind(
        self, person: Person, device: Cuff | str, *, slot: int | None = None, since_s: int = 86_400
    ) -> int:
        """This device (or slot of it) measures this person, since a day ago."""
        identity = device if isinstance(device, str) else device.identity
        now_ms, mode = self.time.now_ms, "alone" if slot is None else "slots"
        from_ms = now_ms - since_s * 1000
        with self.bridge.database.transaction() as connection:
            return people_desk.bind(
                connection, identity, person.citizen, from_ms=from_ms, now_ms=now_ms, slot=slot, mode=mode
            )

    # Life goes on.

    def turn(self, *, delivering: bool = True) -> int:
        """One second; how many messages moved in it."""
        for gateway in self.gateways.values():
            gateway.hub.tick()
        risen = self.wire.rise()
        try:
            self.bridge.hear(risen)
        except BridgeDied:
            self.restart_bridge()
            self.wire.hand_out_again(risen)
        if delivering:
            self.bridge.deliver(self.time.now_ms)
        fallen = self.wire.fall()
        for topic, raw in fallen:
            self.gateways[topic.split("/")[1]].hub.state_arrived(raw)
        self.time.pass_s(1)
        return len(risen) + len(fallen)

    def run(self, seconds: int, *, delivering: bool = True) -> None:
        for _ in range(seconds):
            self.turn(delivering=delivering)

    def settle(self, at_most_s: int = 3600) -> None:
        """Until no hub that is online has anything to send and no delivery is due."""
        quiet = 0
        for _ in range(at_most_s):
            quiet = 0 if self.turn() or self._busy() else quiet + 1
            if quiet == QUIET_TURNS:
                return
        raise AssertionError(f"not settled: {[g.outbox.counts() for g in self.gateways.values()]}")

    def _busy(self) -> bool:
        if any(gateway.online and gateway.outbox.unaccepted() for gateway in self.gateways.values()):
            return True
        with self.bridge.database.reading() as connection:
            return deliveries.next_due_ms(connection) is not None

    # The bridge's ledger.

    def start_bridge(self) -> None:
        self.bridge = WiredBridge(self.place.directory, self.wire, self.time)
        if self.fault is not None:
            self.bridge.take_with(self.fault)

    def copy_ledger(self) -> Path:
        """A backup of the ledger, made beside the running bridge."""
        copy = self.directory / f"backup-{token_hex(4)}.sqlite"
        with sqlite3.connect(self._ledger_file) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        return copy

    def restore_ledger(self, copy: Path) -> None:
        """The bridge comes back with this older ledger and knows nothing newer."""
        self.bridge.close()
        for file in self.place.directory.glob("ledger.sqlite*"):
            file.unlink()
        shutil.copy(copy, self._ledger_file)
        self.start_bridge()

    def restart_bridge(self) -> None:
        self.bridge.close()
        self.start_bridge()

    @property
    def _ledger_file(self) -> Path:
        return self.place.directory / "ledger.sqlite"

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.bridge.database.reading() as connection:
            return list(connection.execute(select(table).where(*where).order_by(*table.primary_key.columns)))

    def accepted(self, kid: bytes) -> set[tuple[bytes, int]]:
        """The envelopes of this key that the ledger holds now."""
        with self.bridge.database.reading() as connection:
            found = chain.accepted_ranges(connection, kid, 1_000_000)
        return {(kid, number) for low, high in found for number in range(low, high + 1)}

    def held(self) -> list[tuple[str, str]]:
        """(code, who must act) of everything that waits for somebody, as `meethub-bridge held` lists it."""
        with self.bridge.database.reading() as connection:
            return [(str(row["code"]), str(row["who"])) for row in journey.held(connection)]

    def questions(self) -> list[bytes]:
        asked = self.rows(holds, holds.c.ended_ms.is_(None), holds.c.question_id.is_not(None))
        return [bytes(row.question_id) for row in asked]

    def answer(self, question: bytes, word: str) -> None:
        with self.bridge.database.transaction() as connection:
            people_desk.answer(connection, question, word, self.time.now_ms, by="citizen")

    # What must be so.

    def assert_delivered(self, person: Person, measured: list[Measured]) -> None:
        """The person's PGO holds exactly one set of Observations of each of these, and nothing else."""
        expected = Counter(one for truth in measured for one in truth.observed())
        found = person.found()
        assert found == expected, f"missing {expected - found}, too many {found - expected}"

    def assert_nothing_freed_too_early(self) -> None:
        """Whatever a hub does not hold any more, the ledger holds; or, after a restore, has named as lost."""
        named = {(bytes(row.kid), row.sequence) for row in self.rows(losses, losses.c.kid.is_not(None))}
        for gateway in self.gateways.values():
            gone = gateway.sealed_sequences() - gateway.held_sequences()
            there = {one for kid in gateway.kids() for one in self.accepted(kid)}
            assert gone <= there | named, sorted(gone - there - named)
