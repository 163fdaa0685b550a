"""Improv over Bluetooth, with a phone of bumble: what it sees in the air, every state, every error."""

import asyncio
import json
import os
import random

import pytest
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Device, Peer
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.virtual_radio import AirController
from tests.firmware.bluetooth_fixtures import with_home

SERVICE = "00467768-6228-2272-4663-27747826800%d"
HUB = "00:AA:01:00:00:01/P"
LOCKED, AUTHORISED, PROVISIONING, PROVISIONED = 1, 2, 3, 4
WIFI, IDENTIFY, INFORMATION, SCAN, HOSTNAME, NAME = 1, 2, 3, 4, 5, 6
INVALID, UNKNOWN, UNABLE, NOT_AUTHORISED, BAD_HOSTNAME = 1, 2, 3, 4, 5
HOME = {"ssid": "Thuis", "key": "geheim123", "rssi": -50}


def framed(command, data=b""):
    packet = bytes([command, len(data)]) + data
    return packet + bytes([sum(packet) & 255])


def prefixed(*words):
    return b"".join(bytes([len(word)]) + word for word in words)


def strings(packet):
    assert packet[-1] == sum(packet[:-1]) & 255
    assert len(packet) == packet[1] + 3
    found, at = [], 2
    while at < len(packet) - 1:
        found.append(packet[at + 1 : at + 1 + packet[at]])
        at += 1 + packet[at]
    return found


class Phone:
    """A client in the air; what the hub told it, in order: ("state" | "error" | "result", bytes)."""

    def __init__(self, air, number=1):
        controller = AirController(f"phone-{number}", link=air)
        self.device = Device(
            "phone", f"C0:00:00:00:00:{number:02X}", host=Host(controller, AsyncPipeSink(controller))
        )
        self.told = asyncio.Queue()

    async def seen(self):
        """The hub's advertisement: (flags and services, service data)."""
        heard = asyncio.Queue()
        self.device.on(Device.EVENT_ADVERTISEMENT, heard.put_nowait)
        await self.device.start_scanning(active=False)
        async with asyncio.timeout(5):
            while True:
                advertisement = await heard.get()
                data = advertisement.data.get(AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID)
                if data:
                    await self.device.stop_scanning()
                    return advertisement.data

    async def connect(self, mtu=247):
        await self.device.power_on()
        self.connection = await self.device.connect_le(HUB, timeout=5)
        peer = Peer(self.connection)
        if mtu:
            await peer.request_mtu(mtu)
        await peer.discover_all()
        found = {}
        for number in range(1, 6):
            (found[number],) = peer.get_characteristics_by_uuid(UUID(SERVICE % number))
        self.state, self.error, self.command, self.result, self.capabilities = (found[n] for n in range(1, 6))
        for word in ("state", "error", "result"):
            await getattr(self, word).subscribe(
                lambda data, word=word: self.told.put_nowait((word, bytes(data)))
            )

    async def next(self, word):
        async with asyncio.timeout(5):
            while True:
                got, data = await self.told.get()
                if got == word and (word != "error" or data != b"\0"):
                    return data
                assert got != "error" or data == b"\0", data

    async def send(self, packet, size=500, *, response=True):
        for at in range(0, len(packet), size):
            await self.command.write_value(packet[at : at + size], with_response=response)

    async def ask(self, command, data=b"", size=500, *, response=True):
        await self.send(framed(command, data), size, response=response)
        packet = await self.next("result")
        while len(packet) < packet[1] + 3:
            packet += await self.next("result")
        assert packet[0] == command
        return strings(packet)

    async def refused(self, command, data=b""):
        await self.send(framed(command, data))
        return (await self.next("error"))[0]


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """Runs an async test with the home, a hub whose window was just opened, and a phone."""
    board, data, air = tmp_path / "board", tmp_path / "data", tmp_path / "air.json"
    board.mkdir()
    data.mkdir()
    monkeypatch.setenv("MEETHUB_BOARD", str(board))
    monkeypatch.setenv("MEETHUB_WIFI", str(air))

    def run(test, open_ms=30000, authorised_ms=30000, routers=(HOME,)):
        air.write_text(json.dumps(routers))

        async def whole(home):
            words = [str(data), str(open_ms), str(authorised_ms)]
            firmware = await home.run(await home.board(), "run_improv_ble.py", *words, heap="384k")
            await firmware.until("open")
            await test(firmware, Phone(home.air), home)

        with_home(whole, tmp_path)

    return run


def test_what_a_phone_sees_in_the_air_without_asking(setup):
    async def test(firmware, phone, home):
        await phone.device.power_on()
        data = await phone.seen()
        assert len(bytes(data)) == 31
        (services,) = data.get_all(AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
        assert services == [UUID(SERVICE % 0)]
        uuid, rest = data.get(AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID)
        assert uuid == UUID.from_16_bits(0x4677)
        assert rest == bytes([AUTHORISED, 15, 0, 0, 0, 0])

    setup(test)


def test_a_new_hub_gets_onto_the_wifi_and_says_where_to_go_on(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        assert await phone.capabilities.read_value() == b"\x0f"
        assert await phone.state.read_value() == bytes([AUTHORISED])
        assert await phone.error.read_value() == b"\0"
        assert await phone.refused(WIFI, prefixed(b"Thuis", b"verkeerd1")) == UNABLE
        assert await phone.state.read_value() == bytes([AUTHORISED])
        await phone.send(framed(WIFI, prefixed(b"Thuis", b"geheim123")))
        assert await phone.next("state") == bytes([PROVISIONING])
        while (state := await phone.next("state")) != bytes([PROVISIONED]):
            assert state == bytes([PROVISIONING])
        assert strings(await phone.next("result")) == [b"https://pgo.example/h"]
        assert await phone.state.read_value() == bytes([PROVISIONED])

    setup(test)


@pytest.mark.parametrize(
    ("mtu", "size", "response"), [(0, 1, True), (0, 20, False), (247, 3, False), (247, 244, True)]
)
def test_packets_are_whole_whatever_the_phone_takes_at_once(setup, mtu, size, response):
    async def test(firmware, phone, home):
        await phone.connect(mtu=mtu)
        assert await phone.ask(INFORMATION, size=size, response=response) == [
            b"Meethub",
            b"1.0.0",
            b"virtual",
            b"Meethub AB12",
        ]
        assert await phone.ask(WIFI, prefixed(b"Thuis", b"geheim123"), size, response=response) == [
            b"https://pgo.example/h"
        ]

    setup(test)


def test_networks_in_one_notification_strongest_first(setup):
    routers = [{"ssid": f"Netwerk {number:02}", "key": "x" * 8, "rssi": -90 + number} for number in range(30)]

    async def test(firmware, phone, home):
        await phone.connect()
        await phone.send(framed(SCAN))
        packet = await phone.next("result")
        assert len(packet) <= 244
        found = strings(packet)
        assert found[:3] == [b"Netwerk 29", b"-61", b"WPA2"]
        assert len(found) % 3 == 0
        assert len(found) > 30

    setup(test, routers=routers)


def test_no_network_in_the_air(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        assert await phone.ask(SCAN) == []

    setup(test, routers=())


def test_names_bare_as_specified_and_prefixed_as_home_assistant_sends_them(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        assert await phone.ask(HOSTNAME) == [b"meethub-AB12"]
        assert await phone.ask(HOSTNAME, b"hub-keuken") == [b"hub-keuken"]
        assert await phone.ask(HOSTNAME, prefixed(b"hub-zolder")) == [b"hub-zolder"]
        assert await phone.refused(HOSTNAME, b"-") == BAD_HOSTNAME
        assert await phone.ask(NAME, b"Hub van zolder") == [b"Hub van zolder"]
        assert (await phone.ask(INFORMATION))[3] == b"Hub van zolder"

    setup(test)


def test_what_is_no_command_is_answered_and_harms_nothing(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        for packet, error in (
            (b"\x03\x00\x04", INVALID),
            (framed(INFORMATION) + b"\x00", INVALID),
            (framed(WIFI), INVALID),
            (framed(WIFI, b"\x20Thuis"), INVALID),
            (framed(NAME, b"\xff\xfe"), INVALID),
            (framed(8), UNKNOWN),
            (framed(0), UNKNOWN),
            (framed(255, bytes(254)), UNKNOWN),
        ):
            await phone.send(packet, 100)
            assert await phone.next("error") == bytes([error]), packet
        assert (await phone.ask(INFORMATION))[0] == b"Meethub"

    setup(test)


def test_identify_flashes_and_needs_no_finger(setup, tmp_path):
    async def test(firmware, phone, home):
        await phone.connect()
        while await phone.next("state") != bytes([LOCKED]):
            pass
        await phone.send(framed(IDENTIFY))
        async with asyncio.timeout(5):
            white = 0
            while white < 3:
                await asyncio.sleep(0.1)
                lines = (tmp_path / "board" / "light").read_text().splitlines()
                white = sum(len(set(line.split()[1:])) == 1 and not line.endswith(" 0") for line in lines)
        told = [phone.told.get_nowait() for _ in range(phone.told.qsize())]
        assert {word for word, _ in told} <= {"state", "error"}  # it has no result

    setup(test, authorised_ms=800)


def test_the_authorisation_ends_by_itself_and_the_button_gives_it_back(setup, tmp_path):
    async def test(firmware, phone, home):
        await phone.connect()
        assert await phone.next("state") == bytes([LOCKED])
        assert await phone.refused(WIFI, prefixed(b"Thuis", b"geheim123")) == NOT_AUTHORISED
        assert await phone.refused(HOSTNAME, b"ander") == NOT_AUTHORISED
        assert await phone.ask(INFORMATION)
        pin = tmp_path / "board" / "pin0"
        pin.write_text("0")
        await asyncio.sleep(0.2)
        pin.write_text("1")
        assert await phone.next("state") == bytes([AUTHORISED])
        assert await phone.ask(WIFI, prefixed(b"Thuis", b"geheim123"))

    setup(test, authorised_ms=1200)


def test_the_window_shuts_by_itself_and_lets_go_of_the_phone(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        gone = asyncio.Event()
        phone.connection.on("disconnection", lambda _: gone.set())
        assert (await firmware.until("shut"))[1] is False
        async with asyncio.timeout(2):
            await gone.wait()
        await firmware.ended()
        await phone.device.start_scanning(active=False)
        heard = asyncio.Queue()
        phone.device.on(Device.EVENT_ADVERTISEMENT, heard.put_nowait)
        await asyncio.sleep(0.3)
        assert heard.empty()

    setup(test, open_ms=1500)


def test_half_a_packet_of_a_phone_that_left_is_not_the_start_of_another(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        await phone.send(framed(WIFI, prefixed(b"Thuis", b"geheim123"))[:10])
        await phone.connection.disconnect()
        other = Phone(home.air, 2)
        await other.connect()
        assert await other.ask(INFORMATION)

    setup(test)


def test_any_bytes_at_all(setup):
    """Good commands, changed at random and cut anywhere: the hub obeys the next good one."""
    chance = random.Random(20261122)
    good = [framed(command) for command in range(8)] + [
        framed(WIFI, prefixed(b"Thuis", b"geheim123")),
        framed(NAME, b"Keuken"),
    ]

    async def test(firmware, phone, home):
        await phone.connect()
        for _ in range(60 * int(os.environ.get("MEETHUB_DOSE", "1"))):
            data = bytearray(chance.choice(good) * chance.choice((1, 1, 1, 30)))
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            await phone.send(bytes(data), chance.choice((1, 7, 20, 244)), response=chance.random() < 0.7)
        await asyncio.sleep(3.2)  # what is left of half a packet is forgotten
        while not phone.told.empty():
            phone.told.get_nowait()
        assert (await phone.ask(INFORMATION))[0] == b"Meethub"
        assert not [line for line in firmware.noise if "Traceback" in line]

    setup(test, open_ms=60000)


def test_one_phone_at_a_time(setup):
    async def test(firmware, phone, home):
        await phone.connect()
        other = Phone(home.air, 2)
        await other.device.power_on()
        with pytest.raises((TimeoutError, BaseBumbleError)):
            await other.device.connect_le(HUB, timeout=0.7)
        assert await phone.ask(INFORMATION)

    setup(test)
