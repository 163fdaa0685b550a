"""The pairing agent: what BlueZ asks when a device wants to pair, answered only while pairing is open.

bleak registers no org.bluez.Agent1, and without one every pairing fails. Ours says no to every device but
the one for which a person has opened pairing, and to everyone on the bus who is not BlueZ. Codes are asked
and shown through a voice (page or command line) while there is one; without, the hub has neither keys nor
display and only Just Works is possible. It registers again when bluetoothd comes back, and never ends the
daemon when D-Bus is gone.

No `from __future__ import annotations` in here: dbus-fast reads the D-Bus types from the annotations.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol, Self, TypeVar

import structlog
from dbus_fast import DBusError, Message, MessageType
from dbus_fast.annotations import DBusObjectPath, DBusStr, DBusUInt16, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method

from gateway.bluez import Bluez, BluezError, address_of, owner_of
from gateway.pairing.window import PairingWindow
from gateway.wire.errors import MeethubError

PATH = "/nl/meethub/agent"
INTERFACE = "org.bluez.Agent1"
MANAGER_PATH, MANAGER = "/org/bluez", "org.bluez.AgentManager1"
SILENT, SPEAKING = "NoInputNoOutput", "KeyboardDisplay"
RETRY_S = 5.0
ANSWER_S = 60.0
REGISTERED_S = 15.0
_REJECTED, _CANCELED = "org.bluez.Error.Rejected", "org.bluez.Error.Canceled"
log = structlog.get_logger()
_Answer = TypeVar("_Answer")


class AgentError(MeethubError):
    """The agent could not be registered."""


class Voice(Protocol):
    """A person who can read a code from a device or compare one, by way of a page or a terminal.

    A question that BlueZ gives up is cancelled.
    """

    async def passkey(self, address: str) -> int | None:
        """The six digits that the device shows; None when nobody answers."""

    async def same(self, address: str, passkey: int) -> bool:
        """Whether the device shows this number too."""

    def show(self, address: str, passkey: int) -> None:
        """The number to type on the device."""


class Agent(ServiceInterface):
    """org.bluez.Agent1. Without a voice it has no input and no output: Just Works only."""

    def __init__(self, window: PairingWindow) -> None:
        super().__init__(INTERFACE)
        self.voice: Voice | None = None
        self._window = window
        self._question: asyncio.Task[Any] | None = None

    def _admit(self, path: str) -> str:
        """The device's address; org.bluez.Error.Rejected unless pairing is open for it."""
        address = address_of(path)
        if not address or not self._window.answer(address):
            log.warning("pairing-rejected")
            raise DBusError(_REJECTED, "pairing is not open for this device")
        return address

    def _asked(self, path: str) -> tuple[str, Voice]:
        address = self._admit(path)
        if self.voice is None:
            raise DBusError(_REJECTED, "nobody can be asked")
        return address, self.voice

    async def _answer(self, path: str, question: Coroutine[Any, Any, _Answer]) -> _Answer:
        """What the person says, within a minute, and only if pairing is still open by then."""
        self.give_up()
        task: asyncio.Task[_Answer] = asyncio.ensure_future(question)
        self._question = task
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await task
        except (TimeoutError, asyncio.CancelledError):
            raise DBusError(_CANCELED, "no answer") from None
        self._admit(path)
        return answer

    async def _code(self, path: str) -> int:
        address, voice = self._asked(path)
        passkey = await self._answer(path, voice.passkey(address))
        if passkey is None:
            raise DBusError(_CANCELED, "no answer")
        return passkey

    def give_up(self) -> None:
        """Nobody waits for the answer to the last question any more."""
        question, self._question = self._question, None
        if question is not None:
            question.cancel()

    @dbus_method(name="Release")
    def release(self) -> None:
        """BlueZ does not need us any more."""
        self.give_up()

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
        if entered == 0:  # later calls tell how many digits were typed so far
            address, voice = self._asked(device)
            voice.show(address, passkey)

    @dbus_method(name="RequestConfirmation")
    async def request_confirmation(self, device: DBusObjectPath, passkey: DBusUInt32) -> None:
        """Numeric comparison; Just Works too on some versions of BlueZ, which a hub without voice accepts."""
        address = self._admit(device)
        voice = self.voice
        if voice is not None and not await self._answer(device, voice.same(address, passkey)):
            raise DBusError(_REJECTED, "the numbers differ")

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
        self.give_up()


class PairingAgent:
    """Keeps our agent registered with BlueZ for as long as it is entered.

    address: of the bus; None for the system's.
    """

    def __init__(self, window: PairingWindow, address: str | None = None) -> None:
        self.registered = asyncio.Event()
        self._agent = Agent(window)
        self._address = address
        self._keeper: asyncio.Task[None] | None = None
        self._news = asyncio.Event()  # BlueZ came, or there is a voice now, or none any more
        self._bluez = ""  # its unique name: nobody else may ask us anything

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def speaking(self, voice: Voice) -> AsyncIterator[None]:
        """So long this person can be asked, and BlueZ knows it. AgentError when BlueZ is not there."""
        self._speak(voice)
        try:
            try:
                async with asyncio.timeout(REGISTERED_S):
                    await self.registered.wait()
            except TimeoutError:
                raise AgentError("agent-not-registered", "no BlueZ") from None
            yield
        finally:
            self._agent.give_up()
            self._speak(None)

    def _speak(self, voice: Voice | None) -> None:
        self._agent.voice = voice
        self.registered.clear()
        self._news.set()

    async def _keep(self) -> None:
        """Registers, and again whenever BlueZ or the bus comes back."""
        while True:
            try:
                await self._stay()
            except (OSError, EOFError, DBusError, MeethubError, ValueError) as error:
                log.warning("agent-not-registered", reason=type(error).__name__)
            self.registered.clear()
            await asyncio.sleep(RETRY_S)

    async def _stay(self) -> None:
        bluez = await Bluez.connect(self._address)
        try:
            bluez.bus.add_message_handler(self._heard)
            await bluez.match_owner()
            bluez.bus.export(PATH, self._agent)
            gone = asyncio.ensure_future(bluez.gone())
            await self._register_for_ever(bluez, gone)
        finally:
            bluez.bus.unexport(PATH, self._agent)
            bluez.close()

    async def _register_for_ever(self, bluez: Bluez, gone: "asyncio.Future[None]") -> None:
        """Until the bus is gone."""
        capability = ""
        while not gone.done():
            self._news.clear()
            try:
                capability = await self._register(bluez, capability)
            except BluezError as error:  # no bluetoothd yet: it tells when it comes
                capability = ""
                self.registered.clear()
                log.warning("agent-not-registered", reason=error.detail)
            news = asyncio.ensure_future(self._news.wait())
            waiting: set[asyncio.Future[Any]] = {news, gone}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
        gone.result()

    async def _register(self, bluez: Bluez, capability: str) -> str:
        """Registers anew, as BlueZ takes what we are capable of only then; the capability told."""
        owner = await bluez.owner()
        wanted = SILENT if self._agent.voice is None else SPEAKING
        if owner == self._bluez and capability == wanted:
            self.registered.set()
            return wanted
        if owner == self._bluez and capability:
            await bluez.call(MANAGER_PATH, MANAGER, "UnregisterAgent", "o", [PATH])
        self._bluez = owner
        await bluez.call(MANAGER_PATH, MANAGER, "RegisterAgent", "os", [PATH, wanted])
        await bluez.call(MANAGER_PATH, MANAGER, "RequestDefaultAgent", "o", [PATH])
        if wanted == (SILENT if self._agent.voice is None else SPEAKING):
            self.registered.set()
        log.info("agent-registered", capability=wanted)
        return wanted

    def _heard(self, message: Message) -> Message | None:
        """BlueZ appeared on the bus or left it; or somebody calls us: only BlueZ may."""
        if message.message_type is MessageType.METHOD_CALL and message.interface == INTERFACE:
            if message.sender == self._bluez:
                return None
            return Message.new_error(message, _REJECTED, "not BlueZ")
        owner = owner_of(message)
        if owner is not None:
            self.registered.clear()
            self._agent.give_up()
        if owner:
            self._news.set()
        return None
