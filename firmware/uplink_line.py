"""One connection to the broker: MQTT 3.1.1 over TLS 1.2 or newer with the hub's own certificate.

At most one large message waits to be written, and it is handed to TLS in pieces, so that no second copy of it
is ever made. A PUBACK frees a place in the window and means nothing else.
"""

import asyncio
from asyncio import wait_for_ms  # type: ignore[attr-defined]
from time import ticks_diff, ticks_ms  # type: ignore[attr-defined]

import tls  # type: ignore[import-not-found]

from firmware import mqtt
from firmware.certificate_dates import CertificateError, dates, set_calendar
from gateway.hub.events import log
from gateway.wire import topics
from gateway.wire.errors import MeethubError

try:
    from micropython import const
except ImportError:  # a type checker's

    def const(value: int) -> int:
        return value


TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.bearer import Context, OpenSocket, Owner, Payload, Stream, Work

# What the hub is told, as its owner numbers it.
ONLINE, OFFLINE, ARRIVED, ROOM = 0, 1, 2, 3
# Of small messages several may wait to be written, of large ones one.
_MOST_WAITING = const(2048)
_PIECE = const(1024)
# mbedTLS: a chain that does not hold, one that our callback refused, and a peer that does not let us in.
_NOT_VERIFIED, _REFUSED, _ALERT = -0x2700, -0x3000, -0x7780


class UplinkError(MeethubError):
    """The line cannot work, or not now; its code says why.

    Codes: uplink-identity-unreadable, uplink-unreachable, uplink-broker-not-trusted, uplink-no-answer,
    uplink-refused, uplink-subscription-refused, uplink-lost, uplink-message-too-large, and those of MqttError
    for a broker that sends what it must not.
    """


def since(moment: int) -> int:
    passed: int = ticks_diff(ticks_ms(), moment)
    return passed


class Line:
    """One connection, used once. up: messages are taken."""

    def __init__(self, owner: "Owner") -> None:
        self.up = False
        self._owner = owner
        self._settings = owner.settings
        self._presence = topics.up(self._settings.hub, topics.PRESENCE)
        self._stream: Stream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._code = ""  # why it ended, once `_over` is set
        self._over = asyncio.Event()
        self._more = asyncio.Event()
        self._to_write: list[Payload] = []
        self._waiting = 0  # bytes in it
        self._on_their_way = 0  # bit n: message n + 1
        self._dates: tuple[int, int] | None = None  # from when to when all the broker's certificates count
        self._known = False  # the broker has shown a certificate of our authority
        self._heard: int = ticks_ms()
        self._moved = self._heard
        self._asking = False
        self._asked: int | None = None  # when a PING was written that is not answered yet

    # Beginning.

    async def open(self, open_socket: "OpenSocket") -> None:
        """Connect, prove who we are, and subscribe; MeethubError when one of these fails."""
        try:
            await asyncio.wait_for(self._open(open_socket), self._settings.answer_within_s)
        except asyncio.TimeoutError:
            raise UplinkError("uplink-no-answer") from None
        works = (self._listen(), self._speak())
        self._tasks = [asyncio.create_task(self._until_it_fails(work)) for work in works]
        self.up = True

    async def _open(self, open_socket: "OpenSocket") -> None:
        context = self._context()
        try:
            await self._greet(open_socket, context)
        except (MeethubError, OSError, ValueError) as error:
            if not self._calendar_was_wrong(error):
                raise self._reason(error) from None
            self.close()
            try:
                await self._greet(open_socket, context)
            except (MeethubError, OSError, ValueError) as again:
                raise self._reason(again) from None

    async def _greet(self, open_socket: "OpenSocket", context: "Context") -> None:
        """TLS, CONNECT, SUBSCRIBE, and that we are here."""
        settings = self._settings
        self._known = False
        plain = await open_socket(settings.host, settings.port)
        try:
            secured = context.wrap_socket(plain, server_hostname=settings.host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        stream: Stream = asyncio.StreamWriter(secured)  # type: ignore[assignment,arg-type,call-arg]
        self._stream = stream
        # Rounded up: an early PING does no harm, and 0 would mean never.
        await self._say(stream, mqtt.connect(settings.hub, int(settings.keepalive_s) + 1, self._presence))
        await self._answer(stream, mqtt.CONNACK, "uplink-refused")
        await self._say(stream, mqtt.subscribe(topics.down(settings.hub)))
        await self._answer(stream, mqtt.SUBACK, "uplink-subscription-refused")
        await self._say(stream, mqtt.presence(self._presence, topics.ALIVE))

    async def _say(self, stream: "Stream", packet: "bytes | memoryview") -> None:
        stream.write(packet)
        await stream.drain()
        self._moved = ticks_ms()

    async def _answer(self, stream: "Stream", wanted: int, refusal: str) -> None:
        kind, answer, _, _ = await mqtt.receive(stream)
        if kind != wanted:
            raise mqtt.MqttError("mqtt-malformed", "packet of kind %d" % kind)
        if answer:
            raise UplinkError(refusal, "code %d" % answer)

    def _context(self) -> "Context":
        """Read from the files at each connection, so that a renewed certificate counts from the next on."""
        try:
            ca, certificate, key = [_read(name) for name in self._settings.files]
            context: Context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(ca)
            context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            raise UplinkError("uplink-identity-unreadable", type(error).__name__) from None
        context.verify_mode = tls.CERT_REQUIRED
        context.verify_callback = self._see
        wall_ms = self._owner.wall()
        if wall_ms is not None:
            set_calendar(wall_ms // 1000)
        return context

    def _see(self, der: memoryview, depth: int) -> int:
        """A certificate of the broker's chain, the authority's first; anything but 0 ends the handshake."""
        try:
            begins, ends = dates(der)
        except CertificateError:
            return _REFUSED
        if self._dates is not None:
            begins, ends = max(begins, self._dates[0]), min(ends, self._dates[1])
        self._dates = begins, ends
        self._known = depth == 0
        return 0 if self._in_date() else _REFUSED

    def _in_date(self) -> bool:
        """Whether the broker's certificates count now, as far as we know what time it is."""
        wall_ms = self._owner.wall()
        return wall_ms is None or self._dates is None or self._dates[0] <= wall_ms // 1000 <= self._dates[1]

    def _calendar_was_wrong(self, error: Exception) -> bool:
        """Whether TLS may only have missed the right date: then it gets one on which this broker counts."""
        if self._dates is None or self._owner.wall() is not None or not _is_distrust(error):
            return False
        return set_calendar(self._dates[0])

    def _reason(self, error: Exception) -> MeethubError:
        """What went wrong before we were let in, told apart as on a Pi."""
        if isinstance(error, MeethubError) and error.code != "mqtt-ended":
            return error
        if _is_distrust(error):
            return UplinkError("uplink-broker-not-trusted")
        # Some brokers end the line without any answer when they refuse a certificate.
        refused = self._known or _number(error) == _ALERT
        return UplinkError("uplink-refused" if refused else "uplink-unreachable")

    # While it stands.

    async def stay(self) -> None:
        """Return never; MeethubError when the line broke, fell silent, or its certificate ran out."""
        keepalive_ms = int(self._settings.keepalive_s * 1000)
        while True:
            try:
                await wait_for_ms(self._over.wait(), keepalive_ms // 8)
                raise UplinkError(self._code)
            except asyncio.TimeoutError:
                pass
            if not self._in_date():
                raise UplinkError("uplink-broker-not-trusted", "out of date")
            self._check_life(keepalive_ms)

    def _check_life(self, keepalive_ms: int) -> None:
        """Ask whether the broker is there when nothing came for a while; give up when no answer came."""
        if self._to_write and since(self._moved) > keepalive_ms:
            raise UplinkError("uplink-lost", "nothing taken")
        if self._asked is not None and since(self._asked) > keepalive_ms:
            raise UplinkError("uplink-lost", "no answer")
        if not self._asking and since(self._heard) > keepalive_ms * 5 // 8:
            self._asking = True
            self._put(mqtt.PING)

    async def _until_it_fails(self, work: "Work") -> None:
        self._code = "uplink-lost"
        try:
            await work
        except MeethubError as error:
            if error.code != "mqtt-ended":
                self._code = error.code
        except Exception as error:
            if not isinstance(error, (OSError, ValueError)):
                log.error("uplink-failed", error=type(error).__name__)
        self.up = False
        self._over.set()

    async def _listen(self) -> None:
        assert self._stream is not None
        while True:
            kind, number, topic, payload = await mqtt.receive(self._stream)
            self._heard = ticks_ms()
            self._asking, self._asked = False, None
            if kind == mqtt.PUBLISH:
                self._owner.tell(ARRIVED, topic, payload)
            elif kind == mqtt.PUBACK:
                if number <= self._settings.window:
                    self._on_their_way &= ~(1 << number - 1)
                self._owner.tell(ROOM)
            elif kind != mqtt.PINGRESP:
                raise mqtt.MqttError("mqtt-malformed", "packet of kind %d" % kind)

    def publish(self, topic: str, payload: "Payload") -> bool:
        """See Uplink.publish."""
        size, number = len(payload), 1
        while self._on_their_way >> number - 1 & 1:
            number += 1
        late = self._to_write and self._waiting + size > _MOST_WAITING
        if not self.up or late or number > self._settings.window:
            return False
        self._on_their_way |= 1 << number - 1
        self._put(mqtt.publish(topic, size, number))
        if size:
            self._put(payload)
        return True

    def _put(self, part: "Payload") -> None:
        if not self._to_write:
            self._moved = ticks_ms()
        self._to_write.append(part)
        self._waiting += len(part)
        self._more.set()

    async def _speak(self) -> None:
        assert self._stream is not None
        buffer = memoryview(bytearray(_PIECE))
        while True:
            await self._more.wait()
            self._more.clear()
            while self._to_write:
                part = self._to_write[0]
                await self._write(self._stream, part, buffer)
                self._waiting -= len(part)
                self._to_write.pop(0)
                if part is mqtt.PING:
                    self._asked = ticks_ms()
            self._owner.tell(ROOM)

    async def _write(self, stream: "Stream", part: "Payload", buffer: memoryview) -> None:
        if isinstance(part, (bytes, bytearray, memoryview)):
            view = memoryview(part)
            for at in range(0, len(view), _PIECE):
                await self._say(stream, view[at : at + _PIECE])
            return
        left = len(part)
        while left > 0:
            count = part.readinto(buffer[: min(left, _PIECE)])
            if not count:
                raise UplinkError("uplink-lost", "the message ended early")
            left -= count
            await self._say(stream, buffer[:count])

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


def _number(error: Exception) -> int:
    return error.args[0] if isinstance(error, OSError) and error.args else 0


def _is_distrust(error: Exception) -> bool:
    """Whether TLS, or our own look at the dates, refused the broker: with words or with a number."""
    return isinstance(error, ValueError) or _number(error) in (_NOT_VERIFIED, _REFUSED)


def _read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()
