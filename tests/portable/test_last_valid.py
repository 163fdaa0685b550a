"""The rule of a stream: the last valid value before the end, and of every 60 s; never more evidence than useful."""

from gateway.drivers.base import Record
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.items import Frame


def value(number):
    return Record([Frame("serial", 0, bytes([number]))], None, None)


def numbers(records):
    return [record.frames[0].data[0] for record in records]


def test_the_last_value_before_the_end():
    rule = LastValid()
    assert rule.ended() == []
    for number in (1, 2, 3):
        assert rule.valid(value(number), number * 1000) == []
    assert numbers(rule.ended()) == [3]
    assert rule.ended() == []


def test_the_last_value_of_every_sixty_seconds():
    rule = LastValid()
    due = [(second, numbers(rule.valid(value(second % 256), 7000 + second * 1000))) for second in range(200)]
    assert [row for row in due if row[1]] == [(60, [59]), (120, [119]), (180, [179])]
    assert numbers(rule.ended()) == [199]


def test_time_goes_on_without_values():
    rule = LastValid()
    assert rule.passed(70_000) == []
    rule.valid(value(1), 70_000)
    assert rule.passed(129_999) == []
    assert numbers(rule.passed(130_000)) == [1]
    assert rule.passed(300_000) == []
    rule.valid(value(2), 300_000)
    assert rule.passed(310_000) == []  # the 60 s begin with a value
    assert numbers(rule.ended()) == [2]


def test_damage_is_kept_as_evidence_up_to_eight_between_two_readings():
    rule = LastValid()
    broken = value(0)
    assert [len(rule.damaged(broken)) for _ in range(10)] == [1] * 8 + [0] * 2
    rule.ended()
    assert rule.damaged(broken) == []
    rule.valid(value(1), 0)
    rule.ended()
    assert rule.damaged(broken) == [broken]
