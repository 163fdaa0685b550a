"""What a device told and the store did not take: counted over restarts, and no device is drained into it."""

import asyncio

import pytest

from gateway.drivers import blood_pressure, nonin_serial
from gateway.outbox import OutboxError
from gateway.outbox.outbox import Outbox
from gateway.radio.base import BluetoothDevice, HubTime, Limits, RadioError
from gateway.radio.conduct import RadioVisit
from gateway.wire.items import Lost, ReadingItem
from tests.gateway.hub_fixtures import CUFF, House, record_bytes, spot_packet


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "hub")
    yield house
    house.outbox.close()


def said(house, kind):
    house.online()
    house.settle()
    return [item for item in house.line.items() if isinstance(item, kind)]


def _disk_full(*_arguments, **_named):
    raise OutboxError("disk-full")


class EndlessMemory:
    """A connected meter that indicates its memory as fast as it is confirmed, until the hub hangs up."""

    here = True
    bonded = True

    def __init__(self):
        self.on_gone = lambda: None
        self.told = 0

    def has(self, characteristic):
        return characteristic == "2a35"

    async def subscribe(self, _characteristic, heard):
        self.task = asyncio.ensure_future(self._tell(heard))

    async def unsubscribe(self, _characteristic):
        pass

    async def _tell(self, heard):
        for minute in range(50):
            heard(record_bytes(120, minute))
            self.told += 1
            await asyncio.sleep(0)


async def test_the_radio_hangs_up_at_the_first_frame_that_is_not_stored(house, monkeypatch):
    """Its stack confirms each indication, so a meter would forget its whole memory."""
    monkeypatch.setattr(house.outbox, "capture", _disk_full)
    meter = EndlessMemory()
    device = BluetoothDevice(CUFF.address, blood_pressure.BloodPressure, CUFF.identity)
    time = HubTime(lambda: None, house.clock.mono_ms)
    visit = RadioVisit(meter, device, house.hub.visits, Limits(), time, lambda _: False)
    with pytest.raises(RadioError, match="frame-not-stored"):
        await visit.run()
    meter.task.cancel()
    assert meter.told < 5
    monkeypatch.undo()
    (lost,) = said(house, Lost)
    assert (lost.device, lost.count, lost.reason) == (CUFF.identity, meter.told, "not-stored")


def test_the_count_survives_a_restart(house, monkeypatch):
    monkeypatch.setattr(house.outbox, "capture", _disk_full)
    with pytest.raises(OutboxError):
        house.cuff(record_bytes())
    monkeypatch.undo()
    house.restart()
    assert [(item.device, item.count) for item in said(house, Lost)] == [(CUFF.identity, 1)]
    house.restart()
    assert len(said(house, Lost)) == 1, "said once"


def test_while_nothing_at_all_can_be_written_no_device_is_visited(house, monkeypatch):
    house.online()
    house.settle()
    monkeypatch.setattr(house.outbox._store, "run", _disk_full)
    with pytest.raises(OutboxError):
        house.cuff(record_bytes())
    house.hub.tick()
    assert not house.hub.may_visit(blood_pressure.BloodPressure)
    assert not house.hub.may_visit(nonin_serial.NoninSerial)
    monkeypatch.undo()
    house.hub.tick()
    assert house.hub.may_visit(blood_pressure.BloodPressure)
    assert [item.count for item in said(house, Lost)] == [1]


def test_what_the_stream_still_held_is_counted_when_the_cable_goes(house, monkeypatch):
    monkeypatch.setattr(house.outbox, "capture", _disk_full)
    house.oximeter(spot_packet(74, 96)[:9])
    monkeypatch.undo()
    assert sum(item.count for item in said(house, Lost)) == 1


def test_one_record_that_is_not_stored_does_not_take_the_next_of_its_stream(house, monkeypatch):
    store, tries = Outbox.capture, []

    def once_full(outbox, *arguments):
        tries.append(1)
        if len(tries) == 1:
            raise OutboxError("disk-full")
        return store(outbox, *arguments)

    monkeypatch.setattr(Outbox, "capture", once_full)
    with pytest.raises(OutboxError, match="disk-full"):
        house.oximeter(spot_packet(74, 96) + spot_packet(75, 97, minute=16))
    values = [item.reading.json()["values"][0]["value"] for item in said(house, ReadingItem)]
    assert values == ["97"]
    assert [item.count for item in said(house, Lost)] == [1]


def test_a_damaged_capture_is_kept_aside_and_told(house):
    house.sealer.seal = lambda **_: 0
    house.cuff(record_bytes(120, 0), record_bytes(131, 1))
    store = house.outbox._store.connection
    (body,) = store.execute("SELECT body FROM captured WHERE n = 1").fetchone()
    rotten = bytes([body[0]]) + b"\0" + body[2:]
    store.execute("UPDATE captured SET body = ? WHERE n = 1", (rotten,))
    house.restart()
    house.hub.visits.replay()
    (aside,) = house.folder.glob("*.damaged-captures")
    assert rotten.hex() in aside.read_text()
    assert aside.stat().st_mode & 0o777 == 0o600
    house.restart()
    house.hub.visits.replay()
    assert [item.reading.json()["values"][0]["value"] for item in said(house, ReadingItem)] == ["131"]
    assert [(item.device, item.count, item.reason) for item in said(house, Lost)] == [
        ("unknown", 1, "unreadable")
    ]
    assert house.outbox.counts()["captured"] == 0


def test_a_damaged_capture_that_cannot_be_moved_now_is_moved_at_the_next_start(house, monkeypatch):
    house.sealer.seal = lambda **_: 0
    house.cuff(record_bytes(120, 0))
    house.outbox._store.connection.execute("UPDATE captured SET body = x'00'")
    house.restart()
    monkeypatch.setattr(house.outbox._store, "run", _disk_full)
    house.hub.visits.replay()
    monkeypatch.undo()
    house.restart()
    house.hub.visits.replay()
    assert [item.count for item in said(house, Lost)] == [1]
