"""A proxy in front of a FHIR server that gives the faults of real networks and real servers, by script.

Each request takes the next fault of the script; when the script is empty it is passed on untouched. What was
asked is kept in `seen`, so that a test can tell what a client did about a fault.
"""

import contextlib
import gzip
import http.client
import json
import socket
import socketserver
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from io import BufferedIOBase
from typing import Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
HUGE = 8 << 20
BOMB = 32 << 20
TRICKLE_S = 0.05
FORWARD_S = 30.0
FHIR_JSON = "application/fhir+json"
HOP_HEADERS = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"})


@dataclass(frozen=True)
class Exchange:
    """An answer in its parts."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def raw(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in self.headers)]
        lines += ["Connection: close", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    forward: the real server gets it first. answer: makes the bytes that are sent, from the real answer when
    there is one; an iterator is sent piece by piece with pauses. ending: how the connection ends after that.
    """

    forward: bool
    answer: Callable[[Exchange], bytes | Iterator[bytes]] = lambda _: b""
    ending: str = "close"  # close | silence | reset


def _scripted(status: int, *headers: tuple[str, str], body: bytes = b"") -> Callable[[Exchange], bytes]:
    return lambda _: Exchange(status, list(headers), body).raw()


def _outcome(status: int, code: str, text: str) -> Callable[[Exchange], bytes]:
    issue = {"severity": "error", "code": code, "diagnostics": text}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    return _scripted(status, ("Content-Type", FHIR_JSON), body=body)


def _cut(real: Exchange) -> bytes:
    """Half of the body; half of the head when there is no body."""
    raw = real.raw()
    return raw[: len(raw) - len(real.body) // 2] if len(real.body) > 1 else raw[: len(raw) // 2]


def _without_location(real: Exchange) -> bytes:
    kept = [header for header in real.headers if header[0].lower() != "location"]
    return Exchange(real.status, kept, b"").raw()


def _as_text(real: Exchange) -> bytes:
    kept = [header for header in real.headers if header[0].lower() not in ("content-type", "location")]
    return Exchange(real.status, [*kept, ("Content-Type", "text/plain")], real.body or b"ok").raw()


def _huge(_: Exchange) -> bytes:
    return Exchange(200, [("Content-Type", FHIR_JSON)], b" " * HUGE).raw()


@cache
def _packed() -> bytes:
    return gzip.compress(b" " * BOMB)


def _bomb(_: Exchange) -> bytes:
    return Exchange(200, [("Content-Type", FHIR_JSON), ("Content-Encoding", "gzip")], _packed()).raw()


def _trickle(_: Exchange) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-Slow: 1\r\n"


HTML = b"<html><body>Log in first</body></html>"
_html = _scripted(200, ("Content-Type", "text/html"), body=HTML)
_busy_until = _scripted(503, ("Retry-After", formatdate(4_102_444_800, usegmt=True)))  # in the year 2100

FAULTS: dict[str, Fault] = {
    "pass": Fault(forward=True, answer=lambda real: real.raw()),
    "silence": Fault(forward=False, ending="silence"),
    "silence-after-commit": Fault(forward=True, ending="silence"),
    "reset": Fault(forward=False, ending="reset"),
    "reset-after-commit": Fault(forward=True, ending="reset"),
    "cut-after-commit": Fault(forward=True, answer=_cut),
    "trickle-after-commit": Fault(forward=True, answer=_trickle),
    "error-500": Fault(forward=False, answer=_scripted(500)),
    "error-500-after-commit": Fault(forward=True, answer=_scripted(500)),
    "error-502": Fault(forward=False, answer=_scripted(502, ("Content-Type", "text/html"), body=HTML)),
    "error-504-after-commit": Fault(forward=True, answer=_scripted(504)),
    "busy-503-date": Fault(forward=False, answer=_busy_until),
    "busy-429": Fault(forward=False, answer=_scripted(429, ("Retry-After", "7"))),
    "html-200": Fault(forward=False, answer=_html),
    "html-200-after-commit": Fault(forward=True, answer=_html),
    "huge-after-commit": Fault(forward=True, answer=_huge),
    "gzip-bomb-after-commit": Fault(forward=True, answer=_bomb),
    "wrong-type-after-commit": Fault(forward=True, answer=_as_text),
    "no-location-after-commit": Fault(forward=True, answer=_without_location),
    "conflict-409": Fault(forward=False, answer=_outcome(409, "conflict", "try again")),
    "conflict-409-after-commit": Fault(forward=True, answer=_outcome(409, "conflict", "try again")),
    "conflict-412": Fault(forward=False, answer=_outcome(412, "multiple-matches", "several")),
    "unauthorised-401": Fault(forward=False, answer=_scripted(401, ("WWW-Authenticate", "Bearer"))),
    "forbidden-403": Fault(forward=False, answer=_scripted(403)),
    "gone-404": Fault(forward=False, answer=_scripted(404)),
    "gone-410": Fault(forward=False, answer=_scripted(410)),
    "invalid-400": Fault(forward=False, answer=_outcome(400, "structure", "unknown element")),
    "invalid-422": Fault(forward=False, answer=_outcome(422, "business-rule", "no blood pressure here")),
    "redirect": Fault(forward=False, answer=_scripted(307, ("Location", "/fhir/Observation"))),
}


class FaultProxy:
    """Use as a context manager. `base_url` takes the place of the real server's."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._script: deque[str] = deque()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.seen: list[tuple[str, str]] = []
        self._server = _Server((HOST, 0), self._handler())
        self.base_url = f"http://{HOST}:{self._server.server_address[1]}{self._target.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def script(self, *names: str) -> None:
        """The next requests meet these faults of FAULTS, in order; what was left of an older script goes."""
        assert all(name in FAULTS for name in names)
        with self._lock:
            self._script = deque(names)
            self.seen = []

    def _next(self, method: str, path: str) -> Fault:
        with self._lock:
            self.seen.append((method, path))
            return FAULTS[self._script.popleft() if self._script else "pass"]

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):  # a client that has gone away
                    proxy.serve(self.rfile, self.connection)

        return Handler

    def serve(self, rfile: BufferedIOBase, connection: socket.socket) -> None:
        """One request on one connection."""
        request = _read_request(rfile)
        if request is None:
            return
        fault = self._next(request.method, request.path)
        real = self._forward(request) if fault.forward else Exchange(0, [], b"")
        answer = fault.answer(real)
        if isinstance(answer, bytes):
            connection.sendall(answer)
        else:
            self._send_slowly(connection, answer)
        self._end(connection, fault.ending)

    def _forward(self, request: "_Request") -> Exchange:
        client = http.client.HTTPConnection(
            self._target.hostname or HOST, self._target.port, timeout=FORWARD_S
        )
        try:
            client.request(request.method, request.path, request.body or None, request.headers)
            answer = client.getresponse()
            kept = [header for header in answer.getheaders() if header[0].lower() not in HOP_HEADERS]
            return Exchange(answer.status, kept, answer.read())
        finally:
            client.close()

    def _send_slowly(self, connection: socket.socket, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            connection.sendall(piece)
            if self._stopped.wait(TRICKLE_S):
                return

    def _end(self, connection: socket.socket, ending: str) -> None:
        if ending == "silence":
            connection.settimeout(None)
            connection.recv(1)  # returns when the client gives up
        elif ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def _read_request(rfile: BufferedIOBase) -> _Request | None:
    words = rfile.readline().decode("latin-1").split()
    if len(words) != 3:
        return None
    headers = http.client.parse_headers(rfile)
    body = rfile.read(int(headers.get("content-length", "0")))
    sent = {name: value for name, value in headers.items() if name.lower() not in ("host", "connection")}
    return _Request(words[0], words[1], sent, body)
