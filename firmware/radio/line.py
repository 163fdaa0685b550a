"""One connection to one device; whatever goes wrong in it is a RadioError.

Values wait in a queue that may hold `Limits.room` bytes. At three quarters the hub hangs up, in the handler
itself: what is on its way still fits, all that waits is stored, and the device keeps the rest for the next
visit (docs/decisions/0012-radio-without-aioble.md).
"""

import asyncio

from firmware.radio.base import BluetoothDevice, Limits, RadioError, SecurityNeededError, const
from firmware.radio.stack import Stack
from gateway.drivers.base import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.radio.given import Tells, True_

_CHARACTERISTICS_DONE, _DESCRIPTORS_DONE, _READ_DONE, _WRITE_DONE = const(12), const(14), const(16), const(17)
_MTU, _ENCRYPTION = const(21), const(28)
_ATT = const(0x100)
_SECURITY = (_ATT + 0x05, _ATT + 0x08, _ATT + 0x0C, _ATT + 0x0F)
_DATA_FIELD_IGNORED = const(0x180)  # Current Time Service 1.1, 3.1.2: part of a write was not taken
_WRITE, _NOTIFIES, _INDICATES = const(0x08), const(0x10), const(0x20)
_OVERHEAD = const(48)  # of one value in memory


class Line:
    """From the wish to connect until the device is gone.

    The stack calls value, found and answered, and sets conn, gone, encrypted and data.
    """

    def __init__(self, stack: Stack, device: BluetoothDevice, limits: Limits) -> None:
        self.device = device
        self.conn = -1
        self.gone = False
        self.encrypted = False
        self.data = b""
        self.asked: tuple[int, int] | None = None
        self.news = asyncio.Event()
        self.values: list[tuple[int, bytes]] = []  # handle and bytes
        self.full = False
        self.lost = 0
        self._waiting = 0
        self._status = 0
        self._stack = stack
        self._limits = limits
        self._turn = asyncio.Lock()
        self._places: dict[str, tuple[int, int, int]] = {}  # handle, last handle, properties
        self._sources: dict[int, str] = {}
        self._names = _named(device.driver)

    # What the stack says, inside its handler.

    def value(self, handle: int, data: "memoryview") -> None:
        """Kept whatever it is of: a bonded device may tell before its characteristics are found out."""
        size, room = self._waiting + len(data) + _OVERHEAD, self._limits.room
        try:
            if size > room:
                raise MemoryError
            self.values.append((handle, bytes(data)))
            self._waiting = size
        except MemoryError:
            self.lost += 1
        if not self.full and (self.lost or size > room * 3 // 4):
            self.full = True
            self._stack.ble.gap_disconnect(self.conn)

    def found(self, last: int, handle: int, properties: int, uuid: bytes) -> None:
        name = self._names.get(uuid)
        if name is not None and name not in self._places:
            self._places[name] = (handle, last, properties)
            if name in self.device.driver.subscribe:
                self._sources[handle] = name

    def answered(self, event: int, handle: int, status: int) -> None:
        """A refusal may name no handle."""
        asked = self.asked
        if asked is not None and asked[0] == event and (asked[1] == handle or status):
            self.asked = None
            self._status = status

    # What a visit asks.

    @property
    def here(self) -> bool:
        return self.conn >= 0 and not self.gone

    def take(self) -> "tuple[str, bytes] | None":
        """The value that waits longest; what the driver does not listen to is dropped."""
        while self.values:
            handle, data = self.values.pop(0)
            self._waiting -= len(data) + _OVERHEAD
            source = self._sources.get(handle)
            if source is not None:
                return source, data
        return None

    async def until(self, true: "True_", wait_ms: int) -> bool:
        """Waits for it; False when it did not come about in time, or cannot any more."""
        try:
            await asyncio.wait_for_ms(self._until(true), wait_ms)  # type: ignore[attr-defined]
        except asyncio.TimeoutError:
            return False
        return bool(true())

    async def _until(self, true: "True_") -> None:
        while not self.gone and not true():
            self.news.clear()
            await self.news.wait()

    async def connect(self) -> None:
        """Connected, encrypted where there is a bond, its characteristics known.

        RadioError: connect-failed, bond-lost, service-missing.
        """
        stack, device = self._stack, self.device
        stack.connecting = self
        try:
            stack.ble.gap_connect(device.addr_type, device.key, self._limits.connect_ms)
            stack.scanning = False
            if not await self.until(lambda: self.conn >= 0, self._limits.connect_ms + 1000):
                await self._give_up()
                raise RadioError("connect-failed", "no answer")
        except OSError as error:
            raise RadioError("connect-failed", "errno %d" % error.args[0])
        finally:
            stack.connecting = None
        try:
            await self._prepare()
        except RadioError as error:
            await self.close()  # at once: NimBLE discovers of one connection at a time
            raise error if error.code == "bond-lost" else RadioError("connect-failed", error.code)

    async def _give_up(self) -> None:
        """Until then the radio cannot scan."""
        if not self.gone:
            try:
                self._stack.ble.gap_connect(None)
            except OSError:
                return  # it came about, or failed, just now
            await self.until(lambda: self.gone, 1000)

    async def _prepare(self) -> None:
        ble = self._stack.ble
        if self.bonded and not await self.secure(self._limits.read_ms):
            # A device that hangs up there may do so for other reasons too: twice is proof.
            raise RadioError("bond-lost" if self.device.failures or not self.gone else "connection-lost")
        try:
            await self._ask((_MTU, 0), ble.gattc_exchange_mtu, self.conn, wait_ms=self._limits.read_ms // 2)
        except RadioError:
            if self.gone:
                raise  # an old device refuses, and NimBLE then says nothing
        await self._ask((_CHARACTERISTICS_DONE, 0), ble.gattc_discover_characteristics, self.conn, 1, 0xFFFF)

    async def close(self) -> None:
        """Hangs up; returns when the device is gone, or does not answer any more."""
        if self.here:
            try:
                self._stack.ble.gap_disconnect(self.conn)
            except OSError:
                pass
            await self.until(lambda: self.gone, self._limits.read_ms)

    @property
    def bonded(self) -> bool:
        return self._stack.bonds.holds(self.device.key)

    async def secure(self, wait_ms: int) -> bool:
        """Encrypts with the bond's key; without one, bonds. Whether that worked."""
        try:
            await self._ask((_ENCRYPTION, 0), self._stack.ble.gap_pair, self.conn, wait_ms=wait_ms)
        except RadioError:
            return False
        return self.encrypted

    async def pair(self) -> None:
        """Bonds; the keys are durable when it returns. RadioError("pairing-failed")."""
        bonds = self._stack.bonds
        bonds.may_change.append(self.device.key)
        try:
            done = await self.secure(self._limits.pair_ms)
            bonds.save()
        except OSError:
            done = False
        finally:
            bonds.may_change.remove(self.device.key)
        if not (done and self.bonded):
            raise RadioError("pairing-failed")

    def has(self, name: str) -> bool:
        return not self.gone and name in self._places

    def _place(self, name: str) -> tuple[int, int, int]:
        place = self._places.get(name)
        if place is None or self.gone:
            raise RadioError("connection-lost" if self.gone else "service-missing", name)
        return place

    async def read(self, name: str) -> bytes:
        handle = self._place(name)[0]
        return await self._ask((_READ_DONE, handle), self._stack.ble.gattc_read, self.conn, handle)

    async def maybe(self, name: str) -> bytes | None:
        """A value that the device may lack or refuse; only the wish for a bond is passed on."""
        if not self.has(name):
            return None
        try:
            return await self.read(name)
        except SecurityNeededError:
            raise
        except RadioError as error:
            if self.gone or error.code == "device-silent":
                raise
            return None

    async def write(self, name: str, data: bytes) -> None:
        handle, _, properties = self._place(name)
        write = self._stack.ble.gattc_write
        if properties & _WRITE:
            await self._ask((_WRITE_DONE, handle), write, self.conn, handle, data, 1)
        else:
            await self._ask(None, write, self.conn, handle, data, 0)

    async def subscribe(self, name: str) -> None:
        """From now on it tells its values. RadioError("service-missing") where it cannot."""
        handle, last, properties = self._place(name)
        ble = self._stack.ble
        if last <= handle or not properties & (_NOTIFIES | _INDICATES):
            raise RadioError("service-missing", name)
        # NimBLE looks from the handle after the one it is told.
        found = await self._ask(
            (_DESCRIPTORS_DONE, 0),
            ble.gattc_discover_descriptors,
            self.conn,
            handle,
            last,
        )
        if not found:
            raise RadioError("service-missing", name)
        switch = int.from_bytes(found, "little")
        bits = b"\x01\x00" if properties & _NOTIFIES else b"\x02\x00"
        await self._ask((_WRITE_DONE, switch), ble.gattc_write, self.conn, switch, bits, 1)

    async def _ask(
        self, done: tuple[int, int] | None, command: "Tells", *words: object, wait_ms: int = 0
    ) -> bytes:
        """One question at a time. done: event and handle that end it; None: nothing does."""
        async with self._turn:
            if self.gone:
                raise RadioError("connection-lost")
            self.asked, self.data, self._status = done, b"", 0
            try:
                command(*words)
            except OSError as error:
                self.asked = None
                raise RadioError("connection-lost" if self.gone else "radio-unexpected", str(error.args[0]))
            if done is not None and not await self.until(
                lambda: self.asked is None, wait_ms or self._limits.read_ms
            ):
                self.asked = None
                raise RadioError("connection-lost" if self.gone else "device-silent")
            data, status = self.data, self._status
        if status in _SECURITY:
            raise SecurityNeededError
        if status and status != _DATA_FIELD_IGNORED:
            raise RadioError("radio-unexpected", "%x" % status)
        return data


def _named(driver: type[Driver]) -> dict[bytes, str]:
    """The characteristics that a visit may need, by UUID as it stands on the air."""
    names = ["2a19", "2a29", "2a24", "2a25", "2a26", "2a23"]
    names += driver.subscribe + driver.reads
    names += [clock.characteristic for clock in driver.clocks]
    names += [channel for channel, _, _ in driver.may_send if channel != "serial"]
    return {bytes(reversed(bytes.fromhex(name.replace("-", "")))): name for name in names}
