"""The firmware's uplink in a MicroPython process, told what to do, and heard."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud_bridge.authority import Authority, Identity, identity, install, make_request
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
        self._killed = False
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
        """The code of the so manieth end of a connection or attempt."""
        seen = self.events.wait(lambda seen: sum(e[0] == "offline" for e in seen) >= times, within_s)
        return [event[1] for event in seen if event[0] == "offline"][times - 1]

    def ask(self, *words: Any) -> Any:
        """Its answer to a line."""
        before = self.count("answer")
        self.tell(*words)
        seen = self.events.wait(lambda seen: sum(e[0] == "answer" for e in seen) > before)
        return [event for event in seen if event[0] == "answer"][before][1]

    def kill(self) -> None:
        """Pull the plug."""
        self.process.kill()
        self.process.wait(10)
        self._killed = True

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
        assert code == 0 or self._killed, self.events.all[-20:]


def in_der(files: Identity) -> dict[str, str]:
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
    return ssl.PEM_cert_to_DER_cert(pem.read_text())


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
    paths = in_der(files or rig.hub(hub))
    whole = {"host": "localhost", "port": rig.port, "hub": hub, **paths, "changes": {**QUICK, **changes}}
    found = Board({**whole, **(told or {})}, heap, environment or {})
    try:
        yield found
    finally:
        found.end()


WELCOME = {0x10: b"\x20\x02\x00\x00", 0x82: b"\x90\x03\xff\xff\x00", 0xC0: b"\xd0\x00"}


class Scripted:
    """A broker of ours that says what it is told: real TLS with our authority, then bytes by script.

    answers: from the first byte of a packet to what is said to it; b"" hangs up. talk: said at once after
    the welcome, and the end of that connection. issued: when its certificate was.
    """

    def __init__(
        self,
        authority: Authority,
        folder: Path,
        answers: dict[int, bytes] | None = None,
        talk: Callable[[ssl.SSLSocket], None] | None = None,
        issued: datetime | None = None,
    ) -> None:
        place = identity(folder, "scripted")
        certificate = authority.issue_server(make_request(place.key, "localhost"), ("localhost",), issued)
        install(place, certificate.pem, authority.pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(place.certificate, place.key)
        self._context.load_verify_locations(place.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._answers = WELCOME | (answers or {})
        self._talk = talk
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: socket.socket | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._open = plain
            self.connections += 1
            with suppress(OSError), plain, self._context.wrap_socket(plain, server_side=True) as line:
                self._open = line
                self._serve(line)

    def _serve(self, line: ssl.SSLSocket) -> None:
        while data := line.recv(65536):
            first = data[0]
            answer = self._answers.get(first)
            if answer is not None:
                line.sendall(answer)
            if answer == b"":
                return
            if first == 0x82 and self._talk is not None:
                self._talk(line)
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with suppress(OSError):
            if self._open:
                self._open.shutdown(socket.SHUT_RDWR)
        self._thread.join()
