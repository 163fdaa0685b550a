"""The setup network and its page: for a phone without anything but a browser.

The access point is up only while the button's window is open, locked with this hub's own key from its label.
It serves at most four strangers at once, each for a bounded time; whatever they send, a page with a code
comes back or nothing.
"""

import asyncio
import os
import socket
import time

import network

from firmware import files
from firmware.setup import dns, page
from firmware.setup.credentials import WifiError
from firmware.setup.http import MOST_HEAD, STATUS, PortalError, Request, form, language
from firmware.setup.improv import PROVISIONED, PROVISIONING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any

    from firmware.setup.window import Setup

_KEY_FILE = "/setup-key"
# Without i, l, o, 0 and 1, which people mistake on a label; 12 of 31 signs are 59 bits.
_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
_WPA2 = 3
_MOST_GUESTS = 4
_HEAD_MS, _WRITE_MS, _SCAN_REST_MS = 8000, 8000, 10000
_MOST_SHOWN, _MOST_HEARD_OUT = 12, 2048
_FIELDS = (
    "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
)


def setup_key(folder: str) -> str:
    """The key of this hub's setup network, as the label shows it; made where there is none yet."""
    kept = files.read(folder + _KEY_FILE)
    if kept:
        return kept.decode()
    signs = ""
    while len(signs) < 12:
        at = os.urandom(1)[0] & 31
        signs += _SIGNS[at : at + 1]
    key = signs[:4] + "-" + signs[4:8] + "-" + signs[8:]
    files.write_whole(folder + _KEY_FILE, key.encode())
    return key


class Portal:
    """name and key: of the setup network. Ports are others than 80 and 53 only where those are taken."""

    def __init__(self, setup: "Setup", name: str, key: str, ports: tuple[int, int] = (80, 53)) -> None:
        self._setup = setup
        self._name = name
        self._key = key
        self._ports = ports
        self._token = os.urandom(8).hex()
        self._networks: list[tuple[bytes, int, int]] = []
        self._scanned = 0
        self._failed = ""
        self._guests: list[asyncio.Task[None]] = []
        self._address = "192.168.4.1"

    async def run(self) -> None:
        """Until it is cancelled; then the network is gone too."""
        await self._scan()  # before there are guests: listening takes the radio from them
        point = network.WLAN(network.AP_IF)
        try:
            self._raise(point)
            server = await asyncio.start_server(self._serve, "0.0.0.0", self._ports[0], backlog=_MOST_GUESTS)
            try:
                await self._names()
            finally:
                server.close()
        finally:
            point.active(False)
            for guest in self._guests:
                guest.cancel()

    def _raise(self, point: "network.WLAN") -> None:
        """The driver takes no settings before it is up: for milliseconds it is open, and nobody serves there.

        OSError when it did not get locked.
        """
        point.active(True)
        point.config(ssid=self._name, key=self._key, security=_WPA2)
        if point.config("security") != _WPA2:
            raise OSError("setup network is not locked")
        self._address = point.ifconfig()[0]

    async def _names(self) -> None:
        """Answers name questions. A stream would not tell who asked, hence the looking."""
        address = bytes([int(part) for part in self._address.split(".")])
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            line.setblocking(False)
            line.bind(socket.getaddrinfo("0.0.0.0", self._ports[1])[0][-1])
            while True:
                await asyncio.sleep(0.05)
                self._name_questions(line, address)
        finally:
            line.close()

    def _name_questions(self, line: socket.socket, address: bytes) -> None:
        for _ in range(8):
            try:
                query, sender = line.recvfrom(513)
                said = dns.answer(query, address)
                if said is not None:
                    line.sendto(said, sender)
            except OSError:  # no more of them, or a guest that is gone
                return

    async def _scan(self) -> None:
        self._networks = (await self._setup.scan())[:_MOST_SHOWN]
        self._scanned = time.ticks_ms()  # type: ignore[attr-defined]

    async def _serve(self, stream: asyncio.StreamReader, _: object) -> None:
        """One guest, one request."""
        me = asyncio.current_task()
        try:
            if len(self._guests) < _MOST_GUESTS and me is not None:
                self._guests.append(me)
                await self._answer(_Guest(stream))
        except OSError:  # the guest is gone, or too slow to listen
            pass
        finally:
            if me in self._guests:
                self._guests.remove(me)
            stream.close()  # type: ignore[attr-defined]
            await stream.wait_closed()  # type: ignore[attr-defined]

    async def _answer(self, guest: "_Guest") -> None:
        spoken = 0
        try:
            request = await guest.request()
            spoken = language(request)
            await self._route(guest, request, spoken)
        except PortalError as error:
            await guest.send(STATUS[error.code], _error_page(error.code, spoken))
            await guest.hear_out()

    async def _route(self, guest: "_Guest", request: Request, spoken: int) -> None:
        if request.method not in (b"GET", b"HEAD", b"POST"):
            raise PortalError("portal-method")
        if request.host not in (b"", self._address.encode()):
            await self._lead_here(guest, request)
        elif request.path != b"/":
            raise PortalError("portal-not-found")
        elif request.method == b"POST":
            await self._take(guest, request, spoken)
        else:
            await self._show(guest, request, spoken)

    async def _lead_here(self, guest: "_Guest", request: Request) -> None:
        """What phones ask to see whether there is internet, and any other name."""
        if request.method == b"POST":
            raise PortalError("portal-request")
        await guest.send("302 Found\r\nLocation: http://" + self._address + "/", ())

    async def _show(self, guest: "_Guest", request: Request, spoken: int) -> None:
        if b"scan=1" in request.query.split(b"&") and self._may_scan():
            await self._scan()
        head_only = request.method == b"HEAD"
        await guest.send("200 OK", () if head_only else self._whole_page(spoken))

    def _may_scan(self) -> bool:
        rested = time.ticks_diff(time.ticks_ms(), self._scanned) >= _SCAN_REST_MS  # type: ignore[attr-defined]
        return rested and self._setup.improv.state != PROVISIONING

    def _whole_page(self, spoken: int) -> "Iterable[str]":
        """With the outcome of the last try: who asked for it may have lost the network for a moment."""
        yield from page.top(spoken)
        yield from self._outcome(spoken, b"")

    def _outcome(self, spoken: int, chosen: bytes) -> "Iterable[str]":
        if self._setup.improv.state == PROVISIONED:
            yield page.done(spoken)
        else:
            if self._failed:
                yield page.problem(spoken, self._failed)
            yield from page.form(spoken, self._networks, self._token, chosen)
        yield page.BOTTOM

    async def _take(self, guest: "_Guest", request: Request, spoken: int) -> None:
        """Tries the credentials while the page is being sent: no script, no page that reloads itself."""
        fields = form(await guest.body(request.body_size()))
        if fields.get(b"token") != self._token.encode():
            raise PortalError("portal-stale")
        if self._setup.improv.state == PROVISIONING:
            raise PortalError("portal-busy")
        ssid = _chosen(fields)
        await guest.send("200 OK", page.top(spoken))
        await guest.pieces((page.trying(spoken),))
        try:
            await self._setup.improv.provision(ssid, fields.get(b"password", b""))
        except WifiError as error:
            self._failed = error.code
        await guest.pieces(self._outcome(spoken, ssid))


def _chosen(fields: dict[bytes, bytes]) -> bytes:
    """What was typed counts before what was ticked."""
    typed = fields.get(b"other", b"").strip()
    try:
        return typed or bytes.fromhex(fields.get(b"network", b"").decode())
    except ValueError:
        raise PortalError("portal-request") from None


def _error_page(code: str, spoken: int) -> "Iterable[str]":
    yield from page.top(spoken)
    yield page.problem(spoken, code) + page.back(spoken) + page.BOTTOM


class _Guest:
    """One connection of a stranger: reads within bounds, writes piece by piece."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._rest = b""

    async def request(self) -> Request:
        return Request(await _within(_HEAD_MS, self._head()))

    async def _head(self) -> bytes:
        while True:
            end = self._rest.find(b"\r\n\r\n")
            if end >= 0:
                head, self._rest = self._rest[:end], self._rest[end + 4 :]
                return head
            if len(self._rest) > MOST_HEAD:
                raise PortalError("portal-too-large")
            await self._more()

    async def body(self, size: int) -> bytes:
        return bytes(await _within(_HEAD_MS, self._body(size)))

    async def _body(self, size: int) -> bytes:
        while len(self._rest) < size:
            await self._more()
        return self._rest[:size]

    async def _more(self) -> None:
        piece = await self._stream.read(512)
        if not piece:
            raise OSError("gone")
        self._rest += piece

    async def send(self, status: str, pieces: "Iterable[str]") -> None:
        await self.pieces(
            ("HTTP/1.1 " + status + _FIELDS + "Content-Type: text/html; charset=utf-8\r\n\r\n",)
        )
        await self.pieces(pieces)

    async def pieces(self, pieces: "Iterable[str]") -> None:
        for piece in pieces:
            self._stream.write(piece.encode())  # type: ignore[attr-defined]
            try:
                await _within(_WRITE_MS, self._stream.drain())  # type: ignore[attr-defined]
            except PortalError:  # half a page is out: too late for another
                raise OSError("slow") from None

    async def hear_out(self) -> None:
        """Takes more of what was refused: a connection shut on unread bytes loses our answer as well."""
        room = bytearray(1024)
        try:
            for _ in range(_MOST_HEARD_OUT):
                if not await asyncio.wait_for_ms(self._stream.readinto(room), 100):  # type: ignore[attr-defined]
                    return
        except asyncio.TimeoutError:
            pass


async def _within(ms: int, doing: "Coroutine[Any, Any, Any]") -> "Any":  # noqa: ANN401
    """PortalError("portal-slow") for who takes longer."""
    try:
        return await asyncio.wait_for_ms(doing, ms)  # type: ignore[attr-defined]
    except asyncio.TimeoutError:
        raise PortalError("portal-slow") from None
