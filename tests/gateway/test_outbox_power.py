"""The outbox after a power cut: what was synced is there, of the rest any part, torn at 512 bytes."""

import os
import random
import shutil
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.outbox import OutboxError
from tests.gateway.outbox_fixtures import Bench
from tests.gateway.outbox_trace import Trace, child

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SEED = bytes(range(32))


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
    found = explore(tmp_path, sync_library, "FULL", 60 * DOSE)
    assert [wrong for wrong in found if wrong] == []


def test_the_explorer_sees_what_synchronous_normal_loses(tmp_path, sync_library):
    """The control that must fail: with NORMAL the same cuts lose acknowledged rows."""
    found = explore(tmp_path, sync_library, "NORMAL", 40)
    assert sum(bool(wrong) for wrong in found) > 20


@settings(max_examples=25 * DOSE, deadline=None)
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
