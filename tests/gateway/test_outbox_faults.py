"""The outbox on a disk that counts, fails, tears and rots."""

import os
import random
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.outbox import OutboxError
from gateway.outbox.rescue import asides
from gateway.outbox.rows import common, holds, join, subtract
from gateway.wire.envelope import check_complete, open_message
from tests.gateway.outbox_fixtures import MB, ROOT, Bench

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SEED = bytes(range(32))


def child(what: str, folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Run outbox_child; its exit status and what it said."""
    command = [sys.executable, "-m", "tests.gateway.outbox_child", what, str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=100
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


# One sync a commit.


@dataclass
class Trace:
    """What a child wrote, in order: ("S", name), ("W", name, offset, data), ("T", name, size), ("U", name),
    ("M", words)."""

    events: list[tuple] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Trace":
        data, at, trace = path.read_bytes(), 0, cls()
        while at < len(data):
            end = data.index(b"\n", at)
            kind, *words = data[at:end].decode().split(" ")
            at = end + 1
            if kind == "W":
                size = int(words[2])
                trace.events.append(("W", words[0], int(words[1]), data[at : at + size]))
                at += size
            elif kind == "T":
                trace.events.append(("T", words[0], int(words[1])))
            else:
                trace.events.append((kind, words) if kind == "M" else (kind, words[0]))
        return trace

    def between_marks(self) -> Iterator[tuple[list[str], list[str]]]:
        """(mark, files synced since the mark before)."""
        synced: list[str] = []
        for event in self.events:
            if event[0] == "S":
                synced.append(event[1])
            elif event[0] == "M":
                yield event[1], synced
                synced = []


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


# A power cut: what was synced is there, of the rest any part, torn at 512 bytes.


def image(trace: Trace, start: int, cut: int, rng: random.Random) -> dict[str, bytearray]:
    """The files as a disk may hold them after a cut before event number `cut`; up to `start` all is durable."""
    last_sync = {event[1]: n for n, event in enumerate(trace.events[:cut]) if event[0] == "S"}
    files: dict[str, bytearray] = {}
    for number, event in enumerate(trace.events[:cut]):
        kind, name = event[0], event[1]
        if kind in "SM":
            continue
        kept = number < max(start, last_sync.get(name, -1)) or rng.random() < 0.5
        if kind == "U" and kept:
            files.pop(name, None)
            continue
        file = files.setdefault(name, bytearray())
        if kind == "T" and kept:
            del file[event[2] :]
            file.extend(bytes(max(0, event[2] - len(file))))
        elif kind == "W" and kept:
            data = event[3]
            if number > max(start, last_sync.get(name, -1)):
                data = data[: 512 * rng.randint(1, -(-len(data) // 512))]
            file.extend(bytes(max(0, event[2] + len(data) - len(file))))
            file[event[2] : event[2] + len(data)] = data
    return files


def told(trace: Trace, cut: int) -> tuple[set[int], dict[int, str]]:
    """What had been acknowledged by then: captured rows not sealed yet, and hashes of envelopes."""
    rows: set[int] = set()
    sealed: dict[int, str] = {}
    for event in trace.events[:cut]:
        if event[0] == "M" and event[1][0] == "captured":
            rows.add(int(event[1][1]))
        elif event[0] == "M" and event[1][0] == "sealed":
            sealed[int(event[1][1])] = event[1][2]
            rows -= {int(row) for row in event[1][3:]}
    return rows, sealed


def losses(trace: Trace, start: int, cut: int, rng: random.Random, folder: Path) -> list[str]:
    """What a hub that was cut off here has lost, or done twice, of what it acknowledged."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, data in image(trace, start, cut, rng).items():
        (folder / name).write_bytes(data)
    rows, sealed = told(trace, cut)
    under_way = next((event[1] for event in trace.events[cut:] if event[0] == "M"), [""])
    bench = Bench(folder, seed=SEED)
    wrong = []
    held = {captured.row for captured in bench.outbox.captured()}
    stored = {row["sequence"]: row["hash"] for row in bench.outbox.rows(10_000)}
    if under_way[0] == "sealed" and int(under_way[1]) in stored:  # durable, and not said yet
        rows -= {int(row) for row in under_way[3:]}
    if rows - held:
        wrong.append(f"captured rows {sorted(rows - held)}")
    if any(stored.get(sequence) != proof[:12] for sequence, proof in sealed.items()):
        wrong.append("envelopes")
    if any(sequence in sealed for _, sequence in bench.outbox.unreported_damage()):
        wrong.append("reported as lost")
    try:
        head = bench.outbox.head(bench.signer.kid)
        if (head.sequence if head else 0) < max(sealed, default=0):
            wrong.append("head went back")
        bench.outbox.to_send(8, set())
    except OutboxError as error:
        if sealed:  # torn in its very first commit a key is given up: nothing of it was acknowledged
            wrong.append(error.code)
    bench.outbox.close()
    return wrong


def explore(tmp_path: Path, library: Path, synchronous: str, cuts: int) -> list[list[str]]:
    log = tmp_path / f"log-{synchronous}"
    log.touch()
    # The child's random work frees nothing: all that it acknowledged must be there.
    environment = {"LD_PRELOAD": str(library), "SYNC_LOG": str(log), "STEPS": "60", "CHECKPOINT": "12"}
    folder = tmp_path / f"hub-{synchronous}"
    folder.mkdir(mode=0o700)
    (folder / "signing.key").write_bytes(SEED)
    child("traffic", folder, SYNCHRONOUS=synchronous, **environment)
    trace = Trace.read(log)
    start = trace.events.index(("M", ["start"]))
    rng = random.Random(7)
    points = [rng.randint(start + 1, len(trace.events)) for _ in range(cuts)]
    return [losses(trace, start, cut, rng, tmp_path / f"image-{synchronous}") for cut in points]


def test_no_power_cut_loses_what_was_acknowledged(tmp_path, sync_library):
    found = explore(tmp_path, sync_library, "FULL", 120 * DOSE)
    assert [wrong for wrong in found if wrong] == []


def test_the_explorer_sees_what_synchronous_normal_loses(tmp_path, sync_library):
    """The control that must fail: with NORMAL the same cuts lose acknowledged rows."""
    found = explore(tmp_path, sync_library, "NORMAL", 40)
    assert sum(bool(wrong) for wrong in found) > 20


@settings(max_examples=40 * DOSE, deadline=None)
@given(st.integers(0, 5), st.integers(0, 24), st.integers(0, 2**32))
def test_a_torn_tail_of_the_log_costs_only_what_was_never_acknowledged(
    tmp_path_factory, unsynced, blocks, seed
):
    """Acknowledged rows, then frames that were never synced, cut anywhere at 512 bytes or scrambled."""
    folder = tmp_path_factory.mktemp("torn")
    bench = Bench(folder / "hub")
    rows = {bench.capture().row for _ in range(3)}
    bench.seal(rows=[min(rows)])
    wal = bench.path.with_name("outbox.sqlite-wal")
    synced = wal.stat().st_size
    for _ in range(unsynced):
        bench.seal(size=2000)
    there = folder / "cut"
    shutil.copytree(bench.folder, there, ignore=shutil.ignore_patterns("*-shm", "*.lock"))
    bench.outbox.close()
    torn = bytearray((there / wal.name).read_bytes()[: synced + 512 * blocks])
    rng = random.Random(seed)
    for at in range(synced, len(torn), 512):
        if rng.random() < 0.3:
            torn[at : at + 512] = bytes(512)
    (there / wal.name).write_bytes(torn)
    again = bench.revived(there)
    assert {captured.row for captured in again.outbox.captured()} >= rows - {min(rows)}
    assert again.outbox.head(bench.signer.kid).sequence >= 1
    assert 1 in again.sendable()
    assert (bench.signer.kid, 1) not in again.outbox.unreported_damage()
    again.outbox.close()


# Rot.


def rotten(bench: Bench, rng: random.Random, flips: int, name: str) -> Bench:
    """A copy of this hub in which bits of database and log have flipped."""
    there = bench.folder.with_name(name)
    shutil.copytree(bench.folder, there, ignore=shutil.ignore_patterns("*-shm", "*.lock"))
    for _ in range(flips):
        path = there / rng.choice(["outbox.sqlite", "outbox.sqlite-wal"])
        if not path.exists() or not path.stat().st_size:
            path = there / "outbox.sqlite"
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    return bench.revived(there)


def assert_the_rest_is_there(bench: Bench, again: Bench, originals: dict[int, bytes]) -> None:
    """Every envelope is byte for byte what it was, with null for a lost disclosure, or named as missing."""
    found = {message.sequence: message.raw for message in again.outbox.to_send(10_000, set())}
    named = {sequence for _, sequence in again.outbox.unreported_damage()}
    parts = {(sequence, index) for _, sequence, index, _ in again.outbox.unreported_parts()}
    for sequence, raw in found.items():
        sealed, disclosures = open_message(raw)
        check_complete(sealed, disclosures)
        original = open_message(originals[sequence])[1]
        for index, (now, then) in enumerate(zip(disclosures, original, strict=True)):
            assert now == then or (now is None and (sequence, index) in parts)
    try:
        head = again.outbox.head(bench.signer.kid)
    except OutboxError as error:
        assert error.code == "head-unreadable"
        return
    assert head.sequence == max(originals)
    assert head.hash == bench.known[head.sequence]
    assert set(found) | named == set(originals)
    assert again.seal() == max(originals) + 1


@settings(max_examples=50 * DOSE, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 1, 2, 5, 40]), st.booleans())
def test_flipped_bits_cost_what_they_hit_and_are_named(tmp_path_factory, seed, flips, rested):
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("rot")
    bench = Bench(folder / "hub")
    for number in range(12):
        bench.seal(rows=[bench.capture().row], items=1 + number % 3, size=rng.choice((1, 400, 3000)))
        if rested and number == 6:
            bench.outbox.rest()
    rows = {bench.capture(bytes(rng.choice((3, 3000)))).row for _ in range(4)}
    originals = {message.sequence: message.raw for message in bench.outbox.to_send(100, set())}
    again = rotten(bench, rng, flips, "rotten")
    bench.outbox.close()
    assert_the_rest_is_there(bench, again, originals)
    lost_rows = rows - {captured.row for captured in again.outbox.captured()}
    assert len(lost_rows) <= 4 * flips
    assert again.capture().row > max(rows)
    again.outbox.close()


@pytest.fixture
def full_of_twenty(bench) -> Bench:
    for _ in range(20):
        bench.seal(size=1000)
    return bench


def overwritten(bench: Bench, name: str, change) -> Bench:
    """A copy of this hub, closed before, whose database `change` was let loose on."""
    bench.outbox.close()
    there = bench.folder.with_name(name)
    shutil.copytree(bench.folder, there)
    with sqlite3.connect(there / "outbox.sqlite", isolation_level=None) as connection:
        change(connection)
    connection.close()
    again = bench.revived(there)
    bench.outbox = bench.open()
    return again


def test_one_unreadable_envelope_is_named_and_the_rest_goes_on(full_of_twenty):
    bench = full_of_twenty
    query = "UPDATE envelope SET signed = zeroblob(length(signed)) WHERE sequence = 7"
    again = overwritten(bench, "hit", lambda connection: connection.execute(query))
    assert again.sendable() == [20, *range(1, 7), *range(8, 20)]
    assert again.outbox.unreported_damage() == [(bench.signer.kid, 7)]
    assert again.reopen().unreported_damage() == [(bench.signer.kid, 7)]
    again.outbox.damage_reported(bench.signer.kid, 7)
    assert again.reopen().unreported_damage() == []
    again.outbox.apply(bench.state(6, (8, 20)), set())
    assert again.outbox.unreported_damage() == []  # told once
    assert again.outbox.counts()["missing"] == 0


def test_one_unreadable_disclosure_leaves_null_and_the_others_go(bench):
    bench.seal(items=3)
    query = "UPDATE disclosure SET data = x'00' WHERE n % 64 = 1"
    again = overwritten(bench, "hit", lambda connection: connection.execute(query))
    (message,) = again.outbox.to_send(8, set())
    sealed, disclosures = open_message(message.raw)
    check_complete(sealed, disclosures)
    assert [part is None for part in disclosures] == [False, True, False]
    assert again.outbox.unreported_parts() == [(bench.signer.kid, 1, 1, "unreadable")]
    again.outbox.apply(bench.state(1), set())
    assert again.outbox.unreported_parts() == []  # accepted before: the bridge has it


def test_an_unreadable_measurement_may_be_sealed_again(bench):
    key = secrets.token_bytes(32)
    bench.seal(key=key)
    query = "UPDATE disclosure SET data = x'00'"
    again = overwritten(bench, "hit", lambda connection: connection.execute(query))
    assert again.outbox.knows(key)
    again.sendable()
    assert not again.outbox.knows(key)


def test_an_unreadable_captured_row_takes_only_itself(bench):
    rows = [bench.capture().row for _ in range(3)]
    query = f"UPDATE captured SET body = x'80' WHERE n = {rows[1]}"
    again = overwritten(bench, "hit", lambda connection: connection.execute(query))
    assert [captured.row for captured in again.outbox.captured()] == [rows[0], rows[2]]


def test_one_copy_of_the_head_is_enough(full_of_twenty):
    for table in ("key_a", "key_b"):
        query = f"UPDATE {table} SET body = x'80'"
        again = overwritten(full_of_twenty, table, lambda connection, query=query: connection.execute(query))
        assert again.outbox.head(again.signer.kid).sequence == 20
        assert again.seal() == 21
        again.outbox.close()


def test_without_any_copy_the_key_never_seals_again(full_of_twenty):
    def spoil(connection):
        connection.execute("UPDATE key_a SET body = x'80'")
        connection.execute("DELETE FROM key_b")

    again = overwritten(full_of_twenty, "hit", spoil)
    for ask in (lambda: again.outbox.head(again.signer.kid), again.outbox.last_head, again.seal):
        with pytest.raises(OutboxError) as caught:
            ask()
        assert caught.value.code == "head-unreadable"
    assert len(again.sendable()) == 20  # what is sealed still goes


@pytest.mark.parametrize("how", ["deleted", "empty", "garbage", "header", "half"])
def test_a_destroyed_database_opens_and_its_key_never_seals_again(full_of_twenty, how):
    bench = full_of_twenty
    originals = {message.sequence: message.raw for message in bench.outbox.to_send(100, set())}
    bench.outbox.close()
    data = bench.path.read_bytes()
    half = data[: len(data) // 2 // 4096 * 4096 - 100]
    spoilt = {"empty": b"", "garbage": os.urandom(20_000), "header": bytes(4096) + data[4096:], "half": half}
    if how == "deleted":
        bench.path.unlink()
    else:
        bench.path.write_bytes(spoilt[how])
    outbox = bench.outbox = bench.open()
    if how == "header":  # everything but the schema's page is there
        assert outbox.head(bench.signer.kid).sequence == 20
        assert len(bench.sendable()) == 20
        return
    if how == "half":
        assert_the_rest_is_there(bench, bench, originals)
        assert asides(bench.path)
        return
    assert bench.sendable() == []
    for ask in (lambda: outbox.head(bench.signer.kid), outbox.last_head, bench.seal):
        with pytest.raises(OutboxError) as caught:
            ask()
        assert caught.value.code == "head-unreadable"
    bench.capture()
    assert bool(asides(bench.path)) == (how == "garbage")


def test_a_log_without_its_database_is_saved(full_of_twenty):
    again = full_of_twenty.folder.with_name("orphan")
    shutil.copytree(
        full_of_twenty.folder, again, ignore=shutil.ignore_patterns("*-shm", "*.lock", "outbox.sqlite")
    )
    bench = full_of_twenty.revived(again)
    assert bench.outbox.head(bench.signer.kid).sequence == 20
    assert len(bench.sendable()) == 20


def test_a_flip_in_the_log_does_not_take_the_head_back(full_of_twenty):
    """SQLite drops every commit from a bad frame on, without a word: the head must not go back with them."""
    there = full_of_twenty.folder.with_name("flipped")
    shutil.copytree(full_of_twenty.folder, there, ignore=shutil.ignore_patterns("*-shm", "*.lock"))
    wal = there / "outbox.sqlite-wal"
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 1
    wal.write_bytes(data)
    again = full_of_twenty.revived(there)
    assert again.outbox.head(again.signer.kid).sequence == 20
    assert len(asides(again.path)) == 2


def test_damage_that_shows_while_running_is_rescued_with_the_head_from_memory(full_of_twenty):
    bench = full_of_twenty
    bench.outbox.rest()
    connection = bench.outbox._store.connection
    connection.execute("PRAGMA cache_size = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with bench.path.open("r+b") as file:
        for page in range(1, bench.path.stat().st_size // 4096):
            file.seek(page * 4096)
            kind = file.read(1)
            if kind in (b"\x05", b"\x02", b"\x0a"):  # every inner page and every index
                file.seek(page * 4096)
                file.write(b"\xff" * 12)
    connection.execute("PRAGMA shrink_memory")
    assert bench.seal(size=1000) == 21
    assert len(bench.sendable()) == 21
    assert bench.outbox.unreported_damage() == []
    assert asides(bench.path)


def test_damaged_files_are_kept_aside_but_not_for_ever(full_of_twenty):
    bench = full_of_twenty
    for _ in range(5):
        bench.outbox.close()
        data = bytearray(bench.path.read_bytes())
        data[0:16] = bytes(16)
        bench.path.write_bytes(data)
        bench.outbox = bench.open()
        assert bench.outbox.head(bench.signer.kid).sequence == 20
    kept = asides(bench.path)
    assert 1 <= len(kept) <= 4
    assert all(".damaged-20" in path.name for path in kept)


def test_erasing_a_measurement_deletes_what_was_kept_aside(full_of_twenty):
    bench = full_of_twenty
    key = secrets.token_bytes(32)
    bench.seal(key=key)
    bench.outbox.close()
    data = bench.path.read_bytes()
    bench.path.write_bytes(bytes(16) + data[16:])
    bench.outbox = bench.open()
    assert asides(bench.path)
    bench.outbox.apply(bench.state(0, forget=[key]), set())
    assert asides(bench.path) == []


def test_a_rescue_that_was_cut_off_begins_again_and_a_complete_one_is_taken(full_of_twenty):
    bench = full_of_twenty
    bench.outbox.close()
    whole = bench.path.read_bytes()
    (bench.folder / "outbox.sqlite.rescuing").write_bytes(b"half a rescue")
    bench.outbox = bench.open()
    assert bench.outbox.head(bench.signer.kid).sequence == 20
    bench.outbox.close()
    (bench.folder / "outbox.sqlite.rescued").write_bytes(whole)
    bench.path.write_bytes(b"the damaged one")
    bench.outbox = bench.open()
    assert bench.outbox.head(bench.signer.kid).sequence == 20
    assert not list(bench.folder.glob("*.rescu*"))


def test_freed_envelopes_stay_freed_through_a_rescue(tmp_path):
    bench = Bench(tmp_path / "hub", limit=MB)
    while bench.outbox.fullness() < 0.9:
        last = bench.seal(size=3000)
    bench.outbox.apply(bench.state(last), set())
    count = bench.outbox.make_room()
    assert count
    before = sorted(row["sequence"] for row in bench.outbox.rows(10_000))
    bench.outbox.close()
    data = bench.path.read_bytes()
    bench.path.write_bytes(bytes(16) + data[16:])
    bench.outbox = bench.open()
    assert sorted(row["sequence"] for row in bench.outbox.rows(10_000)) == before
    assert bench.outbox.unreported_damage() == []
    assert not bench.outbox.apply(bench.state(last), set()).lost_accepted


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "outbox.sqlite").mkdir()
    with pytest.raises(OutboxError):
        Bench(tmp_path / "hub")


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
    assert all(low > high + 1 for (_, high), (low, _) in zip(merged, merged[1:], strict=False))
