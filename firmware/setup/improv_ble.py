"""Improv over Bluetooth: the GATT service that phones and Chrome know, for one client at a time.

improv-wifi.com/ble, revision 2.4. The link is not encrypted, as the specification has it: what a neighbour
with a sniffer could hear in that minute stands in docs/decisions/0015-setup.md. `bluetooth.BLE` has one
handler, and takes services only while it neither scans nor is connected: whoever owns it calls `register`
right after switching on, and hands `heard` the events of centrals (1 to 3) and of MTUs (21).
"""

import asyncio
import time

import bluetooth

from firmware.setup.improv import CAPABILITIES, INVALID, NO_ERROR, Improv, checksum, packed

_CAME, _WENT, _WRITTEN, _MTU = 1, 2, 3, 21
_READ, _WRITE_BARE, _WRITE, _NOTIFY = 0x02, 0x04, 0x08, 0x10
_SERVICE = "00467768-6228-2272-4663-27747826800%d"
# State, error, command, result, capabilities: numbers 1 to 5 behind the service's 0.
_FLAGS = (_READ | _NOTIFY, _READ | _NOTIFY, _WRITE | _WRITE_BARE, _READ | _NOTIFY, _READ)
_PACKET = 258
_PIECE_MS, _IDLE_MS, _INTERVAL_US = 3000, 120000, 100000
_ENOUGH_MTU = 100


class ImprovBle:
    """name: what a phone shows in its list, at most 26 bytes."""

    def __init__(self, ble: "bluetooth.BLE", improv: Improv, name: bytes) -> None:
        self._ble = ble
        self._improv = improv
        self._name = name[:26]
        self._conn: int | None = None
        self._mtu = 23
        self._state = self._error = self._command = self._result = 0
        self._left = False
        self._flag = asyncio.ThreadSafeFlag()  # type: ignore[attr-defined]
        self._got = b""
        self._got_at = 0
        self._out: list[bytes] = []

    @property
    def results_fit(self) -> int:
        """One notification where it can carry much; else pieces."""
        return self._mtu - 6 if self._mtu >= _ENOUGH_MTU else 255

    def register(self) -> None:
        """OSError while the radio is in use."""
        parts = [(bluetooth.UUID(_SERVICE % (at + 1)), flags) for at, flags in enumerate(_FLAGS)]
        handles = self._ble.gatts_register_services(((bluetooth.UUID(_SERVICE % 0), tuple(parts)),))[0]
        self._state, self._error, self._command, self._result, capabilities = handles
        self._ble.gatts_set_buffer(self._command, _PACKET, True)
        self._ble.gatts_set_buffer(self._result, _PACKET)
        self._ble.gatts_write(capabilities, bytes([CAPABILITIES]))
        self._ble.gatts_write(self._state, bytes([self._improv.state]))
        self._ble.gatts_write(self._error, bytes([NO_ERROR]))

    def heard(self, event: int, data: "tuple") -> None:  # type: ignore[type-arg]
        """From the radio's handler: keeps what came, and leaves."""
        if event not in (_CAME, _WENT, _WRITTEN, _MTU):
            return
        if event == _CAME and self._conn is not None:
            self._ble.gap_disconnect(data[0])
        elif event == _CAME:
            self._conn, self._mtu, self._got = data[0], 23, b""
        elif data[0] == self._conn and self._conn is not None:
            if event == _MTU:
                self._mtu = data[1]
            elif event == _WENT:
                self._conn, self._left = None, True
            elif event == _WRITTEN and data[1] == self._command:
                self._take(self._ble.gatts_read(self._command))
        self._flag.set()

    def _take(self, piece: bytes) -> None:
        """Writes may be parts of one packet; a part that is late begins a new one."""
        if time.ticks_diff(time.ticks_ms(), self._got_at) > _PIECE_MS:  # type: ignore[attr-defined]
            self._got = b""
        self._got_at = time.ticks_ms()  # type: ignore[attr-defined]
        if len(self._got) < _PACKET:
            self._got += piece

    async def run(self) -> None:
        """Is to be found, and obeys, until it is cancelled; then nobody is connected any more."""
        self._improv.carriers.append(self)
        try:
            self.state(self._improv.state)
            while True:
                await self._wait()
                if self._left:
                    self._left = False
                    self.error(NO_ERROR)
                    self._advertise()
                await self._obey()
                await self._send()
        finally:
            self._improv.carriers.remove(self)
            self._close()

    async def _wait(self) -> None:
        """For news; who says nothing for two minutes leaves the place to another."""
        try:
            await asyncio.wait_for_ms(self._flag.wait(), _IDLE_MS)  # type: ignore[attr-defined]
        except asyncio.TimeoutError:
            if self._conn is not None:
                self._ble.gap_disconnect(self._conn)

    async def _obey(self) -> None:
        if len(self._got) < 2 or len(self._got) < self._got[1] + 3:
            return
        packet, self._got = self._got, b""
        if len(packet) > packet[1] + 3 or checksum(packet[:-1]) != packet[-1]:
            self.error(INVALID)
        else:
            await self._improv.obey(packet[0], packet[2:-1], self)

    def state(self, number: int) -> None:
        self._ble.gatts_write(self._state, bytes([number]), True)
        if self._conn is None:
            self._advertise()

    def error(self, number: int) -> None:
        self._ble.gatts_write(self._error, bytes([number]), True)

    def result(self, command: int, strings: list[bytes]) -> None:
        packet = packed(command, strings)
        packet += bytes([checksum(packet)])
        self._ble.gatts_write(self._result, packet)
        size = self._mtu - 3
        self._out += [packet[at : at + size] for at in range(0, len(packet), size)]

    async def _send(self) -> None:
        """A full queue of the radio empties within some tens of milliseconds."""
        for piece in self._out:
            for _ in range(20):
                try:
                    if self._conn is not None:
                        self._ble.gatts_notify(self._conn, self._result, piece)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        self._out.clear()

    def _advertise(self) -> None:
        """Flags, service and service data fill the 31 bytes; the name goes into the answer to a scan."""
        data = b"\x02\x01\x06\x11\x07" + bytes(bluetooth.UUID(_SERVICE % 0))
        data += b"\x09\x16\x77\x46" + bytes([self._improv.state, CAPABILITIES]) + bytes(4)
        name = bytes([len(self._name) + 1, 9]) + self._name
        try:
            self._ble.gap_advertise(_INTERVAL_US, data, resp_data=name)
        except OSError:  # busy connecting to a device: the next change of state asks again
            pass

    def _close(self) -> None:
        try:
            self._ble.gap_advertise(None)
            if self._conn is not None:
                self._ble.gap_disconnect(self._conn)
        except OSError:  # the radio was switched off
            pass
