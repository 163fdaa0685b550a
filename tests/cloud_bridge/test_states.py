"""What a state says of a hub: signed, fresh, true; and what it costs with 100,000 envelopes."""

import stat
from pathlib import Path
from time import perf_counter

import pytest
from sqlalchemy import Connection, Table, insert, select, text, update

from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.state_key import StateKey, StateKeyError
from cloud_bridge.ledger.states import States
from cloud_bridge.registry import Registry
from cloud_bridge.schema import (
    arrivals,
    commands,
    disclosures,
    envelopes,
    forgets,
    holds,
    hub_states,
    measurements,
    ranges,
)
from cloud_bridge.verify import verify_sign1
from gateway.wire.errors import WireError
from gateway.wire.state import MAX_STATE, Hello, State, external_aad, open_state
from tests.cloud_bridge.ledger_fixtures import (
    HUB,
    NOW,
    Chain,
    Home,
    Sealed,
    Signing,
    moment,
    next_key,
    status,
)

NONCE = b"12345678"


@pytest.fixture
def key(tmp_path: Path) -> StateKey:
    return StateKey.open(tmp_path / "keys")


@pytest.fixture
def states(home: Home, key: StateKey) -> States:
    return States(home.database, key)


def hello(nonce: bytes = NONCE) -> bytes:
    return Hello(nonce, None, 1000, moment()).encode()


def state_of(states: States, now_ms: int = NOW, hub: str = HUB, nonce: bytes = NONCE) -> State:
    states.hello(hub, hello(nonce))
    raw = states.state_for(hub, now_ms)
    assert raw is not None
    return open_state(raw)[2]


def take(home: Home, *sealed: Sealed) -> None:
    for one in sealed:
        assert home.ledger.take(HUB, one.raw, NOW).outcome == "accepted"


def test_a_state_is_signed_for_this_hub_and_answers_the_newest_hello(
    home: Home, hub: Chain, states: States, key: StateKey
) -> None:
    assert states.state_for(HUB, NOW) is None
    states.hello(HUB, hello(b"old-8-by"))
    states.hello(HUB, hello())
    raw = states.state_for(HUB, NOW)
    assert raw is not None
    part, kid, state = open_state(raw)
    assert (kid, state.nonce, state.bridge_ms) == (key.kid, NONCE, NOW)
    assert verify_sign1(part, external_aad(HUB), key.public_key)
    assert not verify_sign1(part, external_aad("hub-2"), key.public_key)


def test_it_tells_contiguous_hash_and_ranges_of_every_key(home: Home, hub: Chain, states: States) -> None:
    sealed = [hub.seal() for _ in range(9)]
    take(home, sealed[0], sealed[1], sealed[4], sealed[5], sealed[8])
    successor = home.register(Chain(Signing(2)), now_ms=NOW + 1)
    live, old = state_of(states).keys
    assert (live.kid, live.contiguous, live.last, live.ranges) == (successor.kid, 0, None, [])
    assert (old.kid, old.contiguous, old.last) == (hub.kid, 2, sealed[1].hash)
    assert old.ranges == [(5, 6), (9, 9)]


def test_ranges_without_a_beginning(home: Home, hub: Chain, states: States) -> None:
    hub.seal()
    take(home, hub.seal())
    (told,) = state_of(states).keys
    assert (told.contiguous, told.last, told.ranges) == (0, None, [(2, 2)])


def test_a_new_key_is_told_as_soon_as_it_is_known(home: Home, hub: Chain, states: States) -> None:
    successor = Signing(2)
    assert state_of(states).key(successor.kid) is None
    take(home, hub.seal(next_key(successor)))
    assert state_of(states).key(successor.kid) is not None


def test_refusals_are_told_with_the_hash_as_received(home: Home, hub: Chain, states: States) -> None:
    sealed = hub.seal(status(1), status(2))
    home.ledger.take(HUB, sealed.without(1), NOW)
    (refusal,) = state_of(states).refused
    assert (refusal.kid, refusal.sequence, refusal.envelope) == (hub.kid, 1, sealed.hash)
    assert (refusal.code, refusal.retry, refusal.after_ms) == (
        "disclosure-not-lost",
        "after-time",
        NOW + 5000,
    )
    take(home, sealed)
    assert state_of(states).refused == []


def test_commands_are_told_until_done_or_expired_and_only_to_their_hub(
    home: Home, hub: Chain, states: States
) -> None:
    with home.database.transaction() as connection:
        Registry(connection).enrol("hub-2", "home-2", NOW)
        for number, (name, expires) in enumerate([(HUB, 10), (HUB, 99), ("hub-2", 99)]):
            row = {"id": bytes([number]) * 8, "hub": name, "verb": "renew-key", "expires_ms": NOW + expires}
            connection.execute(insert(commands).values(**row))
        connection.execute(insert(forgets).values(hub=HUB, key=bytes(32), since_ms=NOW))
        connection.execute(insert(hub_states).values(hub=HUB, counter=0, not_before_ms=NOW + 50))
    told = state_of(states)
    assert [command.command_id[0] for command in told.commands] == [0, 1]
    assert (told.forget, told.not_before_ms) == ([bytes(32)], NOW + 50)
    assert [command.command_id[0] for command in state_of(states, NOW + 10).commands] == [1]
    take(home, hub.seal(status(1, [bytes([1]) * 8, bytes([2]) * 8])))
    told = state_of(states, NOW + 60)
    assert (told.commands, told.not_before_ms) == ([], None)
    assert [row.done_ms for row in home.rows(commands)] == [None, NOW, None]  # nobody reports for others


def test_counters_rise_also_when_clock_and_bridge_start_again(
    home: Home, hub: Chain, states: States, key: StateKey
) -> None:
    counters = [state_of(states, at).counter for at in (NOW, NOW, NOW - 9_999_999, NOW + 5)]
    restarted = States(home.database, key)
    counters += [state_of(restarted, at).counter for at in (NOW - 9_999_999, NOW)]
    assert counters == sorted(set(counters))


def test_a_bridge_started_again_waits_for_the_next_hello(
    home: Home, hub: Chain, states: States, key: StateKey
) -> None:
    states.hello(HUB, hello())
    assert States(home.database, key).state_for(HUB, NOW) is None


def test_nobody_else_gets_a_state(home: Home, hub: Chain, states: States) -> None:
    states.hello("hub-9", hello())
    assert states.state_for("hub-9", NOW) is None
    with home.database.transaction() as connection:
        Registry(connection).revoke(HUB, NOW)
    states.hello(HUB, hello())
    assert states.state_for(HUB, NOW) is None


@pytest.mark.parametrize("raw", [b"", b"noise", hello()[:-1], hello() + b"\x00"])
def test_what_is_no_hello_changes_nothing(home: Home, hub: Chain, states: States, raw: bytes) -> None:
    states.hello(HUB, hello())
    with pytest.raises(WireError):
        states.hello(HUB, raw)
    assert states.state_for(HUB, NOW) is not None


def measured(home: Home, sequence: int) -> int:
    """A measurement that came with this envelope, not settled."""
    of = select(disclosures.c.id).join(envelopes).where(envelopes.c.sequence == sequence)
    key = sequence.to_bytes(32, "big")
    with home.database.transaction() as connection:
        came = int(connection.execute(of).scalar_one())
        number = add(connection, measurements, household="home-1", key=key, first_disclosure=came)
        add(connection, arrivals, measurement=number, disclosure=came)
    return number


def add(connection: Connection, table: Table, **known: object) -> int:
    """A row with these columns; the others null, or empty where they must be something."""
    blank = {int: 0, str: "", bytes: b"", bool: False}
    must = [column for column in table.columns if not column.nullable and column.name != "id"]
    row = {column.name: blank[column.type.python_type] for column in must} | known
    return int(connection.execute(insert(table).values(**row).returning(table.c.id)).scalar_one())


def settle(home: Home, number: int) -> None:
    with home.database.transaction() as connection:
        connection.execute(update(measurements).where(measurements.c.id == number).values(settled_ms=NOW))


def settled(states: States) -> int:
    return state_of(states).keys[0].settled


def test_settled_goes_up_to_the_first_that_is_not_decided(home: Home, hub: Chain, states: States) -> None:
    take(home, *[hub.seal() for _ in range(5)])
    second, fourth = measured(home, 2), measured(home, 4)
    assert settled(states) == 1
    settle(home, fourth)
    assert settled(states) == 1
    settle(home, second)
    assert settled(states) == 5


def test_held_items_are_not_settled(home: Home, hub: Chain, states: States) -> None:
    take(home, *[hub.seal() for _ in range(3)])
    with home.database.transaction() as connection:
        row = {
            "household": "home-1",
            "disclosure": 2,
            "code": "undecoded",
            "who": "standard",
            "since_ms": NOW,
        }
        connection.execute(insert(holds).values(**row))
    assert settled(states) == 1
    with home.database.transaction() as connection:
        connection.execute(update(holds).values(ended_ms=NOW))
    assert settled(states) == 3


def test_nothing_is_settled_beyond_a_gap_or_what_stands_in_quarantine(
    home: Home, hub: Chain, states: States
) -> None:
    sealed = [hub.seal(), hub.seal(b"poison"), hub.seal(), hub.seal()]
    take(home, sealed[0], sealed[1], sealed[3])
    assert settled(states) == 1


def test_settled_survives_a_start(home: Home, hub: Chain, states: States, key: StateKey) -> None:
    take(home, hub.seal(), hub.seal())
    assert settled(states) == 2
    assert settled(States(home.database, key)) == 2


def test_the_largest_state_fits(home: Home, hub: Chain, states: States) -> None:
    far = 1 << 62
    with home.database.transaction() as connection:
        for number in range(2, 12):
            signing = Signing(number)
            Registry(connection).add_key(signing.kid, HUB, signing.public_key, NOW + number)
            rows = [{"kid": signing.kid, "low": far + 9 * n, "high": far + 9 * n} for n in range(70)]
            connection.execute(insert(ranges), rows)
        forgotten = [{"hub": HUB, "key": n.to_bytes(32, "big"), "since_ms": NOW} for n in range(70)]
        connection.execute(insert(forgets), forgotten)
    for _ in range(70):
        sealed = hub.seal()
        home.ledger.take(HUB, sealed.without(0), NOW)
    states.hello(HUB, hello())
    raw = states.state_for(HUB, NOW)
    assert raw is not None
    assert len(raw) <= MAX_STATE
    told = open_state(raw)[2]
    assert (len(told.keys), len(told.refused), len(told.forget)) == (8, 64, 64)
    assert {len(one.ranges) for one in told.keys} == {64}
    assert told.keys[0].kid == Signing(11).kid  # the live one first


def test_a_state_costs_little_with_many_envelopes(database: Database, key: StateKey) -> None:
    home = Home(database)
    hub = home.register(Chain(Signing(1)))
    count = 100_000
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
    with database.transaction() as connection:
        connection.execute(
            text(
                numbers
                + "INSERT INTO envelopes (id, kid, sequence, hash, version, statements, signed, arrived_ms)"
                " SELECT i, :kid, i, CAST(printf('%032d', i) AS BLOB), 1, 0, x'', 0 FROM n"
            ),
            {"kid": hub.kid},
        )
        connection.execute(
            text(numbers + "INSERT INTO disclosures (envelope, position, status) SELECT i, 0, 'taken' FROM n")
        )
        connection.execute(insert(ranges).values(kid=hub.kid, low=1, high=count))
    states = States(database, key)
    started = perf_counter()
    assert state_of(states).keys[0].settled == count
    first = perf_counter() - started
    started = perf_counter()
    for _ in range(20):
        state_of(states)
    later = (perf_counter() - started) / 20
    assert later < first  # what was settled once is not looked at again
    assert later < 0.05


def test_the_state_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    directory = tmp_path / "bridge"
    key = StateKey.open(directory)
    assert stat.S_IMODE((directory / "state.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in directory.iterdir()] == ["state.key"]
    again = StateKey.open(directory)
    assert (again.public_key, again.kid) == (key.public_key, key.kid)
    (directory / "state.key").write_bytes(b"short")
    with pytest.raises(StateKeyError, match="state-key-unreadable"):
        StateKey.open(directory)
