"""An outbox in a process of its own, for tests that count its syncs, break its disk or kill it.

Arguments: what to do, the folder. Says one line for each thing that was acknowledged: into the sync log,
in order with what was written, where there is one; else to standard output.
"""

import os
import random
import sys
from pathlib import Path

import structlog

from gateway.outbox import OutboxError
from tests.gateway.outbox_fixtures import MB, Bench

structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def say(*words: object) -> None:
    line = " ".join(str(word) for word in words) + "\n"
    log = os.environ.get("SYNC_LOG")
    if log is None:
        os.write(1, line.encode())
        return
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(handle, b"M " + line.encode())
    os.close(handle)


def capture(bench: Bench) -> int:
    captured = bench.capture(os.urandom(20))
    say("captured", captured.row)
    return captured.row


def seal(bench: Bench, rows: list[int], size: int = 1) -> int:
    sequence = bench.seal(rows=rows, size=size)
    say("sealed", sequence, bench.known[sequence].hex(), *rows)
    return sequence


def count(bench: Bench) -> None:
    """A hundred of everything, none near a checkpoint."""
    bench.outbox._store.checkpoint_after = 10**9
    bench.seal()
    say("start")
    for _ in range(100):
        capture(bench)
    for row in range(1, 51):
        seal(bench, [row], size=1500)
    say("releasing")
    bench.outbox.release([60])
    say("applying")
    bench.outbox.apply(bench.state(20, settled=10), set())
    say("again")
    bench.outbox.apply(bench.state(20, settled=10), set())
    say("end")


def traffic(bench: Bench) -> None:
    """Random work for ever, or for the number of steps given."""
    steps = int(os.environ.get("STEPS", str(10**9)))
    rng = random.Random(os.environ.get("SEED", "1"))
    waiting = [captured.row for captured in bench.outbox.captured()]
    say("start")
    for _ in range(steps):
        choice = rng.random()
        if choice < 0.5 or not waiting:
            waiting.append(capture(bench))
        elif choice < 0.85:
            rows = [waiting.pop(0) for _ in range(min(len(waiting), rng.randint(1, 3)))]
            seal(bench, rows, size=rng.choice((1, 30, 3000)))
        elif choice < 0.95:
            head = bench.outbox.head(bench.signer.kid)
            top = 0 if head is None else rng.randint(max(0, head.sequence - 5), head.sequence)
            bench.outbox.apply(bench.state(top, settled=top), set())
            say("accepted", top)
        else:
            bench.outbox.make_room()


def broken(bench: Bench, flag: str) -> None:
    """The disk fails, then recovers, then the process is killed."""
    failing = Path(os.environ[flag])
    first = capture(bench)
    failing.touch()
    for attempt in (bench.capture, bench.seal, bench.capture):
        try:
            attempt()
        except OutboxError as error:
            say("refused", error.code)
        else:
            say("acknowledged", attempt.__name__)
    say("held", *[captured.row for captured in bench.outbox.captured()])
    if os.environ.get("STAYS_BROKEN"):
        os._exit(9)
    failing.unlink()
    seal(bench, [first])
    capture(bench)
    os._exit(9)


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    bench = Bench(folder, limit=int(os.environ.get("LIMIT", str(8 * MB))))
    bench.outbox._store.checkpoint_after = int(os.environ.get("CHECKPOINT", "64"))
    if os.environ.get("SYNCHRONOUS"):
        bench.outbox._store.connection.execute("PRAGMA synchronous = " + os.environ["SYNCHRONOUS"])
    if what == "count":
        count(bench)
    elif what == "traffic":
        traffic(bench)
    elif what == "eio":
        broken(bench, "SYNC_FAIL")
    elif what == "full":
        broken(bench, "WRITE_FAIL")
    os._exit(0)


main()
