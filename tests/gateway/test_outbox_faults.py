"""The outbox on a disk that counts and fails."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hub.stored import common, holds, join, subtract
from tests.gateway.outbox_fixtures import Bench
from tests.gateway.outbox_trace import Trace, child

# One sync a commit.


def test_every_commit_is_exactly_one_sync_of_the_log(tmp_path, sync_library):
    log = tmp_path / "log"
    log.touch()
    child("count", tmp_path / "hub", LD_PRELOAD=str(sync_library), SYNC_LOG=str(log))
    marks = list(Trace.read(log).between_marks())
    counted = {"captured": 0, "sealed": 0, "applying": 0, "again": 0, "end": 0}
    for (word, *_), synced in marks[marks.index(next(mark for mark in marks if mark[0] == ["start"])) + 1 :]:
        expected = {"releasing": [], "end": []}.get(word, ["outbox.sqlite-wal"])
        assert synced == expected, word
        counted[word] = counted.get(word, 0) + 1
    assert counted == {"captured": 100, "sealed": 50, "releasing": 1, "applying": 1, "again": 1, "end": 1}


def test_checkpoints_are_counted_apart_and_keep_their_syncs_to_themselves(tmp_path, sync_library):
    log = tmp_path / "log"
    log.touch()
    environment = {"LD_PRELOAD": str(sync_library), "SYNC_LOG": str(log), "STEPS": "150", "CHECKPOINT": "10"}
    child("traffic", tmp_path / "hub", **environment)
    extra = [synced for _, synced in Trace.read(log).between_marks() if "outbox.sqlite" in synced]
    assert len(extra) > 5
    plain = [
        synced for (word, *_), synced in Trace.read(log).between_marks() if word in ("captured", "sealed")
    ]
    assert sum(len(synced) == 1 for synced in plain) > 0.8 * len(plain)


# A disk that fails.


@pytest.mark.parametrize("what", ["eio", "full"])
def test_a_failing_disk_acknowledges_nothing_and_is_usable_when_it_recovers(tmp_path, sync_library, what):
    flags = {"SYNC_FAIL": str(tmp_path / "eio"), "WRITE_FAIL": str(tmp_path / "full")}
    status, said = child(what, tmp_path / "hub", LD_PRELOAD=str(sync_library), **flags)
    assert status == 9
    code = "disk-error" if what == "eio" else "disk-full"
    assert said == ["captured 1", *[f"refused {code}"] * 3, "held 1", said[5], "captured 2"]
    bench = Bench(tmp_path / "hub")
    assert bench.sendable() == [1]
    assert [captured.row for captured in bench.outbox.captured()] == [2]
    assert said[5].split()[2] == bench.outbox.head(bench.signer.kid).hash.hex()


@pytest.mark.parametrize("what", ["eio", "full"])
def test_killed_while_the_disk_fails_what_was_acknowledged_is_there(tmp_path, sync_library, what):
    flags = {"SYNC_FAIL": str(tmp_path / "eio"), "WRITE_FAIL": str(tmp_path / "full"), "STAYS_BROKEN": "1"}
    child(what, tmp_path / "hub", LD_PRELOAD=str(sync_library), **flags)
    bench = Bench(tmp_path / "hub")
    assert 1 in [captured.row for captured in bench.outbox.captured()]
    assert bench.outbox.unreported_damage() == []
    bench.seal()


# Ranges.

ranges = st.sets(st.integers(1, 40)).map(lambda numbers: join(tuple((n, n) for n in numbers), ()))


def numbers(found) -> set[int]:
    return {n for low, high in found for n in range(low, high + 1)}


@given(ranges, ranges)
def test_ranges_do_what_sets_do(one, other):
    assert numbers(join(one, other)) == numbers(one) | numbers(other)
    assert numbers(subtract(one, other)) == numbers(one) - numbers(other)
    assert numbers(common(one, other)) == numbers(one) & numbers(other)
    assert all(holds(one, n) == (n in numbers(one)) for n in range(45))
    merged = join(one, other)
    assert all(low > high + 1 for (_, high), (low, _) in itertools.pairwise(merged))
