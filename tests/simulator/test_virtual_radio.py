"""The virtual radio where it differs from bumble's own: addresses, ghosts, cancelled connections, lost power."""

import asyncio

import pytest
from bleak.exc import BleakBluetoothNotAvailableError
from bumble.controller import Controller
from bumble.core import BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Connection, Device
from bumble.hci import Address, OwnAddressType
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.simulator.virtual_radio import AdapterPort, Air, AirController

METER = "F0:00:00:00:00:01"


async def device_on(air, address, kind=AirController, public=None):
    controller = kind(address, link=air, public_address=public)
    device = Device(name="x", address=Address(address), host=Host(controller, AsyncPipeSink(controller)))
    device.advertising_interval_min = device.advertising_interval_max = 20
    await device.power_on()
    return device


async def test_a_public_address_connects_while_a_random_one_scans():
    """As Linux does; with bumble's own link everything that is sent is lost."""
    air = Air()
    meter = await device_on(air, METER, Controller)
    hub = await device_on(air, "F5:00:00:00:00:01", public="00:AA:01:00:00:01")
    await meter.start_advertising(auto_restart=False)
    connection = await hub.connect_le(Address(METER), own_address_type=OwnAddressType.PUBLIC)
    assert await asyncio.wait_for(connection.gatt_client.request_mtu(100), 5) == 100


async def test_the_second_to_answer_an_advertisement_gets_no_connection():
    air = Air()
    meter = await device_on(air, METER)
    hubs = [await device_on(air, f"F5:00:00:00:00:0{number}") for number in (1, 2)]
    gone = asyncio.Event()
    for hub in hubs:
        hub.on(
            Device.EVENT_CONNECTION,
            lambda made: made.on(Connection.EVENT_DISCONNECTION, lambda _: gone.set()),
        )
    connecting = [asyncio.ensure_future(hub.connect_le(Address(METER), timeout=5)) for hub in hubs]
    await meter.start_advertising(auto_restart=False)
    await asyncio.gather(*connecting, return_exceptions=True)
    await asyncio.wait_for(gone.wait(), 5)
    assert len(meter.connections) == 1
    assert sorted(len(hub.connections) for hub in hubs) == [0, 1]


async def test_a_connection_that_was_given_up_does_not_block_the_next():
    air = Air()
    meter = await device_on(air, METER)
    hub = await device_on(air, "F5:00:00:00:00:01")
    for _ in range(2):
        with pytest.raises(BumbleTimeoutError):
            await asyncio.wait_for(hub.connect_le(Address(METER), timeout=0.01), 5)
    await meter.start_advertising(auto_restart=False)
    await asyncio.wait_for(hub.connect_le(Address(METER), timeout=5), 5)
    assert len(meter.connections) == 1


async def test_a_host_that_dies_leaves_nobody_connected(tmp_path):
    air = Air()
    meter = await device_on(air, METER)
    port = AdapterPort(air, "00:AA:01:00:00:01")
    await port.open()
    gone = asyncio.get_running_loop().create_future()
    for round_number in range(2):  # the adapter serves again afterwards
        adapter = VirtualAdapter(port.port, tmp_path / "bonds.json")
        hub = await adapter.device()
        await meter.start_advertising(auto_restart=False)
        await hub.connect_le(Address(METER), own_address_type=OwnAddressType.PUBLIC, timeout=5)
        gone = asyncio.get_running_loop().create_future()
        (connection,) = meter.connections.values()
        connection.on(Connection.EVENT_DISCONNECTION, gone.set_result)
        await adapter.close()
        assert await asyncio.wait_for(gone, 5) == 0x08, round_number  # connection timeout
        assert not port.in_use
        assert not meter.connections
    await port.close()


async def test_a_host_that_sends_no_hci_is_thrown_out():
    port = AdapterPort(Air(), "00:AA:01:00:00:01")
    reader, writer = await asyncio.open_connection("127.0.0.1", await port.open())
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises((ConnectionError, EOFError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    await port.close()


async def test_without_a_street_there_is_no_bluetooth(tmp_path):
    adapter = VirtualAdapter(1, tmp_path / "bonds.json")
    with pytest.raises(BleakBluetoothNotAvailableError):
        await adapter.device()
    adapter = VirtualAdapter(lambda: {}["ports"], tmp_path / "bonds.json")
    with pytest.raises(BleakBluetoothNotAvailableError):
        await adapter.device()


async def test_what_is_sent_to_somebody_who_left_is_lost_without_an_error():
    air = Air()
    meter = await device_on(air, METER)
    hub = await device_on(air, "F5:00:00:00:00:01")
    await meter.start_advertising(auto_restart=False)
    connection = await hub.connect_le(Address(METER), timeout=5)
    meter.host.controller = None
    for controller in list(air.controllers):
        if controller.random_address == Address(METER):
            controller.le_connections.clear()
    asking = asyncio.ensure_future(connection.gatt_client.request_mtu(100))
    await connection.disconnect()
    with pytest.raises((BaseBumbleError, asyncio.CancelledError)):
        await asyncio.wait_for(asking, 5)
