"""GAP of a virtual board: power, scanning, advertising, connections and pairing, as NimBLE does them.

Numbers of events and arguments of commands are those of MicroPython's `bluetooth` module.
"""

import asyncio
import contextlib
import errno
from collections.abc import Callable, Coroutine
from typing import Any

from bumble import hci
from bumble.core import BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import AdvertisingType, Connection, Device
from bumble.host import Host
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport

from gateway.simulator.virtual_board_client import BoardClient
from gateway.simulator.virtual_board_secrets import AppKeyStore, AppPasskeys
from gateway.simulator.virtual_board_server import BoardServer

Tells = Callable[..., None]
NO_CONNECTION = 0xFFFF
MOST_CONNECTIONS = 4
_CENTRAL_CONNECT, _CENTRAL_DISCONNECT = 1, 2
_SCAN_RESULT, _SCAN_DONE = 5, 6
_CONNECT, _DISCONNECT = 7, 8
_MTU, _ENCRYPTION = 21, 28
_KEY_SIZE = 16


class RefusedError(Exception):
    """A command that cannot be carried out now; number: the errno that the firmware gets."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.number = getattr(errno, name)


class BoardRadio:
    """One powered adapter: from `active(True)` to `active(False)` or the loss of power.

    tells: called with the number of an event, its fields, and the bytes that follow them.
    """

    def __init__(self, tells: Tells) -> None:
        self._tells = tells
        self._device: Device = Device(name="board")
        self._close: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._scan_end: asyncio.TimerHandle | None = None
        self._scanning = False
        self._connecting: asyncio.Task[None] | None = None
        self._discovering: asyncio.Task[None] | None = None
        self._clients: dict[int, BoardClient] = {}
        self._pairing: set[int] = set()
        self._settings: dict[str, Any] = {
            "mtu": 256,
            "bond": False,
            "le_secure": False,
            "mitm": False,
            "io": 3,
        }
        self._secrets = AppKeyStore(tells)
        self._passkeys = AppPasskeys(tells)
        self._server = BoardServer(tells, self._spawn)

    async def open(self, port: int) -> None:
        """The adapter behind this port of the street, powered."""
        transport = await open_transport(f"tcp-client:127.0.0.1:{port}")
        self._close = transport.close
        self._device = device = Device(name="board", host=Host(transport.source, transport.sink))
        device.pairing_config_factory = self._pairing_config
        device.keystore = self._secrets
        await device.power_on()
        self._server.open(device)
        self._spawn(self._secrets.load())
        device.host.on("advertising_report", self._heard)
        device.on(Device.EVENT_CONNECTION, self._connected)

    async def close(self) -> None:
        """Nothing more is told."""
        self._tells = lambda *_: None
        for task in list(self._tasks):
            task.cancel()
        if self._scan_end is not None:
            self._scan_end.cancel()
        close, self._close = self._close, None
        if close is not None:
            await close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Settings.

    async def do_set(self, name: str, value: Any) -> None:
        """mtu, bond, le_secure, mitm, io, gap_name."""
        self._settings[name] = value
        if name == "mtu":
            self._server.set_mtu(value)
        if name == "gap_name":
            self._device.name = value
            self._server.name = value.encode()

    async def do_mac(self) -> str:
        return bytes(self._device.public_address)[::-1].hex()

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        keys = PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY
        delegate = self._passkeys.delegate(connection.handle, self._settings["io"], keys)
        # NimBLE offers Secure Connections always; le_secure=True takes nothing less.
        return PairingConfig(True, self._settings["mitm"], self._settings["bond"], delegate)

    # Scanning and advertising.

    async def do_scan(self, duration_ms: int | None, interval_us: int, window_us: int, active: bool) -> None:  # noqa: FBT001
        if duration_ms is None:
            await self._stop_scan()
            return
        if self._scanning:
            raise RefusedError("EALREADY")
        if self._connecting is not None:
            raise RefusedError("EBUSY")
        await self._device.start_scanning(
            legacy=True,
            active=active,
            scan_interval=max(interval_us / 1000, 2.5),
            scan_window=max(min(window_us, interval_us) / 1000, 2.5),
            own_address_type=hci.OwnAddressType.PUBLIC,
        )
        self._scanning = True
        if duration_ms:
            loop = asyncio.get_running_loop()
            self._scan_end = loop.call_later(duration_ms / 1000, lambda: self._spawn(self._stop_scan()))

    async def _stop_scan(self) -> None:
        if self._scan_end is not None:
            self._scan_end.cancel()
            self._scan_end = None
        if self._scanning:
            self._scanning = False
            await self._device.stop_scanning(legacy=True)
            self._tells(_SCAN_DONE, ())

    def _heard(self, report: Any) -> None:
        if not self._scanning or (report.event_type == 4 and not report.data):
            return
        address = report.address
        fields = (int(not address.is_public), bytes(address)[::-1], int(report.event_type), report.rssi)
        self._tells(_SCAN_RESULT, fields, bytes(report.data))

    async def do_advertise(
        self,
        interval_us: int | None,
        data: str | None,
        response: str | None,
        connectable: bool,  # noqa: FBT001
    ) -> None:
        if interval_us is None:
            await self._device.stop_advertising()
            return
        if len(self._device.connections) >= MOST_CONNECTIONS and connectable:
            raise RefusedError("ENOMEM")
        kind = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE if connectable else AdvertisingType.UNDIRECTED
        await self._device.start_advertising(
            kind,
            own_address_type=hci.OwnAddressType.PUBLIC,
            advertising_data=None if data is None else bytes.fromhex(data),
            scan_response_data=None if response is None else bytes.fromhex(response),
            advertising_interval_min=max(interval_us / 1000, 20),
            advertising_interval_max=max(interval_us / 1000, 20),
        )

    # Connections.

    async def do_connect(self, kind: int | None, address: str, wait_ms: int) -> None:
        if kind is None:
            if self._connecting is None:
                raise RefusedError("EALREADY")
            self._connecting.cancel()
            return
        if self._connecting is not None:
            raise RefusedError("EALREADY")
        if len(self._device.connections) >= MOST_CONNECTIONS:
            raise RefusedError("ENOMEM")
        await self._stop_scan()
        peer = hci.Address(bytes.fromhex(address)[::-1], hci.AddressType(kind))
        self._connecting = self._spawn(self._connect(peer, wait_ms / 1000))

    async def _connect(self, peer: hci.Address, wait_s: float) -> None:
        try:
            await self._device.connect_le(peer, own_address_type=hci.OwnAddressType.PUBLIC, timeout=wait_s)
        except asyncio.CancelledError:
            with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
                await self._device.cancel_connection()  # type: ignore[no-untyped-call]
            self._tells(_DISCONNECT, (NO_CONNECTION, 0xFF, bytes(6)))
        except (BumbleTimeoutError, BaseBumbleError, hci.HCI_Error):
            self._tells(_DISCONNECT, (NO_CONNECTION, 0xFF, bytes(6)))
        finally:
            self._connecting = None

    def _connected(self, connection: Connection) -> None:
        """Also told of connections that we did not ask for: then somebody else is the central."""
        central = connection.role == hci.Role.CENTRAL
        handle, address = connection.handle, connection.peer_address
        fields = (handle, int(not address.is_public), bytes(address)[::-1])
        self._clients[handle] = BoardClient(connection, self._tells)
        if central:
            self._connecting = None
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._gone(fields, central=central))
        connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, lambda: self._mtu(connection))
        connection.on(Connection.EVENT_PAIRING_START, lambda: self._pairing.add(handle))
        connection.on(Connection.EVENT_PAIRING, lambda _: self._paired(connection))
        connection.on(Connection.EVENT_PAIRING_FAILURE, lambda _: self._paired(connection))
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, lambda: self._encrypted(connection))
        self._tells(_CONNECT if central else _CENTRAL_CONNECT, fields)

    def _gone(self, fields: tuple[int, int, bytes], *, central: bool) -> None:
        client = self._clients.pop(fields[0], None)
        if client is not None:
            client.gone()  # what was asked fails first, as NimBLE has it
        self._pairing.discard(fields[0])
        self._tells(_DISCONNECT if central else _CENTRAL_DISCONNECT, fields)

    def _mtu(self, connection: Connection) -> None:
        self._tells(_MTU, (connection.handle, connection.att_mtu))

    async def do_disconnect(self, handle: int) -> bool:
        connection = self._device.connections.get(handle)
        if connection is None:
            return False
        self._spawn(self._hang_up(connection))
        return True

    async def _hang_up(self, connection: Connection) -> None:
        with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
            await connection.disconnect()

    # Security.

    async def do_pair(self, handle: int) -> None:
        self._spawn(self._secure(self._known(handle)))

    def _known(self, handle: int) -> Connection:
        connection = self._device.connections.get(handle)
        if connection is None:
            raise RefusedError("ENOTCONN")
        return connection

    async def _secure(self, connection: Connection) -> None:
        """With a bond: encrypts with its key and makes no other, as NimBLE does; else pairs."""
        try:
            if await self._secrets.get(str(connection.peer_address)) is None:
                await connection.pair()
            else:
                await connection.encrypt()
        except (BaseBumbleError, hci.HCI_Error, asyncio.CancelledError):
            if connection.handle in self._clients and connection.handle not in self._pairing:
                self._encrypted(connection)  # with what came of it: nothing

    def _paired(self, connection: Connection) -> None:
        self._pairing.discard(connection.handle)
        self._encrypted(connection)

    def _encrypted(self, connection: Connection) -> None:
        if connection.handle in self._pairing:
            return  # keys are still on their way
        encrypted = int(bool(connection.encryption))
        bonded = int(bool(encrypted and self._secrets.holds(str(connection.peer_address))))
        authenticated = int(bool(encrypted and self._settings["mitm"]))
        size = _KEY_SIZE * encrypted
        self._tells(_ENCRYPTION, (connection.handle, encrypted, authenticated, bonded, size))

    async def do_passkey(self, handle: int, action: int, passkey: int) -> None:
        self._passkeys.answer(handle, action, passkey)

    async def do_secret(self, number: int, value: str | None) -> None:
        self._secrets.answer(number, None if value is None else bytes.fromhex(value))

    # GATT.

    async def do_client(self, handle: int, procedure: str, *words: Any) -> None:
        """A procedure of BoardClient; what comes of it is told by events."""
        client = self._clients.get(handle)
        if client is None:
            raise RefusedError("ENOTCONN")
        if procedure == "characteristics":
            if self._discovering is not None and not self._discovering.done():
                raise RefusedError("EBUSY")  # NimBLE's binding has room for one discovery of all connections
            self._discovering = self._spawn(client.ask(procedure, *words, mtu=self._settings["mtu"]))
            return
        self._spawn(client.ask(procedure, *words, mtu=self._settings["mtu"]))

    async def do_register(self, services: list[Any]) -> list[list[int]]:
        if self._device.is_advertising:
            raise RefusedError("EBUSY")
        return self._server.register(services)

    async def do_local_read(self, handle: int) -> str:
        return self._server.read(handle).hex()

    async def do_local_write(self, handle: int, value: str, send: bool) -> None:  # noqa: FBT001
        self._server.write(handle, bytes.fromhex(value))
        if send:
            await self._server.send_to_all(handle)

    async def do_local_buffer(self, handle: int, size: int, append: bool) -> None:  # noqa: FBT001
        self._server.set_buffer(handle, size, append=append)

    async def do_notify(self, handle: int, value_handle: int, value: str | None) -> None:
        data = None if value is None else bytes.fromhex(value)
        await self._server.notify(self._known(handle), value_handle, data)

    async def do_indicate(self, handle: int, value_handle: int, value: str | None) -> None:
        data = None if value is None else bytes.fromhex(value)
        self._spawn(self._server.indicate(self._known(handle), value_handle, data))
