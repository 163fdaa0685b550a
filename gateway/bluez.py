"""org.bluez on a D-Bus bus: connecting, calling, reading and setting properties, hearing signals.

What the pairing agent and the radio's watchdog share; bleak has its own connections. Values are plain
Python values; whatever goes wrong is a BluezError with D-Bus's name of the error as its detail.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from dbus_fast import Message, MessageType, Variant, unpack_variants
from dbus_fast.aio import MessageBus
from dbus_fast.constants import BusType

from gateway.wire.errors import MeethubError

SERVICE = "org.bluez"
ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
PROPERTIES, OBJECTS = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"
_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
ANSWER_S = 10.0


class BluezError(MeethubError):
    """BlueZ or the bus said no, or nothing; `detail` is the name of D-Bus's error."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("adapter-missing", detail)


def address_of(path: str) -> str:
    """The address in a BlueZ object path such as /org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF; "" for another."""
    _, mark, rest = path.rpartition("/dev_")
    return rest.split("/")[0].replace("_", ":").upper() if mark else ""


class Bluez:
    """One connection to the bus on which BlueZ lives. address: of the bus; None for the system's."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus

    @classmethod
    async def connect(cls, address: str | None = None) -> "Bluez":
        """BluezError when there is no bus, or it lets nobody in."""
        bus = MessageBus(bus_address=address, bus_type=BusType.SYSTEM)
        try:
            async with asyncio.timeout(ANSWER_S):
                await bus.connect()
        except Exception as error:
            bus.disconnect()  # frees the socket that the constructor made
            raise BluezError(type(error).__name__) from error
        return cls(bus)

    def close(self) -> None:
        self.bus.disconnect()

    async def gone(self) -> None:
        """Returns, or raises what broke it, when the connection to the bus has ended."""
        await self.bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        destination: str = SERVICE,
    ) -> list[Any]:
        """What is answered. BluezError with the name of the error."""
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self.bus.call(message)
        except (TimeoutError, OSError, EOFError) as error:
            raise BluezError(type(error).__name__) from error
        if reply is None or reply.message_type is MessageType.ERROR:
            raise BluezError(reply.error_name or "" if reply else "no answer")
        return list(reply.body)

    async def match(self, rule: str) -> None:
        """From now on signals of this kind come to the handlers of `bus`."""
        await self.call(_BUS_PATH, _BUS, "AddMatch", "s", [rule], destination=_BUS)

    async def match_owner(self) -> None:
        """From now on it is told when bluetoothd comes or goes (see `owner_of`)."""
        await self.match(f"type='signal',member='NameOwnerChanged',arg0='{SERVICE}'")

    async def owner(self) -> str:
        """The unique bus name of the running bluetoothd. BluezError when none runs."""
        (name,) = await self.call(_BUS_PATH, _BUS, "GetNameOwner", "s", [SERVICE], destination=_BUS)
        return str(name)

    async def get(self, path: str, interface: str, name: str) -> Any:  # noqa: ANN401 (a property is of any type)
        (value,) = await self.call(path, PROPERTIES, "Get", "ss", [interface, name])
        return unpack_variants(value)

    async def set_flag(self, path: str, interface: str, name: str, value: bool) -> None:  # noqa: FBT001 (the flag)
        await self.call(path, PROPERTIES, "Set", "ssv", [interface, name, Variant("b", value)])

    async def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All that BlueZ keeps: path → interface → property → value."""
        (found,) = await self.call("/", OBJECTS, "GetManagedObjects")
        return {str(path): unpack_variants(interfaces) for path, interfaces in found.items()}


def owner_of(message: Message) -> str | None:
    """The new owner ("" for none) when this message says that bluetoothd came or went; else None."""
    if message.member != "NameOwnerChanged" or not message.body or message.body[0] != SERVICE:
        return None
    return str(message.body[2])
