"""What every broker behind Meethub must do, tried on the real one and judged by what arrives.

Acknowledgements prove nothing here: an MQTT 3.1.1 broker acknowledges a message that it then drops, and
some grant every subscription. Each test therefore ends with a message that must arrive, sent after the one
that must not: what is not there by then was not delivered.
"""

import os
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.uplink import MAX_PAYLOAD_BYTES, Arrived
from gateway.wire.topics import down, up
from tests.cloud_bridge.broker_fixtures import (
    RIGS,
    Bridge,
    Rig,
    Stranger,
    bridge,
    uplink,
    wait_until,
)

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
CUT_WITHIN_S = 5.0


@pytest.fixture(scope="module", params=sorted(RIGS))
def shared(request, tmp_path_factory) -> Iterator[Rig]:
    """One broker for the tests that do it no harm; each brings its own hubs."""
    rig = RIGS[request.param](tmp_path_factory.mktemp("broker"))
    rig.start()
    yield rig
    rig.stop()


@pytest.fixture(params=sorted(RIGS))
def rig(request, tmp_path) -> Iterator[Rig]:
    """A broker to be killed."""
    found = RIGS[request.param](tmp_path)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def listening(shared: Rig) -> Iterator[Bridge]:
    """A bridge of which the broker has not heard before, so that nothing of another test waits for it."""
    with bridge(shared.intake_settings(f"bridge-{secrets.token_hex(4)}")) as found:
        yield found


@pytest.fixture
def name() -> Callable[[str], str]:
    return lambda stem: f"{stem}-{secrets.token_hex(4)}"


# B1: byte for byte, both ways


@pytest.mark.parametrize("size", [0, 1, 256, MAX_PAYLOAD_BYTES])
def test_up_and_down_byte_for_byte(shared, listening, name, size) -> None:
    hub = name("a")
    sent = bytes(i * 7 % 256 for i in range(size))
    with uplink(shared.uplink_settings(hub)) as line:
        line.connected()
        assert line.uplink.publish(up(hub, "envelope"), sent)
        listening.got((up(hub, "envelope"), sent))
        assert listening.intake.publish_state(hub, sent)
        line.events.wait_for(Arrived(down(hub), sent))
        assert line.arrived == [Arrived(down(hub), sent)]


def test_a_state_reaches_the_hub_it_is_for(shared, listening, name) -> None:
    first, second = name("a"), name("b")
    with uplink(shared.uplink_settings(first)) as one, uplink(shared.uplink_settings(second)) as two:
        one.connected()
        two.connected()
        assert listening.intake.publish_state(first, b"for one")
        assert listening.intake.publish_state(second, b"for two")
        two.events.wait_for(Arrived(down(second), b"for two"))
        one.events.wait_for(Arrived(down(first), b"for one"))
        assert two.arrived == [Arrived(down(second), b"for two")]
        assert one.arrived == [Arrived(down(first), b"for one")]


# B2: a hub speaks only as itself


@pytest.mark.parametrize(
    "message", ["up/envelope", "up/hello", "up/key", "up/presence", "down/state", "up", ""]
)
def test_a_hub_cannot_speak_for_another(shared, listening, name, message) -> None:
    thief, victim = name("a"), name("b")
    topic = f"hub/{victim}/{message}".rstrip("/")
    with (
        uplink(shared.uplink_settings(victim)) as heard,
        Stranger(shared.port, shared.hub(thief), thief) as stranger,
    ):
        heard.connected()
        assert not stranger.answer().is_failure
        for qos in (0, 1):
            stranger.client.publish(topic, b"stolen", qos=qos)
        stranger.client.publish(up(thief, "envelope"), b"own", qos=1)
        listening.got((up(thief, "envelope"), b"own"))
        assert listening.intake.publish_state(victim, b"true")
        heard.events.wait_for(Arrived(down(victim), b"true"))
        assert set(listening.messages) == {(up(thief, "envelope"), b"own")}
        assert heard.arrived == [Arrived(down(victim), b"true")]


def test_a_hub_cannot_tell_itself_a_state(shared, listening, name) -> None:
    hub = name("a")
    with uplink(shared.uplink_settings(hub)) as line:
        line.connected()
        line.uplink.publish(down(hub), b"made up")
        line.uplink.publish(up(hub, "envelope"), b"after")
        listening.got((up(hub, "envelope"), b"after"))
        assert listening.intake.publish_state(hub, b"true")
        line.events.wait_for(Arrived(down(hub), b"true"))
        assert line.arrived == [Arrived(down(hub), b"true")]


@pytest.mark.parametrize("own", [True, False])
def test_a_hub_leaves_a_will_for_itself_alone(shared, name, own) -> None:
    thief, victim = name("a"), name("b")
    willed = up(thief if own else victim, "presence")
    with Stranger(shared.port, shared.bridge(), "bridge-" + thief) as asking:
        assert not asking.answer().is_failure
        asking.client.subscribe([(willed, 1), (up(thief, "hello"), 1)])
        asking.answer()
        with Stranger(shared.port, shared.hub(thief), thief, will=willed) as stranger:
            let_in = stranger.answer()
            if let_in is not None and not let_in.is_failure:
                stranger.drop()
        with uplink(shared.uplink_settings(thief)) as line:
            line.connected()
            assert line.uplink.publish(up(thief, "hello"), b"after")
            asking.arrived.wait_for((up(thief, "hello"), b"after"))
    assert ((willed, b"will") in asking.arrived.all) == own


# B3: a hub hears only what is for it

CURIOUS = [
    "#", "+/+/+/+", "hub/#", "hub/+/down/#", "hub/+/up/#", "hub/{victim}/#", "hub/{victim}/down/state",
    "hub/{victim}/down/#", "hub/{victim}/up/#", "$SYS/#", "$MQTT/#", "$MQTT/sub/#", "$JS/#", "_INBOX/#",
]  # fmt: skip


def test_a_hub_cannot_listen_to_another(shared, listening, name) -> None:
    thief, victim = name("a"), name("b")
    with (
        uplink(shared.uplink_settings(victim)) as heard,
        Stranger(shared.port, shared.hub(thief), thief) as stranger,
    ):
        heard.connected()
        assert not stranger.answer().is_failure
        for curious in CURIOUS:
            for qos in (0, 1):
                stranger.client.subscribe(curious.format(victim=victim), qos)
                stranger.answer()
        stranger.client.subscribe(down(thief), 0)
        stranger.answer()
        assert heard.uplink.publish(up(victim, "envelope"), b"private")
        listening.got((up(victim, "envelope"), b"private"))
        assert listening.intake.publish_state(victim, b"private too")
        heard.events.wait_for(Arrived(down(victim), b"private too"))
        assert listening.intake.publish_state(thief, b"own")
        stranger.arrived.wait_for((down(thief), b"own"))
        assert set(stranger.arrived.all) == {(down(thief), b"own")}


# B4: overlapping subscriptions


def test_overlapping_subscriptions_give_copies_and_nothing_else(shared, listening, name) -> None:
    hub = name("a")
    with Stranger(shared.port, shared.hub(hub), hub) as stranger:
        assert not stranger.answer().is_failure
        for topic in (down(hub), f"hub/{hub}/down/#", f"hub/{hub}/down/+"):
            stranger.client.subscribe(topic, 0)
            assert not stranger.answer()[0].is_failure
        assert listening.intake.publish_state(hub, b"one")
        assert listening.intake.publish_state(hub, b"two")
        stranger.arrived.wait_for((down(hub), b"one"), (down(hub), b"two"))
        copies = stranger.arrived.all
        assert set(copies) == {(down(hub), b"one"), (down(hub), b"two")}
        assert 2 <= len(copies) <= 6


# B5: who is refused


def refused_code(shared: Rig, hub: str, files) -> str:
    with uplink(shared.uplink_settings(hub, files)) as line:
        code = line.disconnected()
        assert not line.uplink.connected
        assert not line.uplink.publish(up(hub, "envelope"), b"x")
        return code


def test_revoked_is_refused(shared, name) -> None:
    hub = name("a")
    files = shared.hub(hub)
    shared.revoke(hub)
    assert refused_code(shared, hub, files) == "uplink-refused"


def test_expired_is_refused(shared, name) -> None:
    hub = name("a")
    assert refused_code(shared, hub, shared.expired_hub(hub)) == "uplink-refused"


def test_a_rogue_authority_with_the_right_name_is_refused(shared, name) -> None:
    hub = name("a")
    assert refused_code(shared, hub, shared.rogue_hub(hub)) == "uplink-refused"


def test_a_certificate_that_the_registry_does_not_know_is_refused(shared, name) -> None:
    hub = name("a")
    assert refused_code(shared, hub, shared.unknown_hub(hub)) == "uplink-refused"


def connack(shared: Rig, context: ssl.SSLContext, client: str) -> bytes:
    """What the broker answers to a CONNECT over this TLS; empty when it hangs up."""
    name = client.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x1e" + len(name).to_bytes(2, "big") + name
    with (
        socket.create_connection(("127.0.0.1", shared.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
    ):
        line.sendall(b"\x10" + bytes([len(body)]) + body)
        return line.recv(4)


def context_of(shared: Rig, files=None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=shared.authority.pem.decode())
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    return context


def test_no_certificate_is_refused(shared, name) -> None:
    hub = name("a")
    assert connack(shared, context_of(shared, shared.hub(hub)), hub) == b"\x20\x02\x00\x00"
    with pytest.raises(OSError, match="certificate required"):
        connack(shared, context_of(shared), hub)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "welcome"),
    [(ssl.TLSVersion.TLSv1, False), (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)],
)
def test_old_tls_is_refused(shared, name, version, welcome) -> None:
    hub = name("a")
    context = context_of(shared, shared.hub(hub))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if welcome:
        assert connack(shared, context, hub) == b"\x20\x02\x00\x00"
    else:
        with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|protocol version"):
            connack(shared, context, hub)


def test_no_tls_is_refused(shared, name) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), 10) as plain:
        plain.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x1e\x00\x03abc")
        answer = plain.recv(100)
    assert not answer.startswith(b"\x20")


# B6: revoked while connected


@pytest.mark.parametrize("restarted", [False, True], ids=["", "after a restart of the callout service"])
def test_a_revoked_hub_is_cut_off_and_the_others_stay(shared, listening, name, restarted) -> None:
    hub, other = name("a"), name("b")
    with uplink(shared.uplink_settings(hub)) as line, uplink(shared.uplink_settings(other)) as staying:
        line.connected()
        staying.connected()
        if restarted:
            shared.callout.kill()
            shared.callout.start()
        shared.revoke(hub)
        line.disconnected(CUT_WITHIN_S)
        line.events.wait(lambda seen: getattr(seen[-1], "code", "") == "uplink-refused")
        assert staying.uplink.connected
        assert staying.uplink.publish(up(other, "envelope"), b"still here")
        listening.got((up(other, "envelope"), b"still here"))


# B7, B8: one identity, two machines


def test_a_stolen_client_id_is_refused_and_its_owner_notices_nothing(shared, listening, name) -> None:
    owner, thief = name("a"), name("b")
    with uplink(shared.uplink_settings(owner)) as line:
        line.connected()
        with Stranger(shared.port, shared.hub(thief), owner) as stranger:
            assert stranger.answer().is_failure
        with Stranger(shared.port, shared.hub(thief), listening.intake._settings.client) as stranger:
            assert stranger.answer().is_failure
        assert listening.intake.publish_state(owner, b"yours")
        line.events.wait_for(Arrived(down(owner), b"yours"))
        assert len(line.events.all) == 2
        assert listening.intake.connected


def test_two_machines_with_one_certificate_raise_the_alarm(shared, name) -> None:
    hub = name("a")
    settings = shared.uplink_settings(hub)
    with uplink(settings) as one, uplink(settings) as two:
        one.connected()
        two.connected()
        wait_until(lambda: "clone-suspected" in shared.log())


# B9: the broker dies


@pytest.mark.parametrize("round_", range(DOSE))
def test_what_was_not_acknowledged_comes_again_after_a_kill(rig, round_) -> None:
    with (
        bridge(rig.intake_settings(), hold=True) as listening,
        uplink(rig.uplink_settings("hub-1")) as line,
    ):
        line.connected()
        messages = [(up("hub-1", "envelope"), b"%d" % n) for n in range(8)]
        for topic, payload in messages:
            wait_until(lambda t=topic, p=payload: line.uplink.publish(t, p))
        listening.got(*messages)
        rig.broker.kill()
        rig.broker.start()
        # In any order: the broker hands out the first one last, when its time for acknowledging is over.
        listening.incoming.wait(lambda seen: {m.payload for m in seen[8:]} == {p for _, p in messages})
        line.connected(times=2)


def test_what_waits_for_the_bridge_outlives_a_kill(rig) -> None:
    settings = rig.intake_settings()
    with bridge(settings):
        pass
    with Stranger(rig.port, rig.hub("hub-1"), "hub-1") as hub:
        assert not hub.answer().is_failure
        hub.client.publish(up("hub-1", "envelope"), b"while the bridge was away", qos=1)
        hub.answer()
        rig.broker.kill()
    rig.broker.start()
    with bridge(settings) as listening:
        listening.got((up("hub-1", "envelope"), b"while the bridge was away"))


@pytest.mark.parametrize("round_", range(DOSE))
def test_all_recover_when_the_broker_lost_its_store(rig, round_) -> None:
    with bridge(rig.intake_settings()) as listening, uplink(rig.uplink_settings("hub-1")) as line:
        for n in range(1, 4):
            line.connected(times=n)
            wait_until(lambda: listening.intake.connected)
            sent = (up("hub-1", "envelope"), b"life %d" % n)
            assert line.uplink.publish(*sent)
            listening.got(sent)
            assert listening.intake.publish_state("hub-1", b"state %d" % n)
            line.events.wait_for(Arrived(down("hub-1"), b"state %d" % n))
            rig.broker.kill()
            rig.delete_store()
            rig.broker.start()
        line.connected(times=4)
        assert {payload for _, payload in listening.messages} == {b"life 1", b"life 2", b"life 3"}


# B10: too much


def test_a_message_over_the_limit_is_refused_and_the_others_go_on(shared, listening, name) -> None:
    greedy, other = name("a"), name("b")
    with (
        uplink(shared.uplink_settings(other)) as line,
        Stranger(shared.port, shared.hub(greedy), greedy) as stranger,
    ):
        line.connected()
        assert not stranger.answer().is_failure
        stranger.client.publish(up(greedy, "envelope"), bytes(64 * 1024 + 1), qos=1)
        assert stranger.gone.wait(10)
        assert line.uplink.publish(up(other, "envelope"), b"small")
        listening.got((up(other, "envelope"), b"small"))
        assert set(listening.messages) == {(up(other, "envelope"), b"small")}
        assert line.uplink.connected


# The decider dies


def test_connected_hubs_stay_while_nobody_decides_and_new_ones_come_in_later(rig) -> None:
    with bridge(rig.intake_settings()) as listening, uplink(rig.uplink_settings("hub-1")) as line:
        line.connected()
        rig.callout.kill()
        with uplink(rig.uplink_settings("hub-2"), answer_within_s=0.5) as late:
            assert late.disconnected() in {"uplink-no-answer", "uplink-refused"}
            assert line.uplink.publish(up("hub-1", "envelope"), b"still here")
            listening.got((up("hub-1", "envelope"), b"still here"))
            rig.callout.start()
            late.connected()
        assert [type(event).__name__ for event in line.events.all] == ["Connected"]


def test_an_unreadable_registry_lets_nobody_in_and_a_restored_one_does(rig) -> None:
    settings = rig.uplink_settings("hub-1")
    database = Path(rig.engine.url.database)
    away = rig.directory / "away.db"
    rig.engine.dispose()
    database.rename(away)
    with uplink(settings) as line:
        assert line.disconnected() == "uplink-refused"
        assert not database.exists()
        away.rename(database)
        line.connected()


def test_nothing_waits_in_the_broker_for_more_than_a_day(rig) -> None:
    """The bound is set anew after the store was lost; seen in the broker's own record of its streams."""
    with bridge(rig.intake_settings()):
        for life in (1, 2):
            wait_until(lambda n=life: rig.log().count("waiting-bounded") == n)
            assert rig.waits_at_most_s() == 24 * 3600
            rig.broker.kill()
            rig.delete_store()
            rig.broker.start()


def test_all_threads_end(shared, name) -> None:
    before = set(threading.enumerate())
    with bridge(shared.intake_settings()), uplink(shared.uplink_settings(name("a"))) as line:
        line.connected()
    assert set(threading.enumerate()) <= before
