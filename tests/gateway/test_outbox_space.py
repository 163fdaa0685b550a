"""What the outbox does when space is short, and what it forgets."""

import os
import secrets
import sqlite3
from contextlib import closing

import pytest

from gateway.outbox import OutboxError
from gateway.wire.envelope import check_complete, open_message
from tests.gateway.outbox_fixtures import MB, Bench

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))


def code_of(call, *args) -> str:
    with pytest.raises(OutboxError) as caught:
        call(*args)
    return caught.value.code


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


def test_erasing_is_made_up_for_when_a_reader_held_the_log(bench):
    key, secret = secrets.token_bytes(32), b"secret-of-this-reading" * 20
    disclosed = [bench_disclosure(bench.item(secret))]
    bench.outbox.seal(bench.signer.kid, 1, bench.signed(1, None, disclosed), disclosed, [key], 0, [])
    bench.outbox._store.connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(bench.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM disclosure").fetchone()
        bench.outbox.apply(bench.state(0, forget=[key]), set())
    bench.capture()
    for path in bench.folder.iterdir():
        assert secret not in path.read_bytes(), path.name
