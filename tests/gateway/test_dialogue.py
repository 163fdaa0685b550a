"""Hello, the window and states, against rules of docs/wire-format.md and a bridge that signs its states."""

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.hub.dialogue import PATIENCE_MS, WINDOW
from gateway.signer import Signer
from gateway.wire import state, topics
from gateway.wire.measurement import KID_SIZE
from gateway.wire.state import AFTER_TIME, NEVER, KeyState, Refusal
from tests.gateway.hub_fixtures import HUB, FarBridge, House, record_bytes


@pytest.fixture
def house(tmp_path):
    """A hub of which the bridge knows the key; nothing is connected yet."""
    house = House(tmp_path / "hub")
    house.know()
    yield house
    house.outbox.close()


def sealed(house, count, first=0):
    """So many envelopes in the outbox, of one reading each."""
    for number in range(first, first + count):
        house.cuff(record_bytes(100 + number, number % 60))
        house.sealer.seal(online=True)
    return house


# --- hello ---


def test_a_connection_begins_with_a_hello_that_says_where_the_chain_stands(house):
    house.dialogue.connect()
    sealed(house, 3)
    house.dialogue.connect()
    first, second = house.line.hellos()
    head = house.outbox.head(house.signer.kid)
    assert first.head is None
    assert second.head == (head.kid, 3, head.hash)
    assert first.nonce != second.nonce
    assert first.free_bytes >= second.free_bytes == house.outbox.free_bytes() > 0
    assert second.moment.boot == house.clock.boot
    assert second.moment.mono_ms == house.clock.at_ms
    assert house.line.sent[0][0] == f"hub/{HUB}/up/hello"


def test_a_hello_that_could_not_leave_is_said_at_the_next_tick(house):
    house.line.open = False
    house.dialogue.connect()
    assert not house.line.sent
    house.line.open = True
    sealed(house, 1)
    house.dialogue.tick()
    assert len(house.line.hellos()) == 1


def test_nothing_is_said_without_a_connection(house):
    sealed(house, 2)
    house.dialogue.tick()
    house.dialogue.connect()
    house.hear()
    house.dialogue.disconnect()
    before = len(house.line.sent)
    sealed(house, 2, first=2)
    house.later(1000)
    house.dialogue.tick()
    assert len(house.line.sent) == before


def test_a_bridge_that_asks_for_patience_hears_no_hello_until_then(house):
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state(not_before_ms=house.bridge.ms + 300_000))
    said = len(house.line.hellos())
    house.dialogue.disconnect()
    house.dialogue.connect()
    sealed(house, 1)
    for _ in range(4):
        house.dialogue.tick()
        house.later(74)
    assert len(house.line.hellos()) == said
    house.later(4)
    house.dialogue.tick()
    assert len(house.line.hellos()) == said + 1


def test_patience_has_an_end(house):
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state(not_before_ms=2**42))
    said = len(house.line.hellos())
    house.dialogue.connect()
    house.later(3600)
    house.dialogue.tick()
    assert len(house.line.hellos()) == said + 1


# --- which states count ---


def test_only_an_answer_to_the_newest_hello_counts(house):
    house.dialogue.connect()
    old = house.line.hellos()[-1].nonce
    house.dialogue.say_hello()
    assert house.dialogue.arrived(house.bridge.state(nonce=old)) is None
    assert house.dialogue.arrived(house.bridge.state(nonce=bytes(8))) is None
    assert house.dialogue.arrived(house.bridge.state()) is not None


def test_before_the_first_hello_no_state_counts(house):
    assert house.dialogue.arrived(house.bridge.state(nonce=bytes(8))) is None


def test_a_state_counts_once_and_only_upwards(house):
    house.dialogue.connect()
    fifth = house.bridge.state(counter=5)
    assert house.dialogue.arrived(fifth) is not None
    for counter in (1, 4, 5):
        assert house.dialogue.arrived(house.bridge.state(counter=counter)) is None
    assert house.dialogue.arrived(fifth) is None
    assert house.dialogue.arrived(house.bridge.state(counter=6)) is not None


def test_counters_begin_anew_with_each_hello(house):
    """A bridge that was restored counts lower; fresh bytes prove that it speaks now."""
    house.dialogue.connect()
    assert house.dialogue.arrived(house.bridge.state(counter=9)) is not None
    house.dialogue.say_hello()
    assert house.dialogue.arrived(house.bridge.state(counter=1)) is not None


def test_a_state_replaces_what_was_known(house):
    """After a restore the bridge lists less: what it does not list is unaccepted again."""
    sealed(house, 3)
    house.online()
    house.settle()
    assert house.outbox.unaccepted() == 0
    for sequence in (2, 3):
        del house.bridge.held[house.signer.kid][sequence]
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    # The status that `online` sealed is envelope 4, still held.
    assert house.outbox.unaccepted() == 2


@pytest.mark.parametrize("wrong", ["key", "hub", "signature", "payload", "not-a-state"])
def test_only_the_bridges_own_word_for_this_hub_counts(house, wrong):
    house.dialogue.connect()
    sealed(house, 1)
    payload = house.bridge.says(keys=[KeyState(house.signer.kid, 1, bytes(32), [], 1)]).encode()
    good = house.bridge.sign(payload)
    raw = {
        "key": house.bridge.sign(payload, key=Ed25519PrivateKey.generate()),
        "hub": house.bridge.sign(payload, hub="hub-2"),
        "signature": good[:-1] + bytes([good[-1] ^ 1]),
        "payload": good.replace(payload, payload[:-1] + b"\x00"),
        "not-a-state": b"hello",
    }[wrong]
    with structlog.testing.capture_logs() as logs:
        assert house.dialogue.arrived(raw) is None
    assert [line["event"] for line in logs] == ["state-refused"]
    assert house.outbox.unaccepted() == 1
    assert house.dialogue.arrived(good) is not None


# --- sending ---


def test_at_most_a_window_is_on_its_way_newest_first_then_oldest_first(house):
    sealed(house, 20)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    for _ in range(5):
        house.dialogue.tick()
    assert WINDOW == 8
    assert house.line.sequences() == [20, 1, 2, 3, 4, 5, 6, 7]


def test_what_is_accepted_makes_room_for_the_next(house):
    sealed(house, 12)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    house.bridge.take(1, 2, 12)
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert house.line.sequences() == [12, 1, 2, 3, 4, 5, 6, 7, 11, 8, 9]


def test_a_full_uplink_ends_the_round_and_nothing_counts_as_sent(house):
    sealed(house, 5)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.line.room = 2
    house.dialogue.tick()
    house.line.room = None
    house.dialogue.tick()
    assert house.line.sequences() == [5, 1, 2, 3, 4]


def test_a_key_that_no_state_lists_does_not_speak(house):
    house.bridge.known.clear()
    sealed(house, 2)
    house.dialogue.connect()
    house.dialogue.tick()
    assert not house.line.envelopes()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert not house.line.envelopes()
    house.know()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert sorted(house.line.sequences()) == [1, 2]


def test_time_alone_never_sends_an_envelope_again(house):
    sealed(house, 3)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    for _ in range(10):
        house.dialogue.tick()
        house.later(PATIENCE_MS / 1000)
    assert house.line.sequences() == [3, 1, 2]
    assert len(house.line.hellos()) > 1


def test_a_state_newer_than_the_sending_brings_again_what_it_does_not_list(house):
    sealed(house, 3)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    house.bridge.take(2)
    # Answers the hello from before the sending: it may have crossed the envelopes.
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert house.line.sequences() == [3, 1, 2]
    house.dialogue.say_hello()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert house.line.sequences() == [3, 1, 2, 3, 1]


def test_a_new_connection_forgets_nothing_until_the_bridge_answers(house):
    sealed(house, 2)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    house.dialogue.disconnect()
    house.dialogue.connect()
    house.dialogue.tick()
    assert house.line.sequences() == [2, 1]
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert house.line.sequences() == [2, 1, 2, 1]


def test_what_is_refused_for_good_goes_out_of_the_way_and_is_kept(house):
    sealed(house, 10)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    poisoned = next(one for one in house.line.envelopes() if one.sequence == 1)
    refusal = Refusal(house.signer.kid, 1, poisoned.hash, "signature-invalid", NEVER)
    house.dialogue.say_hello()
    house.dialogue.arrived(house.bridge.state(refused=[refusal]))
    house.dialogue.tick()
    assert 1 not in house.line.sequences()[8:]
    assert house.outbox.counts()["quarantined"] == 1


def test_a_refusal_of_other_bytes_changes_nothing(house):
    sealed(house, 1)
    house.dialogue.connect()
    refusal = Refusal(house.signer.kid, 1, bytes(32), "signature-invalid", NEVER)
    house.dialogue.arrived(house.bridge.state(refused=[refusal]))
    house.dialogue.tick()
    assert house.line.sequences() == [1]
    assert house.outbox.counts()["quarantined"] == 0


def test_not_before_holds_envelopes_back_until_then(house):
    sealed(house, 1)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state(not_before_ms=house.bridge.ms + 30_000))
    house.dialogue.tick()
    house.later(29.9)
    house.dialogue.tick()
    assert not house.line.envelopes()
    house.later(0.2)
    house.dialogue.tick()
    assert house.line.sequences() == [1]


def test_a_newer_state_lifts_not_before(house):
    sealed(house, 1)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state(not_before_ms=house.bridge.ms + 3_600_000))
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert house.line.sequences() == [1]


def test_not_before_in_the_past_waits_for_nothing(house):
    sealed(house, 1)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state(not_before_ms=house.bridge.ms - 1))
    house.dialogue.tick()
    assert house.line.sequences() == [1]


# --- when an answer is overdue ---


def test_hello_again_when_nothing_was_heard_for_a_minute_and_something_waits(house):
    sealed(house, 1)
    house.dialogue.connect()
    house.later(59.9)
    house.dialogue.tick()
    assert len(house.line.hellos()) == 1
    house.later(0.2)
    house.dialogue.tick()
    assert len(house.line.hellos()) == 2
    house.dialogue.tick()
    assert len(house.line.hellos()) == 2, "and then a minute of patience again"


def test_no_hello_when_nothing_waits(house):
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    for _ in range(10):
        house.later(600)
        house.dialogue.tick()
    assert len(house.line.hellos()) == 1


def test_hello_again_for_an_envelope_that_no_state_lists_although_states_come(house):
    """Lost on its way, while the others go well: the states answer a hello from before the sending."""
    sealed(house, 1)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    for _ in range(7):
        house.later(10)
        house.dialogue.arrived(house.bridge.state())
        house.dialogue.tick()
    assert len(house.line.hellos()) == 2
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    assert house.line.sequences() == [1, 1]


# --- keys ---


def test_a_key_request_proves_that_the_hub_holds_the_key(house):
    house.dialogue.signer = Signer.renew(house.folder)
    house.dialogue.ask_for_keys([])
    assert house.line.sent[-1][0] == topics.up(HUB, topics.KEY)
    assert house.bridge.heard_key() == house.dialogue.signer.kid


# --- hostile states ---


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    """A hub with something to lose: some accepted, some on their way, some waiting."""
    house = House(tmp_path_factory.mktemp("fuzz") / "hub")
    house.know()
    sealed(house, 12)
    house.dialogue.connect()
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    house.bridge.take(1, 2)
    house.dialogue.arrived(house.bridge.state())
    house.dialogue.tick()
    yield house
    house.outbox.close()


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_refused_and_never_raise(listening, raw):
    before = listening.outbox.counts()
    assert listening.dialogue.arrived(raw) is None
    assert listening.outbox.counts() == before


@FUZZ
@given(data=st.data())
def test_an_altered_state_is_refused_and_never_raises(listening, data):
    good = listening.bridge.state()
    altered = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        altered[data.draw(st.integers(0, 9999)) % len(good)] ^= data.draw(st.integers(1, 255))
    assume(altered != good)
    before = listening.outbox.counts()
    assert listening.dialogue.arrived(bytes(altered)) is None
    assert listening.outbox.counts() == before


def key_states(kids):
    def ranges(contiguous, gaps):
        found, at = [], contiguous
        for gap, size in gaps:
            found.append((at + 2 + gap, at + 2 + gap + size))
            at = found[-1][1]
        return found

    number = st.integers(0, 40) | st.integers(0, 2**62)
    gaps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=5)
    return st.builds(
        lambda kid, contiguous, gaps, settled: KeyState(
            kid,
            contiguous,
            bytes(32) if contiguous else None,
            ranges(contiguous, gaps),
            min(settled, contiguous),
        ),
        kids,
        number,
        gaps,
        number,
    )


@FUZZ
@given(data=st.data())
def test_whatever_the_bridge_itself_says_never_raises_and_loses_nothing(listening, data):
    """Signed and well formed, and otherwise nonsense: a bridge gone mad costs a resend, never a reading."""
    kids = st.sampled_from([listening.signer.kid]) | st.binary(min_size=KID_SIZE, max_size=KID_SIZE)
    keys = data.draw(st.lists(key_states(kids), max_size=3, unique_by=lambda key: key.kid))
    refusals = st.builds(
        lambda kid, sequence, digest, retry: Refusal(
            kid, sequence, digest, "some-code", retry, 5 if retry == AFTER_TIME else None
        ),
        kids,
        st.integers(1, 40),
        st.binary(min_size=32, max_size=32),
        st.sampled_from(state.RETRIES),
    )
    raw = listening.bridge.state(
        keys=keys,
        refused=data.draw(st.lists(refusals, max_size=4)),
        not_before_ms=data.draw(st.none() | st.integers(0, 2**42)),
    )
    assert listening.dialogue.arrived(raw) is not None
    listening.dialogue.tick()
    assert sum(listening.outbox.counts().values()) == 12, "every envelope is still here"


def test_another_bridge_is_not_ours(house):
    house.dialogue.connect()
    stranger = FarBridge(house.line)
    assert house.dialogue.arrived(stranger.state()) is None
