"""A hub's outbox for tests: real keys, real envelopes, real files."""

import hashlib
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from gateway.outbox import Captured, Outbox
from gateway.signer import Signer
from gateway.wire import cose
from gateway.wire.envelope import CONTENT_TYPE, Contents, digest, disclosure, external_aad
from gateway.wire.items import DeviceClock, Frame, ReadingItem
from gateway.wire.measurement import Capture, Device, Moment
from gateway.wire.reading import Reading, Value
from gateway.wire.state import KeyState, Refusal, State

HUB = "hub-1"
BOOT = b"boot-one"
DEVICE = Device("bluetooth-0011", manufacturer="Maker", model="Cuff")
MB = 1 << 20
ROOT = Path(__file__).parents[2]


def moment(mono_ms: int = 1000) -> Moment:
    return Moment(BOOT, mono_ms, None, "none")


def reading(systolic: int = 120) -> Reading:
    return Reading("blood-pressure", "spot", [Value("systolic", systolic, 0, "mm[Hg]")])


class Bench:
    """One outbox and its key, with shorthands for what a hub does."""

    # Every outbox that was opened, so that those a test leaves as a cut would are closed when it is over.
    opened: ClassVar[list[Outbox]] = []

    def __init__(self, folder: Path, limit: int = 8 * MB, seed: bytes | None = None) -> None:
        self.folder = folder
        self.limit = limit
        self.path = folder / "outbox.sqlite"
        if seed is not None:
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / "signing.key").write_bytes(seed)
        self.signer = Signer.open(folder)
        self.time = 0.0
        self.outbox = self.open()
        self.known: dict[int, bytes] = {}

    def open(self) -> Outbox:
        outbox = Outbox(self.path, self.limit, monotonic=lambda: self.time)
        self.opened.append(outbox)
        return outbox

    @classmethod
    def close_all(cls) -> None:
        while cls.opened:
            outbox = cls.opened.pop()
            with suppress(sqlite3.ProgrammingError):  # the test closed it
                _ = outbox._store.connection.total_changes
                outbox.close()

    def reopen(self) -> Outbox:
        self.outbox.close()
        self.outbox = self.open()
        return self.outbox

    def capture(self, data: bytes = b"\x1e\x8a\x00", *, clock: DeviceClock | None = None) -> Captured:
        frames = [Frame("2a35", 0, data)]
        return self.outbox.capture(
            b"visit--1", moment(), self.signer.kid, DEVICE, "blood-pressure", frames, clock
        )

    def item(self, data: bytes = b"\x1e") -> ReadingItem:
        capture = Capture(self.signer.kid, 1, moment())
        return ReadingItem(capture, DEVICE, "blood-pressure", 1, [Frame("2a35", 0, data)], reading(), None)

    def seal(
        self, *, rows: list[int] | None = None, items: int = 1, size: int = 1, key: bytes | None = None
    ) -> int:
        """An envelope of new readings; its sequence. `known` keeps its message's hash."""
        head = self.outbox.head(self.signer.kid)
        sequence = 1 if head is None else head.sequence + 1
        disclosed = [disclosure(secrets.token_bytes(16), self.item(bytes([n]) * size)) for n in range(items)]
        signed = self.signed(sequence, None if head is None else head.hash, disclosed)
        keys = [key or hashlib.sha256(disclosed[0]).digest()] + [b""] * (items - 1)
        self.outbox.seal(self.signer.kid, sequence, signed, disclosed, keys, 0, rows or [])
        self.known[sequence] = digest(signed)
        return sequence

    def signed(self, sequence: int, previous: bytes | None, disclosed: list[bytes]) -> bytes:
        reason = "first" if previous is None else None
        contents = Contents(
            sequence, previous, reason, moment(), 0, [digest(part) for part in disclosed]
        ).encode()
        protected = cose.protected_header(CONTENT_TYPE, self.signer.kid)
        signature = self.signer.sign(cose.sig_structure(protected, external_aad(HUB), contents))
        return cose.pack(protected, contents, signature)

    def state(
        self,
        contiguous: int,
        *ranges: tuple[int, int],
        settled: int = 0,
        refused: list[Refusal] | None = None,
        forget: list[bytes] | None = None,
        last: bytes | None = None,
        bridge_ms: int = 1000,
    ) -> State:
        last = last or self.hash_at(contiguous)
        keys = [KeyState(self.signer.kid, contiguous, last if contiguous else None, list(ranges), settled)]
        return State(b"12345678", 1, keys, refused or [], bridge_ms, forget=forget)

    def hash_at(self, sequence: int) -> bytes:
        """What a bridge holds there, also of envelopes that a killed hub had sealed."""
        query = "SELECT hash FROM envelope WHERE sequence = ?"
        row = self.outbox._store.connection.execute(query, (sequence,)).fetchone()
        return row[0] if row else self.known.get(sequence, b"?" * 32)

    def refusal(self, sequence: int, retry: str, after_ms: int | None = None) -> Refusal:
        return Refusal(self.signer.kid, sequence, self.known[sequence], "signature", retry, after_ms)

    def sendable(self, limit: int = 1000, *, exclude: tuple[int, ...] = ()) -> list[int]:
        messages = self.outbox.to_send(limit, {(self.signer.kid, sequence) for sequence in exclude})
        return [message.sequence for message in messages]

    def cut(self, name: str) -> "Bench":
        """This hub as it stands on the disk now, without warning: what a kill leaves."""
        there = self.folder.with_name(name)
        there.mkdir(mode=0o700)
        for path in self.folder.iterdir():
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copyfile(path, there / path.name)
        return self.revived(there)

    def revived(self, there: Path) -> "Bench":
        """An opened copy of this hub in another folder."""
        bench = Bench.__new__(Bench)
        bench.folder, bench.limit, bench.path = there, self.limit, there / self.path.name
        bench.signer, bench.time, bench.known = self.signer, 0.0, dict(self.known)
        bench.outbox = bench.open()
        return bench


def build_library(folder: Path) -> Path | None:
    """The preload library of countsync.c; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "countsync.so"
    source = Path(__file__).with_name("countsync.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library
