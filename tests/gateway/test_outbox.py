"""The outbox as it should be: the file, the stages of a reading, what is sent."""

import os
import secrets
import sqlite3
import stat
from contextlib import closing

import pytest

from gateway.outbox import Outbox, OutboxError
from gateway.signer import Signer
from gateway.wire.envelope import check_complete, open_message
from gateway.wire.items import DeviceClock
from gateway.wire.state import AFTER_ACTION, NEVER, State

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
    assert tuple(vars(effect).values()) == (3, False, False, 1)
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
    with closing(sqlite3.connect(alone)) as connection:
        assert connection.execute("SELECT count(*) FROM envelope").fetchone() == (20,)
