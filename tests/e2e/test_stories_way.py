"""The way between hub and bridge: disclosures missing or altered, states lost, doubled, reordered, replayed."""

import os
from collections import Counter
from random import Random

import pytest

from cloud_bridge.schema import measurements
from gateway.wire import topics
from gateway.wire.envelope import message, open_message
from tests.e2e.cuff import Cuff
from tests.e2e.wire import Alter, Chaos, Delay, Drop, is_envelope, is_hello

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


@pytest.fixture
def cuff(village, anna):
    made = Cuff(village.time, keeps_memory=False)
    village.bind(anna, made)
    return made


# --- an envelope's disclosures on the way ---


def without_the_second(raw):
    sealed, disclosures = open_message(raw)
    return message(sealed.signed, disclosures[:1] + disclosures[2:])


def null_for_the_second(raw):
    sealed, disclosures = open_message(raw)
    return message(sealed.signed, [disclosures[0], None, *disclosures[2:]])


def another_value(raw):
    """The second reading one mmHg higher: in its frames and in what the hub made of them."""
    sealed, disclosures = open_message(raw)
    second = disclosures[1]
    frame = second.index(b"\x02[\x00")  # 91 mmHg in the cuff's own bytes
    altered = second[: frame + 1] + b"\x5c" + second[frame + 2 :]
    return message(sealed.signed, [disclosures[0], altered, *disclosures[2:]])


def swapped(raw):
    sealed, disclosures = open_message(raw)
    return message(sealed.signed, [disclosures[1], disclosures[0], *disclosures[2:]])


def cut_off(raw):
    return raw[:-40]


def has_three(carried):
    return is_envelope(carried) and len(open_message(carried[1])[1]) == 3


ON_THE_WAY = {
    "missing": (without_the_second, "envelope-incomplete"),
    "null": (null_for_the_second, "disclosure-not-lost"),
    "altered": (another_value, "disclosure-mismatch"),
    "swapped": (swapped, "disclosure-mismatch"),
    "cut": (cut_off, "disclosures-unreadable"),
}


@pytest.mark.parametrize(("change", "code"), ON_THE_WAY.values(), ids=ON_THE_WAY.keys())
def test_disclosures_that_are_not_what_was_signed(village, anna, cuff, change, code):
    """Refused as a whole with a time to try again; taken whole when it comes as it was sealed."""
    hub = village.gateway()
    village.settle()
    hub.offline()
    cuff.measure_some(3)
    cuff.visit(hub)
    hub.seal_now()
    village.wire.up.append(Alter(has_three, change, times=2))
    hub.connect()
    village.run(3)
    (row,) = [row for row in hub.outbox.rows(100) if row["code"]]
    assert (row["code"], row["stage"]) == (code, "refused")
    assert village.rows(measurements) == []
    assert anna.found() == Counter()
    began = village.time.now_ms
    village.settle()
    assert village.time.now_ms - began >= 5_000  # after the time that the refusal named, not at once
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []
    assert hub.outbox.counts()["refused"] == 0


# --- states on the way ---


def is_state(carried):
    return carried[0].endswith("/down/" + topics.STATE)


def traffic(village, cuff, hub, rounds):
    """Readings come in while whatever was set up goes on; nothing accepted is ever taken for more than it is."""
    for _ in range(rounds):
        cuff.measure_some(2, every_s=30)
        cuff.visit(hub)
        village.run(12)
        village.assert_nothing_freed_too_early()


def small(village):
    """A hub with so little space that it must free what the bridge has, all the time."""
    hub = village.gateway(connected=False)
    hub.stop()
    hub.space = 128 << 10
    hub.start()
    hub.connect()
    return hub


def test_states_are_lost(village, anna, cuff):
    """Without any state the hub keeps everything; with one in the end it frees."""
    hub = small(village)
    drop = Drop(is_state)
    village.wire.down.append(drop)
    traffic(village, cuff, hub, 5)
    assert hub.held_sequences() == hub.sealed_sequences()
    counts = hub.outbox.counts()
    assert (counts["accepted"], counts["delivered"]) == (0, 0)
    drop.times = 0
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert hub.outbox.counts()["delivered"] == len(hub.held_sequences())


@pytest.mark.parametrize("seed", range(2 * DOSE))
def test_chaos_both_ways(village, anna, cuff, seed):
    """Lost, doubled, reordered and repeated from before, up and down, on a hub that is short of space."""
    random = Random(seed)
    hub = small(village)
    village.wire.up.append(Chaos(random))
    village.wire.down.append(Chaos(random))
    traffic(village, cuff, hub, 22)
    if seed % 2:
        hub.restart(rebooted=True)
    traffic(village, cuff, hub, 10)
    assert hub.held_sequences() < hub.sealed_sequences()  # something was freed in all that
    village.wire.up.clear()
    village.wire.down.clear()
    village.settle()
    village.assert_nothing_freed_too_early()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []


@pytest.mark.parametrize("pause_s", [5, 60], ids=["one-hello", "a-hello-each"])
def test_states_that_come_late_are_old_news(village, anna, cuff, pause_s):
    """Everything the bridge ever said arrives once more, oldest last: nothing of it counts any more."""
    hub = village.gateway()
    for _ in range(5):
        cuff.measure_some(1, every_s=pause_s)
        cuff.visit(hub)
        village.run(2)
    village.wire.up.append(Drop(is_envelope))
    cuff.measure_some(1, every_s=pause_s)
    cuff.visit(hub)
    village.run(2)
    hellos = sum(is_hello(one) for one in village.wire.seen_up)
    assert (hellos == 1) == (pause_s < 60)
    before = stages(hub)
    assert Counter(before.values())["sent"] + Counter(before.values())["sealed"] == 1
    replay(village, hub, before)
    hub.offline()
    hub.connect()  # a new hello, not answered yet
    replay(village, hub, before)
    village.wire.up.clear()
    village.settle()
    village.assert_delivered(anna, cuff.truth)


def replay(village, hub, before):
    for _, raw in reversed(village.wire.seen_down):
        hub.hub.state_arrived(raw)
        assert stages(hub) == before


def stages(hub):
    """What the hub believes of each envelope that it holds."""
    return {row["sequence"]: row["stage"] for row in hub.outbox.rows(1000)}


def test_a_state_that_overtook_the_envelopes(village, anna, cuff):
    """Envelopes hang on the way while states come and go: they are not sent in a circle, and arrive once."""
    hub = village.gateway()
    village.settle()
    delay = Delay(is_envelope)
    village.wire.up.append(delay)
    cuff.measure_some(12)
    cuff.visit(hub)
    village.run(300)
    assert len(delay.kept) <= 8 * 6  # a window of 8, once a hello at most
    assert hub.outbox.unaccepted() == 12
    delay.let_go()
    village.settle()
    village.assert_delivered(anna, cuff.truth)
