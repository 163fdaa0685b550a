"""The hub's line to the broker: MQTT 3.1.1 over TLS with the hub's own certificate. The only place with paho.

It promises nothing about arrival: a PUBACK is no proof, only the bridge's signed state is. So nothing is
kept here. Each connection gets a client of its own, and what was under way when it broke is forgotten; the
outbox holds it and the hub sends it again when a state says so.

Two threads per connection: ours, which connects, waits and connects again, and paho's, which calls the
events. No lock is held while paho is called, so a callback can never wait for a publisher (paho 2.2 stands
still when both share one).
"""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from gateway.wire import topics
from gateway.wire.errors import MeethubError

# The broker takes no larger message (and ends the session of who sends one).
MAX_PAYLOAD_BYTES = 64 * 1024 - 512
CLOSED_WITHIN_S = 1.0

log = structlog.get_logger()


class UplinkError(MeethubError):
    """The line cannot work, or not now; its code says why.

    Codes: uplink-identity-unreadable, uplink-unreachable, uplink-broker-not-trusted, uplink-no-answer,
    uplink-refused, uplink-subscription-refused, uplink-lost, uplink-message-too-large.
    """


@dataclass(frozen=True)
class UplinkSettings:
    """Where the broker is and who this hub is; times in seconds, files in PEM.

    first_delay_s, longest_delay_s: a new attempt comes after 0 to `first` seconds, evenly drawn, and the
    upper end doubles up to `longest`. keepalive_s: a line that died silently is noticed within twice this.
    window: messages on their way at most.
    """

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    hub: str
    first_delay_s: float = 60.0
    longest_delay_s: float = 600.0
    keepalive_s: int = 30
    answer_within_s: float = 10.0
    window: int = 8


@dataclass(frozen=True)
class Connected:
    """The broker lets this hub in and will hand it what comes down."""


@dataclass(frozen=True)
class Disconnected:
    """The connection ended or an attempt failed; code: one of UplinkError's."""

    code: str


@dataclass(frozen=True)
class Arrived:
    """A message from above, exactly as it came; nothing about it has been checked."""

    topic: str
    payload: bytes


Event = Connected | Disconnected | Arrived


class Uplink:
    """Keeps this hub connected from `start` to `stop`; calls `events` from its own threads, so be quick.

    Every `Connected` is followed by one `Disconnected`; a failed attempt gives a `Disconnected` alone.
    """

    def __init__(self, settings: UplinkSettings, events: Callable[[Event], None]) -> None:
        self._settings = settings
        self._events = events
        self._line: _Line | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        line = self._line
        return line is not None and line.up

    def start(self) -> None:
        """Begin to connect; the first attempt is made at once."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._keep_connected, name="uplink", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Say goodbye to the broker and end; no event comes after this returned."""
        self._stopping.set()
        line = self._line
        if line is not None:
            line.end()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand one message to the connection (QoS 1); False when there is none or the window is full.

        True says only that it is on its way. UplinkError("uplink-message-too-large") for what never can be.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise UplinkError("uplink-message-too-large", f"{len(payload)} bytes")
        line = self._line
        return line is not None and line.publish(topic, payload)

    def _keep_connected(self) -> None:
        longest = self._settings.first_delay_s
        while not self._stopping.is_set():
            began = time.monotonic()
            self._connect_once()
            if time.monotonic() - began > longest:
                longest = self._settings.first_delay_s
            # Full jitter: after a power cut in a street not all its hubs come at the same second.
            self._stopping.wait(random.uniform(0, longest))  # noqa: S311 (no secret depends on it)
            longest = min(longest * 2, self._settings.longest_delay_s)

    def _connect_once(self) -> None:
        """One connection from beginning to end."""
        line = self._line = _Line(self._settings, self._tell)
        code = "uplink-lost"
        try:
            line.open()
            log.info("uplink-connected")
            self._tell(Connected())
            if not self._stopping.is_set():
                line.over.wait()
        except UplinkError as error:
            code = error.code
        finally:
            self._line = None
            line.close()
        log.info("uplink-disconnected", code=code)
        self._tell(Disconnected(code))

    def _tell(self, event: Event) -> None:
        """Whatever the listener does, paho's thread and ours go on."""
        try:
            self._events(event)
        except Exception as error:  # noqa: BLE001 (a boundary: the listener's fault must not cost the line)
            log.error("uplink-listener-failed", error=type(error).__name__)


class _Line:
    """One connection: its own paho client, used once. `over` is set when it ended or shall end."""

    def __init__(self, settings: UplinkSettings, tell: Callable[[Event], None]) -> None:
        self.over = threading.Event()
        self._gone = threading.Event()
        self._settled = threading.Event()
        self._subscribed = False
        self._settings = settings
        self._tell = tell
        self._refusal: str | None = None
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.hub,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = settings.answer_within_s
        self._presence = topics.up(settings.hub, topics.PRESENCE)
        self._client.will_set(self._presence, topics.GONE, qos=0, retain=True)
        # As many may be queued as may be on their way: so paho queues none, and refuses the next one.
        self._client.max_inflight_messages_set(settings.window)
        self._client.max_queued_messages_set(settings.window)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    @property
    def up(self) -> bool:
        return self._subscribed and not self.over.is_set()

    def end(self) -> None:
        """Let whoever waits for this connection go on; it is closed by `close`."""
        self.over.set()
        self._settled.set()

    def open(self) -> None:
        """Connect, prove who we are, and subscribe; UplinkError when one of these fails."""
        self._client.tls_set_context(_tls(self._settings))
        try:
            self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        except ssl.SSLCertVerificationError as error:
            raise UplinkError("uplink-broker-not-trusted", error.verify_message) from error
        except (OSError, ValueError) as error:
            raise UplinkError("uplink-unreachable", type(error).__name__) from error
        self._client.loop_start()
        if not self._settled.wait(self._settings.answer_within_s):
            raise UplinkError("uplink-no-answer")
        if not self._subscribed:
            # With TLS 1.3 a refused client certificate shows only as an end without any answer.
            raise UplinkError(self._refusal or "uplink-refused")

    def close(self) -> None:
        """Say goodbye; a peer that does not react is left standing, so that no thread stays behind."""
        if self._subscribed:
            self._client.publish(
                self._presence, topics.GONE, qos=0, retain=True
            )  # a goodbye cancels the will
        if self._client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._gone.wait(CLOSED_WITHIN_S)
        ours = self._client.socket()
        if isinstance(ours, socket.socket):
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()
        # Lets go of the client at once, and so of its sockets, instead of when garbage is collected.
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None
        self._client.on_disconnect = None

    def publish(self, topic: str, payload: bytes) -> bool:
        return self.up and self._client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_connect(
        self, client: mqtt.Client, _userdata: object, _flags: object, reason: ReasonCode, _: object
    ) -> None:
        if reason.is_failure:
            self._refuse("uplink-refused")
        else:
            # At QoS 0: the bridge answers each hello anew, so the broker need not keep a state for us.
            client.subscribe(topics.down(self._settings.hub), qos=0)

    def _on_subscribe(
        self, _client: object, _userdata: object, _mid: int, reasons: list[ReasonCode], _: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refuse("uplink-subscription-refused")
        else:
            self._client.publish(self._presence, topics.ALIVE, qos=0, retain=True)
            self._subscribed = True
            self._settled.set()

    def _on_message(self, _client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._tell(Arrived(topic, bytes(message.payload)))

    def _on_disconnect(self, *_: object) -> None:
        self._gone.set()
        self.end()

    def _refuse(self, refusal: str) -> None:
        self._refusal = refusal
        self.end()


def _send_at_once(_client: mqtt.Client, _userdata: object, ours: object) -> None:
    """Small packets follow each other here; waiting to fill a segment costs 40 ms each (Nagle, RFC 896)."""
    if isinstance(ours, socket.socket):
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho 2.2 leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 (as inherited)
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls(settings: UplinkSettings) -> ssl.SSLContext:
    """Read from the files at each connection, so that a renewed certificate counts from the next one on."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.sslsocket_class = _Socket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(settings.ca)
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ValueError) as error:
        raise UplinkError("uplink-identity-unreadable", type(error).__name__) from error
    return context
