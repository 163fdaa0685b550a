"""The uplink on the real broker, and through a line that someone cuts, holds up or floods."""

import os
import secrets
import selectors
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Self

import pytest

from cloud_bridge.authority import Authority
from gateway import uplink as uplink_module
from gateway.simulator.process import free_port
from gateway.uplink import MAX_PAYLOAD_BYTES, Arrived, Connected, Disconnected, Uplink, UplinkError
from gateway.wire.topics import down, up
from tests.cloud_bridge.broker_fixtures import Rig, Seen, Stranger, bridge, uplink, wait_until

TOPIC = up("hub-1", "envelope")


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    found = Rig(tmp_path_factory.mktemp("broker"))
    found.start()
    with bridge(found.intake_settings("bridge-first")):
        pass  # the callout service answers: from here on a refusal is one
    yield found
    found.stop()


class Middle:
    """A TCP relay in front of the broker that can stop passing anything on, in silence."""

    def __init__(self, target: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._target = target
        self.silent = False
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._listener, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while self._serve(ready):
                pass
            for key in list(ready.get_map().values()):
                key.fileobj.close()

    def _serve(self, ready: selectors.BaseSelector) -> bool:
        for key, _ in ready.select():
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._join(ready)
            elif key.fileobj.fileno() >= 0 and not self._pass_on(key.fileobj, key.data):
                for end in (key.fileobj, key.data):
                    ready.unregister(end)
                    end.close()
        return True

    def _join(self, ready: selectors.BaseSelector) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        ready.register(near, selectors.EVENT_READ, far)
        ready.register(far, selectors.EVENT_READ, near)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> bool:
        try:
            data = source.recv(65536)
            if data and not self.silent:
                sink.sendall(data)
        except OSError:
            return False
        return bool(data)

    def cut(self) -> None:
        """End it all, without a goodbye, and take no more."""
        if self._thread.is_alive():
            self._wake.send(b"x")
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._wake.close()


def test_presence_is_kept_for_whoever_asks(rig) -> None:
    """Two strange clients with the bridge's right to listen: one always, one that asks late."""
    topic = up("hub-there", "presence")
    settings = rig.uplink_settings("hub-there")
    with (
        Stranger(rig.port, rig.bridge(), "bridge-always") as always,
        Stranger(rig.port, rig.bridge(), "bridge-late") as late,
    ):
        assert not always.answer().is_failure
        assert not late.answer().is_failure
        always.client.subscribe(topic, 1)
        always.answer()
        with Middle(rig.port) as middle, uplink(settings, port=middle.port, first_delay_s=600) as line:
            line.connected()
            always.arrived.wait_for((topic, b"1"))
            middle.cut()
            always.arrived.wait_for((topic, b"0"))
        with uplink(settings) as line:
            line.connected()
            always.arrived.wait(lambda seen: seen[-1] == (topic, b"1"))
            assert late.kept(topic) == b"1"
        always.arrived.wait(lambda seen: seen[-1] == (topic, b"0"))
        assert [payload for _, payload in always.arrived.all] == [b"1", b"0", b"1", b"0"]


def test_nothing_is_taken_while_there_is_no_connection(rig) -> None:
    line = Uplink(rig.uplink_settings("hub-1"), lambda _event: None)
    assert not line.connected
    assert not line.publish(TOPIC, b"x")
    line.start()
    wait_until(lambda: line.connected)
    assert line.publish(TOPIC, b"x")
    line.stop()
    assert not line.connected
    assert not line.publish(TOPIC, b"x")


def test_what_is_too_large_for_ever_is_an_error(rig) -> None:
    with uplink(rig.uplink_settings("hub-1")) as line:
        line.connected()
        with pytest.raises(UplinkError, match="uplink-message-too-large"):
            line.uplink.publish(TOPIC, bytes(MAX_PAYLOAD_BYTES + 1))
        assert line.uplink.connected


def test_the_window_bounds_what_is_under_way_and_nothing_is_queued(rig) -> None:
    settings = rig.uplink_settings("hub-1")
    with Middle(rig.port) as middle, uplink(settings, port=middle.port, keepalive_s=1, window=3) as line:
        line.connected()
        middle.silent = True
        assert [line.uplink.publish(TOPIC, b"lost %d" % n) for n in range(5)] == [True] * 3 + [False] * 2
        line.disconnected()
        middle.silent = False
        with bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as listening:
            line.connected(times=2)
            for n in range(10):
                wait_until(lambda n=n: line.uplink.publish(TOPIC, b"sent %d" % n))
            listening.got(*[(TOPIC, b"sent %d" % n) for n in range(10)])
            # What was under way when the line broke is the outbox's to send again, not the uplink's.
            assert {payload for _, payload in listening.messages} == {b"sent %d" % n for n in range(10)}


def test_a_line_that_died_silently_is_noticed(rig) -> None:
    settings = rig.uplink_settings("hub-1")
    with Middle(rig.port) as middle, uplink(settings, port=middle.port, keepalive_s=1) as line:
        line.connected()
        middle.silent = True
        assert line.disconnected(within_s=6) == "uplink-lost"
        middle.silent = False
        line.connected(times=2)


def test_a_broker_that_does_not_answer_is_given_up(rig) -> None:
    settings = rig.uplink_settings("hub-1")
    with Middle(rig.port) as middle:
        middle.silent = True
        with uplink(settings, port=middle.port, answer_within_s=0.3) as line:
            assert line.disconnected() in {"uplink-unreachable", "uplink-no-answer"}
            middle.silent = False
            line.connected()


def test_stop_returns_although_the_other_side_takes_nothing_more(rig) -> None:
    """A broker that stands still, and so much under way that no goodbye fits behind it any more."""
    before = set(threading.enumerate())
    with uplink(rig.uplink_settings("hub-1"), keepalive_s=60, window=1000) as line:
        line.connected()
        os.kill(rig.broker.process.pid, signal.SIGSTOP)
        try:
            for _ in range(200):
                assert line.uplink.publish(TOPIC, bytes(MAX_PAYLOAD_BYTES))
            line.uplink.stop()
        finally:
            os.kill(rig.broker.process.pid, signal.SIGCONT)
        assert isinstance(line.events.all[-1], Disconnected)
        assert set(threading.enumerate()) <= before


def test_stop_during_an_attempt_leaves_nothing_behind(rig) -> None:
    before = set(threading.enumerate())
    for port in (free_port(), rig.port):
        line = Uplink(replace(rig.uplink_settings("hub-1"), port=port), lambda _event: None)
        line.start()
        line.stop()
    assert set(threading.enumerate()) <= before


def test_a_listener_that_fails_costs_nothing_but_its_event(rig) -> None:
    seen = Seen()

    def fails(event) -> None:
        seen.add(event)
        raise ZeroDivisionError

    line = Uplink(rig.uplink_settings("hub-1"), fails)
    with bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as listening:
        line.start()
        try:
            seen.wait_for(Connected())
            for payload in (b"", b"\xff\x00\xfe", os.urandom(4000)):
                assert listening.intake.publish_state("hub-1", payload)
                seen.wait_for(Arrived(down("hub-1"), payload))
            assert line.connected
        finally:
            line.stop()


def test_publishers_and_listener_may_share_a_lock(rig) -> None:
    """paho stands still when a lock is held around publish and taken in its callbacks; ours must not."""
    lock, heard = threading.Lock(), Seen()

    def listen(event) -> None:
        with lock:
            heard.add(event)

    line = Uplink(rig.uplink_settings("hub-1"), listen)

    def send(who: int) -> None:
        for n in range(50):
            wait_until(lambda n=n: locked_publish(b"%d %d" % (who, n)))

    def locked_publish(payload: bytes) -> bool:
        with lock:
            return line.publish(TOPIC, payload)

    with bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as listening:
        line.start()
        try:
            heard.wait_for(Connected())
            senders = [threading.Thread(target=send, args=(who,)) for who in range(4)]
            for sender in senders:
                sender.start()
            for n in range(50):
                assert listening.intake.publish_state("hub-1", b"%d" % n)
            for sender in senders:
                sender.join(30)
                assert not sender.is_alive()
            listening.incoming.wait(lambda seen: len(seen) >= 200)
            heard.wait_for(*[Arrived(down("hub-1"), b"%d" % n) for n in range(50)])
        finally:
            line.stop()


@pytest.mark.parametrize(
    "code",
    ["uplink-unreachable", "uplink-identity-unreadable", "uplink-broker-not-trusted", "uplink-refused"],
)
def test_why_it_cannot_connect_is_said(rig, tmp_path, code) -> None:
    settings = rig.uplink_settings("hub-2")
    if code == "uplink-unreachable":
        settings = replace(settings, port=free_port())
    elif code == "uplink-identity-unreadable":
        settings = replace(settings, key=tmp_path / "none.key")
    elif code == "uplink-broker-not-trusted":
        (tmp_path / "ca.pem").write_bytes(Authority.open(tmp_path / "another").pem)
        settings = replace(settings, ca=tmp_path / "ca.pem")
    else:
        settings = rig.uplink_settings("hub-3", rig.unknown_hub("hub-3"))
    with uplink(settings) as line:
        assert line.disconnected() == code
        assert Connected() not in line.events.all


def test_a_broker_under_another_name_is_not_ours(rig) -> None:
    """Reached at 127.1, an address of this machine that its certificate does not name."""
    with uplink(rig.uplink_settings("hub-1"), host="127.1") as line:
        assert line.disconnected() == "uplink-broker-not-trusted"


def test_waits_are_drawn_evenly_from_a_range_that_doubles(rig, monkeypatch) -> None:
    drawn = Seen()

    def uniform(low: float, high: float) -> float:
        drawn.add((low, high))
        return 0.0

    monkeypatch.setattr(uplink_module.random, "uniform", uniform)
    settings = replace(rig.uplink_settings("hub-1"), port=free_port(), first_delay_s=60, longest_delay_s=600)
    with uplink(settings):
        drawn.wait(lambda seen: len(seen) >= 6)
    assert drawn.all[:6] == [(0, 60), (0, 120), (0, 240), (0, 480), (0, 600), (0, 600)]


def test_every_connection_ends_with_one_disconnection(rig) -> None:
    with uplink(rig.uplink_settings("hub-1")) as line:
        line.connected()
        os.kill(rig.broker.process.pid, signal.SIGSTOP)
        os.kill(rig.broker.process.pid, signal.SIGCONT)
        rig.broker.stop()
        line.disconnected()
        rig.broker.start()
        line.connected(times=2)
    states = [type(e) for e in line.events.all if e != Disconnected("uplink-unreachable")]
    following = states[states.index(Connected) :]
    assert following[-1] is Disconnected
    assert all(a is not b for a, b in pairwise(following) if a is Connected)
