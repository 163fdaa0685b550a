"""The outbox on a disk that rots: bits flip, pages and files go."""

import os
import random
import secrets
import shutil
import sqlite3
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.outbox import Head, OutboxError
from gateway.outbox.rescue import asides
from gateway.wire.envelope import check_complete, open_message
from tests.gateway.outbox_fixtures import MB, Bench

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SEED = bytes(range(32))


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


def head_if_readable(bench: Bench) -> Head | None:
    with suppress(OutboxError):
        return bench.outbox.head(bench.signer.kid)
    return None


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
    head = head_if_readable(again)
    if head is None:
        return
    assert head.sequence == max(originals)
    assert head.hash == bench.known[head.sequence]
    assert set(found) | named == set(originals)
    assert again.seal() == max(originals) + 1


@settings(max_examples=30 * DOSE, deadline=None)
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
    if how == "half":  # the head is there, most envelopes are not
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


@pytest.mark.parametrize("frames_from_end", [1, 2, 30])
@pytest.mark.parametrize("place", [0, 7, 8, 15, 16, 23, 24, 2000])
def test_a_flip_in_the_log_does_not_take_the_head_back(full_of_twenty, frames_from_end, place):
    """SQLite drops every commit from a bad frame on, without a word: the head must not go back with them."""
    there = full_of_twenty.folder.with_name("flipped")
    shutil.copytree(full_of_twenty.folder, there, ignore=shutil.ignore_patterns("*-shm", "*.lock"))
    wal = there / "outbox.sqlite-wal"
    data = bytearray(wal.read_bytes())
    data[len(data) - frames_from_end * 4120 + place] ^= 1
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
