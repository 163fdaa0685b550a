"""A hub that is killed at random moments of its work: nothing acknowledged is lost, no sequence used twice."""

import os
import random
import selectors
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.wire.envelope import check_complete, open_message, open_signed
from tests.gateway.outbox_fixtures import ROOT, Bench

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
ROUNDS = 12 * DOSE
DEADLINE_S = 30


class Acknowledged:
    """All that children said before they were killed."""

    def __init__(self) -> None:
        self.waiting: set[int] = set()
        self.sealed: dict[int, str] = {}
        self.rows_of: dict[int, set[int]] = {}

    def take(self, line: str) -> None:
        word, *rest = line.split()
        if word == "captured":
            assert int(rest[0]) not in self.waiting
            self.waiting.add(int(rest[0]))
        elif word == "sealed":
            assert int(rest[0]) not in self.sealed
            self.sealed[int(rest[0])] = rest[1]
            self.waiting -= {int(row) for row in rest[2:]}


def run_and_kill(folder: Path, seed: int, after: int) -> list[str]:
    """Let a child work until it said so many lines, kill it without waiting, and return all it had said."""
    command = [sys.executable, "-m", "tests.gateway.outbox_child", "traffic", str(folder)]
    environment = os.environ | {"SEED": str(seed), "CHECKPOINT": "9"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said, ready = b"", selectors.DefaultSelector()
        ready.register(child.stdout, selectors.EVENT_READ)
        while said.count(b"\n") < after:
            assert ready.select(DEADLINE_S), "the child says nothing"
            more = os.read(child.stdout.fileno(), 65536)
            assert more, "the child ended by itself"
            said += more
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate(timeout=DEADLINE_S)
    return (said + rest).decode().splitlines()


def check(bench: Bench, told: Acknowledged) -> None:
    outbox = bench.outbox
    held = {captured.row for captured in outbox.captured()}
    messages = {message.sequence: message for message in outbox.to_send(100_000, set())}
    stages = {row["sequence"]: row["hash"] for row in outbox.rows(100_000)}
    head = outbox.head(bench.signer.kid)
    top = 0 if head is None else head.sequence
    assert sorted(stages) == list(range(1, top + 1))  # each once, no gap
    assert top - max(told.sealed, default=0) in (0, 1)  # at most the one that was under way
    for sequence, proof in told.sealed.items():
        assert stages[sequence] == proof[:12]
    gone = told.waiting - held
    assert not gone or top > max(told.sealed, default=0)  # sealed by the one that was under way
    assert outbox.unreported_damage() == []
    for message in messages.values():
        check_complete(*open_message(message.raw))
    check_links(bench, top)


def check_links(bench: Bench, top: int) -> None:
    """Every envelope names the one before it."""
    query = "SELECT sequence, hash, signed FROM envelope ORDER BY sequence"
    previous = None
    for sequence, proof, signed in bench.outbox._store.connection.execute(query):
        contents = open_signed(signed).contents
        assert contents is not None
        assert (contents.sequence, contents.previous) == (sequence, previous)
        assert (contents.reason is None) == (sequence > 1)
        previous = proof
    assert top == 0 or previous == bench.outbox.head(bench.signer.kid).hash


@pytest.mark.parametrize("campaign", range(2))
def test_killed_at_random(tmp_path, campaign):
    rng, told = random.Random(campaign), Acknowledged()
    for _ in range(ROUNDS // 2):
        for line in run_and_kill(tmp_path / "hub", rng.randrange(2**32), rng.randint(1, 120)):
            told.take(line)
        bench = Bench(tmp_path / "hub")
        check(bench, told)
        # What the last commit did before the kill, unsaid, counts as said from here on.
        told.waiting = {captured.row for captured in bench.outbox.captured()}
        for row in bench.outbox.rows(100_000):
            told.sealed.setdefault(row["sequence"], row["hash"])
        bench.outbox.close()
