"""Visits that tell all or half of a record, in any order, with kills, losses and new keys in between."""

import os
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.outbox import Outbox
from gateway.signer import Signer
from gateway.wire.envelope import open_disclosure, open_message
from gateway.wire.items import Addition, ReadingItem
from gateway.wire.measurement import RecordKey, measurement_key
from tests.gateway.hub_fixtures import House
from tests.gateway.two_parts import METER, context, glucose, visited

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
NUMBERS = (1, 2, 3)


def key_of(number: int) -> bytes:
    data = glucose(number)[1]
    return measurement_key(
        METER.identity, RecordKey("2a18", None, data[3:10], data[10:12], stored=True), None
    )


class Hub(RuleBasedStateMachine):
    """At the bridge each measurement is one reading, and one addition where it was not whole and is now."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.house = House(Path(self.folder.name) / "hub")
        self.heard: set[int] = set()  # measurements
        self.whole: set[int] = set()  # those whose context came too

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.outbox.close()
            self.folder.cleanup()

    @rule(
        told=st.lists(
            st.tuples(st.sampled_from(NUMBERS), st.booleans()), max_size=4, unique_by=lambda one: one[0]
        ),
        dies=st.booleans(),
    )
    def visit(self, told: list[tuple[int, bool]], *, dies: bool) -> None:
        parts = [(glucose(number), context(number) if both else None) for number, both in told]
        visited(self.house.hub, *[part for pair in parts for part in pair if part], close=not dies)
        self.heard |= {number for number, _ in told}
        self.whole |= {number for number, both in told if both}
        if dies:
            self.restart()

    @rule()
    def seal(self) -> None:
        self.house.sealer.seal(online=True)

    @rule()
    def restart(self) -> None:
        self.house.restart()
        self.house.hub.visits.replay()

    @rule()
    def new_key(self) -> None:
        self.house.sealer.signer = self.house.signer = Signer.renew(self.house.folder)

    @rule(data=st.data())
    def an_envelope_rots(self, data) -> None:
        """What was lost with it is told again by the meter, whenever that is."""
        rows = self.house.outbox.rows(1000)
        if not rows:
            return
        row = data.draw(st.sampled_from(rows))
        connection = self.house.outbox._store.connection
        place = (bytes.fromhex(row["kid"]), row["sequence"])
        connection.execute("UPDATE envelope SET signed = x'00' WHERE kid = ? AND sequence = ?", place)
        for number, words in self.sealed().items():  # it is noticed
            if not words["reading"]:
                self.heard.discard(number)
            if not words["whole"] and not words["addition"]:
                self.whole.discard(number)

    def sealed(self) -> dict[int, Counter]:
        """How often each measurement is told, and how; what waits is sealed first."""
        self.house.sealer.seal(online=True)
        return told_in(self.house.outbox)

    @invariant()
    def each_is_told_once_and_completed_once(self) -> None:
        if not hasattr(self, "house"):
            return
        waiting = {captured.row for captured in self.house.outbox.captured()}
        for number, words in told_in(self.house.outbox).items():
            assert words["reading"] <= 1
            assert words["addition"] <= 1
            if not waiting:
                assert words["reading"] == (number in self.heard)
                assert bool(words["whole"] or words["addition"]) == (number in self.whole)


def told_in(outbox: Outbox) -> dict[int, Counter]:
    found = {number: Counter() for number in NUMBERS}
    numbers = {key_of(number): number for number in NUMBERS}
    for message in outbox.to_send(1000, set()):
        for part in open_message(message.raw)[1]:
            item = open_disclosure(part)
            if isinstance(item, Addition):
                found[numbers[item.key]]["addition"] += 1
            elif isinstance(item, ReadingItem):
                number = item.frames[0].data[1]
                found[number]["reading"] += 1
                found[number]["whole"] += item.reading.final
    return found


TestHub = Hub.TestCase
TestHub.settings = settings(
    max_examples=10 * DOSE, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
