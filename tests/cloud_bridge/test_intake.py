"""The intake on the real broker: nothing is acknowledged early, nothing overtakes, nothing piles up."""

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from cloud_bridge.authority import Authority
from cloud_bridge.broker import MAX_UNACKNOWLEDGED
from cloud_bridge.intake import Incoming, Intake, IntakeSettings
from gateway.simulator.process import free_port
from gateway.wire.topics import up
from tests.cloud_bridge.broker_fixtures import Rig, Seen, Stranger, bridge, uplink, wait_until


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    found = Rig(tmp_path_factory.mktemp("broker"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def settings(rig) -> IntakeSettings:
    """Of a bridge that the broker has not heard of, so that nothing waits for it."""
    return rig.intake_settings(f"bridge-{secrets.token_hex(4)}")


def send(line, hub: str, payloads: list[bytes]) -> None:
    for payload in payloads:
        wait_until(lambda p=payload: line.uplink.publish(up(hub, "envelope"), p))


def payloads(seen: list[Incoming]) -> list[bytes]:
    return [incoming.payload for incoming in seen]


def test_what_was_not_acknowledged_comes_again_in_order(rig, settings) -> None:
    sent = [b"%d" % n for n in range(20)]
    with uplink(rig.uplink_settings("hub-1")) as line:
        with bridge(settings, hold=True) as first:
            line.connected()
            send(line, "hub-1", sent)
            seen = first.incoming.wait(lambda seen: len(seen) == 20)
            assert payloads(seen) == sent
            for incoming in seen[:5]:
                first.intake.acknowledge(incoming)
        with bridge(settings) as second:
            again = second.incoming.wait(lambda seen: len(seen) >= 15)
            assert payloads(again) == sent[5:]
        with bridge(settings) as third:
            send(line, "hub-1", [b"last"])
            assert payloads(third.incoming.wait(lambda seen: seen)) == [b"last"]


def test_an_acknowledgement_never_reaches_a_later_connection(rig, settings) -> None:
    """Numbers start again on each connection, where the same one means another message."""
    with uplink(rig.uplink_settings("hub-1")) as line:
        with bridge(settings, hold=True) as first:
            line.connected()
            send(line, "hub-1", [b"one", b"two"])
            old = first.incoming.wait(lambda seen: len(seen) == 2)
        with bridge(settings, hold=True) as second:
            second.incoming.wait(lambda seen: len(seen) == 2)
            for incoming in old:
                second.intake.acknowledge(incoming)
        with bridge(settings, hold=True) as third:
            assert payloads(third.incoming.wait(lambda seen: len(seen) == 2)) == [b"one", b"two"]


@pytest.mark.parametrize("payload", [b"1", b"0", b"", b"junk" * 100])
def test_presence_goes_to_the_log_and_not_to_the_bridge(rig, settings, capsys, payload) -> None:
    """Also the one that a hub of ours would not send; and it is not handed out again."""
    with uplink(rig.uplink_settings("hub-1")) as line:
        line.connected()
        for _ in range(2):
            with bridge(settings) as listening:
                assert line.uplink.publish(up("hub-1", "presence"), payload)
                send(line, "hub-1", [b"after"])
                listening.incoming.wait(lambda seen: seen)
                assert payloads(listening.incoming.all) == [b"after"]
    said = capsys.readouterr().out
    assert {b"1": "hub-present", b"0": "hub-gone"}.get(payload, "presence-refused") in said
    assert "junk" not in said


def test_each_hub_is_heard_in_its_own_order(rig, settings) -> None:
    sent = [b"%d" % n for n in range(50)]
    hubs = ("hub-1", "hub-2")
    with (
        bridge(settings) as listening,
        uplink(rig.uplink_settings("hub-1")) as one,
        uplink(rig.uplink_settings("hub-2")) as two,
    ):
        one.connected()
        two.connected()
        senders = [
            threading.Thread(target=send, args=(line, hub, sent))
            for line, hub in zip((one, two), hubs, strict=True)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        listening.incoming.wait(lambda seen: len(seen) == 100)
        for hub in hubs:
            mine = [payload for topic, payload in listening.messages if topic == up(hub, "envelope")]
            assert mine == sent


def test_a_slow_bridge_holds_the_flood_back_and_gets_all_of_it(rig, settings) -> None:
    """Small queue, bridge that stands still: what waits here stays bounded, and nothing is lost."""
    settings = replace(settings, queue=4)
    sent = [b"%d" % n for n in range(3 * MAX_UNACKNOWLEDGED)]
    seen, go = Seen(), threading.Event()

    def deliver(incoming: Incoming) -> None:
        seen.add(incoming)
        go.wait()
        intake.acknowledge(incoming)

    intake = Intake(settings, deliver)
    intake.start()
    try:
        with uplink(rig.uplink_settings("hub-1")) as line:
            line.connected()
            send(line, "hub-1", sent)
            wait_until(intake._waiting.full)
            assert len(seen.all) == 1
            go.set()
            seen.wait(lambda seen: {i.payload for i in seen} == set(sent), within_s=40)
            assert payloads(seen.all) == sent
    finally:
        go.set()
        intake.stop()


def test_what_still_waits_here_is_not_taken_in_again(rig, settings) -> None:
    """The broker hands out again what stands in the queue of a bridge that is busy with the first."""
    seen, handed_out, go = Seen(), Seen(), threading.Event()

    class Watched(Intake):
        def _enqueue(self, line, incoming: Incoming) -> None:
            handed_out.add(incoming.mid)
            super()._enqueue(line, incoming)

    def deliver(incoming: Incoming) -> None:
        seen.add(incoming)
        go.wait()
        intake.acknowledge(incoming)

    intake = Watched(settings, deliver)
    intake.start()
    try:
        with uplink(rig.uplink_settings("hub-1")) as line:
            line.connected()
            wait_until(lambda: intake.connected)
            send(line, "hub-1", [b"%d" % n for n in range(5)])
            handed_out.wait(lambda mids: all(mids.count(mid) >= 2 for mid in range(1, 6)))
            go.set()
            send(line, "hub-1", [b"last"])
            seen.wait(lambda seen: b"last" in payloads(seen))
            counted = payloads(seen.all)
            assert all(counted.count(b"%d" % n) == 1 for n in range(1, 5))
    finally:
        go.set()
        intake.stop()


def test_a_bridge_that_stands_still_too_long_is_cut_off_and_goes_on_later(rig, settings) -> None:
    settings = replace(settings, queue=1, full_for_s=0.2)
    seen, go = Seen(), threading.Event()

    def deliver(incoming: Incoming) -> None:
        seen.add(incoming)
        go.wait()
        intake.acknowledge(incoming)

    intake = Intake(settings, deliver)
    intake.start()
    try:
        with uplink(rig.uplink_settings("hub-1")) as line:
            line.connected()
            first = intake._line
            send(line, "hub-1", [b"%d" % n for n in range(8)])
            wait_until(lambda: intake._line is not first)
            go.set()
            seen.wait(lambda seen: {i.payload for i in seen} == {b"%d" % n for n in range(8)}, within_s=30)
    finally:
        go.set()
        intake.stop()


def test_a_delivery_that_fails_costs_nothing_but_itself(rig, settings) -> None:
    seen, failed = Seen(), []

    def deliver(incoming: Incoming) -> None:
        if incoming.payload == b"poison" and not failed:
            failed.append(incoming)
            raise ZeroDivisionError
        seen.add(incoming)
        intake.acknowledge(incoming)

    intake = Intake(settings, deliver)
    intake.start()
    try:
        with uplink(rig.uplink_settings("hub-1")) as line:
            line.connected()
            send(line, "hub-1", [b"before", b"poison", b"after"])
            seen.wait(lambda seen: payloads(seen) == [b"before", b"after"])
    finally:
        intake.stop()
    with bridge(settings) as again:
        assert payloads(again.incoming.wait(lambda seen: seen)) == [b"poison"]


@pytest.mark.parametrize("topic", ["up", "up/envelope/more", "up/nonsense", "up//", "up/ü"])
def test_odd_topics_are_handed_on_as_they_came(rig, settings, topic) -> None:
    """The intake judges nothing; whether a topic means anything is for the bridge to say."""
    with (
        bridge(settings) as listening,
        Stranger(rig.port, rig.hub("hub-1"), "hub-1") as hub,
    ):
        assert not hub.answer().is_failure
        hub.client.publish(f"hub/hub-1/{topic}", b"odd", qos=1)
        hub.client.publish(up("hub-1", "envelope"), b"\xff\x00", qos=0)
        listening.got((up("hub-1", "envelope"), b"\xff\x00"))
        assert set(listening.messages) <= {
            (f"hub/hub-1/{topic}", b"odd"),
            (up("hub-1", "envelope"), b"\xff\x00"),
        }


def codes(capsys) -> Callable[[str], bool]:
    return lambda code: code in capsys.readouterr().out


@pytest.mark.parametrize(
    "broken", ["intake-unreachable", "intake-identity-unreadable", "intake-broker-not-trusted"]
)
def test_why_it_cannot_connect_is_said(rig, settings, broken, capsys, tmp_path) -> None:
    if broken == "intake-unreachable":
        settings = replace(settings, port=free_port())
    elif broken == "intake-identity-unreadable":
        settings = replace(settings, key=settings.ca)
    else:
        (tmp_path / "ca.pem").write_bytes(Authority.open(tmp_path / "another").pem)
        settings = replace(settings, ca=tmp_path / "ca.pem")
    intake = Intake(settings, lambda _incoming: None)
    intake.start()
    try:
        said = codes(capsys)
        wait_until(lambda: said(broken))
        assert not intake.connected
        assert not intake.publish_state("hub-1", b"x")
    finally:
        intake.stop()


def test_a_renewed_certificate_counts_from_the_next_connection_on(rig, settings) -> None:
    with bridge(settings) as listening:
        rig.bridge()
        rig.broker.stop()
        rig.broker.start()
        wait_until(lambda: listening.intake.connected)


def test_it_can_be_started_again(rig, settings) -> None:
    intake = Intake(settings, lambda _incoming: None)
    for _ in range(2):
        before = set(threading.enumerate())
        intake.start()
        wait_until(lambda: intake.connected)
        intake.stop()
        assert not intake.connected
        assert set(threading.enumerate()) <= before
