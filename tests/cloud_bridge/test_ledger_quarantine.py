"""What cannot be taken is kept with an owner, in a room that no hub can overfill."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_bridge.ledger import quarantine
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.quarantine import LONGEST_RETRY_MS, MAX_KEPT, MAX_KEPT_BYTES
from cloud_bridge.ledger.taken import Message
from cloud_bridge.schema import quarantine as table
from cloud_bridge.schema import refusals
from gateway.wire.state import MAX_REFUSED
from tests.cloud_bridge.ledger_fixtures import HUB, NOW, Chain, Home, status


def listed(home: Home, hub: str | None = None) -> list[quarantine.Quarantined]:
    with home.database.reading() as connection:
        return quarantine.listed(connection, hub)


def test_unreadable_bytes_are_kept_with_topic_code_and_owner(home: Home, hub: Chain) -> None:
    taken = home.ledger.take(HUB, b"noise", NOW)
    assert (taken.outcome, taken.code, taken.kid) == ("refused", "envelope-cbor", None)
    home.ledger.take(HUB, b"noise", NOW + 5)
    (kept,) = listed(home)
    assert (kept.topic, kept.raw, kept.code) == ("hub/hub-1/up/envelope", b"noise", "envelope-cbor")
    assert (kept.times, kept.first_ms, kept.last_ms) == (2, NOW, NOW + 5)
    assert kept.who
    assert home.rows(refusals) == []


def test_a_hostile_hub_fills_only_its_own_room(home: Home, hub: Chain) -> None:
    for number in range(MAX_KEPT + 10):
        home.ledger.take(HUB, b"noise %d" % number, NOW + number)
    home.ledger.take("hub-2", b"noise", NOW)
    mine = listed(home, HUB)
    assert [kept.raw for kept in mine[:-1]] == [b"noise %d" % n for n in range(MAX_KEPT)]  # the oldest
    assert (mine[-1].raw, mine[-1].times) == (None, 10)  # the rest is counted
    assert [kept.raw for kept in listed(home, "hub-2")] == [b"noise"]


def test_the_room_is_bounded_in_bytes_too(home: Home, hub: Chain) -> None:
    for number in range(40):
        home.ledger.take(HUB, bytes([number]) * 48_000, NOW)
    assert sum(len(kept.raw or b"") for kept in listed(home)) <= MAX_KEPT_BYTES
    assert sum(kept.times for kept in listed(home)) == 40


def test_room_that_was_freed_is_used_again(home: Home, hub: Chain) -> None:
    for number in range(MAX_KEPT + 1):
        home.ledger.take(HUB, b"noise %d" % number, NOW)
    with home.database.transaction() as connection:
        first = quarantine.listed(connection)[0]
        quarantine.release(connection, HUB, Message(HUB, "", first.raw or b"", NOW).digest, "operator", NOW)
    home.ledger.take(HUB, b"new noise", NOW)
    assert [kept.raw for kept in listed(home)].count(b"new noise") == 1
    assert home.rows(table)[0].ended_by == "operator"


def test_refusals_are_told_later_each_time_and_bounded(home: Home, hub: Chain) -> None:
    sealed = hub.seal(status(1))
    cut = sealed.raw[: len(sealed.signed) + 1] + b"\x80"
    waits = []
    for number in range(9):
        home.ledger.take(HUB, cut, NOW + number)
        (row,) = home.rows(refusals)
        waits.append(row.after_ms - row.at_ms)
    assert waits == [min(5000 * 2**n, LONGEST_RETRY_MS) for n in range(9)]
    for _ in range(MAX_REFUSED + 5):
        more = hub.seal(status(1))
        home.ledger.take(HUB, more.raw[: len(more.signed) + 1] + b"\x80", NOW)
    rows = home.rows(refusals)
    assert len(rows) == MAX_REFUSED
    assert max(row.sequence for row in rows) == MAX_REFUSED + 6


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=8))
def test_any_bytes_are_put_aside_and_never_raise(database: Database, raws: list[bytes]) -> None:
    taken = Home(database).ledger.take_many([(HUB, raw, NOW) for raw in raws])
    assert {one.outcome for one in taken} == {"refused"}
    assert all(one.code and one.retry for one in taken)
