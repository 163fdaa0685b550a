"""bleak's backend classes on the virtual radio: a scanner and a client over a bumble host.

They behave as Linux does: an indication is confirmed before the application sees it (bumble does the
reverse), a bonded connection is encrypted again by itself, and a refused encryption drops the connection.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar
from uuid import UUID

from bleak.args import SizedBuffer
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.exc import BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import att, hci
from bumble.core import AdvertisingData, BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy

from gateway.simulator.virtual_gatt import ConfirmsFirst, discovered

MTU = 247
_Result = TypeVar("_Result")
# Size of the UUIDs in a list of services, and of the one before the data of a service.
_UUID_LISTS = {
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}
_SERVICE_DATA = {
    AdvertisingData.SERVICE_DATA_16_BIT_UUID: 2,
    AdvertisingData.SERVICE_DATA_128_BIT_UUID: 16,
}
log = logging.getLogger(__name__)


class Adapter(Protocol):
    """What scanner and client need of the adapter they belong to."""

    connecting: asyncio.Lock
    scanners: set[object]
    bonds: set[str]

    async def device(self) -> Device: ...
    def connected(self, client: "VirtualClient") -> None: ...
    def disconnected(self, client: "VirtualClient") -> None: ...
    async def read_bonds(self) -> None: ...


class VirtualScanner(BaseBleakScanner):
    adapter: Adapter

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        *_: object,
        **_options: object,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._device: Device | None = None

    async def start(self) -> None:
        self.seen_devices = {}
        self._device = await self.adapter.device()
        self._device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        if not self.adapter.scanners:
            await self._device.start_scanning(active=True, filter_duplicates=False)
        self.adapter.scanners.add(self)

    async def stop(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        if self in self.adapter.scanners:
            self.adapter.scanners.discard(self)
            if not self.adapter.scanners:
                await device.stop_scanning()

    def _heard(self, advertisement: Advertisement) -> None:
        data = advertised(advertisement)
        if not self.is_allowed_uuid(data.service_uuids):
            return
        address = advertisement.address.to_string(with_type_qualifier=False)
        props = {"Bonded": str(advertisement.address) in self.adapter.bonds}
        data = data._replace(platform_data=(address, props))
        device = self.create_or_update_device(address, address, data.local_name, {"props": props}, data)
        self.call_detection_callbacks(device, data)


def advertised(advertisement: Advertisement) -> AdvertisementData:
    """What bleak gives of an advertisement; bytes that are no advertising data give nothing."""
    uuids: list[str] = []
    name: str | None = None
    maker_data: dict[int, bytes] = {}
    service_data: dict[str, bytes] = {}
    for kind, data in advertisement.data.ad_structures:
        if size := _UUID_LISTS.get(kind):
            starts = range(0, len(data) - size + 1, size)
            uuids += [_uuid_text(data[at : at + size]) for at in starts]
        elif kind == AdvertisingData.COMPLETE_LOCAL_NAME:
            name = data.decode(errors="replace")
        elif kind == AdvertisingData.MANUFACTURER_SPECIFIC_DATA and len(data) >= 2:
            maker_data[int.from_bytes(data[:2], "little")] = data[2:]
        elif (size := _SERVICE_DATA.get(kind)) and len(data) >= size:
            service_data[_uuid_text(data[:size])] = data[size:]
    return AdvertisementData(name, maker_data, service_data, uuids, None, advertisement.rssi, ())


def _uuid_text(data: bytes) -> str:
    """The UUID as bleak writes it; on the air its last byte comes first."""
    if len(data) == 2:
        return normalize_uuid_str(data[::-1].hex())
    return str(UUID(bytes=data[::-1]))


class VirtualClient(BaseBleakClient):
    adapter: Adapter

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None = None,
        timeout: float = 10,
        **_options: object,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        self._address = hci.Address(self.address)
        self._connection: Connection | None = None
        self._gone: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection else att.ATT_DEFAULT_MTU

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_options: object) -> None:  # noqa: FBT001 (bleak's signature)
        device = await self.adapter.device()
        async with self.adapter.connecting:
            self._connection = await self._connect(device)
        self._gone = asyncio.get_running_loop().create_future()
        self.adapter.connected(self)
        self._connection.on(Connection.EVENT_DISCONNECTION, lambda _: self.lost())
        try:
            async with asyncio.timeout(self._timeout):
                await self._prepare(pair=pair)
        except BaseException:
            await self.disconnect()
            raise

    async def _connect(self, device: Device) -> Connection:
        try:
            return await device.connect_le(
                self._address, own_address_type=hci.OwnAddressType.PUBLIC, timeout=self._timeout
            )
        except BumbleTimeoutError:
            raise TimeoutError from None
        except BaseBumbleError as error:
            raise BleakError(str(error)) from error
        except asyncio.CancelledError:
            await device.cancel_connection()  # type: ignore[no-untyped-call]
            raise

    async def _prepare(self, *, pair: bool) -> None:
        connection = self._here()
        connection.gatt_client = ConfirmsFirst(connection)
        peer = Peer(connection)
        if str(self._address) in self.adapter.bonds:
            try:
                await self._answer(connection.encrypt())
            except BleakError as error:
                raise BleakError("failed to discover services, device disconnected") from error
        elif pair:
            await self.pair()
        await self._answer(peer.request_mtu(MTU))
        self.services = await self._answer(discovered(peer, lambda: self.mtu_size - 3))

    def _here(self) -> Connection:
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection

    async def _answer(self, question: Awaitable[_Result]) -> _Result:
        """What the device answers; BleakError when it says no or is gone before."""
        task: asyncio.Future[_Result] = asyncio.ensure_future(question)
        gone = self._gone
        if gone is None:
            task.cancel()
            raise BleakError("Not connected")
        try:
            waiting: set[asyncio.Future[Any]] = {task, gone}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
        if not task.done() or task.cancelled():
            raise BleakError("disconnected")
        try:
            return task.result()
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        except (BaseBumbleError, hci.HCI_Error) as error:
            raise BleakError(str(error)) from error

    def lost(self) -> None:
        """The connection is gone, for whatever reason."""
        if self._connection is None:
            return
        self._connection = None
        self.services = None
        self.adapter.disconnected(self)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        connection, gone = self._connection, self._gone
        if connection is None or gone is None:
            return
        try:
            async with asyncio.timeout(5):
                await connection.disconnect()
        except (BaseBumbleError, hci.HCI_Error, TimeoutError) as error:
            log.debug("disconnect: %r", error)
        self.lost()

    async def pair(self, *_: object, **_options: object) -> None:
        if str(self._address) in self.adapter.bonds:
            return
        await self._answer(self._here().pair())
        await self.adapter.read_bonds()

    async def unpair(self) -> None:
        device = await self.adapter.device()
        if device.keystore is not None and str(self._address) in self.adapter.bonds:
            await device.keystore.delete(str(self._address))
            await self.adapter.read_bonds()

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_options: object) -> bytearray:
        self._here()
        proxy: CharacteristicProxy[bytes] = characteristic.obj
        return bytearray(await self._answer(proxy.read_value()))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_options: object) -> bytearray:
        self._here()
        return bytearray(await self._answer(descriptor.obj.read_value()))

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 (bleak's signature)
    ) -> None:
        self._here()
        await self._answer(characteristic.obj.write_value(bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        self._here()
        await self._answer(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_options: object
    ) -> None:
        self._here()

        def heard(value: bytes) -> None:
            callback(bytearray(value))

        proxy: CharacteristicProxy[bytes] = characteristic.obj
        try:
            await self._answer(proxy.subscribe(heard, prefer_notify=True))
        except BleakError:  # bumble listens before it asks; after a refusal everything would be heard twice
            listener = proxy.subscribers.pop(heard, None)
            for listeners in (proxy.client.notification_subscribers, proxy.client.indication_subscribers):
                listeners.get(proxy.handle, set()).discard(listener)
            raise

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        self._here()
        await self._answer(characteristic.obj.unsubscribe())
