"""The one place that hears `bluetooth.BLE`: copies what an event holds, and leaves.

The handler may run between any two steps of other code (on an ESP32 in the task of NimBLE), and what it is
given is overwritten when it returns. So it stores what came where it belongs and sets a flag; `run` then
wakes who waits. What is of no use to anybody is not even copied: advertisements of strangers, characteristics
that no driver names, values that nobody subscribed to.
"""

import asyncio

import bluetooth

from firmware.radio.base import BluetoothDevice, Limits, const
from firmware.radio.bonds import Bonds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.radio.given import Event
    from firmware.radio.line import Line

_SCAN_RESULT, _SCAN_DONE, _CONNECT, _DISCONNECT = const(5), const(6), const(7), const(8)
_CHARACTERISTIC, _DESCRIPTOR, _READ_RESULT = const(11), const(13), const(15)
_CHARACTERISTICS_DONE, _DESCRIPTORS_DONE = const(12), const(14)
_READ_DONE, _WRITE_DONE, _NOTIFY, _INDICATE = const(16), const(17), const(18), const(19)
_MTU, _ENCRYPTION, _GET_SECRET, _SET_SECRET = const(21), const(28), const(29), const(30)
_NO_CONNECTION = const(0xFFFF)
_RING, _MTU_SIZE = const(8192), const(247)
_MOST_ADVERTS = const(16)
_DIRECTED = const(1)  # the last form of an advertisement that invites to connect
_NO_INPUT_OUTPUT = const(3)
# AD type "complete local name" and how the name of a device begins that leaves once it has bonded (A&D).
_LEAVERS = (b"\x09A&D", b"\x09UA-651", b"\x09UC-352", b"\x09UT-201")


class Stack:
    """BLE and who waits for its events.

    wanted: devices by address. lines: by connection. connecting: the line that waits for its connection.
    adverts: (device, advertisement) of devices that only advertise. scanning, alive: whether the scan goes
    on; whether anything at all was heard since somebody set it to False. news: set for the radio itself.
    """

    def __init__(self, bonds: Bonds) -> None:
        self.ble = bluetooth.BLE()
        self.bonds = bonds
        self.wanted: dict[bytes, BluetoothDevice] = {}
        self.lines: dict[int, Line] = {}
        self.connecting: Line | None = None
        self.adverts: list[tuple[BluetoothDevice, bytes]] = []
        self.scanning = self.alive = False
        self.news = asyncio.Event()
        self._mine = False
        self._flag = asyncio.ThreadSafeFlag()  # type: ignore[attr-defined]

    def switch_on(self) -> None:
        """OSError when there is no radio."""
        self.ble.irq(self._irq)
        self.ble.active(True)
        self.bonds.save()  # NimBLE makes itself an identity
        try:
            self.ble.config(rxbuf=_RING)
        except ValueError:
            pass  # an ESP32 hands events over at once and has no ring
        self.ble.config(mtu=_MTU_SIZE)
        # NimBLE then offers Secure Connections; a device that does not know them bonds as it can.
        self.ble.config(bond=True, mitm=False, le_secure=True, io=_NO_INPUT_OUTPUT)

    def switch_off(self) -> None:
        self.scanning = False
        for line in list(self.lines.values()):
            self._gone(line)
        self.ble.active(False)

    def scan(self, limits: Limits) -> None:
        """Listens until something is connected to, or `scan_stop`. OSError when the radio refuses."""
        self.ble.gap_scan(0, limits.interval_us, limits.window_us, True)
        self.scanning = True

    def scan_stop(self) -> None:
        """`scanning` is False when the radio says that it has stopped."""
        if self.scanning:
            self.ble.gap_scan(None)

    async def run(self) -> None:
        """Wakes who waits; forever."""
        while True:
            await self._flag.wait()
            if self._mine:
                self._mine = False
                self.news.set()
            for line in list(self.lines.values()):
                line.news.set()
            if self.connecting is not None:
                self.connecting.news.set()

    def _irq(self, event: int, data: "Event") -> "object":
        if event == _SCAN_RESULT:
            self._heard(data)
            return None
        if event == _GET_SECRET:
            return self.bonds.get(data[0], data[1], None if data[2] is None else bytes(data[2]))
        if event == _SET_SECRET:
            return self.bonds.set(data[0], bytes(data[1]), None if data[2] is None else bytes(data[2]))
        if event == _SCAN_DONE:
            self.scanning, self._mine = False, True
        elif event in (_CONNECT, _DISCONNECT):
            self._came_or_went(event, data[0], bytes(data[2]))
        else:
            line = self.lines.get(data[0])
            if line is not None and event in (_NOTIFY, _INDICATE):
                line.value(data[1], data[2])
            elif line is not None:
                self._told(line, event, data)
        self._flag.set()
        return None

    def _heard(self, data: "Event") -> None:
        addr_type, address, form, rssi, advert = data
        self.alive = True
        device = self.wanted.get(bytes(address))
        if device is None:
            return
        device.addr_type, device.rssi = addr_type, rssi
        if not device.driver.adverts:
            if not device.busy and not device.leaves:
                told = bytes(advert)
                device.leaves = any([start in told for start in _LEAVERS])
            if form > _DIRECTED:
                return  # it takes no connection now
            device.heard = True
        elif len(self.adverts) < _MOST_ADVERTS:
            self.adverts.append((device, bytes(advert)))
        self._mine = True
        self._flag.set()

    def _came_or_went(self, event: int, conn: int, address: bytes) -> None:
        waiting = self.connecting
        if conn == _NO_CONNECTION:
            if waiting is not None:
                waiting.gone = True
        elif event == _CONNECT:
            if waiting is not None and waiting.device.key == address:
                waiting.conn = conn
                self.lines[conn] = waiting
            else:
                self.ble.gap_disconnect(conn)  # who waited for it has given up
        else:
            line = self.lines.get(conn)
            if line is not None:
                self._gone(line)

    def _gone(self, line: "Line") -> None:
        self.lines.pop(line.conn)
        line.gone = True
        line.news.set()

    def _told(self, line: "Line", event: int, data: "Event") -> None:
        if event == _CHARACTERISTIC:
            line.found(data[1], data[2], data[3], bytes(data[4]))
        elif event == _DESCRIPTOR:
            if bytes(data[2]) == b"\x02\x29" and not line.data:
                line.data = data[1].to_bytes(2, "little")
        elif event == _READ_RESULT:
            if line.asked == (_READ_DONE, data[1]):
                line.data = bytes(data[2])
        elif event in (_READ_DONE, _WRITE_DONE):
            line.answered(event, data[1], data[2])
        elif event in (_CHARACTERISTICS_DONE, _DESCRIPTORS_DONE):
            line.answered(event, 0, data[1])
        elif event == _MTU:
            line.answered(event, 0, 0)
        elif event == _ENCRYPTION:
            line.encrypted = bool(data[1])
            line.answered(event, 0, 0 if data[1] else 1)
