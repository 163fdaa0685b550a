"""The pairing agent: what BlueZ asks when a device wants to pair, answered only while pairing is open.

bleak registers no org.bluez.Agent1, and without one every pairing fails. Ours says no to every device but
the one for which a person has opened pairing; codes that a device shows are asked through a voice (page or
command line). It registers again when bluetoothd comes back, and never ends the daemon when D-Bus is gone.

No `from __future__ import annotations` in here: dbus-fast reads the D-Bus types from the annotations.
"""

import asyncio
from typing import Any, Protocol, Self

import structlog
from dbus_fast import DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusObjectPath, DBusStr, DBusUInt16, DBusUInt32
from dbus_fast.constants import BusType
from dbus_fast.service import ServiceInterface, dbus_method

from gateway.pairing import PairingWindow
from gateway.wire.errors import MeethubError

PATH = "/nl/meethub/agent"
BLUEZ, MANAGER_PATH, MANAGER = "org.bluez", "/org/bluez", "org.bluez.AgentManager1"
RETRY_S = 5.0
BUS_S = 10.0
ANSWER_S = 60.0
log = structlog.get_logger()


class AgentError(MeethubError):
    """The agent could not be registered."""


class Voice(Protocol):
    """A person who can read a code from a device or compare one, by way of a page or a terminal."""

    async def passkey(self, address: str) -> int | None:
        """The six digits that the device shows; None when nobody answers."""

    async def same(self, address: str, passkey: int) -> bool:
        """Whether the device shows this number too."""

    def show(self, address: str, passkey: int) -> None:
        """The number to type on the device."""


def address_of(path: str) -> str:
    """The address in a BlueZ object path such as /org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF; "" for another."""
    _, mark, rest = path.rpartition("/dev_")
    return rest.split("/")[0].replace("_", ":").upper() if mark else ""


class Agent(ServiceInterface):
    """org.bluez.Agent1. Without a voice it has no input and no output: Just Works only."""

    def __init__(self, window: PairingWindow, voice: Voice | None) -> None:
        super().__init__("org.bluez.Agent1")
        self._window = window
        self._voice = voice

    def _admit(self, path: str) -> str:
        """The device's address; org.bluez.Error.Rejected unless pairing is open for it."""
        address = address_of(path)
        if not address or not self._window.is_open(address):
            log.warning("pairing-rejected")
            raise DBusError("org.bluez.Error.Rejected", "pairing is not open for this device")
        return address

    def _asked(self, path: str) -> tuple[str, Voice]:
        address = self._admit(path)
        if self._voice is None:
            raise DBusError("org.bluez.Error.Rejected", "nobody can be asked")
        return address, self._voice

    async def _code(self, path: str) -> int:
        address, voice = self._asked(path)
        try:
            async with asyncio.timeout(ANSWER_S):
                passkey = await voice.passkey(address)
        except TimeoutError:
            passkey = None
        if passkey is None:
            raise DBusError("org.bluez.Error.Canceled", "no answer")
        return passkey

    @dbus_method(name="Release")
    def release(self) -> None:
        """BlueZ does not need us any more."""

    @dbus_method(name="RequestPinCode")
    async def request_pin_code(self, device: DBusObjectPath) -> DBusStr:
        return f"{await self._code(device):06d}"

    @dbus_method(name="RequestPasskey")
    async def request_passkey(self, device: DBusObjectPath) -> DBusUInt32:
        return await self._code(device)

    @dbus_method(name="DisplayPinCode")
    def display_pin_code(self, device: DBusObjectPath, pincode: DBusStr) -> None:
        address, voice = self._asked(device)
        voice.show(address, int(pincode) if pincode.isdecimal() else 0)

    @dbus_method(name="DisplayPasskey")
    def display_passkey(self, device: DBusObjectPath, passkey: DBusUInt32, entered: DBusUInt16) -> None:
        del entered  # how many digits were typed so far
        address, voice = self._asked(device)
        voice.show(address, passkey)

    @dbus_method(name="RequestConfirmation")
    async def request_confirmation(self, device: DBusObjectPath, passkey: DBusUInt32) -> None:
        """Numeric comparison; Just Works too on some versions of BlueZ, which a hub without voice accepts."""
        address = self._admit(device)
        if self._voice is None:
            return
        async with asyncio.timeout(ANSWER_S):
            same = await self._voice.same(address, passkey)
        if not same:
            raise DBusError("org.bluez.Error.Rejected", "the numbers differ")

    @dbus_method(name="RequestAuthorization")
    def request_authorization(self, device: DBusObjectPath) -> None:
        self._admit(device)

    @dbus_method(name="AuthorizeService")
    def authorize_service(self, device: DBusObjectPath, uuid: DBusStr) -> None:
        del uuid
        self._admit(device)

    @dbus_method(name="Cancel")
    def cancel(self) -> None:
        """BlueZ gave up the question it had asked."""


class PairingAgent:
    """Keeps our agent registered with BlueZ for as long as it is entered.

    address: of the bus; None for the system's. With a voice the hub can take and show codes
    (KeyboardDisplay), without one it cannot (NoInputNoOutput).
    """

    def __init__(self, window: PairingWindow, voice: Voice | None = None, address: str | None = None) -> None:
        self.registered = asyncio.Event()
        self._agent = Agent(window, voice)
        self._capability = "NoInputNoOutput" if voice is None else "KeyboardDisplay"
        self._address = address
        self._keeper: asyncio.Task[None] | None = None
        self._bluez_came = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        """Registers, and again whenever BlueZ or the bus comes back."""
        while True:
            try:
                await self._stay()
            except (OSError, EOFError, DBusError, AgentError, ValueError) as error:
                log.warning("agent-not-registered", reason=type(error).__name__)
            self.registered.clear()
            await asyncio.sleep(RETRY_S)

    async def _stay(self) -> None:
        async with asyncio.timeout(BUS_S):
            bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
        try:
            bus.add_message_handler(self._owner_changed)
            rule = "type='signal',member='NameOwnerChanged',arg0='" + BLUEZ + "'"
            await _call(
                bus,
                "org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus",
                "AddMatch",
                "s",
                [rule],
            )
            bus.export(PATH, self._agent)
            gone = asyncio.ensure_future(_until_gone(bus))
            await self._register_for_ever(bus, gone)
        finally:
            bus.unexport(PATH, self._agent)
            bus.disconnect()

    async def _register_for_ever(self, bus: MessageBus, gone: "asyncio.Future[None]") -> None:
        """Until the bus is gone."""
        while not gone.done():
            self._bluez_came.clear()
            try:
                await self._register(bus)
                self.registered.set()
                log.info("agent-registered")
            except AgentError as error:  # no bluetoothd yet: it tells when it comes
                self.registered.clear()
                log.warning("agent-not-registered", reason=error.detail)
            came = asyncio.ensure_future(self._bluez_came.wait())
            waiting: set[asyncio.Future[Any]] = {came, gone}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            came.cancel()
        gone.result()

    async def _register(self, bus: MessageBus) -> None:
        await _call(bus, BLUEZ, MANAGER_PATH, MANAGER, "RegisterAgent", "os", [PATH, self._capability])
        await _call(bus, BLUEZ, MANAGER_PATH, MANAGER, "RequestDefaultAgent", "o", [PATH])

    def _owner_changed(self, message: Message) -> None:
        """The service of BlueZ appeared on the bus or left it."""
        if message.member != "NameOwnerChanged" or not message.body or message.body[0] != BLUEZ:
            return
        if message.body[2]:
            self._bluez_came.set()
        else:
            self.registered.clear()


async def _until_gone(bus: MessageBus) -> None:
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _call(
    bus: MessageBus, destination: str, path: str, interface: str, member: str, signature: str, body: list[str]
) -> None:
    """AgentError("agent-not-registered") with the name of D-Bus's error."""
    message = Message(
        destination=destination, path=path, interface=interface, member=member, signature=signature, body=body
    )
    async with asyncio.timeout(BUS_S):
        reply = await bus.call(message)
    if reply is not None and reply.message_type is MessageType.ERROR:
        raise AgentError("agent-not-registered", reply.error_name or "")
