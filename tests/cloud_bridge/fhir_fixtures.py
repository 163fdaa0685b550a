"""What the tests of rendering and delivery share: measurements, and a server that answers any bytes."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from hypothesis import strategies as st

from cloud_bridge.fhir.quantity import ABSENT_REASONS
from cloud_bridge.measured import Interval, Measured
from gateway.wire.measurement import Device
from gateway.wire.reading import ORIGINS, Reading, Value

NOON_MS = 1_795_345_200_000  # 2026-11-22T11:00:00Z, 12:00 on the Dutch clock


def value(name: str, text: str, unit: str, comparator: str | None = None) -> Value:
    whole, _, places = text.partition(".")
    return Value(name, int(whole + places), -len(places), unit, None, comparator)


def absent(name: str, unit: str, reason: str) -> Value:
    return Value(name, None, 0, unit, reason)


def pressure(**changes: Any) -> Measured:
    """A blood pressure of 120.0 over 80, mean 93.5, pulse 72."""
    values = [
        value("systolic", "120.0", "mm[Hg]"),
        value("diastolic", "80", "mm[Hg]"),
        value("mean-arterial", "93.50", "mm[Hg]"),
        value("pulse-rate", "72", "/min"),
    ]
    return measured(Reading("blood-pressure", "spot", values), **changes)


def oximetry(**changes: Any) -> Measured:
    values = [
        value("spo2", "97", "%"),
        value("pulse-rate", "61", "/min"),
        value("perfusion-index", "3.20", "%"),
    ]
    return measured(Reading("oximetry", "spot", values), **changes)


def measured(reading: Reading, **changes: Any) -> Measured:
    start = Measured(
        reading=reading,
        key=bytes(range(32)),
        device=Device("dev", "Maker", "Model 1", "1.2", "SER-9", "feedabeedead77c3", "00:11:22:33:44:55"),
        hub="hub-1",
        driver="test",
        driver_version=1,
        placed=Interval(NOON_MS, NOON_MS),
        arrived_ms=NOON_MS + 2_000,
        late=False,
        subject="Patient/p1",
        secret=b"s" * 32,
    )
    return replace(start, **changes)


NAMES = {
    "blood-pressure": ("systolic", "diastolic", "mean-arterial", "pulse-rate"),
    "oximetry": ("spo2", "pulse-rate", "perfusion-index"),
    "weight": ("body-weight", "bmi", "body-height"),
    "temperature": ("body-temperature",),
    "heart-rate": ("heart-rate", "energy", "rr-interval"),
    "glucose": ("glucose", "hba1c"),
    "cgm-glucose": ("glucose", "trend", "quality"),
}
UNITS = ("mm[Hg]", "kPa", "/min", "%", "mmHg", "", "kg", "Cel", "s", "mmol/L", "mg/dL")


@st.composite
def values(draw: st.DrawFn, name: str) -> Value:
    unit = draw(st.sampled_from(UNITS))
    if draw(st.booleans()):
        return absent(name, unit, draw(st.sampled_from([*sorted(ABSENT_REASONS), "made-up"])))
    digits = draw(st.integers(-(1 << 24), 1 << 24))
    return Value(name, digits, draw(st.integers(-12, 6)), unit, None, draw(st.sampled_from([None, "<", ">"])))


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    kind = draw(st.sampled_from([*NAMES, "activity"]))
    names = draw(st.lists(st.sampled_from([*NAMES.get(kind, ()), "body-weight"]), max_size=5))
    return Reading(
        kind,
        draw(st.sampled_from(ORIGINS)),
        [draw(values(name)) for name in names],
        draw(
            st.lists(st.sampled_from(["questionable", "irregular-pulse", "new-note"]) | st.text(), max_size=3)
        ),
        final=draw(st.booleans()),
    )


@st.composite
def measurements(draw: st.DrawFn) -> Measured:
    low = draw(st.integers(-(10**12), 10**15))
    text = st.none() | st.text(max_size=12)
    return measured(
        draw(readings()),
        key=draw(st.binary(min_size=32, max_size=32)),
        device=Device("dev", draw(text), draw(text), draw(text)),
        placed=Interval(low, low + draw(st.sampled_from([0, 59_999, 60_000, 60_001, 10**7, 10**9]))),
        arrived_ms=low + draw(st.integers(0, 10**9)),
        late=draw(st.booleans()),
        subject=draw(st.sampled_from(["Patient/p1", "Patient/", "Device/1", "Patient/a|b"])),
    )


class RawServer:
    """Reads a request and answers the bytes it is told to, whatever they are; then hangs up."""

    def __init__(self, answer: Callable[[bytes], bytes], tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        self.base_url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/fhir"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the client has hung up first
                connection.settimeout(5)
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.sendall(self.answer(request_of(connection)))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def request_of(connection: socket.socket) -> bytes:
    """Head and body of one request."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = connection.recv(65536)
        if not piece:
            return raw
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
