"""Something that nobody can take: it goes out of the way, with an owner, and everything else arrives."""

from secrets import token_bytes

import pytest

from cloud_bridge.ledger import again, measurements, quarantine
from cloud_bridge.ledger.quarantine import MAX_CRASHES
from cloud_bridge.schema import gaps
from gateway.hub.sealer import Pending
from gateway.outbox import WHOLE
from gateway.wire import cose
from gateway.wire.cbor import encode
from gateway.wire.envelope import CONTENT_TYPE, external_aad, message, open_message
from gateway.wire.items import ReadingItem
from tests.e2e.cuff import Cuff
from tests.e2e.village import BridgeDied
from tests.e2e.wire import Alter, sequence_is

POISONED = (222, 111, 148)

UNREADABLE = {
    "no-cbor": b"\xff\xfe\xfd",
    "unknown-kind": encode([b"s" * 16, [99, "something"]]),
    "no-salt": encode([b"", [5, None, None, 1, "word"]]),
    "deep": b"\x81" * 5000,
    "reading-of-nothing": encode([b"s" * 16, [0, None, None, None, None, None, None, None, None]]),
}


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


@pytest.fixture
def cuff(village, anna):
    made = Cuff(village.time, keeps_memory=False)
    village.bind(anna, made)
    return made


def in_quarantine(village):
    """(code, who must act) of all that is in the bridge's quarantine."""
    with village.bridge.database.reading() as connection:
        return [(kept.code, kept.who) for kept in quarantine.listed(connection)]


@pytest.mark.parametrize("poison", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_item_that_cannot_be_read(village, anna, cuff, poison):
    """Signed by the hub, between two good readings in one envelope: they arrive, it is kept with an owner."""
    hub = village.gateway()
    village.settle()
    hub.offline()
    cuff.measure_some(2)
    cuff.visit(hub)
    hub.hub.sealer._pending.insert(1, Pending(set(), b"", WHOLE, poison))
    hub.seal_now()
    hub.connect()
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    ((code, who),) = in_quarantine(village)
    assert code in {"disclosure-cbor", "item-unknown", "wire-shape", "wire-cbor"}
    assert who
    assert hub.outbox.counts()["quarantined"] == 0  # the envelope itself was taken
    cuff.measure_some(1)
    cuff.visit(hub)
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert hub.outbox.counts()["accepted"] > 0  # not settled: somebody may still need its bytes


def test_an_envelope_that_is_too_large(village, anna, cuff):
    """Refused for good: the hub puts it into its own quarantine, and goes on with the others."""
    hub = village.gateway()
    village.settle()
    hub.hub.sealer._envelope([token_bytes(30_000), token_bytes(30_000)], [], 0, [])
    cuff.measure_some(3)
    cuff.visit(hub)
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert hub.outbox.counts()["quarantined"] == 1
    assert in_quarantine(village) == [("envelope-size", "operator")]
    sent = len(village.wire.seen_up)
    village.run(130)
    assert all(len(payload) < 48_000 for _, payload in village.wire.seen_up[sent:])
    (gap,) = [row for row in village.rows(gaps) if row.closed_ms is None]
    assert (gap.missing, gap.who) == (1, "hub")


def signed_nonsense(hub):
    """Changes an envelope on its way into one that this hub really signed, and that says nothing."""

    def change(raw):
        sealed, disclosures = open_message(raw)
        payload = encode([sealed.sequence, "nonsense"])
        signer, protected = hub.hub.sealer.signer, cose.protected_header(CONTENT_TYPE, sealed.kid)
        covered = cose.sig_structure(protected, external_aad(hub.name), payload)
        return message(cose.pack(protected, payload, signer.sign(covered)), disclosures)

    return change


def test_a_signed_nonsense_in_the_place_of_an_envelope(village, anna, cuff):
    """Refused for good under its own hash: the hub, which holds other bytes, sends those again."""
    hub = village.gateway()
    village.settle()
    village.wire.up.append(Alter(sequence_is(3), signed_nonsense(hub), times=1))
    cuff.measure_some(4)
    cuff.visit(hub)
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert ("payload-invalid", "operator") in in_quarantine(village)
    assert hub.outbox.counts()["quarantined"] == 0
    assert [row for row in village.rows(gaps) if row.closed_ms is None] == []


@pytest.mark.parametrize("fault", [BridgeDied, RecursionError], ids=["kills", "raises"])
def test_an_envelope_that_crashes_the_bridge(village, anna, cuff, fault):
    """It gets a few tries of its own, then it is refused unread; taken after all once the bridge is mended."""
    crashes = []

    def crash(connection, taken):
        measurements.take_item(connection, taken)
        item = taken.item
        if isinstance(item, ReadingItem) and item.reading.values[0].digits == POISONED[0]:
            crashes.append(taken.sequence)
            raise fault

    village.fault = crash
    village.restart_bridge()
    hub = village.gateway()
    cuff.measure_some(3)
    poisoned = cuff.measure(POISONED)
    village.time.pass_s(60)
    cuff.measure_some(3)
    cuff.visit(hub)
    village.settle()
    assert 1 < len(crashes) <= MAX_CRASHES + 1
    village.assert_delivered(anna, [truth for truth in cuff.truth if truth is not poisoned])
    assert in_quarantine(village) == [("envelope-crashes", "operator")]
    assert hub.outbox.counts()["quarantined"] == 1
    times = len(crashes)
    cuff.measure_some(3)
    cuff.visit(hub)
    hub.restart()
    village.settle()
    assert len(crashes) == times
    village.assert_delivered(anna, [truth for truth in cuff.truth if truth is not poisoned])
    village.fault = None
    village.restart_bridge()
    with village.bridge.database.reading() as connection:
        (kept,) = quarantine.listed(connection)
    again.replay(village.bridge.database, village.bridge._ledger, kept.id, village.time.now_ms)
    hub.offline()
    hub.connect()
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert in_quarantine(village) == []
    assert hub.outbox.counts()["quarantined"] == 0
