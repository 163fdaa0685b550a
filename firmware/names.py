"""Finds the address of a host without stopping the loop, and asks one question by UDP.

The board's own `getaddrinfo` blocks everything until its DNS servers answered or were given up, which
takes up to half a minute. So the question is put to them by ourselves: one A record, the first that comes
(RFC 1035, sections 4.1 and 4.1.4). A false answer leads to a peer that TLS does not let pass.
"""

import asyncio
import os
import socket

try:
    from network import ipconfig
except ImportError:  # a computer
    ipconfig = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.bearer import Stream

_PATIENCE_MS = 2000
_MOST = 512
_UNKNOWN = -2  # as getaddrinfo numbers it


async def address_of(host: str, port: int = 53) -> str:
    """An IPv4 address of this host, or the host itself where it is one. OSError when it cannot be told."""
    server = _server()
    if server is None or not host.replace(".", "").replace("-", "").strip("0123456789"):
        return host  # getaddrinfo need not ask anybody, or is all there is
    number = os.urandom(2)
    asked = question(number, host)
    for _ in range(3):
        said, _ = await exchange(server, port, asked, _PATIENCE_MS, _MOST)
        found = address_in(said, asked)
        if found is not None:
            return found
    raise OSError(_UNKNOWN)


def _server() -> "str | None":
    """The DNS server that DHCP named."""
    try:
        named = str(ipconfig("dns"))
    except (TypeError, ValueError, OSError):
        return None
    return None if named in ("", "0.0.0.0") else named


async def exchange(host: str, port: int, packet: bytes, patience_ms: int, most: int) -> tuple[bytes, int]:
    """What that address answers to one packet, b"" for nothing, and after how many milliseconds."""
    from asyncio import wait_for_ms  # type: ignore[attr-defined]
    from time import ticks_diff, ticks_ms  # type: ignore[attr-defined]

    family, kind, proto, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)[0]
    line = socket.socket(family, kind, proto)
    began, answer = ticks_ms(), bytearray(most)
    try:
        line.setblocking(False)
        line.connect(address)  # so that nobody else's answer comes in
        line.send(packet)
        stream: Stream = asyncio.StreamReader(line)  # type: ignore[assignment,arg-type]
        count = await wait_for_ms(stream.readinto(memoryview(answer)), patience_ms)
    except (OSError, asyncio.TimeoutError):
        count = 0
    finally:
        line.close()
    return bytes(answer[: count or 0]), ticks_diff(ticks_ms(), began)


def question(number: bytes, host: str) -> bytes:
    """A recursive question for the A record of a host."""
    labels = [label.encode() for label in host.split(".") if label]
    name = b"".join([bytes((len(label),)) + label for label in labels])
    return number + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x00\x01\x00\x01"


def address_in(said: bytes, asked: bytes) -> "str | None":
    """The first A record of an answer to this question; None for anything else."""
    at = len(asked)
    if len(said) < at or said[:2] != asked[:2] or said[12:at] != asked[12:]:
        return None
    if said[2] & 0xF8 != 0x80 or said[3] & 15 or said[4:6] != b"\x00\x01":
        return None
    for _ in range(said[6] << 8 | said[7]):
        at = _after_name(said, at)
        if at + 10 > len(said):
            return None
        size = said[at + 8] << 8 | said[at + 9]
        if said[at : at + 4] == b"\x00\x01\x00\x01" and size == 4 and at + 14 <= len(said):
            return ".".join([str(byte) for byte in said[at + 10 : at + 14]])
        at += 10 + size
    return None


def _after_name(said: bytes, at: int) -> int:
    """Where the record goes on behind its name: labels that end with an empty one or a pointer."""
    while at < len(said):
        if said[at] > 63:
            return at + 2
        if not said[at]:
            return at + 1
        at += 1 + said[at]
    return at
