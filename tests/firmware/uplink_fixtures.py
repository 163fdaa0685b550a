"""The firmware's uplink in a MicroPython process, told what to do, and heard."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud_bridge.authority import Identity
from tests.cloud_bridge.broker_fixtures import Rig, Seen

ROOT = Path(__file__).parents[2]
SCRIPT = "tests/firmware/board/run_uplink.py"
QUICK = {"first_delay_s": 0.1, "longest_delay_s": 0.5, "keepalive_s": 5, "answer_within_s": 5}


def interpreter() -> str:
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        pytest.skip("no MicroPython unix port for this machine")
    return found


class Board:
    """A process with one uplink; `events` is all that it said, each a tuple."""

    def __init__(self, told: dict[str, Any], heap: str, environment: dict[str, str]) -> None:
        self.events = Seen()
        paths = {"MICROPYPATH": "firmware/virtual:.:.frozen", "UPLINK": json.dumps(told)}
        self.process = subprocess.Popen(
            [interpreter(), "-X", f"heapsize={heap}", SCRIPT],
            cwd=ROOT,
            env={**os.environ, **paths, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            try:
                self.events.add(tuple(json.loads(line)))
            except ValueError:
                self.events.add(("said", line.rstrip()))

    def tell(self, *words: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def count(self, word: str) -> int:
        return sum(event[0] == word for event in self.events.all)

    def online(self, times: int = 1, within_s: float = 15.0) -> None:
        self.events.wait(lambda seen: sum(e[0] == "online" for e in seen) >= times, within_s)

    def offline(self, within_s: float = 15.0, times: int = 1) -> str:
        """The code of the last end of a connection or attempt, once there were so many."""
        seen = self.events.wait(lambda seen: sum(e[0] == "offline" for e in seen) >= times, within_s)
        return [event[1] for event in seen if event[0] == "offline"][-1]

    def ask(self, *words: Any) -> Any:
        """What it answers to a word that has an answer."""
        answer = {"publish": "published", "publish-stored": "published"}.get(words[0], words[0])
        before = self.count(answer)
        self.tell(*words)
        seen = self.events.wait(lambda seen: sum(e[0] == answer for e in seen) > before)
        return [event for event in seen if event[0] == answer][before][1]

    def end(self) -> None:
        """Cancel the uplink, as a hub that goes down does; AssertionError when it did not end by itself."""
        if self.process.poll() is None:
            self.tell("end")
        try:
            code = self.process.wait(10)
        finally:
            self.process.kill()
            self._reader.join()
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe
                pipe.close()
        assert code == 0, self.events.all[-20:]


def in_der(rig: Rig, files: Identity) -> dict[str, str]:
    """The files of a hub as a board holds them."""
    folder = files.certificate.parent / "der"
    folder.mkdir(exist_ok=True)
    contents = {
        "ca": _der(files.ca),
        "certificate": _der(files.certificate),
        "key": load_pem_private_key(files.key.read_bytes(), None).private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}


def _der(pem: Path) -> bytes:
    from ssl import PEM_cert_to_DER_cert

    return PEM_cert_to_DER_cert(pem.read_text())


@contextmanager
def board(
    rig: Rig,
    hub: str,
    files: Identity | None = None,
    *,
    heap: str = "256k",
    environment: dict[str, str] | None = None,
    told: dict[str, Any] | None = None,
    **changes: Any,
) -> Iterator[Board]:
    """changes: of the settings. told: of the rest that the process is told."""
    paths = in_der(rig, files or rig.hub(hub))
    whole = {"host": "localhost", "port": rig.port, "hub": hub, **paths, "changes": {**QUICK, **changes}}
    found = Board({**whole, **(told or {})}, heap, environment or {})
    try:
        yield found
    finally:
        found.end()
