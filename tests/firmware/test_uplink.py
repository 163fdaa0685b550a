"""The firmware's uplink on MicroPython against the real broker with mutual TLS."""

import secrets
from collections.abc import Iterator

import pytest

from cloud_bridge.authority import Authority
from gateway.simulator.process import free_port
from gateway.wire.topics import down, up
from tests.cloud_bridge.broker_fixtures import Bridge, Rig, Stranger, bridge
from tests.firmware.uplink_fixtures import board

HUB = "hub-1"
ENVELOPE = up(HUB, "envelope")


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    found = Rig(tmp_path_factory.mktemp("broker"))
    found.start()
    with bridge(found.intake_settings("bridge-first")):
        pass  # the callout service answers: from here on a refusal is one
    yield found
    found.stop()


@pytest.fixture
def listening(rig) -> Iterator[Bridge]:
    with bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as found:
        yield found


def pattern(size: int) -> bytes:
    return bytes(n % 251 for n in range(size))


def test_both_ways_byte_for_byte(rig, listening) -> None:
    with board(rig, HUB, heap="2M") as hub:
        hub.online()
        for size in (0, 1, 1024, 8000, 48 * 1024):
            sent = bytes(n * 7 % 256 for n in range(size))
            assert hub.ask("publish", ENVELOPE, sent.hex())
            listening.got((ENVELOPE, sent))
        for size in (1, 300, 24 * 1024):
            state = bytes(n * 5 % 256 for n in range(size))
            assert listening.intake.publish_state(HUB, state)
            hub.events.wait_for(("arrived", down(HUB), state.hex()))


def test_a_large_message_is_read_in_pieces_as_it_is_written(rig, listening) -> None:
    """48 KiB pass through a heap of 160 KiB, the interpreter's own modules and TLS's objects in it."""
    with board(rig, HUB, heap="160k") as hub:
        hub.online()
        assert hub.ask("publish-stored", ENVELOPE, 48 * 1024)
        listening.got((ENVELOPE, pattern(48 * 1024)))


def test_nothing_is_taken_while_there_is_no_connection(rig) -> None:
    with board(rig, HUB, told={"port": free_port()}) as hub:
        assert not hub.ask("connected")
        assert not hub.ask("publish", ENVELOPE, "00")
        assert hub.offline() == "uplink-unreachable"


@pytest.mark.parametrize(
    "code",
    [
        "uplink-unreachable",
        "no-such-host",
        "uplink-identity-unreadable",
        "uplink-broker-not-trusted",
        "uplink-refused",
    ],
)
def test_why_it_cannot_connect_is_said(rig, tmp_path, code) -> None:
    files, told = rig.hub("hub-2"), {}
    if code == "uplink-unreachable":
        told = {"port": free_port()}
    elif code == "no-such-host":
        told, code = {"host": "no-such-host.invalid"}, "uplink-unreachable"
    elif code == "uplink-identity-unreadable":
        told = {"certificate": str(tmp_path / "none.der")}
    elif code == "uplink-broker-not-trusted":
        from ssl import PEM_cert_to_DER_cert

        (tmp_path / "ca").write_bytes(PEM_cert_to_DER_cert(Authority.open(tmp_path / "another").pem.decode()))
        told = {"ca": str(tmp_path / "ca")}
    else:
        files = rig.unknown_hub("hub-2")
    with board(rig, "hub-2", files, told=told) as hub:
        assert hub.offline(times=2) == code
        assert hub.count("online") == 0


def test_a_broker_under_another_name_is_not_ours(rig) -> None:
    """Reached at 127.1, an address of this machine that its certificate does not name."""
    with board(rig, HUB, told={"host": "127.1"}) as hub:
        assert hub.offline() == "uplink-broker-not-trusted"


@pytest.mark.parametrize("kind", ["rogue", "expired"])
def test_a_hub_without_a_good_certificate_is_refused(rig, kind) -> None:
    name = f"hub-{kind}"
    files = {"rogue": rig.rogue_hub, "expired": rig.expired_hub}[kind](name)
    with board(rig, name, files) as hub:
        assert hub.offline() == "uplink-refused"
        assert hub.count("online") == 0


def test_a_revoked_hub_is_cut_off_and_stays_out(rig) -> None:
    with board(rig, "hub-revoked") as hub:
        hub.online()
        before = hub.count("offline")  # a busy machine may have needed a second attempt to come in
        rig.revoke("hub-revoked")
        assert hub.offline(times=before + 2, within_s=20) == "uplink-refused"
        assert hub.count("online") == 1


def test_it_comes_back_when_the_broker_does(rig, listening) -> None:
    with board(rig, HUB) as hub:
        hub.online()
        rig.broker.stop()
        assert hub.offline() in {"uplink-lost", "uplink-unreachable"}
        assert hub.offline(times=4) == "uplink-unreachable"
        rig.broker.start()
        hub.online(times=2)
        assert hub.ask("publish", ENVELOPE, b"after".hex())
        listening.got((ENVELOPE, b"after"), within_s=30)
        words = [event[0] for event in hub.events.all if event[0] in {"online", "offline"}]
        assert words[0] == "online"
        assert words[-1] == "online"
        assert words.count("online") == 2


def test_presence_is_kept_for_whoever_asks(rig) -> None:
    """Two strange clients with the bridge's right to listen: one always, one that asks late."""
    topic = up("hub-there", "presence")
    with (
        Stranger(rig.port, rig.bridge(), "bridge-always") as always,
        Stranger(rig.port, rig.bridge(), "bridge-late") as late,
    ):
        assert not always.answer().is_failure
        assert not late.answer().is_failure
        always.client.subscribe(topic, 1)
        always.answer()
        with board(rig, "hub-there") as hub:
            hub.online()
            hub.kill()
            always.arrived.wait_for((topic, b"0"))
        with board(rig, "hub-there") as hub:
            hub.online()
            always.arrived.wait(lambda seen: seen[-1] == (topic, b"1"))
            assert late.kept(topic) == b"1"
        always.arrived.wait(lambda seen: seen[-1] == (topic, b"0"))
        assert [payload for _, payload in always.arrived.all] == [b"1", b"0", b"1", b"0"]
