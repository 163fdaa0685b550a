"""The hub with real drivers, outbox, keys and dialogue: what devices send, and what becomes of it."""

import hashlib
import sqlite3

import pytest

from gateway.drivers import DRIVERS, all_drivers, blood_pressure, heart_rate, nonin_serial, thermometer
from gateway.drivers.base import Driver, Record
from gateway.hub.health import STATUS_EVERY_MS, Health
from gateway.hub.visit import Visit
from gateway.outbox import OutboxError
from gateway.signer import Signer, SignerError
from gateway.wire import topics
from gateway.wire.items import Lost, ReadingItem, Status
from gateway.wire.measurement import Device, RecordKey, measurement_key
from gateway.wire.reading import Reading, Value
from gateway.wire.state import Command, KeyState
from tests.gateway.hub_fixtures import (
    CUFF,
    FAILED_RECORD,
    OXIMETER,
    SHORT_RECORD,
    House,
    record_bytes,
    spot_packet,
)

ACK = b"\x06"


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "hub")
    yield house
    house.outbox.close()


def _nothing_sealed(**_when) -> int:
    """The power goes before anything is sealed."""
    return 0


def readings(house) -> list[ReadingItem]:
    house.online()
    house.settle()
    return [item for item in house.line.items() if isinstance(item, ReadingItem)]


def said(house, kind) -> list:
    house.online()
    house.settle()
    return [item for item in house.line.items() if isinstance(item, kind)]


def keys(house) -> list[bytes]:
    """Measurement keys as the bridge computes them, from the frames alone."""
    found = []
    for item in readings(house):
        driver = next(kind for kind in all_drivers() if kind.name == item.driver)()
        records = [record for frame in item.frames for record in driver.received(frame)] + driver.finish()
        found += [
            measurement_key(item.device.identity, record.key, item.capture)
            for record in records
            if record.key
        ]
    return found


# --- visits ---


def test_each_indication_is_a_reading_of_its_own_frames(house):
    house.cuff(record_bytes(120, 0), record_bytes(131, 1))
    items = readings(house)
    assert [item.reading.json()["values"][0]["value"] for item in items] == ["120", "131"]
    assert [[frame.data for frame in item.frames] for item in items] == [
        [record_bytes(120, 0)],
        [record_bytes(131, 1)],
    ]
    assert [item.device.identity for item in items] == [CUFF.identity] * 2
    assert house.outbox.counts()["captured"] == 0


def test_bytes_are_captured_before_the_driver_sees_them(house, monkeypatch):
    """What a cut leaves after the driver began is the frame, durable."""
    seen = []

    def received(_self, frame):
        there = sqlite3.connect(f"file:{house.folder}/outbox.sqlite?mode=ro", uri=True)
        seen.append(there.execute("SELECT body FROM captured").fetchall())
        there.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(blood_pressure.BloodPressure, "received", received)
    with pytest.raises(KeyboardInterrupt):
        house.cuff(record_bytes())
    assert len(seen[0]) == 1
    assert record_bytes() in seen[0][0][0]
    monkeypatch.undo()
    house.restart()
    assert house.hub.visits.replay() == 1
    assert [item.reading.json()["values"][0]["value"] for item in readings(house)] == ["120"]


def test_a_record_in_which_nothing_was_measured_leaves_nothing_behind(house):
    house.cuff(FAILED_RECORD)
    assert readings(house) == []
    assert house.outbox.counts()["captured"] == 0


def test_bytes_that_make_no_sense_are_sealed_with_their_error(house):
    house.cuff(SHORT_RECORD, record_bytes())
    broken, good = readings(house)
    assert (broken.reading, broken.error, broken.frames[0].data) == (None, "frame-short", SHORT_RECORD)
    assert good.reading is not None


def test_an_answer_is_given_only_for_what_is_stored(house, monkeypatch):
    assert house.oximeter(spot_packet(74, 96)) == [ACK]
    monkeypatch.setattr(house.outbox, "capture", _disk_full)
    with pytest.raises(OutboxError, match="disk-full"):
        house.oximeter(spot_packet(75, 97))


def test_a_stream_is_stored_as_the_driver_cuts_it(house):
    packet = spot_packet(74, 96)
    answers = house.oximeter(packet[:5], packet[5:12], packet[12:])
    assert answers == [None, None, ACK]
    (item,) = readings(house)
    assert [frame.data for frame in item.frames] == [packet]
    assert item.device.identity == OXIMETER.identity


def test_a_damaged_packet_of_a_stream_takes_only_itself(house):
    packet, good = bytearray(spot_packet(74, 96)), spot_packet(80, 95, minute=16)
    packet[-2] ^= 1
    house.oximeter(bytes(packet) + good)
    errors = [item.error for item in readings(house)]
    assert errors.count(None) == 1
    assert len(errors) > 1


def test_two_devices_at_the_same_time_do_not_mix(house):
    cuff, oximeter = Visit(CUFF, blood_pressure.BloodPressure), Visit(OXIMETER, nonin_serial.NoninSerial)
    house.hub.visits.opened(cuff)
    house.hub.visits.opened(oximeter)
    packet = spot_packet(74, 96)
    house.hub.visits.received(oximeter, "serial", packet[:6])
    house.hub.visits.received(cuff, "2a35", record_bytes())
    (answer,) = house.hub.visits.received(oximeter, "serial", packet[6:])
    assert (answer.source, answer.data) == ("serial", ACK)
    house.hub.visits.closed(cuff)
    house.hub.visits.closed(oximeter)
    assert sorted((item.driver, item.device.identity) for item in readings(house)) == [
        ("blood-pressure", CUFF.identity),
        ("nonin-serial", OXIMETER.identity),
    ]


# --- records that are joined, and records that only want an answer ---


class Joining(Driver):
    """A device that tells a value, then what belongs to it; both frames make one record."""

    name = "joining"
    joins = True
    may_send = (("2a9d", b"ok", 2),)

    def __init__(self):
        self.first = None

    def received(self, frame):
        if frame.data == b"answer-me":
            self.send("2a9d", b"ok")
            return [Record([frame], None, None)]
        if frame.data == b"two-records":
            return [made([frame], 1), made([frame], 2)]
        if self.first is None:
            self.first = frame
            return []
        first, self.first = self.first, None
        return [made([first, frame], first.data[0])]

    def finish(self):
        first, self.first = self.first, None
        return [] if first is None else [made([first], first.data[0])]


def made(frames, number):
    reading = Reading("weight", "stored", [Value("body-weight", number, 0, "kg")])
    return Record(frames, reading, RecordKey("joining", number, None, bytes([number])))


@pytest.fixture
def joining(monkeypatch):
    monkeypatch.setattr("gateway.drivers._loaded", {})
    monkeypatch.setattr("gateway.drivers.DRIVERS", DRIVERS + f"joining {__name__} Joining\n")


def weights(house):
    return [item.reading.json()["values"][0]["value"] for item in readings(house)]


@pytest.mark.usefixtures("joining")
def test_frames_that_are_joined_make_one_reading(house):
    house.visit("joining", CUFF, "2a9d", (b"\x41", b"\x42"))
    (item,) = readings(house)
    assert [frame.data for frame in item.frames] == [b"\x41", b"\x42"]
    assert house.outbox.counts()["captured"] == 0


@pytest.mark.usefixtures("joining")
def test_a_join_closes_when_the_device_is_gone(house):
    house.visit("joining", CUFF, "2a9d", (b"\x41", b"\x42", b"\x43"))
    assert weights(house) == ["65", "67"]


@pytest.mark.usefixtures("joining")
def test_while_a_join_waits_its_frame_stays_captured(house):
    house.visit("joining", CUFF, "2a9d", (b"\x41",), close=False)
    assert house.outbox.counts()["captured"] == 1


@pytest.mark.usefixtures("joining")
def test_a_cut_in_the_middle_of_a_join_gives_the_same_reading_after_the_restart(house):
    house.visit("joining", CUFF, "2a9d", (b"\x41", b"\x42", b"\x43"), close=False)
    house.restart()
    house.hub.visits.replay()
    assert weights(house) == ["65", "67"]
    assert house.outbox.counts()["captured"] == 0


@pytest.mark.usefixtures("joining")
def test_a_join_that_hears_nothing_for_half_a_minute_closes_and_the_visit_goes_on(house):
    visit = Visit(CUFF, Joining)
    house.hub.visits.opened(visit)
    house.hub.visits.received(visit, "2a9d", b"\x41")
    house.later(29)
    house.hub.tick()
    assert house.outbox.counts()["captured"] == 1
    house.later(1)
    house.hub.tick()
    assert weights(house) == ["65"]
    assert house.outbox.counts()["captured"] == 0
    for data in (b"\x42", b"\x43"):
        house.hub.visits.received(visit, "2a9d", data)
    house.hub.visits.closed(visit)
    assert weights(house) == ["65", "66"]


@pytest.mark.usefixtures("joining")
def test_one_frame_can_hold_several_records(house):
    house.visit("joining", CUFF, "2a9d", (b"two-records",))
    assert weights(house) == ["1", "2"]
    assert house.outbox.counts()["captured"] == 0


@pytest.mark.usefixtures("joining")
def test_a_record_with_neither_reading_nor_error_only_answers(house):
    assert house.visit("joining", CUFF, "2a9d", (b"answer-me",)) == [b"ok"]
    assert readings(house) == []
    assert house.outbox.counts()["captured"] == 0


@pytest.mark.parametrize("cut_after", [1, 2, 3])
def test_a_scale_that_is_cut_between_two_packets_gives_one_composition_after_the_restart(house, cut_after):
    packets = ["0610f000ea070304070f0002", "0610f000ea070304070f0002", "0012f0008813"]
    house.sealer.seal = _nothing_sealed
    house.visit("weight-scale", CUFF, "2a9c", [bytes.fromhex(p) for p in packets[:cut_after]], close=False)
    house.restart()
    assert house.hub.visits.replay() == cut_after
    (item,) = readings(house)
    assert [frame.data.hex() for frame in item.frames] == (packets[1:] if cut_after == 3 else packets[:1])
    assert item.reading.final == (cut_after == 3)
    assert house.outbox.counts()["captured"] == 0


# --- what is read of the device before its first value ---


THERMOMETER = Device("bluetooth-C0FFEE000002")
EAR, WARM, WARMER = b"\x03", bytes.fromhex("006d0100ff"), bytes.fromhex("026e0100ffea070304071000")


def temperatures(house):
    return [(item.reading.json()["values"][0]["value"], item.reading.context) for item in readings(house)]


def test_what_was_read_stands_in_the_evidence_of_every_record(house):
    visit = Visit(THERMOMETER, thermometer.Thermometer)
    house.hub.visits.opened(visit)
    assert house.hub.visits.received(visit, "2a1d", EAR) == []
    assert house.outbox.counts()["captured"] == 0, "it is no record"
    for data in (WARM, WARMER, WARM[:2]):
        house.hub.visits.received(visit, "2a1c", data)
    house.hub.visits.closed(visit)
    assert [item.reading.context for item in readings(house)[:2]] == [[("location", "ear")]] * 2
    assert [[frame.data for frame in item.frames] for item in readings(house)] == [
        [EAR, WARM],
        [EAR, WARMER],
        [WARM[:2]],
    ]
    assert house.outbox.counts()["captured"] == 0


def test_what_was_read_survives_a_cut_before_the_record_was_sealed(house):
    house.sealer.seal = _nothing_sealed
    visit = Visit(THERMOMETER, thermometer.Thermometer)
    house.hub.visits.opened(visit)
    for source, data in (("2a1d", EAR), ("2a1c", WARM), ("2a1c", WARMER)):
        house.hub.visits.received(visit, source, data)
    captures = [captured.capture.wire() for captured in house.outbox.captured()]
    house.restart()
    assert house.hub.visits.replay() == 2
    assert temperatures(house) == [("36.5", [("location", "ear")]), ("36.6", [("location", "ear")])]
    assert [item.capture.wire() for item in readings(house)] == captures


def test_of_a_stream_of_notifications_only_the_chosen_ones_are_stored(house):
    visit = Visit(THERMOMETER, heart_rate.HeartRate)
    house.hub.visits.opened(visit)
    house.hub.visits.received(visit, "2a38", b"\x01")
    for rate in range(60, 130):
        house.hub.visits.received(visit, "2a37", bytes([6, rate]))
        house.later(1)
    assert [[frame.data for frame in item.frames] for item in readings(house)] == [[b"\x01", b"\x06\x77"]]
    house.hub.visits.closed(visit)
    assert [item.frames[1].data for item in readings(house)] == [b"\x06\x77", b"\x06\x81"]
    assert house.outbox.counts()["captured"] == 0


# --- known measurements ---


def test_a_device_that_tells_its_memory_again_gives_no_second_reading(house):
    for _ in range(3):
        house.cuff(record_bytes(120, 0), record_bytes(131, 1))
    assert len(readings(house)) == 2
    assert house.outbox.counts()["captured"] == 0


def test_a_repeated_indication_in_one_visit_is_one_reading(house):
    house.cuff(record_bytes(), record_bytes())
    assert len(readings(house)) == 1


def test_two_genuine_equal_readings_stay_two(house):
    house.oximeter(spot_packet(74, 96, minute=15))
    house.oximeter(spot_packet(74, 96, minute=16))
    assert len(readings(house)) == 2


# --- restarts ---


def test_a_replay_gives_the_same_measurement_keys(tmp_path):
    """The same frames, once sealed at once and once after a cut: one measurement at the bridge."""
    whole = House(tmp_path / "whole")
    whole.cuff(record_bytes(), record_bytes(131, 1))
    cut = House(tmp_path / "cut")
    cut.sealer.seal = _nothing_sealed
    cut.cuff(record_bytes(), record_bytes(131, 1), SHORT_RECORD, FAILED_RECORD)
    cut.restart()
    assert cut.hub.visits.replay() == 3, "the failed measurement was released in its visit"
    assert keys(cut) == keys(whole)
    assert len(keys(cut)) == 2
    assert cut.outbox.counts()["captured"] == 0
    whole.outbox.close()
    cut.outbox.close()


def test_a_live_reading_keeps_its_key_over_a_restart(house):
    """Neither number nor time: the capture itself is in the key, so a replay must not capture again."""
    live = bytes([0x04]) + record_bytes()[1:7] + record_bytes()[14:]
    visit = Visit(CUFF, blood_pressure.BloodPressure)
    house.hub.visits.opened(visit)
    house.sealer.seal = _nothing_sealed
    house.hub.visits.received(visit, "2a35", live)
    (captured,) = house.outbox.captured()
    house.restart()
    house.hub.visits.replay()
    (item,) = readings(house)
    assert item.capture.wire() == captured.capture.wire()


def test_a_stream_record_survives_a_cut_before_it_was_sealed(house):
    house.sealer.seal = _nothing_sealed
    house.oximeter(spot_packet(74, 96))
    house.restart()
    assert house.hub.visits.replay() == 1
    assert [item.reading.json()["values"][0]["value"] for item in readings(house)] == ["96"]


def test_frames_of_a_driver_that_is_gone_are_sealed_undecoded(house, monkeypatch):
    house.sealer.seal = _nothing_sealed
    house.cuff(record_bytes())
    monkeypatch.setattr("gateway.drivers._loaded", {})
    monkeypatch.setattr("gateway.drivers.DRIVERS", "")
    house.restart()
    house.hub.visits.replay()
    (item,) = readings(house)
    assert (item.reading, item.error) == (None, "driver-unknown")


# --- when the store fails ---


def _disk_full(*_arguments, **_named):
    raise OutboxError("disk-full")


def test_what_could_not_be_stored_ends_the_visit_and_is_counted_and_reported(house, monkeypatch):
    monkeypatch.setattr(house.outbox, "capture", _disk_full)
    for data in (record_bytes(), record_bytes(131, 1)):
        with pytest.raises(OutboxError, match="disk-full"):
            house.cuff(data)
    with pytest.raises(OutboxError, match="disk-full"):
        house.oximeter(spot_packet(74, 96))
    monkeypatch.undo()
    lost = {(item.device, item.count, item.reason) for item in said(house, Lost)}
    assert lost == {(CUFF.identity, 2, "not-stored"), (OXIMETER.identity, 1, "not-stored")}
    house.later(3600)
    house.hub.tick()
    assert len(said(house, Lost)) == 2, "said once"


def test_the_device_is_read_again_after_the_store_failed(house, monkeypatch):
    monkeypatch.setattr(house.outbox, "capture", _disk_full)
    with pytest.raises(OutboxError, match="disk-full"):
        house.cuff(record_bytes())
    monkeypatch.undo()
    house.cuff(record_bytes())
    assert len(readings(house)) == 1


def test_a_seal_that_fails_is_made_up_for(house, monkeypatch):
    monkeypatch.setattr(house.outbox, "seal", _disk_full)
    house.cuff(record_bytes())
    house.hub.tick()
    assert house.outbox.counts()["captured"] == 1
    monkeypatch.undo()
    assert len(readings(house)) == 1
    assert house.outbox.counts()["captured"] == 0


@pytest.mark.parametrize(
    "step", ["knows", "release", "to_send", "apply", "head", "counts", "make_room", "setting"]
)
def test_no_fault_of_the_store_ends_the_hub(house, monkeypatch, step):
    house.online()
    monkeypatch.setattr(house.outbox, step, _disk_full)
    house.cuff(record_bytes(), FAILED_RECORD)
    house.oximeter(spot_packet(74, 96))
    house.hub.offline()
    house.hub.online()
    house.hub.state_arrived(house.bridge.state())
    house.hub.tick()
    monkeypatch.undo()
    house.restart()
    house.hub.visits.replay()
    assert len(readings(house)) == 2


# --- space ---


@pytest.mark.parametrize(
    ("fullness", "keeps", "talks"),
    [(0.0, True, True), (0.89, True, True), (0.9, False, True), (0.99, False, True), (1.0, False, False)],
)
def test_a_filling_hub_first_leaves_devices_alone_that_keep_their_records(
    house, monkeypatch, fullness, keeps, talks
):
    monkeypatch.setattr(house.outbox, "fullness", lambda: fullness)
    assert blood_pressure.BloodPressure.keeps_records
    assert not nonin_serial.NoninSerial.keeps_records
    assert house.hub.may_visit(blood_pressure.BloodPressure) is keeps
    assert house.hub.may_visit(nonin_serial.NoninSerial) is talks


# --- status and commands ---


def test_status_at_the_start_and_once_a_day(house):
    house.online()
    house.settle()
    for _ in range(26):
        house.later(3600)
        house.hub.tick()
        house.settle()
    statuses = said(house, Status)
    assert len(statuses) == 2
    assert statuses[1].moment.mono_ms - statuses[0].moment.mono_ms >= STATUS_EVERY_MS


def test_status_tells_devices_and_counts_without_a_name(house):
    house.cuff(record_bytes())
    (status,) = said(house, Status)
    assert [device.identity for device in status.devices] == [CUFF.identity]
    assert dict(status.counts)["captured"] == 0
    assert status.free_bytes > 0


def test_status_tells_bonds_and_how_it_stands_with_the_radio(house):
    house.hub._health = house.hub.visits._health = Health(
        house.outbox, house.sealer, house.clock, ["never-came", CUFF.identity], lambda: {"radio-faults": 3}
    )
    visit = Visit(CUFF, blood_pressure.BloodPressure, bonded=False)
    house.hub.visits.opened(visit)
    visit.bonded = True  # paired in the visit
    house.later(5)
    house.hub.visits.closed(visit)
    (status,) = said(house, Status)
    assert [(one.identity, one.bonded, one.last_seen_ms) for one in status.devices] == [
        ("never-came", None, None),
        (CUFF.identity, True, house.clock.at_ms),
    ]
    assert dict(status.counts)["radio-faults"] == 3


def command(verb="status", number=1, expires_ms=1 << 41):
    return Command(number.to_bytes(8, "big"), verb, expires_ms)


def test_a_command_is_carried_out_once_and_reported(house):
    house.online()
    for _ in range(3):
        house.hear(commands=[command()])
    house.restart()
    house.online()
    for _ in range(3):
        house.hear(commands=[command()])
    statuses = said(house, Status)
    # At the first start, for the command, and at the second start.
    assert [status.commands for status in statuses] == [[], [command().command_id], [command().command_id]]


def test_a_command_that_came_too_late_or_is_none_is_not_reported_as_done(house):
    house.online()
    house.hear(commands=[command(expires_ms=house.bridge.ms - 1), command("reboot", 2)])
    assert [status.commands for status in said(house, Status)] == [[]]


def test_only_the_newest_commands_are_remembered(house):
    house.online()
    for number in range(20):
        house.hear(commands=[command(number=number)])
    newest = said(house, Status)[-1]
    assert newest.commands == [command(number=number).command_id for number in range(4, 20)]


# --- keys ---


def test_a_hub_behind_the_bridge_gives_its_key_up(house):
    """A copy of the card was put back: the bridge has more of this key than the hub."""
    house.cuff(record_bytes())
    house.online()
    house.settle()
    old, head = house.signer, house.outbox.head(house.signer.kid)
    ahead = KeyState(old.kid, head.sequence + 1, bytes(32), [], 0)
    house.hear(keys=[ahead])
    assert house.sealer.signer.kid != old.kid
    assert house.dialogue.signer is house.sealer.signer
    assert Signer.open(house.folder).kid == house.sealer.signer.kid
    assert house.bridge.heard_key() == house.sealer.signer.kid

    before = len(house.line.envelopes())
    house.later(STATUS_EVERY_MS / 1000)
    house.cuff(record_bytes(131, 1))
    house.hub.tick()
    assert house.outbox.head(house.sealer.signer.kid) is None, (
        "nothing is sealed with a key that is not listed"
    )
    assert len(house.line.envelopes()) == before

    listed = KeyState(house.sealer.signer.kid, 0, None, [], 0)
    house.hear(keys=[ahead, listed])
    fresh = [one for one in house.line.envelopes() if one.kid == house.sealer.signer.kid]
    assert min(one.sequence for one in fresh) == 1
    first = next(one for one in fresh if one.sequence == 1)
    # Which envelope was the old key's last this hub cannot know any more, and says so.
    assert (first.contents.previous, first.contents.reason) == (None, "head-unreadable")
    house.bridge.take()
    kid = house.sealer.signer.kid
    for _ in range(5):
        house.hear(keys=[ahead, *[key for key in house.bridge.key_states() if key.kid == kid]])
    assert house.sealer.signer.kid == kid, "given up once"
    assert {
        item.reading.json()["values"][0]["value"]
        for item in house.line.items()
        if isinstance(item, ReadingItem)
    } == {
        "120",
        "131",
    }


def test_a_key_that_waits_for_the_bridge_still_waits_after_a_restart(house):
    house.cuff(record_bytes())
    house.online()
    house.settle()
    house.hear(keys=[KeyState(house.signer.kid, 99, bytes(32), [], 0)])
    waiting = house.sealer.signer.kid
    house.restart()
    house.hub.visits.replay()
    house.cuff(record_bytes(131, 1))
    assert house.sealer.signer.kid == waiting
    assert house.outbox.head(waiting) is None
    house.hub.online()
    house.hear(keys=[])
    house.bridge.heard_key()
    house.hear()
    assert house.outbox.head(waiting).sequence >= 1


def test_a_hub_that_cannot_read_its_head_gives_its_key_up_and_asks_at_once(house, monkeypatch):
    house.online()
    house.settle()
    old, real = house.signer.kid, house.outbox.head

    def head(kid):
        if kid == old:
            raise OutboxError("head-unreadable")
        return real(kid)

    monkeypatch.setattr(house.outbox, "head", head)
    house.cuff(record_bytes())
    assert house.sealer.signer.kid != old
    hellos = house.line.hellos()
    assert hellos[-1].head is None, "a fresh hello, of the new key"
    house.hear()
    house.bridge.heard_key()
    house.hear()
    assert house.outbox.head(house.sealer.signer.kid).sequence >= 1
    assert len({one.kid for one in house.line.envelopes()}) == 2


def test_a_hub_that_cannot_read_its_head_when_it_connects_comes_back(house, monkeypatch):
    house.online()
    house.settle()
    old, real = house.signer.kid, house.outbox.head
    house.hub.offline()

    def head(kid):
        if kid == old:
            raise OutboxError("head-unreadable")
        return real(kid)

    monkeypatch.setattr(house.outbox, "head", head)
    said = len(house.line.hellos())
    house.hub.online()
    assert len(house.line.hellos()) == said + 1


def test_a_key_that_cannot_be_written_does_not_end_the_hub(house):
    house.cuff(record_bytes())
    house.online()
    house.settle()

    def renew():
        raise SignerError("key-not-written")

    house.hub.key.renew = renew
    house.hear(keys=[KeyState(house.signer.kid, 99, bytes(32), [], 0)])
    house.cuff(record_bytes(131, 1))
    house.hub.tick()
    assert len(house.line.envelopes()) == 2, "nothing more is sealed with the old key"
    assert house.outbox.counts()["captured"] == 1
    house.hub.key.renew = lambda: Signer.renew(house.folder)
    house.hear()
    assert house.sealer.signer.kid != house.signer.kid
    house.hear()
    house.bridge.heard_key()
    house.hear()
    assert house.line.envelopes()[-1].kid == house.sealer.signer.kid


def test_a_bridge_that_does_not_know_the_key_is_asked_to_take_it(house):
    house.hub.online()
    house.hear(keys=[])
    assert house.bridge.heard_key() == house.signer.kid
    house.hear()
    assert house.line.envelopes(), "the status, as soon as the key is listed"
    house.settle()
    assert house.line.of(topics.KEY) == house.line.of(topics.KEY)[:1], "asked once"


# --- the bridge lost something ---


def test_a_bridge_that_lost_accepted_envelopes_gets_them_again(house):
    house.cuff(*[record_bytes(120 + n, n) for n in range(5)])
    before = {hashlib.sha256(item.frames[0].data).digest() for item in readings(house)}
    house.bridge.held[house.signer.kid].clear()
    house.line.sent.clear()
    house.hub.online()
    house.hear()
    house.settle()
    after = [item for item in house.line.items() if isinstance(item, ReadingItem)]
    assert {hashlib.sha256(item.frames[0].data).digest() for item in after} == before


def test_bridge_time_becomes_the_hubs_time(house):
    assert house.clock.now().wall_ms is None
    house.online()
    assert house.clock.now().wall_ms == house.bridge.ms
    assert house.clock.now().quality == "bridge"
    house.later(2)
    assert house.clock.now().wall_ms == house.bridge.ms + 2000


def test_a_state_that_came_late_is_no_clock(house):
    """Held up on its way for an hour: its bridge time would set the hub an hour back."""
    house.hub.online()
    house.later(3600)
    house.know()
    house.hub.state_arrived(house.bridge.state())
    assert house.clock.now().wall_ms is None
    house.hub.online()
    house.later(29)
    house.hub.state_arrived(house.bridge.state())
    assert house.clock.now().wall_ms == house.bridge.ms
    late = house.bridge.state()
    house.later(3600)
    house.hub.state_arrived(late)
    assert house.clock.now().wall_ms == house.bridge.ms + 3600_000, "the earlier one stands"


def test_the_bridge_is_asked_for_the_time_once_a_day(house):
    house.online()
    house.settle()
    said = len(house.line.hellos())
    house.later(23 * 3600)
    house.hub.tick()
    assert len(house.line.hellos()) == said
    house.later(3600)
    house.hub.tick()
    assert len(house.line.hellos()) == said + 1
