"""Updates from a web server on loopback, the server good or bad, with TLS and without."""

import datetime as dt
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.firmware.conftest import ROOT, micropython

SCRIPT = "tests/firmware/board/run_update_http.py"


class Server(ThreadingHTTPServer):
    """Serves a folder under /esp32s3/ with ranges; `fault` names how it goes wrong with the image."""

    daemon_threads = True

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.fault, self.asked = folder, "", 0
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or shows no certificate, is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/esp32s3/")
        file = self.server.folder / name
        if not self.path.startswith("/esp32s3/") or not file.exists():
            self.answer(404, b"none")
            return
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        data = file.read_bytes()
        self.server.asked += name == "release.image"
        if first >= len(data):
            self.answer(416, b"")
        elif self.server.fault and name == "release.image":
            getattr(self, self.server.fault)(data, data[first : last + 1])
        else:
            self.answer(206, data[first : last + 1])

    def answer(self, status: int, data: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for header in headers or (("Content-Length", str(len(data))),):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def whole(self, data: bytes, _: bytes) -> None:
        self.answer(200, data)

    def longer(self, _: bytes, part: bytes) -> None:
        self.answer(206, part + b"more")

    def cut(self, _: bytes, part: bytes) -> None:
        self.answer(206, part[:100], ("Content-Length", str(len(part))))
        self.close_connection = True

    def hangs(self, _: bytes, part: bytes) -> None:
        self.answer(206, part[:100], ("Content-Length", str(len(part))))
        self.rfile.read(1)

    def drips(self, _: bytes, part: bytes) -> None:
        self.answer(206, b"", ("Content-Length", str(len(part))))
        gone = threading.Event()
        for byte in part:
            self.wfile.write(bytes([byte]))
            if gone.wait(0.02):
                break

    def endless_head(self, _data: bytes, _: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 206 Partial\r\n")
        for _number in range(100000):
            self.wfile.write(b"X-More: and more\r\n")

    def endless_line(self, _data: bytes, _: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 206 " + b"x" * 1_000_000)

    def chunked(self, _: bytes, part: bytes) -> None:
        self.answer(206, b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part), ("Transfer-Encoding", "chunked"))

    def elsewhere(self, _data: bytes, _: bytes) -> None:
        self.answer(302, b"", ("Location", "/other"), ("Content-Length", "0"))

    def no_length(self, _: bytes, part: bytes) -> None:
        self.answer(206, part, ("Connection", "close"))
        self.close_connection = True

    def negative(self, _data: bytes, _: bytes) -> None:
        self.answer(206, b"12345", ("Content-Length", "-5"))

    def garbage(self, _data: bytes, _: bytes) -> None:
        self.wfile.write(b"\x00\xff\r\n\r\n" * 50)
        self.close_connection = True

    def other_bytes(self, _: bytes, part: bytes) -> None:
        self.answer(206, bytes(len(part)))


FAULTS = {
    "whole": "update-source", "longer": "update-source", "cut": "update-source", "hangs": "update-source",
    "drips": "update-source", "endless_head": "update-source", "endless_line": "update-source",
    "chunked": "update-source", "elsewhere": "update-source", "no_length": "update-source",
    "negative": "update-source", "garbage": "update-source", "other_bytes": "update-damaged",
}  # fmt: skip


class BoardProcess:
    """A board that asks a server whenever it is told to."""

    def __init__(self, port: int, *files: str, limit_ms: int = 3000) -> None:
        words = [micropython(), "-X", "heapsize=4M", SCRIPT, "127.0.0.1", str(port), str(limit_ms), *files]
        self._process = subprocess.Popen(
            words, cwd=ROOT, env={"MICROPYPATH": "firmware/virtual:.:.frozen"}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def end(self) -> str:
        said, _ = self._process.communicate("end\n", 30)
        return said.strip().rsplit("\n", 1)[-1]


@pytest.fixture
def folder(tmp_path: Path, on_board) -> Path:
    made = tmp_path / "served"
    made.mkdir()
    on_board(SCRIPT, "write", str(made))
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as made:
        yield made
        made.shutdown()


def test_update_over_http(server: Server) -> None:
    board = BoardProcess(server.server_port)
    assert board.says() == "ready"
    assert server.asked == 5  # blocks of 4 KiB
    assert board.end() == "runs 2"


def test_nothing_to_fetch_is_no_error(server: Server) -> None:
    (server.folder / "release.manifest").unlink()
    board = BoardProcess(server.server_port)
    assert board.says() == "nothing"
    assert board.end() == "runs 1"


def test_bad_answers_are_refused_and_a_good_one_is_taken_after_them(server: Server) -> None:
    """Bounded in time and memory; the running release stays; each fault on a line of its own."""
    server.fault = next(iter(FAULTS))
    board = BoardProcess(server.server_port, limit_ms=400)
    for fault, following in zip(FAULTS, [*list(FAULTS)[1:], ""], strict=True):
        assert board.says().startswith("refused " + FAULTS[fault]), fault
        server.fault = following
        board.tell("again")
    assert board.says() == "ready"
    assert board.end() == "runs 2"


def test_no_server_is_an_error_of_the_source(folder: Path) -> None:
    with Server(folder) as server:
        port = server.server_port
        server.shutdown()
    board = BoardProcess(port)
    assert board.says().startswith("refused update-source")
    assert board.end() == "runs 1"


class Authority:
    """Issues certificates; files in DER, as a board wants them, and in PEM for the server."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._issue(name, self._key.public_key(), authority=True)
        self.der = folder / f"{name}.der"
        self.der.write_bytes(self.certificate.public_bytes(Encoding.DER))

    def _issue(
        self, name: str, public: ec.EllipticCurvePublicKey, *, authority: bool = False
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self._name)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("127.0.0.1")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip

    def issue(self, name: str) -> tuple[Path, Path, Path]:
        """(PEM of certificate and key, DER certificate, DER key)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._issue(name, key.public_key())
        paths = tuple(self._folder / f"{self._name}-{name}.{end}" for end in ("pem", "crt", "key"))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
        paths[1].write_bytes(certificate.public_bytes(Encoding.DER))
        paths[2].write_bytes(
            key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )
        return paths  # type: ignore[return-value]


def test_https_with_pinned_authority_and_client_certificate(folder: Path, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(ours.issue("server")[0])
    tls.load_verify_locations(cadata=ours.certificate.public_bytes(Encoding.DER))
    tls.verify_mode = ssl.CERT_REQUIRED
    _, certificate, key = ours.issue("hub-0001")
    _, foreign, foreign_key = others.issue("hub-0001")
    good = (str(ours.der), str(certificate), str(key))
    with Server(folder, tls) as server:
        for files in (
            (str(others.der), *good[1:]),
            (str(ours.der), "-", "-"),
            (str(ours.der), str(foreign), str(foreign_key)),
        ):
            board = BoardProcess(server.server_port, *files)
            assert board.says().startswith("refused update-source"), files
            assert board.end() == "runs 1"
        assert server.asked == 0
        board = BoardProcess(server.server_port, *good)
        assert board.says() == "ready"
        assert board.end() == "runs 2"
        server.shutdown()
