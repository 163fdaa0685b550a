"""A real broker with its callout service, a registry, an authority, and hubs and bridges to try them with.

`Rig` is all that the contract suite knows of a broker. A second broker gets a rig of its own with the same
names, and stands behind the same tests (`RIGS`).
"""

import json
import queue
import shutil
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import create_engine

from cloud_bridge import broker as broker_files
from cloud_bridge.administration import Place, set_up
from cloud_bridge.authority import Authority, Identity, Issued, identity, install, make_request
from cloud_bridge.intake import Incoming, Intake, IntakeSettings
from cloud_bridge.registry import BRIDGE, HUB, Registry
from cloud_bridge.schema import metadata
from gateway.simulator.process import Program, free_port, listening
from gateway.uplink import Arrived, Connected, Disconnected, Event, Uplink, UplinkSettings

WITHIN_S = 15.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Seen:
    """What arrived, for threads that add and a test that waits."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._changed = threading.Condition()

    def add(self, item: Any) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    @property
    def all(self) -> list[Any]:
        with self._changed:
            return list(self._items)

    def wait(self, condition: Callable[[list[Any]], Any], within_s: float = WITHIN_S) -> list[Any]:
        """All that was seen, once the condition holds; AssertionError when it does not in time."""
        with self._changed:
            held = self._changed.wait_for(lambda: condition(self._items), within_s)
            assert held, f"only seen: {self._items}"
            return list(self._items)

    def wait_for(self, *wanted: Any, within_s: float = WITHIN_S) -> list[Any]:
        return self.wait(lambda items: all(item in items for item in wanted), within_s)


class Rig:
    """NATS with the callout service, as the product runs them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.ports = broker_files.Ports(mqtt=self.port, service=free_port(), acknowledge_wait_s=1)
        self.place = Place(directory)
        self.engine = create_engine(self.place.database)
        metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            set_up(self.place, connection, self.ports, ("localhost", "127.0.0.1"))
        self.authority = Authority.open(self.place.issuer)
        nats = str(Path(sys.executable).with_name("nats-server"))
        self.broker = Program(
            "broker",
            [nats, "-c", str(self.place.broker / "nats.conf")],
            directory / "broker.log",
            ready=lambda: listening(self.port),
        )
        command = [sys.executable, "-m", "cloud_bridge", "callout", "--data", str(directory)]
        self.callout = Program("callout", command, directory / "callout.log")

    def start(self) -> None:
        try:
            self.broker.start()
            self.callout.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.callout.stop()
        self.broker.stop()
        self.engine.dispose()

    def log(self) -> str:
        return (self.directory / "callout.log").read_text()

    def delete_store(self) -> None:
        """Lose all that the broker keeps; only while it does not run."""
        assert not self.broker.alive()
        shutil.rmtree(self.place.broker / "store")

    def waits_at_most_s(self) -> float:
        """How long the broker keeps what no bridge took; 0 for ever, also while it has no stream yet."""
        record = (
            self.directory / "broker" / "store" / "jetstream" / "HUBS" / "streams" / "$MQTT_msgs" / "meta.inf"
        )
        try:
            return float(json.loads(record.read_text())["max_age"]) / 1e9
        except (OSError, ValueError):
            return 0.0

    def revoke(self, hub: str) -> None:
        with self.engine.begin() as connection:
            Registry(connection).revoke(hub, now_ms())

    def hub(self, name: str, now: datetime | None = None) -> Identity:
        """An enrolled hub's files."""
        with self.engine.begin() as connection:
            if Registry(connection).hub(name) is None:
                Registry(connection).enrol(name, f"home-of-{name}", now_ms())
        place = identity(self.directory / name, "hub")
        issued = self.authority.issue_hub(make_request(place.key, name), name, now)
        return self._register(place, issued, HUB)

    def bridge(self) -> Identity:
        place = identity(self.directory / "bridge", "bridge")
        return self._register(place, self.authority.issue_bridge(make_request(place.key, "bridge")), BRIDGE)

    def _register(self, place: Identity, issued: Issued, role: str) -> Identity:
        install(place, issued.pem, self.authority.pem)
        with self.engine.begin() as connection:
            registry = Registry(connection)
            registry.add_certificate(issued.fingerprint, issued.subject, role, issued.not_after_ms)
        return place

    def expired_hub(self, name: str) -> Identity:
        return self.hub(name, datetime.now(UTC) - timedelta(days=400))

    def rogue_hub(self, name: str) -> Identity:
        """The right name from an authority that only calls itself ours."""
        self.hub(name)
        rogue = Authority.open(self.directory / "rogue-authority")
        place = identity(self.directory / f"rogue-{name}", "hub")
        issued = rogue.issue_hub(make_request(place.key, name), name)
        return self._register(place, issued, HUB) and self._trusting(place)

    def unknown_hub(self, name: str) -> Identity:
        """A certificate of our authority that the registry does not know."""
        place = identity(self.directory / name, "hub")
        install(place, self.authority.issue_hub(make_request(place.key, name), name).pem, self.authority.pem)
        return place

    def _trusting(self, place: Identity) -> Identity:
        place.ca.write_bytes(self.authority.pem)
        return place

    def uplink_settings(self, name: str, files: Identity | None = None) -> UplinkSettings:
        files = files or self.hub(name)
        return UplinkSettings(
            "localhost",
            self.port,
            files.ca,
            files.certificate,
            files.key,
            name,
            first_delay_s=0.1,
            longest_delay_s=0.5,
            keepalive_s=5,
            answer_within_s=5,
        )

    def intake_settings(self, client: str = "bridge") -> IntakeSettings:
        files = self.bridge()
        return IntakeSettings(
            "localhost", self.port, files.ca, files.certificate, files.key, client, longest_delay_s=0.5
        )


RIGS = {"nats": Rig}


@dataclass
class Line:
    """An uplink under test and all its events."""

    uplink: Uplink
    events: Seen

    def connected(self, times: int = 1, within_s: float = WITHIN_S) -> "Line":
        self.events.wait(lambda seen: sum(isinstance(e, Connected) for e in seen) >= times, within_s)
        return self

    def disconnected(self, within_s: float = WITHIN_S) -> str:
        """The code of the last disconnection, once there was one."""
        seen = self.events.wait(lambda seen: any(isinstance(e, Disconnected) for e in seen), within_s)
        return next(e.code for e in reversed(seen) if isinstance(e, Disconnected))

    @property
    def arrived(self) -> list[Arrived]:
        return [event for event in self.events.all if isinstance(event, Arrived)]


@contextmanager
def uplink(settings: UplinkSettings, **changes: Any) -> Iterator[Line]:
    events = Seen()
    line = Line(Uplink(replace(settings, **changes), events.add), events)
    line.uplink.start()
    try:
        yield line
    finally:
        line.uplink.stop()


@dataclass
class Bridge:
    """An intake under test; everything is acknowledged as it comes, unless `hold` is set."""

    intake: Intake
    incoming: Seen

    @property
    def messages(self) -> list[tuple[str, bytes]]:
        return [(i.topic, i.payload) for i in self.incoming.all]

    def got(self, *wanted: tuple[str, bytes], within_s: float = WITHIN_S) -> None:
        self.incoming.wait(lambda seen: set(wanted) <= {(i.topic, i.payload) for i in seen}, within_s)


@contextmanager
def bridge(settings: IntakeSettings, *, hold: bool = False, **changes: Any) -> Iterator[Bridge]:
    incoming = Seen()

    def deliver(message: Incoming) -> None:
        incoming.add(message)
        if not hold:
            found.intake.acknowledge(message)

    found = Bridge(Intake(replace(settings, **changes), deliver), incoming)
    found.intake.start()
    try:
        wait_until(lambda: found.intake.connected)
        yield found
    finally:
        found.intake.stop()


def wait_until(condition: Callable[[], Any], within_s: float = WITHIN_S) -> None:
    """For what gives no signal: looked at often, with a deadline."""
    deadline, pause = time.monotonic() + within_s, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        pause.wait(0.01)


class Stranger:
    """A bare MQTT client that does what a hub of ours would never do."""

    def __init__(self, port: int, files: Identity, client_id: str, will: str | None = None) -> None:
        """will: the topic on which the broker is to say b"will", and keep it, when this client falls silent."""
        self.arrived, self.answers, self.gone = Seen(), queue.Queue[Any](), threading.Event()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            reconnect_on_failure=False,
        )
        context = ssl.create_default_context(cafile=str(files.ca))
        context.load_cert_chain(files.certificate, files.key)
        self.client.tls_set_context(context)
        if will is not None:
            self.client.will_set(will, b"will", qos=0, retain=True)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.answers.put(reason)
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.answers.put(reasons)
        self.client.on_publish = lambda _c, _u, mid, _r, _p: self.answers.put(mid)
        self.client.on_message = lambda _c, _u, m: self.arrived.add((m.topic, bytes(m.payload)))
        self.client.on_disconnect = self._on_disconnect
        self.client.connect("localhost", port, 30)
        self.client.loop_start()

    def _on_disconnect(self, *_: Any) -> None:
        self.gone.set()
        self.answers.put(None)

    def answer(self) -> Any:
        return self.answers.get(timeout=WITHIN_S)

    def kept(self, topic: str, within_s: float = WITHIN_S) -> bytes:
        """What the broker keeps of a topic: said at each subscription, once the broker has stored it."""
        deadline = time.monotonic() + within_s
        before = len(self.arrived.all)
        while len(self.arrived.all) == before:
            assert time.monotonic() < deadline, "nothing is kept"
            self.client.subscribe(topic, 1)
            self.answer()
            threading.Event().wait(0.05)
        return bytes(self.arrived.all[before][1])

    def drop(self) -> None:
        """End the connection without a goodbye."""
        ours = self.client.socket()
        assert isinstance(ours, ssl.SSLSocket)
        ours.shutdown(socket.SHUT_RDWR)
        assert self.gone.wait(WITHIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def received_events(events: list[Event]) -> list[bytes]:
    return [event.payload for event in events if isinstance(event, Arrived)]
