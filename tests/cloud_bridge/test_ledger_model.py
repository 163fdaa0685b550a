"""The ledger against a model that knows everything: any order, repeats, losses, forks, restores, batches.

Whatever happens on the way, what the ledger says in the end depends only on what arrived.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cloud_bridge.ledger.chain import accepted_ranges, forked_from
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.state_key import StateKey
from cloud_bridge.ledger.states import States
from cloud_bridge.schema import disclosures, envelopes, gaps, quarantine, statements
from gateway.wire.state import Hello, KeyState, open_state
from tests.cloud_bridge.ledger_fixtures import (
    HUB,
    NOW,
    Chain,
    Databases,
    Home,
    Sealed,
    Signing,
    lost,
    moment,
    pause,
    status,
)

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
POISON = b"no CBOR at all"


@dataclass
class Model:
    """What a ledger must know of one key after these envelopes arrived."""

    arrived: dict[bytes, Sealed] = field(default_factory=dict)
    previous: dict[bytes, bytes | None] = field(default_factory=dict)
    named_lost: set[int] = field(default_factory=set)

    def take(self, sealed: Sealed, previous: bytes | None, losses: list[int]) -> None:
        self.arrived[sealed.hash] = sealed
        self.previous[sealed.hash] = previous
        self.named_lost |= set(losses)

    @property
    def sequences(self) -> set[int]:
        return {sealed.sequence for sealed in self.arrived.values()}

    def ranges(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for sequence in sorted(self.sequences):
            if found and found[-1][1] == sequence - 1:
                found[-1] = (found[-1][0], sequence)
            else:
                found.append((sequence, sequence))
        return found

    def missing(self) -> set[int]:
        below = set(range(1, max(self.sequences, default=0)))
        return below - self.sequences - self.named_lost

    def forked_from(self) -> int | None:
        at: dict[int, set[bytes]] = {}
        for sealed in self.arrived.values():
            at.setdefault(sealed.sequence, set()).add(sealed.hash)
        double = [sequence for sequence, hashes in at.items() if len(hashes) > 1]
        torn = [
            sealed.sequence - 1
            for sealed in self.arrived.values()
            if sealed.sequence - 1 in at and self.previous[sealed.hash] not in at[sealed.sequence - 1]
        ]
        return min(double + torn, default=None)

    def items(self) -> int:
        return sum(
            data is not None and data != POISON
            for sealed in self.arrived.values()
            for data in sealed.disclosures
        )


@dataclass
class Story:
    """Everything that was ever sealed with one key, by the hub and by its clone."""

    mine: Chain = field(default_factory=lambda: Chain(Signing(1)))
    previous: dict[bytes, bytes | None] = field(default_factory=dict)
    losses: dict[bytes, list[int]] = field(default_factory=dict)
    all: list[Sealed] = field(default_factory=list)

    def seal(self, chain: Chain, kind: str, number: int) -> None:
        items = {
            "status": [status(number)],
            "pause": [pause(number + 1), status(number)],
            "poison": [status(number), POISON],
            "lost": [lost(chain.kid, 1 + number % 7)],
        }[kind]
        before = chain.last
        sealed = chain.seal(*items)
        self.previous[sealed.hash] = before
        self.losses[sealed.hash] = [1 + number % 7] if kind == "lost" else []
        self.all.append(sealed)


KINDS = st.lists(st.sampled_from(["status", "status", "pause", "poison", "lost"]), max_size=9)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    story = Story()
    before, after, cloned = draw(KINDS), draw(KINDS), draw(KINDS)
    for number, kind in enumerate(before):
        story.seal(story.mine, kind, number)
    clone = story.mine.copy()
    for number, kind in enumerate(after):
        story.seal(story.mine, kind, number)
    if draw(st.booleans()):
        for number, kind in enumerate(cloned):
            story.seal(clone, kind, number + 100)
    return story


def compare(home: Home, model: Model, kid: bytes) -> None:
    with home.database.reading() as connection:
        assert accepted_ranges(connection, kid, 99) == model.ranges()
        assert forked_from(connection, kid) == model.forked_from()
    assert {bytes(row.hash) for row in home.rows(envelopes)} == set(model.arrived)
    open_gaps = [row for row in home.rows(gaps) if row.closed_ms is None]
    assert sum(row.missing for row in open_gaps) == len(model.missing())
    for gap in home.rows(gaps):
        inside = {n for n in model.missing() if gap.low <= n <= gap.high}
        assert gap.missing == len(inside)
        assert (gap.closed_ms is None) == bool(inside)
    assert len(home.kept()) == len(set(home.kept())) == model.items()
    poisoned = [row for row in home.rows(disclosures) if row.status == "quarantined"]
    assert len(poisoned) == sum(POISON in s.disclosures for s in model.arrived.values())
    said = sum(row.item_type == 4 for row in home.rows(disclosures))
    assert len(home.rows(statements)) == said


def deliver(home: Home, model: Model, story: Story, batch: list[Sealed]) -> None:
    known = set(model.arrived)
    taken = home.ledger.take_many([(HUB, sealed.raw, NOW) for sealed in batch])
    for sealed, one in zip(batch, taken, strict=True):
        assert one.outcome == ("seen-again" if sealed.hash in known else "accepted")
        known.add(sealed.hash)
        model.take(sealed, story.previous[sealed.hash], story.losses[sealed.hash])


@settings(max_examples=40 * DOSE, deadline=None)
@given(stories(), st.data())
def test_what_arrived_decides_and_nothing_else(
    sqlite_databases: Databases, story: Story, data: st.DataObject
) -> None:
    """Any choice of envelopes in any order, some twice, some never, cut into any batches."""
    with sqlite_databases.fresh() as database:
        home, model = Home(database), Model()
        home.register(story.mine)
        order = data.draw(st.lists(st.sampled_from(story.all), max_size=24)) if story.all else []
        while order:
            size = data.draw(st.integers(1, 6))
            deliver(home, model, story, order[:size])
            order = order[size:]
        compare(home, model, story.mine.kid)
        assert {row.code for row in home.rows(quarantine)} <= {"disclosure-cbor"}


@settings(max_examples=15 * DOSE, deadline=None)
@given(stories(), st.data())
def test_noise_among_them_changes_nothing(
    sqlite_databases: Databases, story: Story, data: st.DataObject
) -> None:
    """Damaged copies and noise between the good ones: refused, and the good ones come through."""
    with sqlite_databases.fresh() as database:
        home, model = Home(database), Model()
        home.register(story.mine)
        for sealed in data.draw(st.permutations(story.all)):
            raw = bytearray(sealed.raw)
            at = data.draw(st.integers(0, len(raw) * 8 - 1))
            raw[at // 8] ^= 1 << at % 8
            assert home.ledger.take(HUB, bytes(raw), NOW).outcome == "refused"
            deliver(home, model, story, [sealed])
        compare(home, model, story.mine.kid)


def told(states: States, kid: bytes) -> KeyState:
    states.hello(HUB, Hello(b"12345678", None, 0, moment()).encode())
    raw = states.state_for(HUB, NOW)
    assert raw is not None
    key = open_state(raw)[2].key(kid)
    assert key is not None
    return key


@pytest.mark.parametrize("lost_readings", [1, 30])
def test_an_older_copy_tells_less_and_takes_the_rest_again_without_doubles(
    sqlite_databases: Databases, tmp_path: Path, lost_readings: int
) -> None:
    key = StateKey.open(tmp_path / "keys")
    copy = tmp_path / "copy.sqlite"
    story = Story()
    for number in range(60):
        story.seal(story.mine, "pause" if number % 9 == 0 else "status", number)
    kid = story.mine.kid
    with sqlite_databases.fresh() as database:
        home, model = Home(database), Model()
        home.register(story.mine)
        states = States(database, key)
        deliver(home, model, story, story.all[: 60 - lost_readings])
        with database.reading() as connection:
            connection.exec_driver_sql("COMMIT")  # VACUUM wants no transaction around it
            connection.execute(text(f"VACUUM INTO '{copy}'"))
            connection.exec_driver_sql("BEGIN")
        deliver(home, model, story, story.all[60 - lost_readings :])
        before = told(states, kid)
        assert before.contiguous == 60
    restored = Database(f"sqlite:///{copy}")
    home, model = Home(restored), Model()
    for sealed in story.all[: 60 - lost_readings]:
        model.take(sealed, story.previous[sealed.hash], [])
    states = States(restored, key)
    after = told(states, kid)
    assert (after.contiguous, after.last) == (60 - lost_readings, story.all[59 - lost_readings].hash)
    again = [sealed for sealed in story.all if not after.accepts(sealed.sequence)]
    assert len(again) == lost_readings
    deliver(home, model, story, again[::-1])
    assert told(states, kid).contiguous == 60
    deliver(home, model, story, story.all)  # and all of it once more
    compare(home, model, kid)
    restored.close()
