"""From records to envelopes: what is sealed when, with which links, and what is not sealed twice."""

import hashlib

import pytest

from gateway.drivers.base import Record
from gateway.hub.sealer import Sealer
from gateway.outbox import Captured, OutboxError
from gateway.signer import Signer, verify
from gateway.wire import cose
from gateway.wire.envelope import (
    MAX_MESSAGE,
    MAX_SEALED_BYTES,
    Contents,
    check_complete,
    digest,
    external_aad,
    open_disclosure,
    open_message,
)
from gateway.wire.errors import DecodeError
from gateway.wire.items import (
    DeviceStatus,
    Frame,
    Lost,
    NextKey,
    Part,
    ReadingItem,
    Statement,
    Status,
    next_key_proof,
)
from gateway.wire.measurement import Device, Moment, RecordKey, measurement_key
from gateway.wire.records import frames_of
from tests.gateway.outbox_fixtures import BOOT, HUB, Bench, moment, reading


class Sealing:
    """A bench with a sealer, and what it has sealed."""

    def __init__(self, folder) -> None:
        self.bench = Bench(folder)
        self.outbox = self.bench.outbox
        self.ms = 5000
        self.start()

    def now(self) -> Moment:
        self.ms += 1
        return Moment(BOOT, self.ms, None, "none")

    def start(self) -> None:
        self.sealer = Sealer(self.outbox, self.bench.signer, HUB, self.now)

    def restart(self) -> None:
        self.outbox = self.bench.reopen()
        self.start()

    def capture(self, data: bytes = b"\x01") -> Captured:
        return self.bench.capture(data)

    def record(self, captured: Captured, value: bytes | None = None, *, live: bool = False) -> Record:
        value = captured.frames[0].data if value is None else value
        key = RecordKey("2a35", None, None if live else b"time", value)
        return Record(captured.frames, reading(), key)

    def add(self, data: bytes = b"\x01", *, live: bool = False) -> bytes | None:
        captured = self.capture(data)
        return self.sealer.add([captured], self.record(captured, live=live))

    def rows(self) -> list[int]:
        return [captured.row for captured in self.outbox.captured()]

    def envelopes(self) -> list[tuple[Contents, list]]:
        """(contents, items) of all envelopes, oldest first, what is gone left out; verified as a bridge would."""
        found = []
        for message in sorted(self.outbox.to_send(10_000, set()), key=lambda message: message.sequence):
            assert len(message.raw) <= MAX_MESSAGE
            sealed, disclosures = open_message(message.raw)
            check_complete(sealed, disclosures)
            if sealed.kid == self.bench.signer.kid:
                signed = sealed.part.to_be_signed(external_aad(HUB))
                assert verify(self.bench.signer.public_key, sealed.part.signature, signed)
            found.append(
                (sealed.contents, [open_disclosure(part) for part in disclosures if part is not None])
            )
        return found


@pytest.fixture
def sealing(tmp_path) -> Sealing:
    return Sealing(tmp_path / "hub")


def test_online_a_record_is_sealed_at_once_and_its_rows_go(sealing):
    captured = sealing.capture(b"\x1e\x8a")
    key = sealing.sealer.add([captured], sealing.record(captured))
    assert sealing.rows() == [captured.row]  # durable until it is sealed
    assert sealing.sealer.seal(online=True) == 1
    assert sealing.rows() == []
    ((contents, (item,)),) = sealing.envelopes()
    assert (contents.sequence, contents.previous, contents.reason) == (1, None, "first")
    assert (contents.sealed_at.boot, contents.sealed_at.mono_ms) == (BOOT, 5001)
    assert isinstance(item, ReadingItem)
    assert item.capture.wire() == captured.capture.wire()
    assert (item.driver, item.version, item.error) == ("blood-pressure", 1, None)
    assert [frame.wire() for frame in item.frames] == [["2a35", 0, b"\x1e\x8a"]]
    assert item.reading.json() == reading().json()
    assert sealing.outbox.knows(key)
    assert key == measurement_key(item.device.identity, sealing.record(captured).key, item.capture)


def test_each_disclosure_has_its_own_salt(sealing):
    for _ in range(2):
        sealing.add(live=True)
    sealing.sealer.seal(online=True)
    (message,) = sealing.outbox.to_send(8, set())
    one, other = open_message(message.raw)[1]
    assert one[:18] != other[:18]


def test_each_envelope_names_the_one_before(sealing):
    for number in range(4):
        sealing.add(bytes([number]))
        sealing.sealer.seal(online=True)
    messages = sorted(sealing.outbox.to_send(8, set()), key=lambda message: message.sequence)
    previous = [contents.previous for contents, _ in sealing.envelopes()]
    assert previous == [None, *[message.hash for message in messages[:-1]]]


def test_offline_records_wait_until_ten_share_an_envelope(sealing):
    for number in range(9):
        sealing.add(bytes([number]))
        assert sealing.sealer.seal(online=False) == 0
    sealing.add(b"\x63")
    assert sealing.sealer.seal(online=False) == 1
    sealing.add(b"\x64")
    assert sealing.sealer.seal(online=False) == 0
    assert len(sealing.envelopes()[0][1]) == 10
    assert len(sealing.rows()) == 1
    assert sealing.sealer.seal(online=True) == 1
    assert sealing.rows() == []


def test_offline_an_envelope_stays_under_eight_kib_and_keeps_the_order(sealing):
    for number in range(12):
        sealing.add(bytes([number]) * 1500)
        sealing.sealer.seal(online=False)
    sealing.sealer.seal(online=True)
    sizes = [len(message.raw) for message in sealing.outbox.to_send(100, set())]
    assert max(sizes) <= MAX_SEALED_BYTES
    assert len(sizes) == 3
    data = [item.frames[0].data[0] for _, items in sealing.envelopes() for item in items]
    assert data == list(range(12))


def test_a_kill_while_records_wait_loses_nothing_and_doubles_nothing(sealing):
    for number in range(3):
        sealing.add(bytes([number]))
    sealing.sealer.seal(online=False)
    sealing.restart()
    for captured in sealing.outbox.captured():
        sealing.sealer.add([captured], sealing.record(captured))
    sealing.sealer.seal(online=True)
    assert [item.frames[0].data for _, items in sealing.envelopes() for item in items] == [
        b"\0",
        b"\1",
        b"\2",
    ]


def test_a_known_measurement_is_not_sealed_again_and_its_row_is_released(sealing):
    first = sealing.add(b"\x05")
    sealing.sealer.seal(online=True)
    assert sealing.add(b"\x05") == first
    assert len(sealing.rows()) == 1
    assert sealing.sealer.seal(online=False) == 0
    assert sealing.rows() == []
    assert len(sealing.envelopes()) == 1


def test_a_repeat_before_sealing_is_one_measurement(sealing):
    sealing.add(b"\x05")
    sealing.add(b"\x05")
    sealing.sealer.seal(online=True)
    assert [len(items) for _, items in sealing.envelopes()] == [1]
    assert sealing.rows() == []


def test_two_equal_live_measurements_are_two(sealing):
    assert sealing.add(b"\x05", live=True) != sealing.add(b"\x05", live=True)
    sealing.sealer.seal(online=True)
    assert [len(items) for _, items in sealing.envelopes()] == [2]


def test_an_undecoded_record_is_sealed_with_its_error(sealing):
    captured = sealing.capture(b"\xff")
    record = Record(captured.frames, None, None, DecodeError("frame-short"))
    assert sealing.sealer.add([captured], record) is None
    sealing.sealer.seal(online=True)
    ((_, (item,)),) = sealing.envelopes()
    assert (item.reading, item.error) == (None, "frame-short")


def test_a_record_that_is_nothing_is_not_sealed(sealing):
    captured = sealing.capture()
    sealing.sealer.add([captured], Record(captured.frames, None, None))
    assert sealing.sealer.seal(online=True) == 0
    assert sealing.rows() == []


def test_frames_count_from_the_first_and_the_capture_is_the_first_row(sealing):
    rows = [sealing.capture(bytes([number])) for number in range(3)]
    frames = [Frame("2a35", 700 + 40 * number, bytes([number])) for number in range(3)]
    record = Record(frames, reading(), RecordKey("2a35", 1, None, b""))
    sealing.sealer.add(rows, record)
    sealing.sealer.seal(online=True)
    ((_, (item,)),) = sealing.envelopes()
    assert [frame.offset_ms for frame in item.frames] == [0, 40, 80]
    assert item.capture.counter == rows[0].row
    assert sealing.rows() == []


def test_a_row_of_several_records_stays_until_the_last_is_sealed(sealing):
    block = sealing.capture(bytes(range(12)))
    for number in range(12):
        frames = [Frame("2a35", 0, bytes([number]))]
        sealing.sealer.add([block], Record(frames, reading(), RecordKey("2a35", number, None, b"")))
    assert sealing.sealer.seal(online=False) == 1
    assert sealing.rows() == [block.row]
    sealing.sealer.seal(online=True)
    assert sealing.rows() == []
    assert [len(items) for _, items in sealing.envelopes()] == [10, 2]


def test_long_evidence_goes_ahead_in_parts(sealing):
    night = [Frame("serial", 1000 * second, bytes([second % 250]) * 3) for second in range(8000)]
    captured = sealing.outbox.capture(
        b"visit--2", moment(), sealing.bench.signer.kid, Device("port-1"), "nonin-serial", night, None
    )
    key = sealing.sealer.add([captured], Record(night, reading(), RecordKey("serial", 1, None, b"")))
    sealing.sealer.seal(online=False)  # long evidence does not wait for company
    *ahead, (_, (item,)) = sealing.envelopes()
    parts = [part for _, items in ahead for part in items]
    whole = b"".join(part.data for part in parts)
    assert all(isinstance(part, Part) and part.whole == item.evidence[0] for part in parts)
    assert [(part.index, part.count) for part in parts] == [(n, len(parts)) for n in range(len(parts))]
    assert item.evidence == (hashlib.sha256(whole).digest(), len(whole))
    assert item.frames == []
    assert [frame.wire() for frame in frames_of(whole)] == [frame.wire() for frame in night]
    assert sealing.outbox.knows(key)
    assert sealing.rows() == []


def test_evidence_of_just_4096_bytes_stays_in_the_reading(sealing):
    sealing.add(bytes(4096))
    sealing.sealer.seal(online=True)
    ((_, (item,)),) = sealing.envelopes()
    assert (item.evidence, len(item.frames)) == (None, 1)
    sealing.add(bytes(4097))
    sealing.sealer.seal(online=True)
    assert sealing.envelopes()[-1][1][0].evidence is not None


def test_parts_that_went_ahead_do_not_go_twice_after_an_error(sealing, monkeypatch):
    sealing.add(bytes(20_000))
    real, calls = sealing.outbox.seal, []

    def failing(*args, **named):
        calls.append(args[1])
        if len(calls) == 3:
            raise OutboxError("disk-full")
        return real(*args, **named)

    monkeypatch.setattr(sealing.outbox, "seal", failing)
    with pytest.raises(OutboxError):
        sealing.sealer.seal(online=True)
    assert sealing.sealer.seal(online=True) > 0
    items = [item for _, found in sealing.envelopes() for item in found]
    assert [item.index for item in items[:-1]] == list(range(len(items) - 1))
    assert isinstance(items[-1], ReadingItem)


def test_what_an_error_leaves_is_sealed_by_the_next_call(sealing, monkeypatch):
    sealing.add(b"\x01")
    with monkeypatch.context() as patched:
        patched.setattr(
            sealing.outbox, "seal", lambda *_, **__: (_ for _ in ()).throw(OutboxError("disk-error"))
        )
        with pytest.raises(OutboxError):
            sealing.sealer.seal(online=True)
    assert len(sealing.rows()) == 1
    assert sealing.sealer.seal(online=True) == 1
    assert sealing.rows() == []


def test_a_record_that_breaks_a_limit_does_not_hold_up_the_others(sealing):
    bad = sealing.capture(b"\x01")
    broken = reading()
    broken.kind = "x" * 600
    sealing.sealer.add([bad], Record(bad.frames, broken, RecordKey("2a35", 1, None, b"")))
    sealing.add(b"\x02")
    sealing.sealer.seal(online=True)
    ((_, (first, second)),) = sealing.envelopes()
    assert (first.reading, first.error) == (None, "record-unsealable")
    assert [frame.data for frame in first.frames] == [b"\x01"]
    assert second.error is None


def test_frames_that_cannot_be_sealed_at_all_are_told_as_lost(sealing):
    captured = sealing.capture()
    frames = [Frame("x" * 600, 0, b"\x01")]
    sealing.sealer.add([captured], Record(frames, reading(), RecordKey("2a35", 1, None, b"")))
    sealing.sealer.seal(online=True)
    ((_, (item,)),) = sealing.envelopes()
    assert isinstance(item, Lost)
    assert (item.device, item.count, item.reason) == (captured.device.identity, 1, "record-unsealable")
    assert sealing.rows() == []


# Items of the hub itself.


def pause(number: int) -> Statement:
    return Statement("pause", bytes([number]) * 16, moment())


def test_statements_are_counted_by_key_and_sealed_at_once(sealing):
    sealing.add()
    sealing.sealer.seal(online=True)
    assert sealing.sealer.state(pause(1)) == 2
    assert sealing.sealer.state(pause(2)) == 3
    sealing.restart()
    sealing.add(b"\x02")
    sealing.sealer.seal(online=True)
    assert [contents.statements for contents, _ in sealing.envelopes()] == [0, 1, 2, 2]
    assert sealing.outbox.head(sealing.bench.signer.kid).statements == 2


def test_records_that_wait_are_sealed_before_a_statement(sealing):
    sealing.add()
    sealing.sealer.state(pause(1))
    assert [(contents.statements, len(items)) for contents, items in sealing.envelopes()] == [(0, 1), (1, 1)]


def test_a_statement_is_sealed_although_records_cannot_be(sealing, monkeypatch):
    sealing.add()
    monkeypatch.setattr(
        sealing.sealer, "_seal_batch", lambda _: (_ for _ in ()).throw(OutboxError("disk-full"))
    )
    assert sealing.sealer.state(pause(1)) == 1


def test_status_lost_and_next_key_are_sealed_at_once_and_count_no_statement(sealing):
    public = bytes(range(32))
    proof = sealing.bench.signer.sign(next_key_proof(HUB, public))
    status = Status(moment(), "gateway", 1, [("captured", 0)], [DeviceStatus("d", 90, True, 1)], [])
    for item in (status, Lost(None, "device", 1, "not-stored"), NextKey(public, proof)):
        sealing.sealer.state(item)
    assert [type(items[0]) for _, items in sealing.envelopes()] == [Status, Lost, NextKey]
    assert {contents.statements for contents, _ in sealing.envelopes()} == {0}


def test_an_item_beyond_the_limits_is_our_error(sealing):
    with pytest.raises(OutboxError) as caught:
        sealing.sealer.state(Lost(None, "x" * 600, 1, "not-stored"))
    assert caught.value.code == "item-limit"


def test_a_new_keys_first_envelope_names_the_old_keys_last(sealing):
    sealing.add()
    sealing.sealer.seal(online=True)
    last = sealing.outbox.last_head()
    sealing.bench.signer = sealing.sealer.signer = Signer.renew(sealing.bench.folder)
    sealing.sealer.state(pause(1))
    (contents,) = [contents for contents, items in sealing.envelopes() if isinstance(items[0], Statement)]
    assert (contents.sequence, contents.previous, contents.statements) == (1, last.hash, 1)


def test_a_new_key_after_a_lost_head_says_so(sealing):
    sealing.add()
    sealing.sealer.seal(online=True)
    sealing.outbox.close()
    sealing.bench.path.unlink()
    sealing.outbox = sealing.bench.outbox = sealing.bench.open()
    sealing.start()
    with pytest.raises(OutboxError) as caught:
        sealing.sealer.state(pause(1))
    assert caught.value.code == "head-unreadable"
    sealing.bench.signer = sealing.sealer.signer = Signer.renew(sealing.bench.folder)
    sealing.sealer.state(pause(1))
    ((contents, _),) = sealing.envelopes()
    assert (contents.sequence, contents.previous, contents.reason) == (1, None, "head-unreadable")


def test_damage_is_told_once_many_in_one_envelope(sealing):
    for number in range(25):
        sealing.add(bytes([number]))
        sealing.sealer.seal(online=True)
    connection = sealing.outbox._store.connection
    connection.execute("UPDATE envelope SET signed = x'00' WHERE sequence <= 12")
    connection.execute("UPDATE disclosure SET data = x'00' WHERE n / 64 = 20")
    sealing.envelopes()
    assert sealing.sealer.report_damage() == 13
    assert sealing.sealer.report_damage() == 0
    told = [item for _, items in sealing.envelopes()[-3:] for item in items if isinstance(item, Lost)]
    kid = sealing.bench.signer.kid
    assert [item.envelope for item in told[:12]] == [(kid, n, None) for n in range(1, 13)]
    assert told[12].envelope == (kid, 20, 0)


def test_the_signed_bytes_are_plain_cose(sealing):
    sealing.add()
    sealing.sealer.seal(online=True)
    (message,) = sealing.outbox.to_send(8, set())
    sealed, _ = open_message(message.raw)
    assert digest(sealed.signed) == message.hash
    part = cose.unpack(sealed.signed)
    assert part.header == {1: -8, 3: "application/meethub-envelope;v=1", 4: message.kid}
    assert verify(
        sealing.bench.signer.public_key, part.signature, part.to_be_signed(b"meethub/up|" + HUB.encode())
    )
