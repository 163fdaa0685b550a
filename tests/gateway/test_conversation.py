"""A hub and a device that is asked: what may be sent, what is kept between visits, and when."""

import secrets

import pytest

from gateway.drivers import DRIVERS
from gateway.drivers.base import Driver, Record
from gateway.hub.bookkeeping import MARK, SECRET, told_identity
from gateway.hub.visit import Visit
from gateway.outbox import OutboxError
from gateway.wire.items import ReadingItem
from gateway.wire.measurement import Device, RecordKey
from gateway.wire.reading import Reading, Value
from tests.gateway.hub_fixtures import House

PORT = Device("port-0102030405060708")


class Asked(Driver):
    """A meter on a cable: tells its serial and clock, then values until it says that this was all."""

    name = "asked"
    serial = (9600, 8, "N", 1)
    asks = True
    cuts = True
    unique_serial = True
    keeps_secret = True
    may_send = (("serial", b"?", 1), ("serial", b"next", 4), ("serial", b"since", 6))

    def start(self, known):
        self.known = known
        self.patience_s = 2.0
        self.send("serial", b"since" + known.mark if known.mark else b"?")

    def received(self, frame):
        word, _, said = frame.data.partition(b" ")
        if word == b"serial":
            self.about = {"serial": said.decode(), "model": "ME\x00TER"}
        elif word == b"clock":
            self.device_clock = said.decode()
        elif word == b"all":
            self.patience_s, self.mark = None, said
        elif word == b"value":
            self.send("serial", b"next")
            number = int(said)
            reading = Reading("weight", "stored", [Value("body-weight", number, 0, "kg")])
            return [Record([frame], reading, RecordKey("asked", number, None, said))]
        return []

    def silent(self):
        self.send("serial", b"?")
        return []


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    monkeypatch.setattr("gateway.drivers._loaded", {})
    monkeypatch.setattr("gateway.drivers.DRIVERS", DRIVERS + f"asked {__name__} Asked\n")


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "hub")
    yield made
    made.outbox.close()


def readings(house: House) -> list[ReadingItem]:
    house.online()
    house.settle()
    return [item for item in house.line.items() if isinstance(item, ReadingItem)]


def begin(house: House) -> tuple[Visit, list[bytes]]:
    visit = Visit(PORT, Asked, number=secrets.token_bytes(8))
    house.hub.visits.opened(visit)
    return visit, [frame.data for frame in house.hub.visits.begun(visit)]


def say(house: House, visit: Visit, *words: bytes) -> list[bytes]:
    sends = [frame for word in words for frame in house.hub.visits.received(visit, "serial", word)]
    assert all(frame.source == "serial" for frame in sends)
    return [frame.data for frame in sends]


def test_the_hub_asks_first_and_answers_what_is_durable(house):
    visit, first = begin(house)
    assert (first, visit.patience_s, visit.understood) == ([b"?"], 2.0, False)
    assert say(house, visit, b"value 70", b"value 71") == [b"next", b"next"]
    assert visit.understood
    assert say(house, visit, b"all 7") == []
    assert visit.patience_s is None
    house.hub.visits.closed(visit)
    assert [item.reading.record or item.reading.values[0].digits for item in readings(house)] == [70, 71]


def test_the_next_visit_knows_how_far_this_one_came(house):
    visit, _ = begin(house)
    say(house, visit, b"value 70", b"all 7")
    house.hub.visits.closed(visit)
    house.restart()
    assert begin(house)[1] == [b"since7"]


def test_a_transfer_that_broke_off_is_asked_for_again(house):
    visit, _ = begin(house)
    say(house, visit, b"value 70")
    house.hub.visits.closed(visit)
    assert begin(house)[1] == [b"?"]


def test_nothing_is_said_and_nothing_marked_for_what_could_not_be_stored(house, monkeypatch):
    visit, _ = begin(house)

    def full(*_):
        raise OutboxError("outbox-full")

    monkeypatch.setattr(house.outbox, "capture", full)
    with pytest.raises(OutboxError):
        say(house, visit, b"value 70")
    assert house.outbox.setting(MARK + PORT.identity) is None


def test_a_bridge_that_lost_readings_makes_the_hub_read_all_memories_again(tmp_path):
    """What it had accepted was freed for want of space: only the device still has it."""
    house = House(tmp_path / "small", 1 << 20)
    house.online()
    visit, _ = begin(house)
    for number in range(0, 500, 20):
        say(house, visit, *(b"value %03000d" % (number + one) for one in range(20)))
        house.settle()
    say(house, visit, b"all 7")
    house.hub.visits.closed(visit)
    assert begin(house)[1] == [b"since7"]
    house.bridge.held[house.signer.kid].clear()
    house.hear()
    assert begin(house)[1] == [b"?"]
    house.outbox.close()


def test_what_was_sealed_before_costs_no_writing(house, monkeypatch):
    for _ in range(2):
        visit, _ = begin(house)
        say(house, visit, b"value 70", b"value 71")
        house.hub.visits.closed(visit)
        monkeypatch.setattr(house.outbox, "capture", None)
    monkeypatch.undo()
    visit, _ = begin(house)
    say(house, visit, b"value 70", b"value 72")
    house.hub.visits.closed(visit)
    assert [item.reading.values[0].digits for item in readings(house)] == [70, 71, 72]


def test_a_silent_device_is_asked_again(house):
    visit, _ = begin(house)
    assert [frame.data for frame in house.hub.visits.silent(visit)] == [b"?"]


def test_a_meter_on_a_cable_is_known_by_its_own_serial(house):
    """Another meter on the same cable is another device; readings before it said so are of the port."""
    visit, _ = begin(house)
    say(house, visit, b"value 70", b"serial A1 B", b"clock 2026-11-22T10:00:00", b"value 71")
    house.hub.visits.closed(visit)
    first, second = readings(house)
    assert first.device.identity == PORT.identity
    assert (second.device.identity, second.device.serial) == (told_identity("asked", "A1 B"), "A1 B")
    assert second.device.model == "METER"
    assert (first.clock, second.clock.device_time) == (None, "2026-11-22T10:00:00")


def test_a_serial_on_the_radio_changes_no_identity(house):
    """There the bond says who it is."""
    visit = Visit(Device("bluetooth-1"), Asked, bonded=True, number=secrets.token_bytes(8))
    house.hub.visits.opened(visit)
    say(house, visit, b"serial A1", b"value 71")
    assert [item.device.identity for item in readings(house)] == ["bluetooth-1"]


def test_a_secret_is_made_once_for_each_device(house):
    begin(house)
    made = house.outbox.setting(SECRET + PORT.identity)
    assert len(set(made)) > 1
    begin(house)
    assert house.outbox.setting(SECRET + PORT.identity) == made
    other = Visit(Device("port-other"), Asked, number=secrets.token_bytes(8))
    house.hub.visits.opened(other)
    house.hub.visits.begun(other)
    assert house.outbox.setting(SECRET + "port-other") not in (None, made)


def test_a_cable_that_nobody_answers_on_was_no_visit(house, capsys):
    visit, _ = begin(house)
    house.hub.visits.closed(visit)
    assert "visit-opened" not in capsys.readouterr().out
    assert readings(house) == []
