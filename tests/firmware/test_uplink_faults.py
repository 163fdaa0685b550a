"""The firmware's uplink on lines that die, stand still or lie, and before anybody told it the time."""

import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_bridge.authority import Authority, Identity, identity, install, make_request
from gateway.wire.topics import down, up
from tests.cloud_bridge.broker_fixtures import Rig, bridge
from tests.firmware.uplink_fixtures import QUICK, ROOT, Board, Scripted, board, in_der
from tests.gateway.test_uplink import Middle

HUB = "hub-1"
DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
ENVELOPE = up(HUB, "envelope")
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    found = Rig(tmp_path_factory.mktemp("broker"))
    found.start()
    with bridge(found.intake_settings("bridge-first")):
        pass  # the callout service answers: from here on a refusal is one
    yield found
    found.stop()


class Home:
    """An authority that began long ago, and a hub of it."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.authority = Authority.open(folder / "ca", datetime.now(UTC) - timedelta(days=2000))
        place: Identity = identity(folder / "hub", "hub")
        place.key.parent.mkdir()
        install(place, self.authority.issue_hub(make_request(place.key, HUB), HUB).pem, self.authority.pem)
        self.files = in_der(place)

    def board(self, port: int, environment=None, wall=None, **changes) -> Board:
        told = {"host": "localhost", "port": port, "hub": HUB, **self.files, "wall": wall}
        return Board({**told, "changes": {**QUICK, **changes}}, "256k", environment or {})


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


# Lines that die.


def test_the_window_bounds_what_is_under_way_and_nothing_is_queued(rig) -> None:
    with (
        Middle(rig.port) as middle,
        board(rig, HUB, told={"port": middle.port}, keepalive_s=1, window=3) as hub,
    ):
        hub.online()
        middle.silent = True
        assert [hub.ask("publish", ENVELOPE, (b"lost %d" % n).hex()) for n in range(5)] == [True] * 3 + [
            False
        ] * 2
        assert hub.offline() == "uplink-lost"
        middle.silent = False
        with bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as listening:
            hub.online(times=2)
            for n in range(10):
                while not hub.ask("publish", ENVELOPE, (b"sent %d" % n).hex()):
                    pass
            listening.got(*[(ENVELOPE, b"sent %d" % n) for n in range(10)])
            # What was under way when the line broke is the outbox's to send again, not the uplink's.
            assert {payload for _, payload in listening.messages} == {b"sent %d" % n for n in range(10)}


@pytest.mark.parametrize("busy", [False, True])
def test_a_line_that_died_silently_is_noticed_within_twice_the_keepalive(rig, busy) -> None:
    with Middle(rig.port) as middle, board(rig, HUB, told={"port": middle.port}, keepalive_s=1) as hub:
        hub.online()
        middle.silent = True
        began = time.monotonic()
        while busy and not hub.count("offline"):
            hub.ask("publish", ENVELOPE, "00")
        assert hub.offline() == "uplink-lost"
        assert time.monotonic() - began < 2.3
        middle.silent = False
        hub.online(times=2)


def test_a_quiet_line_that_lives_stays(rig) -> None:
    with board(rig, HUB, keepalive_s=0.3) as hub:
        hub.online()
        time.sleep(2)  # six times the keep-alive: time itself is what is tested
        assert hub.count("offline") == 0
        assert hub.ask("connected")


def test_a_broker_that_takes_nothing_more_is_given_up(home, tmp_path) -> None:
    enough = threading.Event()
    with Scripted(home.authority, tmp_path / "server", talk=lambda _: enough.wait(60)) as broker:
        hub = home.board(broker.port, keepalive_s=1, window=1000)
        try:
            hub.online()
            while hub.ask("publish-stored", ENVELOPE, 60_000):
                pass  # until the buffers of both sides are full
            assert hub.offline(within_s=6) == "uplink-lost"
        finally:
            enough.set()
            hub.end()


def test_a_broker_that_does_not_answer_is_given_up(rig) -> None:
    with Middle(rig.port) as middle:
        middle.silent = True
        with board(rig, HUB, told={"port": middle.port}, answer_within_s=0.3) as hub:
            assert hub.offline() == "uplink-no-answer"
            middle.silent = False
            hub.online()


def test_a_listener_that_fails_costs_nothing_but_its_event(rig) -> None:
    with (
        board(rig, HUB, told={"fails": True}) as hub,
        bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as listening,
    ):
        hub.online()
        for payload in (b"\x00", b"\xff\x00\xfe", b"third"):
            assert listening.intake.publish_state(HUB, payload)
            hub.events.wait_for(("arrived", down(HUB), payload.hex()))
        hub.events.wait(lambda seen: seen.count(("log", "uplink-listener-failed")) == 3)
        assert hub.count("offline") == 0


def test_a_modem_carries_it_as_well(rig) -> None:
    """Nothing of the uplink knows what carries the bytes; this one hands on 100 up and 50 down at a time."""
    with (
        board(rig, HUB, told={"modem": True}) as hub,
        bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))) as listening,
    ):
        hub.online()
        assert hub.ask("publish-stored", ENVELOPE, 20_000)
        listening.got((ENVELOPE, bytes(n % 251 for n in range(20_000))))
        assert listening.intake.publish_state(HUB, bytes(3000))
        hub.events.wait_for(("arrived", down(HUB), bytes(3000).hex()))
        hub.tell("end")
        (_, sent, received), *_ = [
            e for e in hub.events.wait(lambda seen: any(e[0] == "modem" for e in seen)) if e[0] == "modem"
        ]
        assert sent > 20_000
        assert received > 3000


# Brokers that lie.


JUNK = {
    "no-connack": ({0x10: b"\xd0\x00"}, "mqtt-malformed"),
    "connack-of-six": ({0x10: b"\x20\x02\x00\x06"}, "mqtt-malformed"),
    "not-let-in": ({0x10: b"\x20\x02\x00\x05"}, "uplink-refused"),
    "hangs-up": ({0x10: b""}, "uplink-refused"),
    "text": ({0x10: b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "mqtt-malformed"),
    "not-to-be-heard": ({0x82: b"\x90\x03\xff\xff\x80"}, "uplink-subscription-refused"),
    "another-subscription": ({0x82: b"\x90\x03\x00\x01\x00"}, "mqtt-malformed"),
    "endless-length": ({0x10: b"\x20\xff\xff\xff\xff\xff"}, "mqtt-malformed"),
}


@pytest.mark.parametrize("kind", JUNK)
def test_a_welcome_that_is_none(home, tmp_path, kind) -> None:
    answers, code = JUNK[kind]
    with Scripted(home.authority, tmp_path / "server", answers) as broker:
        hub = home.board(broker.port, first_delay_s=0, longest_delay_s=0)
        try:
            assert hub.offline(times=2) == code
            assert hub.count("online") == 0
        finally:
            hub.end()


TALK = {
    "256-megabytes": (b"\x30\xff\xff\xff\x7f\x00\x14hub/hub-1/down/state", "mqtt-too-large"),
    "one-byte-too-many": (b"\x30\x97\xc0\x01\x00\x14hub/hub-1/down/state", "mqtt-too-large"),
    "at-qos-1": (b"\x32\x18\x00\x14hub/hub-1/down/state\x00\x01", "mqtt-malformed"),
    "a-packet-of-a-hub": (b"\x10\x00", "mqtt-malformed"),
    "noise": (bytes(range(200, 256)) * 50, "mqtt-malformed"),
    "second-connack": (b"\x20\x02\x00\x00", "mqtt-malformed"),
    "half-a-packet": (b"\x30\x20\x00", "uplink-lost"),
    "acknowledges-what-never-was": (b"\x40\x02\xff\xff" * 50 + b"\x40\x02\x00\x07", "uplink-lost"),
}


@pytest.mark.parametrize("kind", TALK)
def test_junk_ends_the_line_and_no_more(home, tmp_path, kind) -> None:
    junk, code = TALK[kind]
    with Scripted(home.authority, tmp_path / "server", talk=lambda line: line.sendall(junk)) as broker:
        hub = home.board(broker.port, first_delay_s=0, longest_delay_s=0)
        try:
            assert hub.offline(times=3) == code
            assert hub.count("online") >= 3
            assert hub.count("said") == 0
        finally:
            hub.end()


def test_a_flood_of_small_packets_does_not_stop_the_hub(home, tmp_path) -> None:
    def flood(line) -> None:
        for _ in range(3000):
            line.sendall(b"\xd0\x00" * 100)

    with Scripted(home.authority, tmp_path / "server", talk=flood) as broker:
        hub = home.board(broker.port)
        try:
            hub.online()
            assert hub.ask("connected") in (True, False)
        finally:
            hub.end()


# Dates of certificates, on a board: its calendar begins in 2000 and TLS looks at it.


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> str:
    library = tmp_path_factory.mktemp("calendar") / "calendar.so"
    source = ROOT / "tests" / "firmware" / "board" / "uplink_calendar.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return str(library)


@pytest.fixture
def forgetful(shim, tmp_path) -> dict[str, str]:
    """The environment of a board that nobody told the date."""
    return {"LD_PRELOAD": shim, "CALENDAR": str(tmp_path / "calendar")}


def ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("issued_ago", [0, 200, 1000])
def test_before_the_time_is_known_dates_do_not_count(home, forgetful, tmp_path, issued_ago) -> None:
    """Nor does anything wait for it. A certificate that ran out shows as soon as the time is told."""
    with Scripted(home.authority, tmp_path / "server", issued=ago(issued_ago)) as broker:
        hub = home.board(broker.port, forgetful, keepalive_s=1)
        try:
            hub.online()
            hub.ask("wall", now_ms())
            if issued_ago < 365:
                assert hub.ask("connected")
                return
            assert hub.offline() == "uplink-broker-not-trusted"
            assert hub.offline(times=3) == "uplink-broker-not-trusted"
            assert hub.count("online") == 1
        finally:
            hub.end()


REFUSED = "uplink-broker-not-trusted"


@pytest.mark.parametrize(
    ("calendar", "wall_days", "code"),
    [
        ("right", 0, None),
        ("2000", 0, None),
        ("2000", 300, None),
        ("2000", -1, REFUSED),
        ("2000", 366, REFUSED),
    ],
)
def test_once_the_time_is_known_dates_count(home, forgetful, tmp_path, calendar, wall_days, code) -> None:
    """Whatever the calendar of the system says, where that can be set."""
    with Scripted(home.authority, tmp_path / "server") as broker:
        environment = forgetful if calendar == "2000" else None
        hub = home.board(broker.port, environment, now_ms() + wall_days * DAY_MS)
        try:
            if code is None:
                hub.online()
            else:
                assert hub.offline(times=2) == code
                assert hub.count("online") == 0
        finally:
            hub.end()


def test_a_stranger_is_not_trusted_whatever_the_date(home, forgetful, tmp_path) -> None:
    other = Authority.open(tmp_path / "other-ca", ago(2000))
    with Scripted(other, tmp_path / "server") as broker:
        hub = home.board(broker.port, forgetful)
        try:
            assert hub.offline(times=2) == "uplink-broker-not-trusted"
            assert hub.count("online") == 0
        finally:
            hub.end()


def test_a_certificate_whose_dates_cannot_be_read_is_not_trusted(rig) -> None:
    with board(rig, HUB, told={"blind": True}) as hub:
        assert hub.offline(times=2) == "uplink-broker-not-trusted"
        assert hub.count("online") == 0


# Memory.


def test_memory_does_not_grow(rig) -> None:
    with board(rig, HUB, heap="160k") as hub, bridge(rig.intake_settings("bridge-" + secrets.token_hex(4))):
        hub.online()
        early, late = hub.ask("publish-many", ENVELOPE, 200 * DOSE, 700)
        assert late - early < 512
        assert hub.ask("connected")


def resident_kb(hub: Board) -> int:
    """What the process holds, TLS's own memory included."""
    status = Path(f"/proc/{hub.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_memory_does_not_grow_over_connections(home, tmp_path) -> None:
    with Scripted(home.authority, tmp_path / "server", talk=lambda _: None) as broker:
        hub = home.board(broker.port, first_delay_s=0, longest_delay_s=0)
        try:
            marks = []
            for connections in (20, 20 + 30 * DOSE):
                hub.offline(times=connections, within_s=60)
                # Of several looks one falls between two connections, when least is held.
                marks.append((min(hub.ask("memory")[1] for _ in range(20)), resident_kb(hub)))
            assert marks[1][0] - marks[0][0] < 2048, marks
            assert marks[1][1] - marks[0][1] < 500
        finally:
            hub.end()
