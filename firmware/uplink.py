"""Keeps the hub connected to the broker: attempts, waits, and what the hub is told of them.

It promises nothing about arrival: a PUBACK is no proof, only the bridge's signed state is. Nothing is kept
here: what was under way when a line broke the outbox sends again when a state says so.

The bearer: `open_socket(host, port)` is awaited and gives a socket, or any other stream that does not block
(an io.IOBase with `readinto`, `write`, `ioctl` for polling, `setblocking` and `close`). Wi-Fi, Ethernet and
an LTE modem that speaks PPP give the board's own sockets, so the default serves; a modem with sockets of its
own (AT commands) brings an `open_socket` of its own. Nothing else here knows what carries the bytes.
"""

import asyncio
import gc
import random
import socket
from time import ticks_ms  # type: ignore[attr-defined]

from firmware.names import address_of
from firmware.uplink_line import OFFLINE, ONLINE, Line, UplinkError, since
from gateway.hub.events import log
from gateway.wire.errors import MeethubError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.bearer import Callable, OpenSocket, Payload, Plain

__all__ = ["Uplink", "UplinkError", "UplinkSettings"]

# The broker takes no larger message (and ends the session of who sends one).
MAX_PAYLOAD_BYTES = 64 * 1024 - 512


class UplinkSettings:
    """Where the broker is and who this hub is; files in DER, read at each connection.

    first_delay_s, longest_delay_s: a new attempt comes after 0 to `first` seconds, evenly drawn, and the
    upper end doubles up to `longest`. keepalive_s: a line that died silently is noticed within twice this.
    window: messages on their way at most.
    """

    def __init__(self, host: str, port: int, hub: str, ca: str, certificate: str, key: str) -> None:
        self.host = host
        self.port = port
        self.hub = hub
        self.files = (ca, certificate, key)
        self.first_delay_s = 60.0
        self.longest_delay_s = 600.0
        self.keepalive_s = 30.0
        self.answer_within_s = 20.0
        self.window = 8


async def open_socket(host: str, port: int) -> "Plain":
    """A TCP connection over whatever the board calls its network. OSError when there is none."""
    where = await address_of(host)
    family, kind, proto, _, address = socket.getaddrinfo(where, port, 0, socket.SOCK_STREAM)[0]
    opened = socket.socket(family, kind, proto)
    opened.setblocking(False)
    try:
        opened.connect(address)
    except OSError as error:
        if error.args[0] not in (115, 119):  # EINPROGRESS, as Linux and lwIP number it
            opened.close()
            raise
    return opened  # type: ignore[return-value] # MicroPython's sockets are streams


def _nothing(*_: object) -> None:
    pass


class Uplink:
    """Keeps this hub connected while `run` runs.

    online(), offline(code), arrived(topic, payload): every online is followed by one offline; an attempt that
    failed gives an offline alone. room(): a message may be published again. wall(): milliseconds since 1970,
    or None: then the dates of certificates do not count yet.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        online: "Callable[[], None]",
        offline: "Callable[[str], None]",
        arrived: "Callable[[str, bytes], None]",
        *,
        room: "Callable[[], None]" = _nothing,
        wall: "Callable[[], int | None]" = _nothing,
        open_socket: "OpenSocket" = open_socket,
    ) -> None:
        self.settings = settings
        self.wall = wall
        self._told: tuple[Callable[..., None], ...] = (online, offline, arrived, room)
        self._open_socket = open_socket
        self._line: Line | None = None
        self._hurry = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._line is not None and self._line.up

    def publish(self, topic: str, payload: "Payload") -> bool:
        """Hand one message to the connection (QoS 1); False when there is none or the window is full.

        True says only that it is on its way. payload: bytes, or anything with `len` and a `readinto` that
        gives its bytes one after the other. UplinkError("uplink-message-too-large") for what never can be.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise UplinkError("uplink-message-too-large", "%d bytes" % len(payload))
        return self._line is not None and self._line.publish(topic, payload)

    def hurry(self) -> None:
        """The network just came back: do not wait until the next attempt is due."""
        self._hurry.set()

    async def run(self) -> None:
        """Connect, stay connected, connect again; until cancelled.

        MicroPython's wait_for loses a cancellation that meets its end: cancel until the task is done.
        """
        longest = self.settings.first_delay_s
        while True:
            began = ticks_ms()
            await self._connect_once()
            if since(began) > longest * 1000:
                longest = self.settings.first_delay_s
            await self._wait(longest)
            longest = min(longest * 2, self.settings.longest_delay_s)

    async def _wait(self, longest_s: float) -> None:
        """Full jitter: after a power cut in a street not all its hubs come at the same second."""
        self._hurry.clear()
        try:
            await asyncio.wait_for(self._hurry.wait(), random.uniform(0, longest_s))
        except asyncio.TimeoutError:
            pass

    async def _connect_once(self) -> None:
        """One connection from beginning to end."""
        gc.collect()  # the TLS of the one before has a finaliser
        line = self._line = Line(self)
        code = "uplink-lost"
        try:
            await line.open(self._open_socket)
            log.info("uplink-connected")
            self.tell(ONLINE)
            await line.stay()
        except MeethubError as error:
            code = error.code
        except Exception as error:  # no room, or a bearer's own: the next attempt is made as ever
            log.error("uplink-failed", error=type(error).__name__)
        finally:
            self._line = None
            line.close()
        log.info("uplink-disconnected", code=code)
        self.tell(OFFLINE, code)

    def tell(self, which: int, *facts: object) -> None:
        """Whatever the listener does, the line goes on."""
        try:
            self._told[which](*facts)
        except Exception as error:
            log.error("uplink-listener-failed", error=type(error).__name__)
