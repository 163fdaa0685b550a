"""One connection of the bridge to the broker, what it is told with, and what comes in on it."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from gateway.wire import topics
from gateway.wire.errors import MeethubError

AT_LEAST_ONCE = 1
NO_MID = 0  # messages at QoS 0 have no number and cannot be acknowledged
CLOSED_WITHIN_S = 1.0
PRESENCE = "/up/" + topics.PRESENCE

log = structlog.get_logger()


class IntakeError(MeethubError):
    """The line cannot work, or not now; its code says why.

    Codes: intake-identity-unreadable, intake-unreachable, intake-broker-not-trusted, intake-no-answer,
    intake-refused, intake-subscription-refused, intake-lost.
    """


@dataclass(frozen=True)
class IntakeSettings:
    """Where the broker is and who this bridge is; times in seconds, files in PEM.

    client: MQTT client id, the certificate's name or that name, a dash and more. queue: messages that may
    wait in front of the bridge. full_for_s: when the queue stays full that long the line is dropped, and the
    broker hands everything out again later.
    """

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    client: str = "bridge"
    first_delay_s: float = 0.2
    longest_delay_s: float = 10.0
    keepalive_s: int = 30
    answer_within_s: float = 10.0
    queue: int = 256
    full_for_s: float = 10.0


@dataclass(frozen=True)
class Incoming:
    """One message of a hub, exactly as it came; nothing about it has been checked, not even the topic."""

    topic: str
    payload: bytes
    mid: int
    line: "Line | None" = field(default=None, repr=False, compare=False)


class Line:
    """One connection: its own paho client, used once. `over` is set when it ended or shall end.

    waiting: numbers of the messages in front of the bridge, added by paho's thread, taken off by the
    delivering one.
    """

    def __init__(self, settings: IntakeSettings, enqueue: Callable[["Line", Incoming], None]) -> None:
        self.over = threading.Event()
        self.waiting: set[int] = set()
        self._gone = threading.Event()
        self._settled = threading.Event()
        self.subscribed = False
        self._settings = settings
        self._enqueue = enqueue
        self._refusal: str | None = None
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.connect_timeout = settings.answer_within_s
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    @property
    def up(self) -> bool:
        return not self.over.is_set()

    def end(self) -> None:
        """Let whoever waits for this connection go on; it is closed by `close`."""
        self.over.set()
        self._settled.set()

    def open(self) -> None:
        """Connect, prove who we are, and subscribe; IntakeError when one of these fails."""
        self._client.tls_set_context(_tls(self._settings))
        try:
            self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        except ssl.SSLCertVerificationError as error:
            raise IntakeError("intake-broker-not-trusted", error.verify_message) from error
        except (OSError, ValueError) as error:
            raise IntakeError("intake-unreachable", type(error).__name__) from error
        self._client.loop_start()
        if not self._settled.wait(self._settings.answer_within_s):
            raise IntakeError("intake-no-answer")
        if not self.subscribed:
            raise IntakeError(self._refusal or "intake-refused")

    def close(self) -> None:
        """Say goodbye; a peer that does not react is left standing, so that no thread stays behind."""
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

    def acknowledge(self, mid: int) -> None:
        if self.up and mid != NO_MID:
            self._client.ack(mid, AT_LEAST_ONCE)

    def publish(self, topic: str, payload: bytes) -> bool:
        if not self.up or not self.subscribed:
            return False
        return self._client.publish(topic, payload, qos=0).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_connect(
        self, client: mqtt.Client, _userdata: object, _flags: object, reason: ReasonCode, _: object
    ) -> None:
        if reason.is_failure:
            self._refuse("intake-refused")
        else:
            # Also when the broker knows our session: it may have lost its store, and it does no harm.
            client.subscribe(topics.ALL_UP, qos=AT_LEAST_ONCE)

    def _on_subscribe(
        self, _client: object, _userdata: object, _mid: int, reasons: list[ReasonCode], _: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refuse("intake-subscription-refused")
        else:
            self.subscribed = True
            self._settled.set()

    def _on_message(self, _client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            # No hub of ours can mean this; acknowledged, so that it does not come for ever.
            self.acknowledge(message.mid)
            return
        if topic.endswith(PRESENCE):
            self._presence(topic, bytes(message.payload), message.mid)
        else:
            self._enqueue(self, Incoming(topic, bytes(message.payload), message.mid, self))

    def _presence(self, topic: str, payload: bytes, mid: int) -> None:
        """Told to the operator's log and no further: the ledger knows when a hub spoke last, signed.

        What the broker keeps comes again at each connection of ours.
        """
        hub = topic.split("/")[1]
        if payload in (topics.ALIVE, topics.GONE):
            log.info("hub-present" if payload == topics.ALIVE else "hub-gone", hub=hub)
        else:
            log.warning("presence-refused", hub=hub, size=len(payload))
        self.acknowledge(mid)

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


def _tls(settings: IntakeSettings) -> ssl.SSLContext:
    """Read from the files at each connection, so that a renewed certificate counts from the next one on."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.sslsocket_class = _Socket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(settings.ca)
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ValueError) as error:
        raise IntakeError("intake-identity-unreadable", type(error).__name__) from error
    return context
