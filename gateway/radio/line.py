"""One connection to one device through bleak; its errors become RadioError."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str

from gateway.radio.base import Limits, RadioError, SecurityNeededError

_SECURITY = (0x05, 0x08, 0x0C, 0x0F)
_DATA_FIELD_IGNORED = 0x80  # Current Time Service 1.1, section 3.1.2: part of a write was not taken
# In bleak's words, and in those of BlueZ 5.66 when it was still connecting: so it tells of a bond refused.
_HUNG_UP_EARLY = ("failed to discover services", "br-connection-canceled")
_BONDED_MEANWHILE = "AlreadyExists"  # BlueZ bonds by itself when the device refuses a question of its own
_PATH_AND_PROPERTIES = 2  # what bleak adds to an advertisement on BlueZ
HUNG_UP = "hung-up"  # detail of a connection that the device ended before it told its services
log = structlog.get_logger()
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Backend:
    """bleak's two backend classes, where it is not the system's own."""

    scanner: type[BaseBleakScanner]
    client: type[BaseBleakClient]


class BleakLine:
    """A connection as `conduct` needs it."""

    def __init__(
        self,
        found: BLEDevice,
        backend: Backend | None,
        limits: Limits,
        answered: Callable[[float], bool | None] = lambda _: None,
    ) -> None:
        """answered: what BlueZ was told in these last seconds when it asked whether this device may pair."""
        self.on_gone: Callable[[], None] = lambda: None
        self.on_pairing: Callable[[], None] = lambda: None
        self._answered = answered
        self._now = asyncio.get_running_loop().time
        self._since = self._now()
        self._limits = limits
        self._found = found
        self._paired = False  # since we are connected; the scanner knew how it was before
        client = backend.client if backend else None
        self._client = BleakClient(found, lambda _: self.on_gone(), timeout=limits.connect_s, backend=client)

    @property
    def here(self) -> bool:
        return self._client.is_connected

    @property
    def address(self) -> str:
        """Its identity address once it has bonded: until then some devices go by another one."""
        return self._client.address.upper()

    @property
    def name(self) -> str:
        """As advertised; anybody may advertise anything."""
        return self._found.name or ""

    @property
    def bonded(self) -> bool:
        """Whether this machine holds a bond with the device: as the scanner knew it, or made since."""
        made = self._paired or self._answered(self._now() - self._since) is True
        return made or is_bonded(self._found)

    async def connect(self) -> None:
        """RadioError: connect-failed, dropped-at-encryption (a bond that the device does not know)."""
        try:
            async with asyncio.timeout(self._limits.connect_s + 2):
                await self._client.connect()
        except (TimeoutError, BleakError, OSError, EOFError) as error:
            hung_up = any(words in str(error) for words in _HUNG_UP_EARLY)
            await self.close()
            code = "dropped-at-encryption" if hung_up and self.bonded else "connect-failed"
            raise RadioError(code, HUNG_UP if hung_up else reason(error)) from error

    async def close(self) -> None:
        try:
            async with asyncio.timeout(self._limits.read_s):
                await self._client.disconnect()
        except (TimeoutError, BleakError, OSError, EOFError) as error:
            log.warning("disconnect-failed", reason=type(error).__name__)

    def has(self, characteristic: str) -> bool:
        return self._find(characteristic) is not None

    def _find(self, characteristic: str) -> BleakGATTCharacteristic | None:
        uuid = normalize_uuid_str(characteristic)
        services = self._client.services.characteristics.values() if self.here else ()
        return next((found for found in services if found.uuid == uuid), None)

    def _get(self, characteristic: str) -> BleakGATTCharacteristic:
        found = self._find(characteristic)
        if found is None:
            raise RadioError("service-missing" if self.here else "connection-lost", characteristic)
        return found

    async def read(self, characteristic: str) -> bytes:
        return bytes(await self._ask(self._client.read_gatt_char(self._get(characteristic))))

    async def write(self, characteristic: str, data: bytes) -> None:
        found = self._get(characteristic)
        response = "write" in found.properties
        try:
            await self._ask(self._client.write_gatt_char(found, data, response=response))
        except RadioError as error:
            if error.detail != f"{_DATA_FIELD_IGNORED:02x}":
                raise

    async def subscribe(self, characteristic: str, heard: Callable[[bytes], None]) -> None:
        found = self._get(characteristic)
        await self._ask(self._client.start_notify(found, lambda _, data: heard(bytes(data))))

    async def unsubscribe(self, characteristic: str) -> None:
        await self._ask(self._client.stop_notify(self._get(characteristic)))

    async def pair(self) -> None:
        try:
            await self._ask(self._client.pair(), self._limits.pair_s)
        except RadioError as error:
            if error.detail != _BONDED_MEANWHILE:
                raise
        self._paired = True

    async def forget(self) -> None:
        await self._ask(self._client.unpair(), self._limits.connect_s)

    async def _ask(self, question: Awaitable[_Result], timeout_s: float | None = None) -> _Result:
        asked_at = self._now()
        try:
            if timeout_s is None:
                return await self._patiently(question, asked_at)
            async with asyncio.timeout(timeout_s):
                return await question
        except TimeoutError:
            raise RadioError(self._cause("device-silent", asked_at)) from None
        except BleakGATTProtocolError as error:
            if error.code in _SECURITY:
                raise SecurityNeededError(f"{error.code:02x}") from error
            raise RadioError("device-refused", f"{error.code:02x}") from error
        except (BleakError, OSError, EOFError) as error:
            code = "radio-unexpected" if self.here else "connection-lost"
            raise RadioError(self._cause(code, asked_at), reason(error)) from error

    async def _patiently(self, question: Awaitable[_Result], asked_at: float) -> _Result:
        """BlueZ bonds inside the first question that needs it; a person may have to type a code meanwhile."""
        task = asyncio.ensure_future(question)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._limits.read_s)
            if not done and self._answered(self._now() - asked_at):
                self.on_pairing()
                done, _ = await asyncio.wait({task}, timeout=self._limits.pair_s)
            if not done:
                raise TimeoutError
            return task.result()
        finally:
            task.cancel()

    def _cause(self, code: str, asked_at: float) -> str:
        """Why a question failed: BlueZ answers none while it was refused the bond that the device wants."""
        allowed = self._answered(self._now() - asked_at)
        return code if allowed is None else "pairing-failed" if allowed else "pairing-needed"


def renew(found: BLEDevice, data: AdvertisementData) -> None:
    """What bleak keeps of a device is what this scan heard first; the advertisement tells of a newer bond."""
    if isinstance(found.details, dict) and len(data.platform_data) == _PATH_AND_PROPERTIES:
        found.details["props"] = data.platform_data[1]


def is_bonded(found: BLEDevice) -> bool:
    """Whether this machine holds a bond with the device, as the system's scanner knew it."""
    details = found.details
    props = details.get("props", {}) if isinstance(details, dict) else {}
    return bool(props.get("Bonded", props.get("Paired", False)))


def reason(error: Exception) -> str:
    """What went wrong in a word: BlueZ's name of the error where there is one."""
    if isinstance(error, BleakDBusError):
        return error.dbus_error.rpartition(".")[2]
    return type(error).__name__
