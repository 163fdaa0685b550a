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

    house.hub._renew_key = cut
    with pytest.raises(KeyboardInterrupt):
        house.hear(keys=ahead(house))
    house.restart()
    assert house.signer.kid == old
    house.hub.replay()
    house.hub.tick()
    assert_speaks_again(house, old)


def test_a_renewal_that_failed_is_made_up_for_without_a_word_of_the_bridge(house):
    old = house.signer.kid

    def fails():
        raise SignerError("key-not-written")

    house.hub._renew_key = fails
    house.hear(keys=ahead(house))
    house.hub.offline()
    assert house.sealer.signer.kid == old
    house.hub._renew_key = lambda: Signer.renew(house.folder)
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

    house.hub._renew_key = fails
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
