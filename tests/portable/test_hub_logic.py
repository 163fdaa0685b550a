"""The hub's logic on both interpreters: from a device's bytes to what the bridge hears, and back."""

from device_bytes import bp, date_time, le, sfloat
from small_hub import CUFF, METER, House, Key, verify

from gateway.drivers.base import Driver
from gateway.hub.device_clock import ran_back, shown
from gateway.hub.errors import OutboxError
from gateway.hub.health import Health
from gateway.hub.stored import captured_body, captured_from_body, common, holds, join, subtract
from gateway.wire.envelope import MAX_SEALED_ITEMS, external_aad
from gateway.wire.errors import WireError
from gateway.wire.items import Addition, DeviceClock, Frame, Lost, ReadingItem, Status
from gateway.wire.measurement import Moment
from gateway.wire.state import Command


def cuff_record(systolic, minute=0):
    pressures = (sfloat(systolic), sfloat(80), sfloat(93))
    return bp(pressures, time=date_time(2026, 3, 4, 7, minute), pulse=sfloat(66))


def glucose(number=1):
    """2A18 that announces its context, and the context (2A34)."""
    value = b"\x12" + le(number, 2) + date_time(2026, 3, 4, 7, number) + sfloat(100 + number, -5) + b"\x11"
    return ("2a18", value), ("2a34", b"\x02" + le(number, 2) + b"\x01")


def values(house):
    items = [item for item in house.items() if isinstance(item, ReadingItem)]
    return [item.reading.values[0].digits for item in items if item.reading]


def lost(house):
    return [(item.device, item.count, item.reason) for item in house.items() if isinstance(item, Lost)]


def test_a_record_is_captured_sealed_signed_sent_and_accepted():
    house = House()
    house.online()
    assert house.outbox.rows == {}
    house.cuff(cuff_record(120))
    assert house.outbox.rows == {}, "sealed, so that nothing waits as captured"
    house.settle()
    assert values(house) == [120]
    for sealed, _ in house.heard():
        part = sealed.part
        assert verify(house.keys[0].public_key, part.signature, part.to_be_signed(external_aad("hub-1")))
    numbers = [sealed.sequence for sealed, _ in house.heard()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert house.time.anchored == 1800000000000


def test_a_record_that_was_sealed_before_is_not_sealed_again():
    house = House()
    house.online()
    house.cuff(cuff_record(120))
    house.cuff(cuff_record(120), cuff_record(121, 1))
    house.settle()
    assert values(house) == [120, 121]
    assert house.outbox.rows == {}


def test_offline_records_share_an_envelope():
    house = House()
    house.cuff(*[cuff_record(100 + number, number) for number in range(MAX_SEALED_ITEMS)])
    assert len(house.outbox.envelopes) == 1
    house.cuff(cuff_record(99, 50))
    assert (len(house.outbox.envelopes), len(house.outbox.rows)) == (1, 1), "more may still join it"
    house.online()
    house.settle()
    assert values(house) == [100 + number for number in range(MAX_SEALED_ITEMS)] + [99]


def test_the_rest_of_a_measurement_is_added_at_a_later_visit():
    house = House()
    house.online()
    first, rest = glucose()
    house.visit("glucose-meter", METER, [first])
    house.visit("glucose-meter", METER, [first, rest])
    house.visit("glucose-meter", METER, [first, rest])
    house.settle()
    items = [item for item in house.items() if isinstance(item, (ReadingItem, Addition))]
    assert [isinstance(item, Addition) for item in items] == [False, True]
    assert items[0].reading.final is False
    assert [frame.data for frame in items[1].frames] == [first[1], rest[1]]


def test_what_cannot_be_stored_ends_the_visit_is_counted_and_told():
    house = House()
    house.online()
    house.outbox.full = True
    try:
        house.cuff(cuff_record(120))
        raise AssertionError("the device would have been answered")
    except OutboxError:
        assert not house.hub.may_visit(Driver)
    house.outbox.full = False
    house.settle()
    assert lost(house) == [(CUFF.identity, 1, "not-stored")]


def test_what_was_captured_is_replayed_after_a_cut():
    house = House()
    first, rest = glucose()
    house.visit("glucose-meter", METER, [first, rest, glucose(2)[0]], close=False)
    house.cuff(cuff_record(120))
    assert len(house.outbox.rows) == 4
    house.start()
    assert house.hub.visits.replay() == 4
    house.online()
    house.settle()
    assert values(house) == [101, 102, 120]
    assert house.outbox.rows == {}


def test_frames_of_a_driver_that_is_gone_are_replayed_undecoded():
    house = House()
    frames = [Frame("2a35", 0, cuff_record(120))]
    house.outbox.capture(
        b"visit--1", house.time.now(), house.keys[0].kid, CUFF, "no-such-driver", frames, None
    )
    house.start()
    house.hub.visits.replay()
    house.online()
    house.settle()
    items = [item for item in house.items() if isinstance(item, ReadingItem)]
    assert [(item.reading, item.error) for item in items] == [(None, "driver-unknown")]


def test_only_a_state_of_the_bridge_that_answers_the_newest_hello_counts():
    house = House()
    house.cuff(*[cuff_record(100 + number, number) for number in range(MAX_SEALED_ITEMS)])
    house.online()
    house.take()
    house.say(key=Key(9))
    house.say(nonce=bytes(8))
    house.hub.state_arrived(b"\x00")
    assert house.outbox.accepted == set()
    house.say()
    assert house.outbox.accepted == {(house.keys[0].kid, 1)}


def test_a_command_is_carried_out_once_and_told():
    house = House()
    house.online()
    house.settle()
    before = len([item for item in house.items() if isinstance(item, Status)])
    command = Command(b"command1", "status", 1900000000000)
    for _ in range(3):
        house.say(commands=[command])
    house.settle()
    told = [item for item in house.items() if isinstance(item, Status)]
    assert len(told) == before + 1
    assert told[-1].commands == [b"command1"]


def test_the_newest_devices_stand_last_in_the_status():
    house = House()
    health = Health(
        house.outbox, house.hub.sealer, house.time, ["one", "two", CUFF.identity], dict, "software"
    )
    house.online()
    visit = house.cuff()
    health.seen(visit)
    health.seen(house.visit("glucose-meter", METER, []))
    health.seen(visit)
    health.report()
    house.settle()
    told = [item for item in house.items() if isinstance(item, Status) and item.software == "software"]
    assert [device.identity for device in told[0].devices] == ["one", "two", METER.identity, CUFF.identity]


def test_a_key_that_the_bridge_knows_more_of_is_renewed_and_its_successor_asked_for():
    house = House()
    house.online()
    house.cuff(cuff_record(120))
    house.settle()
    house.say(ahead=5)
    assert len(house.keys) == 2
    house.cuff(cuff_record(121, 1))
    assert len(house.outbox.rows) == 1, "nothing is sealed until the new key is listed"
    house.say()
    house.take()
    house.settle()
    assert values(house) == [120, 121]
    last, _ = house.heard()[-1]
    assert last.kid == house.keys[1].kid
    first = [sealed for sealed, _ in house.heard() if sealed.kid == last.kid][0]  # noqa: RUF015 (MicroPython)
    assert first.contents.previous == house.held[house.keys[0].kid][-1]


def test_a_key_whose_head_is_gone_is_given_up():
    house = House()
    house.outbox.lost_heads.add(house.keys[0].kid)
    house.hub.tick()
    assert len(house.keys) == 2
    house.hub.tick()
    assert len(house.keys) == 2
    assert house.hub.key.pending


def test_a_device_clock_that_ran_back():
    def at(text, mono_s, boot=b"boot-one"):
        return shown(
            DeviceClock(text, mono_s * 1000, written=False), Moment(boot, mono_s * 1000, None, "none")
        )

    before = at("2027-12-31T23:59:00", 1000)
    assert not ran_back(before, at("2028-01-01T00:00:00", 1060))
    assert ran_back(before, at("2027-12-31T23:59:30", 1060))
    assert ran_back(before, at("2027-12-31T23:58:59", 1000, b"boot-two"))
    assert not ran_back(before, at("2027-12-31T23:59:00", 5, b"boot-two"))
    assert not ran_back(at("2028-02-28T12:00:00", 0), at("2028-03-01T12:00:00", 2 * 86400))


def test_ranges():
    assert join(((1, 2), (8, 9)), ((3, 3), (5, 6))) == ((1, 3), (5, 6), (8, 9))
    assert subtract(((1, 9),), ((2, 3), (5, 5))) == ((1, 1), (4, 4), (6, 9))
    assert common(((1, 5), (8, 9)), ((4, 8),)) == ((4, 5), (8, 8))
    assert holds(((1, 2), (5, 5)), 5)
    assert not holds(((1, 2), (5, 5)), 4)


def test_captured_frames_come_back_from_their_row():
    house = House()
    house.outbox.capture(
        b"visit--1", house.time.now(), bytes(8), CUFF, "thermometer", [Frame("2a1c", 5, b"1")], None
    )
    body = house.outbox.rows[1]
    captured = captured_from_body(1, body)
    assert captured_body(captured) == body
    assert (captured.driver, captured.frames[0].wire()) == ("thermometer", ["2a1c", 5, b"1"])
    for cut in range(len(body)):
        try:
            captured_from_body(1, body[:cut])
            raise AssertionError(cut)
        except WireError:
            continue
