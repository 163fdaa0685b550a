"""Which damage is kept: between good frames, not too much, and all that there is when nothing was understood."""

from gateway.drivers.base import Record
from gateway.drivers.shared.damage import Damage
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame


def broken(number=0):
    return Record([Frame("serial", 0, bytes([number]))], None, None, DecodeError("frame-garbled"))


def test_nothing_was_understood():
    damage, first = Damage(), broken(1)
    assert damage.stretch(first) == []
    assert damage.stretch(broken(2)) == []
    assert damage.ended([broken(3)]) == [first]
    assert damage.ended([]) == []
    last = broken(4)
    assert damage.ended([last]) == [last]


def test_how_a_cable_begins_and_ends_is_no_damage():
    damage = Damage()
    damage.stretch(broken())
    damage.understood()
    assert damage.ended([broken()]) == []


def test_at_most_eight_between_two_readings():
    damage = Damage()
    damage.understood()
    assert [len(damage.stretch(broken())) for _ in range(10)] == [1] * 8 + [0] * 2
    damage.read()
    assert len(damage.stretch(broken())) == 1
