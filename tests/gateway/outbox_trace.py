"""An outbox in a process of its own, and what it asked of the disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.outbox_fixtures import ROOT

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SEED = bytes(range(32))


def child(what: str, folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Run outbox_child; its exit status and what it said."""
    command = [sys.executable, "-m", "tests.gateway.outbox_child", what, str(folder)]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


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
