"""The bases of virtual devices: what every device on the air or on a cable can do."""

import asyncio
import os
from datetime import datetime, timedelta

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError, BleakGATTProtocolError
from bumble import att

from gateway.simulator.advertiser import (
    Advertiser,
    flags,
    local_name,
    manufacturer_data,
    service_data,
    services,
)
from gateway.simulator.cable import Cable
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.simulator.virtual_radio import AdapterPort, Air

ADDRESS = "F0:5A:03:00:00:01"
VENDOR = "cdeacb80-5235-4c07-8846-93a37ee6b86d"
VENDOR_WRITE = "cdeacb81-5235-4c07-8846-93a37ee6b86d"
FULL = "0000{}-0000-1000-8000-00805f9b34fb"


class Asked(Peripheral):
    """Answers what is written to it, in pieces; 00 is refused, ff is a fault of its own."""

    driver, called, advertised = "asked", "ASK", (VENDOR,)

    def declare(self):
        self.answers = self.offers(0xFFF1, notifies=True)
        self.asks = self.offers(VENDOR_WRITE, written=self.asked, without_response=True)
        self.both = self.offers(0xFFF2, written=self.asked, indicates=True)
        self.service(VENDOR, self.answers, self.asks, self.both)
        self.service(0x1805, self.current_time(), self.date_time())

    def asked(self, link, data):
        if data == b"\0":
            raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)
        return self.answer(link, data)

    async def answer(self, link, data):
        if data == b"\xff":
            raise ValueError("nobody is perfect")
        for byte in data:
            await link.notify(self.answers, bytes((byte,)))
        await link.indicate(self.both, b"done")


class Echo(Cable):
    """Says everything back."""

    driver = "echo"

    async def asked(self, data):
        if data == b"\xff":
            raise ValueError("nobody is perfect")
        await self.say(data)


@pytest.fixture
async def adapter(tmp_path):
    """The gateway's side of the air."""
    air = Air()
    port = AdapterPort(air, "00:AA:03:00:00:01")
    await port.open()
    made = VirtualAdapter(port.port, tmp_path / "bonds.json")
    made.air = air
    yield made
    await made.close()
    await port.close()


async def device(adapter, kind, tmp_path, **options):
    made = kind(adapter.air, ADDRESS, tmp_path / "device", kind.options_type(**options))
    await made.start()
    return made


async def found(adapter):
    seen = await BleakScanner.find_device_by_address(ADDRESS, 5, backend=adapter.backend().scanner)
    assert seen is not None
    return seen


async def connected(adapter, pair=False):
    client = BleakClient(await found(adapter), pair=pair, backend=adapter.backend().client)
    await client.connect()
    return client


async def test_an_advertisement_is_heard_as_bleak_tells_it(adapter, tmp_path):
    scale = await device(adapter, Advertiser, tmp_path)
    heard = asyncio.Queue()
    async with BleakScanner(lambda _, data: heard.put_nowait(data), backend=adapter.backend().scanner):
        await scale.advertise(flags(), service_data(0x181B, b"\x02\x26"), manufacturer_data(0x0157, b"\xaa"))
        data = await asyncio.wait_for(heard.get(), 5)
        assert data.service_data == {FULL.format("181b"): b"\x02\x26"}
        assert data.manufacturer_data == {0x0157: b"\xaa"}
        await scale.advertise(services(0x181D, 0x181B), local_name("MIBCS"))
        while data.local_name is None:
            data = await asyncio.wait_for(heard.get(), 5)
        assert data.service_uuids == [FULL.format("181d"), FULL.format("181b")]
        await scale.advertise(services(VENDOR))
        while data.local_name is not None:
            data = await asyncio.wait_for(heard.get(), 5)
        assert data.service_uuids == [VENDOR]
    await scale.silence()
    with pytest.raises(AssertionError, match="do not fit"):
        await scale.advertise(local_name("a name that is longer than what fits"))
    await scale.stop()
    await scale.advertise(flags())
    assert scale.facts() == {"by": "bluetooth", "address": ADDRESS}


async def test_who_connects_to_a_device_that_only_advertises_is_thrown_out(adapter, tmp_path):
    scale = await device(adapter, Advertiser, tmp_path)
    await scale.advertise(flags())
    with pytest.raises(BleakError):
        client = await connected(adapter)
        await client.read_gatt_char(FULL.format("2a19"))
    assert scale.truth.of("thrown-out")
    await scale.stop()


async def test_a_device_is_asked_and_answers_in_order(adapter, tmp_path):
    meter = await device(adapter, Asked, tmp_path, window_s=None, bonds=False, pace_s=0.001)
    client = await connected(adapter)
    heard = asyncio.Queue()
    for number in ("fff1", "fff2"):
        await client.start_notify(FULL.format(number), lambda _, data: heard.put_nowait(bytes(data)))
    for data in (b"ab", b"c"):
        await client.write_gatt_char(VENDOR_WRITE, data, response=False)
    assert [await asyncio.wait_for(heard.get(), 5) for _ in range(5)] == [b"a", b"b", b"done", b"c", b"done"]
    with pytest.raises(BleakGATTProtocolError):
        await client.write_gatt_char(FULL.format("fff2"), b"\0", response=True)
    await client.write_gatt_char(FULL.format("fff2"), b"\xff", response=True)
    await meter.truth.wait_for("fault")
    await client.disconnect()
    await (await connected(adapter)).disconnect()  # always there
    await meter.stop()


@pytest.mark.parametrize(
    "refusal", [att.ATT_INSUFFICIENT_ENCRYPTION_ERROR, att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR]
)
async def test_without_a_bond_nothing_of_a_person_is_told(adapter, tmp_path, refusal):
    meter = await device(adapter, Asked, tmp_path, window_s=None, refusal=refusal)
    client = await connected(adapter)
    for refused in (
        client.start_notify(FULL.format("fff1"), print),
        client.write_gatt_char(FULL.format("fff2"), b"a", response=True),
        client.read_gatt_char(FULL.format("2a2b")),
    ):
        with pytest.raises(BleakGATTProtocolError) as error:
            await refused
        assert error.value.code == refusal
    assert await client.read_gatt_char(FULL.format("2a29")) == b"Meethub"
    await meter.pairing_mode()
    await client.pair()
    shown = await client.read_gatt_char(FULL.format("2a08"))
    assert int.from_bytes(shown[:2], "little") == meter.clock().year
    await client.write_gatt_char(FULL.format("2a08"), bytes.fromhex("d0070101000000"), response=True)
    assert meter.clock() - datetime(2000, 1, 1) < timedelta(seconds=5)  # noqa: DTZ001
    await meter.stop()


async def test_a_slow_link_that_drops_ends_what_was_going_on(adapter, tmp_path):
    meter = await device(adapter, Asked, tmp_path, window_s=None, bonds=False, pace_s=0.05)
    client = await connected(adapter)
    heard = asyncio.Event()
    await client.start_notify(FULL.format("fff1"), lambda *_: heard.set())
    await client.write_gatt_char(VENDOR_WRITE, bytes(200), response=False)
    await asyncio.wait_for(heard.wait(), 5)
    link = meter.link
    await client.disconnect()
    await meter.truth.wait_for("disconnected")
    assert not link.here
    assert meter.link is None
    assert not meter.truth.of("fault")
    await meter.stop()


async def test_defaults_are_those_of_a_meter():
    assert PeripheralOptions().bonds
    assert PeripheralOptions().window_s == 30


@pytest.fixture
async def echo(tmp_path):
    made = Echo(tmp_path / "cable" / "port", tmp_path, speed=1000, seed=1)
    await made.start()
    yield made
    await made.stop()


async def read(descriptor, size):
    """So many bytes from the port, as they come."""
    loop, data, ready = asyncio.get_running_loop(), b"", asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        while len(data) < size:
            await asyncio.wait_for(ready.wait(), 5)
            ready.clear()
            data += os.read(descriptor, 4096)
    finally:
        loop.remove_reader(descriptor)
    return data


def opened(cable):
    return os.open(cable.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


async def test_a_device_on_a_cable_is_asked_and_answers(echo):
    """Also after the port was closed and opened again, and after the plug was out."""
    assert echo.facts() == {"by": "serial", "port": str(echo.path)}
    for _ in range(2):
        descriptor = opened(echo)
        os.write(descriptor, b"how are you?")
        assert await read(descriptor, 12) == b"how are you?"
        os.close(descriptor)
    echo.unplug()
    assert not echo.path.is_symlink()
    echo.plug_in()
    descriptor = opened(echo)
    os.write(descriptor, b"again")
    assert await read(descriptor, 5) == b"again"
    os.close(descriptor)


async def test_the_first_command_may_be_ignored(echo):
    echo.ignores = 1
    descriptor = opened(echo)
    os.write(descriptor, b"one")
    await echo.truth.wait_for("ignored")
    os.write(descriptor, b"two")
    assert await read(descriptor, 3) == b"two"
    os.write(descriptor, b"\xff")
    await echo.truth.wait_for("fault")
    os.close(descriptor)


async def test_bytes_get_lost(echo):
    descriptor = opened(echo)
    echo.loses = 2
    assert not await echo.say(b"0123456789")
    assert await read(descriptor, 8) == b"23456789"
    assert await echo.say(b"0123456789")
    os.close(descriptor)


async def test_the_plug_is_pulled_in_the_middle_of_a_frame(echo):
    descriptor = opened(echo)
    echo.bytes_a_second = 10_000
    echo.pulled_after = 4
    assert not await echo.say(b"0123456789")
    assert not echo.plugged_in
    assert echo.truth.of("unplugged")
    with pytest.raises(OSError, match="Input/output"):
        os.write(descriptor, b"x")
    os.close(descriptor)


async def test_noise_is_no_frame(echo):
    descriptor = opened(echo)
    echo.noise(9)
    assert len(await read(descriptor, 9)) == 9
    os.close(descriptor)
