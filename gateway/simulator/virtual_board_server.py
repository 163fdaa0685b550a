"""GATT server of a virtual board: local values that others read and write, and their buffers.

MicroPython, docs/library/bluetooth.rst, "GATT Server": a value holds 20 bytes unless more is written locally
or `gatts_set_buffer` says so; what is longer is cut.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from bumble import att, hci
from bumble.core import UUID, BaseBumbleError
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Descriptor, Service
from bumble.gatt_server import Server

_WRITTEN, _INDICATE_DONE = 3, 20
_USUAL_SIZE = 20
_NOT_CONNECTED, _TIMED_OUT = 7, 13
_READ, _WRITE, _WRITE_WITHOUT = 0x02, 0x08, 0x04
_READ_ENCRYPTED, _WRITE_ENCRYPTED = 0x0200, 0x1000
_NAME = UUID.from_16_bits(0x2A00)


class _Value:
    def __init__(self) -> None:
        self.data = b""
        self.size = _USUAL_SIZE
        self.append = False
        self.attribute: Any = None


class BoardServer:
    """tells: events to the firmware. spawn: does something beside."""

    def __init__(
        self, tells: Callable[..., None], spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._tells = tells
        self._spawn = spawn
        self._device: Device | None = None
        self._values: dict[int, _Value] = {}
        self.name = b"MPY ESP32"
        self.mtu = 256

    def set_mtu(self, mtu: int) -> None:
        """The longest that is offered to who asks."""
        self.mtu = self._server().max_mtu = mtu

    def open(self, device: Device) -> None:
        self._device = device
        self.register([])

    def register(self, services: list[Any]) -> list[list[int]]:
        """[[uuid, [[uuid, flags, [[uuid, flags], …]], …]], …], UUIDs as hex, last byte first.

        The handles, a list for each service: those of values and descriptors, in order.
        """
        assert self._device is not None
        self._device.gatt_server = server = Server(self._device)
        server.max_mtu = self.mtu
        server.add_service(self._gap())
        self._values = {}
        made = [self._service(uuid, parts) for uuid, parts in services]
        for service, _ in made:
            server.add_service(service)
        for _, values in made:
            self._values.update({value.attribute.handle: value for value in values})
        return [[value.attribute.handle for value in values] for _, values in made]

    def _gap(self) -> Service:
        def read(_: Connection) -> bytes:
            return self.name

        name: Characteristic[bytes] = Characteristic(
            _NAME, Characteristic.Properties.READ, Characteristic.READABLE, CharacteristicValue(read=read)
        )
        return Service(UUID.from_16_bits(0x1800), [name])

    def _service(self, uuid: str, parts: list[Any]) -> tuple[Service, list[_Value]]:
        values: list[_Value] = []
        characteristics = []
        for own, flags, descriptors in parts:
            value = _Value()
            values.append(value)
            below = []
            for name, bits in descriptors:
                inner = _Value()
                values.append(inner)
                inner.attribute = Descriptor(uuid_of(name), permissions(bits), self._access(inner))
                below.append(inner.attribute)
            value.attribute = Characteristic(
                uuid_of(own),
                Characteristic.Properties(flags & 0xFF),
                permissions(flags),
                self._access(value),
                below,
            )
            characteristics.append(value.attribute)
        return Service(uuid_of(uuid), characteristics), values

    def _access(self, value: _Value) -> CharacteristicValue[bytes]:
        def read(_: Connection) -> bytes:
            return value.data

        def write(connection: Connection, data: bytes) -> None:
            before = value.data if value.append else b""
            value.data = (before + bytes(data))[: value.size]
            self._tells(_WRITTEN, (connection.handle, value.attribute.handle))

        return CharacteristicValue(read=read, write=write)

    # What the firmware does with its values. KeyError: no such handle.

    def read(self, handle: int) -> bytes:
        value = self._values[handle]
        data = value.data
        if value.append:
            value.data = b""
        return data

    def write(self, handle: int, data: bytes) -> None:
        value = self._values[handle]
        value.data, value.size = data, max(value.size, len(data))

    def set_buffer(self, handle: int, size: int, *, append: bool) -> None:
        value = self._values[handle]
        value.data, value.size, value.append = b"", size, append

    def _server(self) -> Server:
        assert self._device is not None
        return self._device.gatt_server

    async def send_to_all(self, handle: int) -> None:
        """To those who subscribed, as they did."""
        value = self._values[handle]
        await self._server().notify_subscribers(value.attribute, value.data)
        self._spawn(self._server().indicate_subscribers(value.attribute, value.data))

    async def notify(self, connection: Connection, handle: int, data: bytes | None) -> None:
        value = self._values[handle]
        told = value.data if data is None else data
        await self._server().notify_subscriber(connection, value.attribute, told, force=True)

    async def indicate(self, connection: Connection, handle: int, data: bytes | None) -> None:
        value, status = self._values[handle], 0
        told = value.data if data is None else data
        try:
            await self._server().indicate_subscriber(connection, value.attribute, told, force=True)
        except TimeoutError:
            status = _TIMED_OUT
        except (BaseBumbleError, hci.HCI_Error, att.ATT_Error):
            status = _NOT_CONNECTED
        self._tells(_INDICATE_DONE, (connection.handle, handle, status))


def uuid_of(text: str) -> UUID:
    return UUID.from_bytes(bytes.fromhex(text))


def permissions(flags: int) -> att.Attribute.Permissions:
    """From MicroPython's flags."""
    made = att.Attribute.Permissions(0)
    told = (
        (_READ, att.Attribute.READABLE),
        (_WRITE | _WRITE_WITHOUT, att.Attribute.WRITEABLE),
        (_READ_ENCRYPTED, att.Attribute.READ_REQUIRES_ENCRYPTION),
        (_WRITE_ENCRYPTED, att.Attribute.WRITE_REQUIRES_ENCRYPTION),
    )
    for bits, permission in told:
        if flags & bits:
            made |= permission
    return made
