"""The outbox as it should be: stages, states, space, keys."""

import dataclasses
import os
import secrets
import sqlite3
import stat

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.outbox import Outbox, OutboxError
from gateway.signer import Signer
from gateway.wire.envelope import check_complete, open_message
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import key_id
from gateway.wire.state import AFTER_ACTION, AFTER_TIME, NEVER, KeyState, Refusal, State
from tests.gateway.outbox_fixtures import MB, Bench

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))


def code_of(call, *args) -> str:
    with pytest.raises(OutboxError) as caught:
        call(*args)
    return caught.value.code


# The connection and its file.


def test_the_real_connection_is_durable(bench):
    def pragma(name: str) -> object:
        return bench.outbox._store.connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("synchronous") == 2  # FULL: a commit is synced before it returns
    assert pragma("journal_mode") == "wal"
    assert pragma("wal_autocheckpoint") == 0
    assert pragma("secure_delete") == 1


def test_only_this_user_may_read_the_outbox(bench):
    bench.seal()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in bench.folder.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(bench.folder.stat().st_mode) == 0o700


def test_a_second_writer_is_refused_and_a_look_is_not(bench):
    bench.seal()
    assert code_of(bench.open) == "outbox-in-use"
    look = Outbox.look(bench.path)
    assert look.counts()["sealed"] == 1
    assert look.rows(5)[0]["sequence"] == 1
    look.close()
    bench.seal()  # the look held nothing up


def test_a_look_reads_a_closed_outbox_and_names_a_missing_one(bench, tmp_path):
    bench.outbox.set_setting("name", b"value")
    bench.outbox.close()
    look = Outbox.look(bench.path)
    assert look.setting("name") == b"value"
    look.close()
    assert code_of(Outbox.look, tmp_path / "nowhere.sqlite") == "outbox-missing"


# Captured.


def test_what_was_captured_is_there_after_a_cut_field_by_field(bench, tmp_path):
    clock = DeviceClock("2026-03-01T08:00:00", 900, written=False)
    first = bench.capture(b"\x01\x02", clock=clock)
    second = bench.capture(b"\x03")
    found = bench.cut("later").outbox.captured()
    assert [captured.row for captured in found] == [first.row, second.row]
    again = found[0]
    assert (again.visit, again.driver) == (b"visit--1", "blood-pressure")
    assert again.capture.wire() == first.capture.wire()
    assert again.device.wire() == first.device.wire()
    assert [frame.wire() for frame in again.frames] == [["2a35", 0, b"\x01\x02"]]
    assert again.clock is not None
    assert again.clock.wire() == clock.wire()
    assert found[1].clock is None


def test_the_capture_counter_rises_also_over_a_restart_and_after_rows_are_gone(bench):
    rows = [bench.capture().row for _ in range(3)]
    bench.outbox.release(rows)
    bench.reopen()
    later = bench.capture()
    assert later.row > rows[-1]
    assert later.capture.counter == later.row


def test_released_rows_are_gone_and_the_others_stay(bench):
    rows = [bench.capture().row for _ in range(4)]
    bench.outbox.release(rows[1:3])
    bench.outbox.release([])
    assert [captured.row for captured in bench.reopen().captured()] == [rows[0], rows[3]]


# Sealed.


def test_sealing_moves_rows_into_an_envelope_in_one_step(bench):
    row = bench.capture().row
    kept = bench.capture().row
    bench.seal(rows=[row], items=3)
    outbox = bench.reopen()
    assert [captured.row for captured in outbox.captured()] == [kept]
    (message,) = outbox.to_send(8, set())
    sealed, disclosures = open_message(message.raw)
    check_complete(sealed, disclosures)
    assert (message.kid, message.sequence, message.hash) == (bench.signer.kid, 1, sealed.hash)
    assert len(disclosures) == 3


def test_the_head_counts_and_survives(bench):
    assert bench.outbox.head(bench.signer.kid) is None
    for _ in range(3):
        bench.seal()
    head = bench.reopen().head(bench.signer.kid)
    assert head is not None
    assert (head.sequence, head.hash, head.statements) == (3, bench.known[3], 0)
    assert bench.outbox.last_head() == head


@pytest.mark.parametrize("sequence", [0, 2, 4, 5])
def test_only_the_next_sequence_can_be_sealed(bench, sequence):
    for _ in range(2):
        bench.seal()
    signed = bench.signed(sequence or 1, None, [b"d"])
    bad = (bench.signer.kid, sequence, signed, [b"d"], [], 0, [])
    assert code_of(bench.outbox.seal, *bad) == "sequence-taken"
    assert bench.seal() == 3


def test_the_last_two_thousand_measurements_are_known(bench):
    keys = [secrets.token_bytes(32) for _ in range(2003)]
    for start in range(0, 2003, 64):
        part = keys[start : start + 64]
        head = bench.outbox.head(bench.signer.kid)
        sequence = 1 if head is None else head.sequence + 1
        bench.outbox.seal(
            bench.signer.kid, sequence, bench.signed(sequence, b"p" * 32, part), part, part, 0, []
        )
    bench.reopen()
    assert [bench.outbox.knows(key) for key in keys[:3]] == [False] * 3
    assert all(bench.outbox.knows(key) for key in keys[3:])


def test_a_new_key_starts_its_own_chain_and_the_old_one_is_the_last_head_until_then(bench):
    bench.seal()
    old = bench.outbox.head(bench.signer.kid)
    bench.signer = Signer.renew(bench.folder)
    assert bench.outbox.head(bench.signer.kid) is None
    assert bench.outbox.last_head() == old
    bench.seal()
    assert bench.outbox.last_head().kid == bench.signer.kid
    assert [message.sequence for message in bench.outbox.to_send(8, set())] == [1, 1]


# Sending.


def test_the_newest_goes_first_then_the_oldest(bench):
    for _ in range(6):
        bench.seal()
    assert bench.sendable(3) == [6, 1, 2]
    assert bench.sendable(3, exclude=(6, 1)) == [2, 3, 4]
    assert bench.sendable(0) == []


def test_an_excluded_newest_gives_no_other_newest(bench):
    for _ in range(4):
        bench.seal()
    assert bench.sendable(1, exclude=(4,)) == [1]


def test_accepted_ones_are_not_sent_and_lost_ones_are_sent_again(bench):
    for _ in range(6):
        bench.seal()
    assert bench.outbox.apply(bench.state(2, (4, 5)), set()).accepted == 4
    assert bench.sendable() == [6, 3]
    effect = bench.outbox.apply(bench.state(1), set())  # the bridge came back from an older copy
    assert (effect.accepted, effect.lost_accepted) == (0, False)
    assert bench.sendable() == [6, 2, 3, 4, 5]
    assert bench.outbox.unaccepted() == 5


def test_a_state_that_does_not_name_the_key_takes_everything_back(bench):
    bench.seal()
    bench.outbox.apply(bench.state(1), set())
    bench.outbox.apply(State(b"12345678", 2, [], [], 1000), set())
    assert bench.sendable() == [1]


def test_stages_are_counted(bench):
    bench.capture()
    for _ in range(7):
        bench.seal()
    state = bench.state(3, settled=2, refused=[bench.refusal(5, NEVER), bench.refusal(6, AFTER_ACTION)])
    effect = bench.outbox.apply(state, {(bench.signer.kid, 4)})
    assert dataclasses.astuple(effect) == (3, False, False, 1)
    expected = {
        "captured": 1,
        "sealed": 1,
        "sent": 1,
        "refused": 1,
        "quarantined": 1,
        "accepted": 1,
        "delivered": 2,
    }
    assert bench.reopen().counts() == expected | {"missing": 0}
    stages = [row["stage"] for row in bench.outbox.rows(10)]
    assert stages == ["sealed", "refused", "quarantined", "sent", "accepted", "delivered", "delivered"]
    assert bench.outbox.unaccepted() == 3


# Refused.


def test_refused_for_good_goes_out_of_the_way_and_stays(bench):
    for _ in range(3):
        bench.seal()
    assert bench.outbox.apply(bench.state(0, refused=[bench.refusal(2, NEVER)]), set()).quarantined == 1
    assert bench.sendable() == [3, 1]
    assert bench.outbox.apply(bench.state(0), set()).quarantined == 0
    assert bench.reopen().counts()["quarantined"] == 1
    assert bench.sendable() == [3, 1]


def test_a_quarantined_one_that_is_accepted_after_all_leaves_quarantine(bench):
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, NEVER)]), set())
    bench.outbox.apply(bench.state(1), set())
    assert bench.outbox.counts() == dict.fromkeys(bench.outbox.counts(), 0) | {"accepted": 1}


def test_a_refusal_of_other_bytes_is_not_ours(bench):
    bench.seal()
    refusal = Refusal(bench.signer.kid, 1, b"x" * 32, "signature", NEVER)
    assert bench.outbox.apply(bench.state(0, refused=[refusal]), set()).quarantined == 0
    assert bench.sendable() == [1]


def test_refused_until_an_action_waits_for_a_state_that_refuses_it_no_longer(bench):
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, AFTER_ACTION)]), set())
    bench.time += 10**6
    assert bench.sendable() == []
    bench.reopen()
    assert bench.sendable() == []
    bench.outbox.apply(bench.state(0), set())
    assert bench.sendable() == [1]


def test_refused_until_a_time_waits_for_the_bridges_clock(bench):
    bench.seal()
    state = bench.state(0, refused=[bench.refusal(1, AFTER_TIME, 61_000)], bridge_ms=1000)
    bench.outbox.apply(state, set())
    bench.time += 59
    assert bench.sendable() == []
    bench.time += 2
    assert bench.sendable() == [1]


def test_a_time_that_is_not_known_after_a_restart_counts_as_not_passed(bench):
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, AFTER_TIME, 61_000)]), set())
    bench.reopen()
    assert bench.sendable() == []
    bench.outbox.apply(
        bench.state(0, refused=[bench.refusal(1, AFTER_TIME, 61_000)], bridge_ms=70_000), set()
    )
    assert bench.sendable() == [1]


# What the bridge knows more, or no longer.


def test_a_bridge_that_knows_more_is_ahead(bench):
    for _ in range(3):
        bench.seal()
    assert not bench.outbox.apply(bench.state(3), set()).ahead
    assert bench.outbox.apply(bench.state(4), set()).ahead
    assert bench.outbox.apply(bench.state(2, (4, 4)), set()).ahead


def test_another_hash_at_the_contiguous_end_is_ahead(bench):
    for _ in range(3):
        bench.seal()
    assert bench.outbox.apply(bench.state(2, last=b"x" * 32), set()).ahead
    assert bench.outbox.apply(bench.state(3, last=b"x" * 32), set()).ahead
    assert not bench.outbox.apply(bench.state(2), set()).ahead


def test_an_empty_outbox_is_behind_whatever_the_bridge_holds_until_a_new_key_seals(bench):
    old = KeyState(b"formerly", 7, b"h" * 32, [], 7)
    assert bench.outbox.apply(State(b"12345678", 1, [old], [], 0), set()).ahead
    bench.seal()
    assert not bench.outbox.apply(State(b"12345678", 2, [old], [], 0), set()).ahead


def fill(bench: Bench, goal: float, size: int = 3000) -> int:
    while bench.outbox.fullness() < goal:
        bench.seal(size=size)
    return bench.outbox.head(bench.signer.kid).sequence


def test_freed_ones_that_the_bridge_lost_are_told_and_measurements_forgotten(tmp_path):
    bench = Bench(tmp_path / "hub", limit=MB)
    key = secrets.token_bytes(32)
    bench.seal(key=key)
    last = fill(bench, 0.9)
    assert not bench.outbox.apply(bench.state(last), set()).lost_accepted
    assert bench.outbox.make_room() > 3
    bench.reopen()
    assert not bench.outbox.apply(bench.state(last), set()).lost_accepted
    assert bench.outbox.knows(key)
    assert bench.outbox.unreported_damage() == []
    effect = bench.outbox.apply(bench.state(2), set())
    assert effect.lost_accepted
    assert not bench.outbox.knows(key)
    assert (bench.signer.kid, 3) in bench.outbox.unreported_damage()
    assert (bench.signer.kid, 2) not in bench.outbox.unreported_damage()
    assert not bench.outbox.apply(bench.state(2), set()).lost_accepted  # told once
    assert not bench.outbox.apply(bench.state(last), set()).lost_accepted
    assert bench.outbox.unreported_damage() == []  # the bridge has it after all
    assert bench.outbox.apply(bench.state(2), set()).lost_accepted


# Space.


def test_settled_go_first_then_accepted_never_the_others(tmp_path):
    bench = Bench(tmp_path / "hub", limit=2 * MB)
    last = fill(bench, 0.86)
    assert bench.outbox.make_room() == 0  # nothing is accepted yet
    bench.outbox.apply(bench.state(20, (31, 45), settled=5), set())
    while bench.outbox.make_room():
        pass
    present = [row["sequence"] for row in bench.outbox.rows(10_000)]
    assert set(present) >= set(range(21, 31)) | set(range(46, last + 1))
    assert not set(present) & set(range(1, 6))
    assert bench.sendable(10_000) == [last, *range(21, 31), *range(46, last)]


def test_accepted_ones_stay_while_there_is_space(bench):
    for _ in range(20):
        bench.seal()
    bench.outbox.apply(bench.state(20, settled=20), set())
    assert bench.outbox.make_room() == 0
    assert bench.outbox.counts()["delivered"] == 20


def test_room_is_made_only_as_far_as_is_needed(tmp_path):
    bench = Bench(tmp_path / "hub", limit=2 * MB)
    last = fill(bench, 0.95)
    bench.outbox.apply(bench.state(last, settled=last), set())
    while bench.outbox.make_room():
        assert bench.outbox.fullness() > 0.7
    assert bench.outbox.fullness() < 0.85


def test_when_full_the_reserve_takes_a_status_and_fifty_readings_with_long_evidence(tmp_path):
    bench = Bench(tmp_path / "hub", limit=4 * MB)
    fill(bench, 1.0)
    assert bench.outbox.free_bytes() == 0
    bench.seal()
    for _ in range(50):
        captured = bench.capture(bytes(4096))
        bench.seal(rows=[captured.row], size=4096)


def test_beyond_the_reserve_nothing_is_acknowledged_and_the_rest_stays_usable(tmp_path):
    bench = Bench(tmp_path / "hub", limit=MB)
    last = 0
    with pytest.raises(OutboxError) as caught:
        while True:
            last = bench.seal(size=4000)
    assert caught.value.code == "disk-full"
    assert code_of(bench.capture, bytes(5000)) == "disk-full"
    bench.reopen()
    assert bench.outbox.head(bench.signer.kid).sequence == last
    assert bench.sendable(10_000) == [last, *range(1, last)]
    bench.outbox.apply(bench.state(last, settled=last), set())
    assert bench.seal(size=4000) == last + 1  # freed by itself, as nothing else is left


def test_the_space_of_the_disk_counts_as_well(bench, monkeypatch):
    bench.seal()
    usage = type("Usage", (), {"free": 0})
    monkeypatch.setattr("gateway.outbox.store.shutil.disk_usage", lambda _: usage)
    assert bench.outbox.fullness() > 1


# Erased by the citizen.


def test_forgotten_measurements_leave_null_in_the_message_and_no_byte_on_the_disk(bench):
    key, secret = secrets.token_bytes(32), b"secret-of-this-reading" * 20
    head_item = bench.item(secret)
    disclosed = [bench_disclosure(head_item), bench_disclosure(bench.item(b"other"))]
    bench.outbox.seal(
        bench.signer.kid, 1, bench.signed(1, None, disclosed), disclosed, [key, b"k" * 32], 0, []
    )
    bench.outbox.apply(bench.state(0, forget=[key]), set())
    (message,) = bench.outbox.to_send(8, set())
    sealed, found = open_message(message.raw)
    assert found == [None, disclosed[1]]
    check_complete(sealed, found)
    assert bench.outbox.knows(key)  # so that it is not sealed again
    assert bench.outbox.unreported_parts() == [(bench.signer.kid, 1, 0, "erased")]
    bench.outbox.part_reported(bench.signer.kid, 1, 0)
    assert bench.outbox.unreported_parts() == []
    for path in bench.folder.iterdir():
        assert secret not in path.read_bytes(), path.name


def bench_disclosure(item) -> bytes:
    from gateway.wire.envelope import disclosure

    return disclosure(secrets.token_bytes(16), item)


def test_evidence_that_went_ahead_is_erased_with_its_measurement_and_is_not_known_by_it(bench):
    key = secrets.token_bytes(32)
    part = bench_disclosure(bench.item())
    bench.outbox.seal(bench.signer.kid, 1, bench.signed(1, None, [part]), [part], [], 0, [], evidence_of=key)
    assert not bench.outbox.knows(key)
    bench.outbox.apply(bench.state(0, forget=[key]), set())
    (message,) = bench.outbox.to_send(8, set())
    assert open_message(message.raw)[1] == [None]


# A state that says nothing new.


def test_the_same_state_again_writes_nothing(bench):
    for _ in range(5):
        bench.seal()
    state = bench.state(3, settled=2, refused=[bench.refusal(5, AFTER_ACTION)])
    bench.outbox.apply(state, {(bench.signer.kid, 4)})
    wal = bench.path.with_name("outbox.sqlite-wal")
    before = wal.read_bytes()
    assert dataclasses.astuple(bench.outbox.apply(state, {(bench.signer.kid, 4)})) == (0, False, False, 0)
    assert wal.read_bytes() == before


# Settings.


def test_settings_are_durable(bench):
    assert bench.outbox.setting("counter") is None
    bench.outbox.set_setting("counter", b"\x01")
    bench.outbox.set_setting("counter", b"\x02")
    assert bench.cut("later").outbox.setting("counter") == b"\x02"


def test_a_quiet_moment_works_the_log_into_the_database(bench):
    for _ in range(20):
        bench.seal()
    bench.outbox.rest()
    alone = bench.folder.with_name("alone.sqlite")
    alone.write_bytes(bench.path.read_bytes())
    with sqlite3.connect(alone) as connection:
        assert connection.execute("SELECT count(*) FROM envelope").fetchone() == (20,)


# Any order of anything, with cuts in between.


class Hub(RuleBasedStateMachine):
    """Random work; a cut copies the files as they stand and goes on from the copy."""

    rows = Bundle("rows")

    def __init__(self) -> None:
        super().__init__()
        self.cuts = 0

    @initialize()
    def begin(self) -> None:
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "hub-0", limit=MB)
        self.captured: set[int] = set()
        self.ever: set[int] = set()
        self.accepted: set[int] = set()
        self.freed: set[int] = set()
        self.top = 0

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.outbox.close()
            self.folder.cleanup()

    @rule(target=rows, size=st.sampled_from([1, 300, 5000]))
    def capture(self, size: int) -> int:
        row = self.bench.capture(bytes(size)).row
        assert row not in self.ever
        self.captured.add(row)
        self.ever.add(row)
        return row

    @rule(row=rows)
    def release(self, row: int) -> None:
        self.bench.outbox.release([row])
        self.captured.discard(row)

    @rule(row=rows, items=st.integers(1, 4), size=st.sampled_from([1, 2000]))
    def seal(self, row: int, items: int, size: int) -> None:
        assert self.bench.seal(rows=[row], items=items, size=size) == self.top + 1
        self.top += 1
        self.captured.discard(row)

    @precondition(lambda self: self.top)
    @rule(data=st.data())
    def state(self, data) -> None:
        contiguous = data.draw(st.integers(0, self.top))
        beyond = data.draw(st.integers(contiguous + 2, self.top + 1)) if contiguous + 2 <= self.top else None
        ranges = [(beyond, self.top)] if beyond is not None and beyond <= self.top else []
        covered = set(range(1, contiguous + 1)) | {n for low, high in ranges for n in range(low, high + 1)}
        state = self.bench.state(contiguous, *ranges, settled=data.draw(st.integers(0, contiguous)))
        effect = self.bench.outbox.apply(state, set())
        assert not effect.ahead
        held = set(self.held()) if self.freed else set(range(1, self.top + 1))
        assert effect.accepted == len((covered - self.accepted) & held)
        assert effect.lost_accepted == bool(self.freed & self.accepted - covered)
        self.accepted = covered

    @rule()
    def make_room(self) -> None:
        before = self.held()
        count = self.bench.outbox.make_room()
        gone = set(before) - set(self.held())
        assert len(gone) == count
        assert gone <= self.accepted
        self.freed |= gone

    @rule()
    def cut(self) -> None:
        self.cuts += 1
        old = self.bench
        self.bench = old.cut(f"hub-{self.cuts}")
        old.outbox.close()

    @rule()
    def restart(self) -> None:
        self.bench.reopen()

    def held(self) -> list[int]:
        return [row["sequence"] for row in self.bench.outbox.rows(10_000)]

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "bench"):
            return
        outbox = self.bench.outbox
        assert {captured.row for captured in outbox.captured()} == self.captured
        assert sorted(self.held()) == sorted(set(range(1, self.top + 1)) - self.freed)
        messages = outbox.to_send(10_000, set())
        assert {message.sequence for message in messages} == set(
            range(1, self.top + 1)
        ) - self.accepted - self.freed
        assert all(message.hash == self.bench.known[message.sequence] for message in messages)
        head = outbox.head(self.bench.signer.kid)
        assert (0 if head is None else head.sequence) == self.top
        assert {sequence for _, sequence in outbox.unreported_damage()} == self.freed - self.accepted


TestHub = Hub.TestCase
TestHub.settings = settings(
    max_examples=15 * DOSE, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_key_ids_are_what_they_say(bench):
    assert bench.signer.kid == key_id(bench.signer.public_key)
