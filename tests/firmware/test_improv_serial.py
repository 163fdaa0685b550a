"""A client of our own at the other end of the cable: every state, every error, and the window that shuts."""

import contextlib
import json
import os
import pty
import select
import subprocess
import time
import tty

import pytest

from tests.firmware.conftest import ROOT, micropython

HEAD = b"IMPROV\x01"
STATE, ERROR, COMMAND, RESULT = 1, 2, 3, 4
LOCKED, AUTHORISED, PROVISIONING, PROVISIONED = 1, 2, 3, 4
WIFI, ASK_STATE, INFORMATION, SCAN, HOSTNAME, NAME, NETWORK = 1, 2, 3, 4, 5, 6, 7
INVALID, UNKNOWN, UNABLE, NOT_AUTHORISED, BAD_HOSTNAME = 1, 2, 3, 4, 5
HOME, AWAY = (
    {"ssid": "Thuis", "key": "geheim123", "rssi": -50},
    {"ssid": "Buren", "key": "anders1234", "rssi": -70},
)
OPEN = {"ssid": "Café", "key": "", "security": 0, "rssi": -60}


def prefixed(*words):
    return b"".join(bytes([len(word)]) + word for word in words)


def strings(data):
    """What a result holds after its command and length."""
    assert len(data) == data[1] + 2
    found, at = [], 2
    while at < len(data):
        found.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return found


class Client:
    def __init__(self, port, board, air):
        self.port, self.board, self.air = port, board, air
        self.heard = b""
        self.packets = []

    def send(self, command, data=b"", kind=COMMAND):
        self.send_raw(kind, bytes([command, len(data)]) + data)

    def send_raw(self, kind, data):
        packet = HEAD + bytes([kind, len(data)]) + data
        os.write(self.port, packet + bytes([sum(packet) & 255]) + b"\n")

    def next(self, seconds=5):
        """The next packet; the text between packets is passed over."""
        end = time.monotonic() + seconds
        while True:
            at = self.heard.find(HEAD)
            if at >= 0 and len(self.heard) > at + 8 and len(self.heard) > at + 9 + self.heard[at + 8]:
                size = at + 9 + self.heard[at + 8]
                packet, self.heard = self.heard[at : size + 1], self.heard[size + 1 :]
                assert packet[-1] == sum(packet[:-1]) & 255
                return packet[7], packet[9:-1]
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.port], [], [], left)[0]:
                raise TimeoutError(self.heard)
            self.heard += os.read(self.port, 4096)

    def until(self, kind, seconds=5, *, error=False):
        """The data of the next packet of this kind; an error that nobody awaits fails."""
        while True:
            got, data = self.next(seconds)
            if got == kind and not (kind == ERROR and data == b"\0" and error):
                return data
            assert got != ERROR or data == b"\0", data

    def ask(self, command, data=b""):
        self.send(command, data)
        return strings(self.until(RESULT))

    def refused(self, command, data=b""):
        """The number of the error that this command meets."""
        self.send(command, data)
        return self.until(ERROR, error=True)[0]

    def state(self):
        self.send(ASK_STATE)
        return self.until(STATE)[0]

    def press(self, seconds=0.2):
        pin = self.board / "pin0"
        pin.write_text("0")
        time.sleep(seconds)
        pin.write_text("1")

    def await_state(self, state):
        while self.until(STATE)[0] != state:
            pass

    def routers(self, *routers):
        """Replaced in one step: the hub looks at any moment."""
        new = self.air.with_suffix(".new")
        new.write_text(json.dumps(routers))
        new.rename(self.air)


@contextlib.contextmanager
def hub(folder, *, open_ms=60000, authorised_ms=60000, routers=(HOME, AWAY, OPEN)):
    """A hub whose window was just opened, and how it ended: `client.said` holds what it printed."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    board, data = folder / "board", folder / "data"
    board.mkdir(exist_ok=True)
    data.mkdir(exist_ok=True)
    client = Client(master, board, folder / "air.json")
    client.routers(*routers)
    command = [micropython(), "-X", "heapsize=128k", "tests/firmware/board/run_improv.py", os.ttyname(slave)]
    process = subprocess.Popen(
        [*command, str(data), str(open_ms), str(authorised_ms)],
        cwd=ROOT,
        env={
            **os.environ,
            "MICROPYPATH": "firmware/virtual:.:.frozen",
            "MEETHUB_BOARD": str(board),
            "MEETHUB_WIFI": str(client.air),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    client.process = process
    try:
        assert process.stdout.readline() == "open\n"
        yield client
    finally:
        process.kill()
        process.communicate()
        os.close(master)
        os.close(slave)


@pytest.fixture
def client(tmp_path):
    with hub(tmp_path) as client:
        client.await_state(AUTHORISED)
        yield client


def test_a_new_hub_gets_onto_the_wifi_and_says_where_to_go_on(client):
    client.send(WIFI, prefixed(b"Thuis", b"geheim123"))
    assert client.until(STATE) == bytes([PROVISIONING])
    assert client.until(STATE) == bytes([PROVISIONED])
    assert strings(client.until(RESULT)) == [b"https://pgo.example/h"]


def test_the_state_of_a_hub_that_is_on_the_wifi_comes_with_the_same_result(client):
    client.ask(WIFI, prefixed(b"Thuis", b"geheim123"))
    client.send(ASK_STATE)
    assert client.until(STATE) == bytes([PROVISIONED])
    result = client.until(RESULT)
    assert result[0] == ASK_STATE
    assert strings(result) == [b"https://pgo.example/h"]


def test_a_network_without_a_password(client):
    assert client.ask(WIFI, prefixed("Café".encode(), b"")) == [b"https://pgo.example/h"]


@pytest.mark.parametrize("password", [b"verkeerd1", b"kort", b""])
def test_a_wrong_password_is_unable_to_connect_and_another_try_is_free(client, password):
    assert client.refused(WIFI, prefixed(b"Thuis", password)) == UNABLE
    assert client.state() == AUTHORISED
    assert client.ask(WIFI, prefixed(b"Thuis", b"geheim123"))


def test_a_network_that_is_not_there(client):
    assert client.refused(WIFI, prefixed(b"Verhuisd", b"geheim123")) == UNABLE


def test_device_information(client):
    assert client.ask(INFORMATION) == [b"Meethub", b"1.0.0", b"virtual", b"Meethub AB12"]


def test_the_networks_come_one_by_one_and_nothing_after_the_last(client):
    client.send(SCAN)
    found = []
    while three := strings(client.until(RESULT)):
        found.append(tuple(three))
    assert found == [(b"Thuis", b"-50", b"YES"), ("Café".encode(), b"-60", b"NO"), (b"Buren", b"-70", b"YES")]


def test_no_network_in_the_air(tmp_path):
    with hub(tmp_path, routers=()) as client:
        client.await_state(AUTHORISED)
        assert client.ask(SCAN) == []


def test_hostname_and_name_are_kept(client, tmp_path):
    assert client.ask(HOSTNAME) == [b"meethub-AB12"]
    assert client.ask(NAME) == [b"Meethub AB12"]
    assert client.ask(HOSTNAME, b"hub-keuken") == [b"hub-keuken"]
    assert client.ask(NAME, b"Hub in de keuken") == [b"Hub in de keuken"]
    assert client.ask(INFORMATION)[3] == b"Hub in de keuken"
    client.process.kill()
    with hub(tmp_path) as again:
        assert again.ask(HOSTNAME) == [b"hub-keuken"]


def test_bad_hostnames(client):
    for name in (b"-hub", b"hub-", b"hub.thuis", b"h\xc3\xbcb", b"a" * 33, b"hub keuken"):
        assert client.refused(HOSTNAME, name) == BAD_HOSTNAME


def test_whether_the_hub_is_online(client):
    assert client.ask(NETWORK) == [b"2"]
    client.ask(WIFI, prefixed(b"Thuis", b"geheim123"))
    assert client.ask(NETWORK) == [b"3", b"https://pgo.example/h"]


NO_COMMANDS = [
    (b"", INVALID),
    (b"\x01", INVALID),
    (b"\x01\x05abc", INVALID),
    (b"\x01\x00", INVALID),
    (b"\x01\x06\x05Thuis", INVALID),
    (b"\x01\x08\x05Thuis\x09g", INVALID),
    (b"\x06\x02\xff\xfe", INVALID),
    (b"\x08\x00", UNKNOWN),
    (b"\xff\x00", UNKNOWN),
]


def test_what_is_not_a_command_is_answered_and_harms_nothing(client):
    for data, error in NO_COMMANDS:
        client.send_raw(COMMAND, data)
        assert client.until(ERROR, error=True) == bytes([error])
        assert client.state() == AUTHORISED


def test_a_wrong_checksum_is_answered_and_the_next_packet_is_heard(client):
    os.write(client.port, HEAD + b"\x03\x02\x03\x00\x00")
    assert client.until(ERROR, error=True) == bytes([INVALID])
    assert client.ask(INFORMATION)[0] == b"Meethub"


def test_half_a_packet_is_given_up_and_the_next_is_heard(client):
    os.write(client.port, HEAD + b"\x03\xff\x01")
    assert client.until(ERROR, 6, error=True) == bytes([INVALID])
    assert client.ask(INFORMATION)[0] == b"Meethub"


def test_noise_before_a_packet_is_passed_over(client):
    os.write(client.port, b"log line\nIMPIMPRO" + bytes(range(256)) + b"I")
    assert client.ask(INFORMATION)[0] == b"Meethub"


def test_packets_in_single_bytes(client):
    packet = HEAD + b"\x03\x02\x03\x00"
    for sign in packet + bytes([sum(packet) & 255]):
        os.write(client.port, bytes([sign]))
    assert strings(client.until(RESULT))[0] == b"Meethub"


def test_the_authorisation_ends_by_itself_and_the_button_gives_it_back(tmp_path):
    with hub(tmp_path, authorised_ms=300) as client:
        client.await_state(LOCKED)
        assert client.refused(WIFI, prefixed(b"Thuis", b"geheim123")) == NOT_AUTHORISED
        assert client.refused(HOSTNAME) == NOT_AUTHORISED
        assert client.refused(NAME, b"Van een ander") == NOT_AUTHORISED
        assert client.ask(INFORMATION)[0] == b"Meethub"
        client.press()
        client.await_state(AUTHORISED)
        assert client.ask(WIFI, prefixed(b"Thuis", b"geheim123"))


def test_the_window_shuts_by_itself_and_the_cable_is_deaf_then(tmp_path):
    with hub(tmp_path, open_ms=600) as client:
        client.await_state(AUTHORISED)
        assert client.process.stdout.readline() == "shut False 0\n"
        client.send(ASK_STATE)
        with pytest.raises(TimeoutError):
            client.next(0.3)
        assert client.process.wait(5) == 0


def test_nothing_of_networks_or_passwords_is_printed(tmp_path):
    with hub(tmp_path, open_ms=1800) as client:
        client.await_state(AUTHORISED)
        client.refused(WIFI, prefixed(b"Thuis", b"verkeerd1"))
        client.send(SCAN)
        client.ask(NAME, b"Hub van mevrouw")
        said = client.process.communicate(timeout=10)[0]
    for secret in ("Thuis", "verkeerd1", "geheim123", "mevrouw", "Buren"):
        assert secret not in said


def test_a_new_network_that_fails_leaves_the_old_one_in_use(tmp_path):
    with hub(tmp_path) as client:
        client.await_state(AUTHORISED)
        client.ask(WIFI, prefixed(b"Thuis", b"geheim123"))
    with hub(tmp_path, open_ms=6000) as client:
        client.await_state(AUTHORISED)
        assert client.refused(WIFI, prefixed(b"Nieuw", b"nieuwnieuw")) == UNABLE
        end = time.monotonic() + 5
        while client.ask(NETWORK)[0] != b"3":
            assert time.monotonic() < end
        client.routers(HOME, {"ssid": "Nieuw", "key": "nieuwnieuw"})
        assert client.ask(WIFI, prefixed(b"Nieuw", b"nieuwnieuw"))
        client.process.kill()
    with hub(tmp_path, routers=[HOME]) as client:
        end = time.monotonic() + 10
        while client.ask(NETWORK)[0] != b"3":  # the new one is gone: back to the old
            assert time.monotonic() < end
