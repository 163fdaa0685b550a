"""The hub's line to the broker: MQTT 3.1.1 over TLS 1.2 or newer with the hub's own certificate.

It promises nothing about arrival: a PUBACK is no proof, only the bridge's signed state is; it only frees the
window. Nothing is kept here: what was under way when a line broke the outbox sends again when a state says so.
At most one large message waits to be written, and it is handed to TLS in pieces.

The bearer: `open_socket(host, port)` is awaited and gives a socket, or any other stream that does not block
(an io.IOBase with `readinto`, `write`, `ioctl` for polling, `setblocking` and `close`). Wi-Fi, Ethernet and
an LTE modem that speaks PPP give the board's own sockets, so the default serves; a modem with sockets of its
own (AT commands) brings an `open_socket` of its own. Nothing else here knows what carries the bytes.
"""

import asyncio
import gc
import random
import socket
import time

import tls

from firmware import mqtt
from firmware.certificate_dates import CertificateError, dates, set_calendar
from gateway.hub.events import log
from gateway.wire import topics
from gateway.wire.errors import MeethubError

# The broker takes no larger message (and ends the session of who sends one).
MAX_PAYLOAD_BYTES = 64 * 1024 - 512
# Of small messages several may wait to be written, of large ones one.
_MOST_WAITING = 2048
_PIECE = 1024
# mbedTLS: what a peer that does not let us in answers during the handshake, and a chain that does not hold.
_ALERT, _NOT_VERIFIED = -0x7780, -0x2700


class UplinkError(MeethubError):
    """The line cannot work, or not now; its code says why.

    Codes: uplink-identity-unreadable, uplink-unreachable, uplink-broker-not-trusted, uplink-no-answer,
    uplink-refused, uplink-subscription-refused, uplink-lost, uplink-message-too-large, and those of MqttError
    for a broker that sends what it must not.
    """


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


async def open_socket(host: str, port: int) -> "object":
    """A TCP connection over whatever the board calls its network. OSError when there is none.

    Looking up a name blocks the loop, on a board for as long as its DNS servers take; nothing is lost
    meanwhile, for the radio's events wait in their queue.
    """
    family, kind, proto, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    opened = socket.socket(family, kind, proto)
    opened.setblocking(False)
    try:
        opened.connect(address)
    except OSError as error:
        if error.args[0] not in (11, 115, 119):  # EAGAIN, EINPROGRESS: as Linux and lwIP number it
            opened.close()
            raise
    return opened


def _nothing(*_: "object") -> None:
    pass


class Uplink:
    """Keeps this hub connected while `run` runs.

    online(), offline(code), arrived(topic, payload): every online is followed by one offline; an attempt that
    failed gives an offline alone. room(): a message may be published again. wall(): milliseconds since 1970,
    or None: then a certificate's dates do not count yet.
    """

    def __init__(
        self, settings, online, offline, arrived, room=_nothing, wall=_nothing, open_socket=open_socket
    ) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001, E501
        self.settings = settings
        self.told = (online, offline, arrived, room)
        self.wall = wall
        self._open_socket = open_socket
        self._line: "_Line | None" = None
        self._hurry = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._line is not None and self._line.up

    def publish(self, topic: str, payload) -> bool:  # type: ignore[no-untyped-def] # noqa: ANN001
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
        """Connect, stay connected, connect again; until cancelled."""
        longest = self.settings.first_delay_s
        while True:
            began = time.ticks_ms()  # type: ignore[attr-defined]
            await self._connect_once()
            if _since(began) > longest * 1000:
                longest = self.settings.first_delay_s
            # Full jitter: after a power cut in a street not all its hubs come at the same second.
            self._hurry.clear()
            try:
                await asyncio.wait_for(self._hurry.wait(), random.uniform(0, longest))
            except asyncio.TimeoutError:
                pass
            longest = min(longest * 2, self.settings.longest_delay_s)

    async def _connect_once(self) -> None:
        """One connection from beginning to end."""
        gc.collect()  # a former connection's TLS has a finaliser
        line = self._line = _Line(self)
        code = "uplink-lost"
        try:
            await line.open(self._open_socket)
            log.info("uplink-connected")
            self.tell(0)
            await line.stay()
        except MeethubError as error:
            code = error.code
        finally:
            self._line = None
            line.close()
        log.info("uplink-disconnected", code=code)
        self.tell(1, code)

    def tell(self, which: int, *facts: "object") -> None:
        """Whatever the listener does, the line goes on."""
        try:
            self.told[which](*facts)
        except Exception as error:
            log.error("uplink-listener-failed", error=type(error).__name__)


class _Line:
    """One connection, used once."""

    def __init__(self, uplink: Uplink) -> None:
        self.up = False
        self._uplink = uplink
        self._settings = uplink.settings
        self._presence = topics.up(self._settings.hub, topics.PRESENCE)
        self._stream = None
        self._tasks = []
        self._code = ""
        self._over = asyncio.Event()
        self._more = asyncio.Event()
        self._to_write = []
        self._waiting = 0  # bytes in it
        self._on_their_way = 0  # bit n: message n + 1
        self._dates = None  # from when to when all the broker's certificates count
        self._known = False  # the broker has shown a certificate of our authority
        self._heard = self._moved = time.ticks_ms()
        self._asked = None  # when a PING was written that is not answered yet
        self._asking = False

    # Beginning.

    async def open(self, open_socket) -> None:
        """Connect, prove who we are, and subscribe; UplinkError when one of these fails."""
        try:
            await asyncio.wait_for(self._open(open_socket), self._settings.answer_within_s)
        except asyncio.TimeoutError:
            raise UplinkError("uplink-no-answer") from None
        self._tasks = [
            asyncio.create_task(self._until_it_fails(work)) for work in (self._listen(), self._speak())
        ]
        self.up = True

    async def _open(self, open_socket) -> None:
        context = self._context()
        try:
            await self._greet(open_socket, context)
        except (UplinkError, mqtt.MqttError, OSError, ValueError) as error:
            if not self._calendar_was_wrong(error):
                raise self._reason(error) from None
            self.close()
            try:
                await self._greet(open_socket, context)
            except (mqtt.MqttError, OSError, ValueError) as error:
                raise self._reason(error) from None

    async def _greet(self, open_socket, context) -> None:
        """TLS, CONNECT and SUBSCRIBE."""
        settings = self._settings
        self._known = False
        plain = await open_socket(settings.host, settings.port)
        try:
            secured = context.wrap_socket(plain, server_hostname=settings.host, do_handshake_on_connect=False)
        except Exception:
            plain.close()
            raise
        self._stream = stream = asyncio.StreamWriter(secured)
        # Round it up: an early PING does no harm, and 0 would mean never.
        stream.write(mqtt.connect(settings.hub, int(settings.keepalive_s) + 1, self._presence))
        await stream.drain()
        await self._answer(mqtt.CONNACK, "uplink-refused")
        stream.write(mqtt.subscribe(topics.down(settings.hub)))
        await stream.drain()
        await self._answer(mqtt.SUBACK, "uplink-subscription-refused")
        stream.write(mqtt.presence(self._presence, topics.ALIVE))
        await stream.drain()

    async def _answer(self, wanted: int, refusal: str) -> None:
        kind, answer, _ = await mqtt.receive(self._stream)
        if kind != wanted:
            raise mqtt.MqttError("mqtt-malformed", "packet of kind %d" % kind)
        if answer:
            raise UplinkError(refusal, "code %d" % answer)

    def _context(self):
        """Read from the files at each connection, so that a renewed certificate counts from the next one on."""
        try:
            ca, certificate, key = [_read(name) for name in self._settings.files]
            context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(ca)
            context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            raise UplinkError("uplink-identity-unreadable", type(error).__name__) from None
        context.verify_mode = tls.CERT_REQUIRED
        context.verify_callback = self._see
        wall_ms = self._uplink.wall()
        if wall_ms is not None:
            set_calendar(wall_ms // 1000)
        return context

    def _see(self, der, depth: int) -> int:
        """A certificate of the broker's chain, the authority's first; anything but 0 ends the handshake."""
        try:
            begins, ends = dates(der)
        except CertificateError:
            return 1
        if self._dates is not None:
            begins, ends = max(begins, self._dates[0]), min(ends, self._dates[1])
        self._dates = begins, ends
        self._known = depth == 0
        return 0 if self._in_date() else 1

    def _in_date(self) -> bool:
        """Whether the broker's certificates count now, as far as we know what time it is."""
        wall_ms = self._uplink.wall()
        return wall_ms is None or self._dates is None or self._dates[0] <= wall_ms // 1000 <= self._dates[1]

    def _calendar_was_wrong(self, error) -> bool:
        """Whether TLS only missed the right date: then it is given one on which this broker counts."""
        if not isinstance(error, ValueError) or self._dates is None or self._uplink.wall() is not None:
            return False
        return set_calendar(self._dates[0])

    def _reason(self, error):
        """What went wrong before we were let in, told apart as on a Pi."""
        number = error.args[0] if isinstance(error, OSError) and error.args else 0
        if isinstance(error, MeethubError) and error.code != "mqtt-ended":
            return error
        if isinstance(error, ValueError) or number == _NOT_VERIFIED or not self._in_date():
            return UplinkError("uplink-broker-not-trusted")
        # Some brokers end the line without any answer when they refuse a certificate.
        return UplinkError("uplink-refused" if self._known or number == _ALERT else "uplink-unreachable")

    # While it stands.

    async def stay(self) -> None:
        """Return never; UplinkError when the line broke, fell silent, or its certificate ran out."""
        keepalive_ms = int(self._settings.keepalive_s * 1000)
        while True:
            try:
                await asyncio.wait_for_ms(self._over.wait(), keepalive_ms // 8)
                raise UplinkError(self._code)
            except asyncio.TimeoutError:
                pass
            if not self._in_date():
                raise UplinkError("uplink-broker-not-trusted", "out of date")
            self._check_life(keepalive_ms)

    def _check_life(self, keepalive_ms: int) -> None:
        """Ask whether the broker is there when nothing came for a while; give up when no answer came."""
        if self._to_write and _since(self._moved) > keepalive_ms:
            raise UplinkError("uplink-lost", "nothing taken")
        if self._asked is not None and _since(self._asked) > keepalive_ms:
            raise UplinkError("uplink-lost", "no answer")
        if not self._asking and _since(self._heard) > keepalive_ms * 5 // 8:
            self._asking = True
            self._put(mqtt.PING)

    async def _until_it_fails(self, work) -> None:
        try:
            await work
        except MeethubError as error:
            self._code = "uplink-lost" if error.code == "mqtt-ended" else error.code
        except (OSError, ValueError):
            self._code = "uplink-lost"
        except Exception as error:
            log.error("uplink-failed", error=type(error).__name__)
            self._code = "uplink-lost"
        self.up = False
        self._over.set()

    async def _listen(self) -> None:
        while True:
            kind, what, payload = await mqtt.receive(self._stream)
            self._heard = time.ticks_ms()
            self._asking, self._asked = False, None
            if kind == mqtt.PUBLISH:
                self._uplink.tell(2, what, payload)
            elif kind == mqtt.PUBACK:
                self._on_their_way &= ~(1 << (what - 1)) if what <= self._settings.window else -1
                self._uplink.tell(3)
            elif kind != mqtt.PINGRESP:
                raise mqtt.MqttError("mqtt-malformed", "packet of kind %d" % kind)

    def publish(self, topic: str, payload) -> bool:
        size = len(payload)
        if not self.up or (self._to_write and self._waiting + size > _MOST_WAITING):
            return False
        number = 0
        while self._on_their_way >> number & 1:
            number += 1
        if number >= self._settings.window:
            return False
        self._on_their_way |= 1 << number
        self._put(mqtt.publish(topic, size, number + 1))
        if size:
            self._put(payload)
        return True

    def _put(self, part) -> None:
        if not self._to_write:
            self._moved = time.ticks_ms()
        self._to_write.append(part)
        self._waiting += len(part)
        self._more.set()

    async def _speak(self) -> None:
        piece = memoryview(bytearray(_PIECE))
        while True:
            await self._more.wait()
            self._more.clear()
            while self._to_write:
                part = self._to_write[0]
                await self._write(part, piece)
                self._to_write.pop(0)
                self._waiting -= len(part)
                if part is mqtt.PING:
                    self._asked = time.ticks_ms()
            self._uplink.tell(3)

    async def _write(self, part, piece) -> None:
        if hasattr(part, "readinto"):
            left = len(part)
            while left > 0:
                count = part.readinto(piece[: min(left, _PIECE)])
                if not count:
                    raise UplinkError("uplink-lost", "the message ended early")
                left -= count
                await self._pass_on(piece[:count])
            return
        view = memoryview(part)
        for at in range(0, len(view), _PIECE):
            await self._pass_on(view[at : at + _PIECE])

    async def _pass_on(self, piece) -> None:
        self._stream.write(piece)
        await self._stream.drain()
        self._moved = time.ticks_ms()

    # End.

    def close(self) -> None:
        """Say goodbye where the other side still takes it, and let go of everything."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            if self.up and not self._to_write:
                stream.s.write(mqtt.presence(self._presence, topics.GONE) + mqtt.GOODBYE)
            stream.s.close()
        except (OSError, ValueError):
            pass
        self.up = False


def _since(moment: int) -> int:
    return time.ticks_diff(time.ticks_ms(), moment)


def _read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()
