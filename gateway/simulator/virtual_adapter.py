"""The gateway's adapter on the virtual radio: a bumble host whose controller stands in the street.

Opened when it is first needed, and again after the street was gone. Bonds are kept in a file.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from bumble.core import BaseBumbleError
from bumble.device import Connection, Device
from bumble.host import Host
from bumble.keys import JsonKeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport

from gateway.radio import Backend
from gateway.simulator.virtual_bleak import VirtualClient, VirtualScanner


class VirtualAdapter:
    """A gateway's adapter: connects to an adapter port of the street when it is needed, and again after.

    port is asked anew at each attempt, as the street may have come back elsewhere. keys: the bonds.
    """

    def __init__(self, port: int | Callable[[], int], keys: Path, host: str = "127.0.0.1") -> None:
        self._port = port
        self._host = host
        self._keys = keys
        self._device: Device | None = None
        self._close: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._opening = asyncio.Lock()
        self.connecting = asyncio.Lock()  # bumble takes one pending connection at a time
        self.scanners: set[object] = set()
        self.bonds: set[str] = set()
        self._clients: set[VirtualClient] = set()

    def backend(self) -> Backend:
        """The two classes that bleak is given."""
        scanner = type("AdapterScanner", (VirtualScanner,), {"adapter": self})
        client = type("AdapterClient", (VirtualClient,), {"adapter": self})
        return Backend(scanner, client)

    async def device(self) -> Device:
        """The bumble device, powered; BleakBluetoothNotAvailableError while the adapter is not there."""
        async with self._opening:
            if self._device is None:
                try:
                    async with asyncio.timeout(10):
                        self._device = await self._open()
                except (OSError, ValueError, LookupError, BaseBumbleError) as error:
                    raise BleakBluetoothNotAvailableError(
                        str(error), BleakBluetoothNotAvailableReason.NO_BLUETOOTH
                    ) from error
            return self._device

    async def _open(self) -> Device:
        port = self._port() if callable(self._port) else self._port
        transport = await open_transport(f"tcp-client:{self._host}:{port}")
        device = Device(name="gateway", host=Host(transport.source, transport.sink))
        device.pairing_config_factory = just_works
        try:
            await device.power_on()
        except BaseException:
            await transport.close()
            raise
        device.keystore = JsonKeyStore(str(device.public_address), str(self._keys))
        self._close = transport.close
        await self._read_bonds(device)
        transport.source.terminated.add_done_callback(lambda _: self._lost())
        return device

    async def read_bonds(self) -> None:
        """Learns anew whom this adapter holds a bond with."""
        await self._read_bonds(await self.device())

    async def _read_bonds(self, device: Device) -> None:
        if device.keystore is not None:
            self.bonds = {name for name, _ in await device.keystore.get_all()}

    def connected(self, client: VirtualClient) -> None:
        self._clients.add(client)

    def disconnected(self, client: VirtualClient) -> None:
        self._clients.discard(client)

    def _lost(self) -> None:
        self._device = None
        self.scanners.clear()
        for client in list(self._clients):
            client.lost()

    async def close(self) -> None:
        """Lets go of the adapter; connections drop."""
        close, self._close = self._close, None
        self._lost()
        if close is not None:
            await close()


def just_works(_connection: Connection, accept: bool = True) -> PairingConfig:  # noqa: FBT001, FBT002 (bumble calls it with the connection alone)
    """LE Secure Connections without display or keys on either side; no identity keys are exchanged."""
    keys = PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY
    delegate = PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT, keys, keys) if accept else Refuses()
    return PairingConfig(sc=True, mitm=False, bonding=True, delegate=delegate)


class Refuses(PairingDelegate):
    """A device that is not in pairing mode."""

    async def accept(self) -> bool:
        return False
