"""One record of the outbox cannot be read any more: the rest arrives, and what is missing has a name."""

import sqlite3
from collections import Counter

import pytest

from cloud_bridge.schema import gaps, losses
from gateway.outbox.pages import PAGE
from tests.e2e.cuff import Cuff
from tests.e2e.gateways import OUTBOX


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


@pytest.fixture
def hub(village):
    """A hub that has been online and is not now."""
    made = village.gateway()
    village.settle()
    made.offline()
    return made


def seal_each(cuff, hub, count):
    """So many readings, an envelope each, none of them sent; their sequences."""
    for _ in range(count):
        cuff.measure_some(1)
        cuff.visit(hub)
        hub.seal_now()
    last = hub.outbox.head(hub.kid).sequence
    return list(range(last - count + 1, last + 1))


def blob(hub, query, *values):
    """Some bytes as the outbox keeps them."""
    connection = sqlite3.connect(f"file:{hub.directory / OUTBOX}?mode=ro", uri=True)
    (data,) = connection.execute(query, values).fetchone()
    connection.close()
    return bytes(data)


def spoil(hub, data, *, page=False):
    """Rot on the disk, while the hub is off: one byte of these, or the whole page they stand on."""
    path = hub.directory / OUTBOX
    whole = bytearray(path.read_bytes())
    at = whole.index(data[-100:])
    if page:
        start = at // PAGE * PAGE
        whole[start : start + PAGE] = b"\xa5" * PAGE
    else:
        whole[at + 50] ^= 0xFF
    path.write_bytes(bytes(whole))


def missing(person, cuff):
    """What the cuff measured and the PGO does not hold; nothing that it holds is doubled or invented."""
    found, sent = person.found(), Counter(one for truth in cuff.truth for one in truth.observed())
    assert found <= sent
    return [truth for truth in cuff.truth if not set(truth.observed()) <= set(found)]


SIGNED = "SELECT signed FROM envelope WHERE sequence = ?"


@pytest.mark.parametrize("keeps_memory", [True, False], ids=["keeps", "forgets"])
def test_one_envelope_rots(village, anna, hub, keeps_memory):
    cuff = Cuff(village.time, keeps_memory=keeps_memory)
    village.bind(anna, cuff)
    sequences = seal_each(cuff, hub, 8)
    hub.stop()
    spoil(hub, blob(hub, SIGNED, sequences[3]))
    hub.start()
    hub.connect()
    village.settle()
    village.run(2)
    village.settle()
    (gap,) = [row for row in village.rows(gaps) if row.low <= sequences[3] <= row.high]
    assert (gap.who, gap.missing) == ("hub", 0)
    assert gap.closed_by in ("lost", "filled")  # whichever came last: the loss may be told first
    (loss,) = village.rows(losses)
    assert (loss.sequence, loss.position, loss.reason) == (sequences[3], None, "unreadable")
    village.assert_delivered(anna, [truth for truth in cuff.truth if truth is not cuff.truth[3]])
    assert village.held() == []
    cuff.visit(hub)  # a cuff that still has it is believed: lost closes the waiting, not the door
    village.settle()
    assert missing(anna, cuff) == ([] if keeps_memory else [cuff.truth[3]])


def test_the_gap_is_open_while_nobody_knows(village, anna, hub):
    """Until the hub itself has noticed, the episode has an owner and stops nothing else."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    sequences = seal_each(cuff, hub, 3)
    hub.stop()
    spoil(hub, blob(hub, SIGNED, sequences[0]))
    hub.start()
    village.wire.up.append(lambda carried: [one for one in carried if b"unreadable" not in one[1]])
    hub.connect()
    village.run(10)
    (gap,) = [row for row in village.rows(gaps) if row.closed_ms is None]
    assert (gap.low, gap.who, gap.missing > 0) == (sequences[0], "hub", True)
    village.assert_delivered(anna, cuff.truth[1:])
    village.wire.up.clear()
    village.settle()
    assert [row for row in village.rows(gaps) if row.closed_ms is None] == []


def test_one_disclosure_rots(village, anna, hub):
    """Null goes in its place; the other readings of the envelope arrive once it is named lost."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    cuff.measure_some(3)
    cuff.visit(hub)
    hub.seal_now()
    sequence = hub.outbox.head(hub.kid).sequence
    hub.stop()
    data = "SELECT d.data FROM disclosure AS d JOIN envelope AS e ON e.n = d.n / 64 WHERE e.sequence = ?"
    spoil(hub, blob(hub, data + " ORDER BY d.n LIMIT 1 OFFSET 1", sequence))
    hub.start()
    hub.connect()
    village.settle()
    village.assert_delivered(anna, [cuff.truth[0], cuff.truth[2]])
    (loss,) = village.rows(losses)
    assert (loss.sequence, loss.position, loss.reason) == (sequence, 1, "unreadable")
    assert [row for row in village.rows(gaps) if row.closed_ms is None] == []
    assert village.held() == []


@pytest.mark.parametrize("keeps_memory", [True, False], ids=["keeps", "forgets"])
@pytest.mark.parametrize("which", [0, 10, 19])
def test_a_whole_page_rots(village, anna, hub, which, keeps_memory):
    """Several records at once, and SQLite itself refuses the file: what is readable is rescued."""
    cuff = Cuff(village.time, keeps_memory=keeps_memory)
    village.bind(anna, cuff)
    sequences = seal_each(cuff, hub, 20)
    first = hub.kid
    hub.stop()
    spoil(hub, blob(hub, SIGNED, sequences[which]), page=True)
    hub.start()
    hub.connect()
    village.settle()
    village.run(5)
    village.settle()
    lost = missing(anna, cuff)
    assert lost  # the page held something
    assert len(lost) < 15
    named = {row.sequence for row in village.rows(losses) if bytes(row.kid) == first}
    assert {sequences[cuff.truth.index(truth)] for truth in lost} <= named
    assert [row for row in village.rows(gaps) if row.closed_ms is None] == []
    assert village.held() == []
    cuff.visit(hub)
    village.settle()
    assert missing(anna, cuff) == ([] if keeps_memory else lost)
