"""A key that was given up: whatever cuts or fails its renewal, the hub gets a new one and speaks again."""

import pytest

from gateway.outbox import OutboxError
from gateway.signer import Signer, SignerError
from gateway.wire.items import ReadingItem
from gateway.wire.state import KeyState
from tests.gateway.hub_fixtures import House, record_bytes


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "hub")
    house.cuff(record_bytes())
    house.online()
    house.settle()
    yield house
    house.outbox.close()


def ahead(house) -> list[KeyState]:
    """The bridge has more of this key than the hub: a copy of its card was put back."""
    head = house.outbox.head(house.signer.kid)
    return [KeyState(house.signer.kid, head.sequence + 1, bytes(32), [], 0)]


def assert_speaks_again(house, old) -> None:
    assert house.sealer.signer.kid != old
    assert Signer.open(house.folder).kid == house.sealer.signer.kid
    house.hub.online()
    house.hear()
    assert house.bridge.heard_key() == house.sealer.signer.kid
    house.hear()
    house.cuff(record_bytes(131, 1))
    house.settle()
    values = [
        item.reading.json()["values"][0]["value"]
        for item in house.line.items()
        if isinstance(item, ReadingItem)
    ]
    assert sorted(values) == ["120", "131"]


def test_a_power_cut_between_giving_up_and_the_new_key(house):
    old = house.signer.kid

    def cut():
        raise KeyboardInterrupt

    house.hub.key.renew = cut
    with pytest.raises(KeyboardInterrupt):
        house.hear(keys=ahead(house))
    house.restart()
    assert house.signer.kid == old
    house.hub.visits.replay()
    house.hub.tick()
    assert_speaks_again(house, old)


def test_a_renewal_that_failed_is_made_up_for_without_a_word_of_the_bridge(house):
    old = house.signer.kid

    def fails():
        raise SignerError("key-not-written")

    house.hub.key.renew = fails
    house.hear(keys=ahead(house))
    house.hub.offline()
    assert house.sealer.signer.kid == old
    house.hub.key.renew = lambda: Signer.renew(house.folder)
    house.hub.tick()
    assert_speaks_again(house, old)


def test_a_cut_before_even_the_giving_up_was_written(house, monkeypatch):
    """The outbox has marked the key, the hub has not: nothing to seal, and still it must not stay so."""
    old = house.signer.kid

    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(house.outbox, "set_setting", cut)
    with pytest.raises(KeyboardInterrupt):
        house.hear(keys=ahead(house))
    house.restart()
    house.hub.tick()
    assert_speaks_again(house, old)


def test_the_burnt_key_listed_is_no_leave_to_seal_with_it(house):
    def fails():
        raise SignerError("key-not-written")

    house.hub.key.renew = fails
    house.hear(keys=ahead(house))
    house.hear()
    assert house.outbox.setting("key-pending") == house.signer.kid


def test_a_hub_that_cannot_read_its_head_still_says_hello(house, monkeypatch):
    def head(_):
        raise OutboxError("head-unreadable")

    monkeypatch.setattr(house.outbox, "head", head)
    said = len(house.line.hellos())
    house.dialogue.say_hello()
    assert len(house.line.hellos()) == said + 1
    assert house.line.hellos()[-1].head is None


# --- keys of before ---


def renewed(house, minute: int) -> bytes:
    """The key is given up and its successor taken; a reading that the old one sealed never got away."""
    house.hub.offline()
    house.cuff(record_bytes(140 + minute, minute))
    house.sealer.seal(online=True)
    old = house.sealer.signer.kid
    house.hub.key.give_up("bridge-ahead")
    house.bridge.known.add(house.sealer.signer.kid)
    house.outbox.set_setting("key-pending", b"")
    return old


def test_a_bridge_restored_from_before_two_renewals_gets_the_middle_key_and_its_envelopes(house):
    first, middle = renewed(house, 10), renewed(house, 11)
    live = house.sealer.signer.kid
    house.cuff(record_bytes(150, 12))
    house.bridge.known = {first}
    house.hub.online()
    house.hear()
    assert house.bridge.heard_keys() == [middle, live], "the live one last: it is the one that stays live"
    house.hear()
    house.settle()
    assert {first, middle, live} <= {one.kid for one in house.line.envelopes()}


def test_the_live_key_is_not_asked_for_before_the_keys_that_it_retires(house):
    first = renewed(house, 10)
    house.hub.online()
    house.bridge.known = set()
    house.line.room = 1
    house.hear()
    house.line.room = None
    assert house.bridge.heard_keys() == [first]
    house.bridge.known = set()
    house.hear()
    assert house.bridge.heard_keys() == [first, first, house.sealer.signer.kid]


def test_envelopes_of_an_unknown_key_do_not_fill_the_window(house):
    house.hub.offline()
    for minute in range(10):
        house.cuff(record_bytes(140, 20 + minute))
        house.sealer.seal(online=True)
    unknown = renewed(house, 40)
    live = house.sealer.signer.kid
    house.cuff(record_bytes(150, 41))
    house.sealer.seal(online=True)
    house.bridge.known = {live}
    house.hub.online()
    house.hear()
    for _ in range(3):
        house.bridge.take()
        house.hear()
    sealed = house.outbox.head(live).sequence
    assert sorted(house.bridge.held[live]) == list(range(1, sealed + 1))
    assert unknown not in house.bridge.held or house.outbox.waiting_keys() == [unknown]


def test_a_key_whose_envelopes_are_all_gone_is_not_held_of(house):
    kid = house.signer.kid
    assert house.outbox.holds_of(kid)
    assert not house.outbox.holds_of(b"strange!")
