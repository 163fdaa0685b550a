"""The board's outbox as it should be, on a computer's file system: stages, space, what is erased, what fails."""

import random
from pathlib import Path

import pytest

from firmware.outbox import Outbox
from gateway.hub.errors import OutboxError
from gateway.hub.stored import ADDED, PARTIAL, WHOLE
from gateway.wire.envelope import check_complete, digest, open_message
from gateway.wire.items import DeviceClock, Frame
from gateway.wire.state import NEVER, KeyState, Refusal, State
from tests.firmware.board.outbox_story import DEVICE, MOMENT, envelope, measurement, whole

KID = b"the-key."
MB = 1 << 20


class Hub:
    """An outbox and what was put into it."""

    def __init__(self, folder: Path, limit: int = MB) -> None:
        self.folder, self.limit = folder, limit
        self.chain: list[bytes] = []
        self.raw: dict[int, int] = {}
        self.outbox = self.open()

    def open(self) -> Outbox:
        self.outbox = Outbox(str(self.folder), self.limit)
        return self.outbox

    def capture(self, data: bytes = b"\x1e", clock: DeviceClock | None = None) -> int:
        frames = [Frame("2a35", 0, data)]
        return self.outbox.capture(b"visit--1", MOMENT, KID, DEVICE, "blood-pressure", frames, clock).row

    def seal(self, items: int = 1, rows=(), keys=None, parts: list[bytes] | None = None, **more) -> int:
        sequence = len(self.chain) + 1
        salts = [digest(b"%d %d" % (sequence, n)) for n in range(items)]
        signed, own = envelope(KID, sequence, self.chain[-1] if self.chain else None, salts, parts=parts)
        keys = [measurement(1000 * sequence + n) for n in range(len(own))] if keys is None else keys
        self.outbox.seal(KID, sequence, signed, own, keys, 0, list(rows), **more)
        self.chain.append(digest(signed))
        return sequence

    def state(self, contiguous: int, settled: int = 0, forget=None, refused=(), ranges=()) -> State:
        last = self.chain[contiguous - 1] if contiguous else None
        held = KeyState(KID, contiguous, last, list(ranges), settled)
        return State(b"12345678", 1, [held], list(refused), 1000, forget=forget)

    def sendable(self) -> list[int]:
        return [message.sequence for message in self.outbox.to_send(10_000, set())]

    def fill(self, share: float, size: int = 3000) -> int:
        while self.outbox.fullness() < share:
            self.seal(parts=[random.Random(len(self.chain)).randbytes(size)])
        return len(self.chain)

    def holds(self, data: bytes) -> list[str]:
        """Names of the files in which these bytes stand."""
        return [path.name for path in self.folder.iterdir() if data in path.read_bytes()]


@pytest.fixture
def hub(tmp_path) -> Hub:
    return Hub(tmp_path / "flash" / "outbox")


def knows(outbox: Outbox, key: bytes) -> bool:
    """As the gateway's outbox says it."""
    return bool(outbox.sealed(key) - {ADDED})


def code_of(call, *args) -> str:
    with pytest.raises(OutboxError) as caught:
        call(*args)
    return caught.value.code


# Captured and sealed.


def test_what_was_captured_is_there_field_by_field(hub):
    clock = DeviceClock("2026-03-01T08:00:00", 900, written=False)
    hub.capture(b"\x01\x02", clock)
    (again,) = hub.open().captured()
    assert (again.row, again.visit, again.driver, again.capture.counter) == (
        1,
        b"visit--1",
        "blood-pressure",
        1,
    )
    assert again.device.wire() == DEVICE.wire()
    assert [frame.wire() for frame in again.frames] == [["2a35", 0, b"\x01\x02"]]
    assert again.clock.wire() == clock.wire()
    assert again.capture.moment.wire() == MOMENT.wire()


def test_row_numbers_rise_over_files_that_went_and_over_restarts(hub):
    for number in range(1, 400):
        row = hub.capture(bytes(200))
        assert row == number
        hub.outbox.release([row])
        if number % 90 == 0:
            hub.open()
    assert len(list(hub.folder.glob("c*"))) == 1
    assert hub.outbox.captured() == []
    assert hub.open().captured() == []


def test_captured_rows_can_be_read_a_few_at_a_time(hub):
    for _ in range(90):
        hub.capture(bytes(300))
    assert [captured.row for captured in hub.outbox.captured(3)] == [1, 2, 3]
    assert len(hub.outbox.captured()) == 90
    assert hub.outbox.counts()["captured"] == 90


def test_a_row_that_waits_keeps_only_its_own_file(hub):
    kept = hub.capture(bytes(500))
    for _ in range(100):
        hub.seal(rows=[hub.capture(bytes(500))])
    assert len(list(hub.folder.glob("c*"))) == 2
    assert [captured.row for captured in hub.open().captured()] == [kept]


def test_messages_are_read_one_at_a_time(hub):
    for _ in range(3):
        hub.seal()
    messages = hub.outbox.to_send(8, set())
    assert next(messages).sequence == 3
    hub.outbox.apply(hub.state(1), set())
    assert [message.sequence for message in messages] == [1, 2], "chosen when it was asked"


def test_the_last_two_thousand_measurements_are_known_wherever_they_stand(tmp_path):
    hub = Hub(tmp_path / "outbox", 400_000)
    keys = [measurement(n) for n in range(2103)]
    for start in range(0, 2103, 10):
        hub.seal(len(keys[start : start + 10]), keys=keys[start : start + 10])
        hub.outbox.apply(hub.state(len(hub.chain), len(hub.chain)), set())
        while hub.outbox.make_room():
            pass
    for outbox in (hub.outbox, hub.open()):
        assert outbox.counts()["delivered"] < 150, "most are freed"
        assert [key for key in keys[103:] if not knows(outbox, key)] == []
        assert [key for key in keys[:103] if knows(outbox, key)] == []
    hub.outbox.forget_known()
    assert not knows(hub.open(), keys[-1])


def test_a_key_like_another_in_its_first_bytes_is_another(hub):
    key = measurement(1)
    hub.seal(keys=[key])
    assert knows(hub.outbox, key)
    assert not knows(hub.outbox, key[:31] + bytes([key[31] ^ 1]))
    assert not knows(hub.outbox, bytes(32))


def test_stages_are_remembered(hub):
    hub.seal(2, keys=[measurement(1), measurement(2)], stages=[PARTIAL, WHOLE])
    hub.seal(keys=[measurement(1)], stages=[ADDED])
    hub.seal(keys=[], evidence_of=measurement(3))
    found = [hub.open().sealed(measurement(n)) for n in (1, 2, 3)]
    assert found == [{PARTIAL, ADDED}, {WHOLE}, set()]


# Space.


def test_settled_go_first_then_accepted_never_the_others(tmp_path):
    hub = Hub(tmp_path / "outbox", 400_000)
    last = hub.fill(0.86)
    assert hub.outbox.make_room() == 0
    hub.outbox.apply(hub.state(20, 5, ranges=[(31, 45)]), set())
    while hub.outbox.make_room():
        pass
    here = [number for low, high in hub.outbox.facts.in_order()[0].here() for number in range(low, high + 1)]
    assert set(range(21, 31)) | set(range(46, last + 1)) <= set(here)
    gone = set(range(1, last + 1)) - set(here)
    assert gone
    assert gone <= set(range(1, 6)) or gone >= set(range(1, 6)), "the settled ones first"
    assert hub.sendable() == [last, *range(21, 31), *range(46, last)]


def test_accepted_ones_stay_while_there_is_space_and_room_is_made_only_as_far_as_needed(tmp_path):
    hub = Hub(tmp_path / "outbox", 500_000)
    last = hub.fill(0.8)
    hub.outbox.apply(hub.state(last, last), set())
    assert hub.outbox.make_room() == 0
    last = hub.fill(0.95)
    hub.outbox.apply(hub.state(last, last), set())
    while hub.outbox.make_room():
        assert hub.outbox.fullness() > 0.7
    assert hub.outbox.fullness() < 0.85
    assert hub.open().unreported_damage() == []


def test_freed_ones_that_the_bridge_lost_are_told_and_measurements_forgotten(tmp_path):
    hub = Hub(tmp_path / "outbox", 400_000)
    last = hub.fill(0.9)
    hub.outbox.apply(hub.state(last), set())
    assert hub.outbox.make_room() > 2
    known = measurement(1000 * last)
    assert knows(hub.open(), known)
    assert hub.outbox.apply(hub.state(1), set()).lost_accepted
    assert not knows(hub.outbox, known)
    assert (KID, 2) in hub.outbox.unreported_damage()
    assert not hub.open().apply(hub.state(1), set()).lost_accepted, "told once"
    hub.outbox.damage_reported(KID, 2)
    assert (KID, 2) not in hub.open().unreported_damage()
    hub.outbox.apply(hub.state(last), set())
    assert hub.outbox.unreported_damage() == [], "the bridge has it after all"


def test_when_full_the_reserve_takes_a_status_and_fifty_readings(tmp_path):
    hub = Hub(tmp_path / "outbox", 1456 << 10)
    hub.fill(1.0, 15_000)
    assert hub.outbox.free_bytes() == 0
    hub.seal()
    for _ in range(50):
        hub.seal(rows=[hub.capture(bytes(250))], parts=[random.Random(len(hub.chain)).randbytes(400)])


def test_beyond_the_reserve_nothing_is_acknowledged_and_the_rest_stays_usable(tmp_path):
    hub = Hub(tmp_path / "outbox", 400_000)
    with pytest.raises(OutboxError) as caught:
        hub.fill(9.0)
    assert caught.value.code == "disk-full"
    assert code_of(hub.capture, bytes(9000)) == "disk-full"
    last = len(hub.chain)
    outbox = hub.open()
    assert outbox.head(KID).sequence == last
    assert hub.sendable() == [last, *range(1, last)]
    outbox.set_setting("mark", b"1")  # settings and states have room of their own
    outbox.apply(hub.state(last, last), set())
    assert hub.seal(parts=[bytes(3000)]) == last + 1, "freed by itself, as nothing else is left"


def test_the_quarantined_are_kept_when_all_around_them_goes(tmp_path):
    hub = Hub(tmp_path / "outbox", 400_000)
    last = hub.fill(0.95)
    refused = [Refusal(KID, n, hub.chain[n - 1], "a-code", NEVER) for n in (3, 4, 40)]
    ranges = [(5, 39), (41, last)]
    assert hub.outbox.apply(hub.state(2, refused=refused, ranges=ranges), set()).quarantined == 3
    while hub.outbox.make_room():
        pass
    counts = hub.open().counts()
    assert (counts["quarantined"], counts["missing"]) == (3, 0)
    assert hub.sendable() == []
    hub.outbox.apply(hub.state(4, ranges=[(5, last)][:0]), set())
    assert hub.outbox.counts()["quarantined"] == 1


# Erased by the citizen.


def test_an_erased_measurement_leaves_null_in_the_message_and_no_byte_in_a_file(hub):
    secret = random.Random(3).randbytes(60)
    row = hub.capture(secret)
    other = random.Random(4).randbytes(300)
    hub.seal(rows=[row], parts=[b"a" + secret, other], keys=[measurement(1), measurement(2)])
    assert {name[0] for name in hub.holds(secret[:16])} == {"c", "e"}
    for _ in range(2):
        hub.outbox.apply(hub.state(0, forget=[measurement(1)]), set())
    for outbox in (hub.outbox, hub.open()):
        (message,) = outbox.to_send(8, set())
        sealed, found = open_message(whole(message.raw))
        assert found == [None, other]
        check_complete(sealed, found)
        assert knows(outbox, measurement(1)), "so that it is not sealed again"
        assert outbox.unreported_parts() == [(KID, 1, 0, "erased")]
        assert [at for at in range(0, 52, 4) if hub.holds(secret[at : at + 8])] == []
    hub.outbox.part_reported(KID, 1, 0)
    assert hub.open().unreported_parts() == []


def test_many_erasures_take_little_memory_and_are_told_once_the_bridge_lost_them(hub):
    for n in range(80):
        hub.seal(keys=[measurement(n)])
    hub.outbox.apply(hub.state(80), set())
    for start in (0, 40):
        hub.outbox.apply(hub.state(80, forget=[measurement(n) for n in range(start, start + 40)]), set())
    assert len(hub.outbox.facts.in_order()[0].gone) <= 32
    hub.open().apply(hub.state(0), set())
    assert all(open_message(whole(message.raw))[1] == [None] for message in hub.outbox.to_send(100, set()))
    assert len(hub.outbox.unreported_parts()) == 80


def test_what_was_partial_and_erased_gets_no_addition(hub):
    hub.seal(keys=[measurement(1)], stages=[PARTIAL])
    hub.outbox.apply(hub.state(0, forget=[measurement(1)]), set())
    assert hub.open().sealed(measurement(1)) == {WHOLE}


def test_evidence_is_erased_with_its_measurement_also_when_it_comes_after_the_wish(hub):
    hub.outbox.apply(hub.state(0, forget=[measurement(7)]), set())
    hub.seal(keys=[], parts=[bytes(500)], evidence_of=measurement(7))
    hub.open()
    hub.outbox.apply(hub.state(0, forget=[measurement(7)]), set())
    (message,) = hub.outbox.to_send(8, set())
    assert open_message(whole(message.raw))[1] == [None]


def test_rows_that_wait_outlive_the_erasure_of_others(hub):
    rows = [hub.capture(bytes([n]) * 700) for n in range(30)]
    hub.seal(rows=rows[5:9], keys=[measurement(1)])
    hub.outbox.apply(hub.state(0, forget=[measurement(1)]), set())
    for outbox in (hub.outbox, hub.open()):
        assert [captured.row for captured in outbox.captured()] == rows[:5] + rows[9:]
        assert outbox.damaged_captures() == 0


# Settings.


def test_settings_are_durable_also_when_there_were_many(hub):
    for number in range(900):
        hub.outbox.set_setting(f"mark {number % 7}", b"%d" % number)
    hub.outbox.set_setting("other", b"")
    outbox = hub.open()
    assert [outbox.setting(f"mark {n}") for n in range(7)] == [
        b"%d" % n for n in (896, 897, 898, 899, 893, 894, 895)
    ]
    outbox.forget_settings("mark ")
    assert [hub.open().setting(name) for name in ("mark 1", "other", "none")] == [None, b"", None]
    assert (hub.folder / "facts").stat().st_size < 20_000
    assert outbox.head(KID) is None


def test_the_same_state_again_writes_nothing(hub):
    for _ in range(5):
        hub.seal()
    hub.outbox.apply(hub.state(3, 2), {(KID, 4)})
    before = {path.name: path.read_bytes() for path in hub.folder.iterdir()}
    hub.outbox.apply(hub.state(3, 2), {(KID, 4)})
    hub.outbox.set_setting("x", b"1")
    changed = [path.name for path in hub.folder.iterdir() if path.read_bytes() != before.get(path.name)]
    assert changed == ["facts"]


# What a successor starts with.


def test_a_new_key_starts_its_own_chain_and_the_old_one_is_the_last_head_until_then(hub):
    hub.seal()
    old = hub.outbox.head(KID)
    assert hub.outbox.head(b"new-key.") is None
    assert hub.outbox.last_head() == old
    signed, parts = envelope(b"new-key.", 1, old.hash, [b"s" * 32])
    hub.outbox.seal(b"new-key.", 1, signed, parts, [], 0, [])
    assert hub.open().last_head().kid == b"new-key."
    assert hub.outbox.waiting_keys() == [KID, b"new-key."]
    assert hub.outbox.holds_of(KID)


@pytest.mark.parametrize("sequence", [0, 2, 4, 5])
def test_only_the_next_sequence_can_be_sealed(hub, sequence):
    hub.seal()
    hub.seal()
    signed, parts = envelope(KID, sequence or 1, None, [b"s" * 32])
    assert code_of(hub.outbox.seal, KID, sequence, signed, parts, [], 0, []) == "sequence-taken"
    assert hub.seal() == 3
