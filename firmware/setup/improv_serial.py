"""Improv over a cable: packets between the lines of the log.

improv-wifi.com/serial, version 1: IMPROV, version, type, length, data, checksum; each of ours on a line of
its own. A cable needs the finger too: it may lead to anybody's charger. The states are those of Bluetooth.
"""

import asyncio
import sys

from firmware.setup.improv import (
    HOSTNAME,
    INVALID,
    NETWORK,
    PROVISIONED,
    SCAN,
    UNKNOWN_COMMAND,
    Improv,
    checksum,
    packed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from firmware.setup.window import Setup

    class Stream(Protocol):
        """Both ways of a port; a stream of asyncio is one."""

        async def read(self, n: int) -> bytes: ...
        def write(self, data: bytes) -> None: ...
        async def drain(self) -> None: ...


_HEAD = b"IMPROV\x01"
_STATE, _ERROR, _COMMAND, _RESULT = 1, 2, 3, 4
_ASK_STATE = 2  # where Bluetooth has identify
_ONLINE, _HAS_WIFI = 1, 2
_PACKET_MS = 3000


class ImprovSerial:
    """stream: an asyncio stream on the port. Bytes that are no packet are not ours and are passed over."""

    results_fit = 255

    def __init__(self, stream: "Stream", improv: Improv, host: "Setup") -> None:
        self._stream = stream
        self._improv = improv
        self._host = host

    async def run(self) -> None:
        self._improv.carriers.append(self)
        try:
            self.state(self._improv.state)
            while True:
                kind, data = await self._packet()
                if kind == _COMMAND:
                    await self._command(data)
                    await self._stream.drain()
        except (OSError, EOFError):  # the cable is out
            pass
        finally:
            self._improv.carriers.remove(self)

    async def _packet(self) -> tuple[int, bytes]:
        """The next whole packet; (0, b"") for one that is damaged or stops half way, which is answered."""
        await self._head()
        try:
            kind, data, told = await asyncio.wait_for_ms(self._rest(), _PACKET_MS)  # type: ignore[attr-defined]
        except asyncio.TimeoutError:
            kind, data, told = 0, b"", -1
        if told == checksum(_HEAD + bytes([kind, len(data)]) + data):
            return kind, data
        self.error(INVALID)
        return 0, b""

    async def _rest(self) -> tuple[int, bytes, int]:
        """Type, data and checksum."""
        kind, size = await self._exactly(2)
        data = await self._exactly(size)
        return kind, data, (await self._exactly(1))[0]

    async def _exactly(self, size: int) -> bytes:
        """One by one: a port that is asked for two and has one stops everything until the other comes."""
        data = b""
        while len(data) < size:
            sign = await self._stream.read(1)
            if not sign:
                raise EOFError
            data += sign
        return data

    async def _head(self) -> None:
        """One byte after the other: none of the head's is its first again, so a start over loses nothing."""
        met = 0
        while met < len(_HEAD):
            sign = (await self._exactly(1))[0]
            met = met + 1 if sign == _HEAD[met] else int(sign == _HEAD[0])

    async def _command(self, data: bytes) -> None:
        if len(data) < 2 or len(data) != 2 + data[1]:
            return self.error(INVALID)
        command, rest = data[0], data[2:]
        if command == _ASK_STATE:
            return self._tell_state()
        if command == NETWORK:
            return self._tell_network()
        if command > HOSTNAME + 1:
            return self.error(UNKNOWN_COMMAND)
        return await self._improv.obey(command, rest, self)

    def _tell_state(self) -> None:
        self.error(0)
        self.state(self._improv.state)
        if self._improv.state == PROVISIONED:
            self.result(_ASK_STATE, self._host.urls())

    def _tell_network(self) -> None:
        self.error(0)
        online = self._host.connected
        self.result(
            NETWORK,
            [b"%d" % (_HAS_WIFI + (_ONLINE if online else 0))] + (self._host.urls() if online else []),
        )

    def state(self, number: int) -> None:
        self._send(_STATE, bytes([number]))

    def error(self, number: int) -> None:
        self._send(_ERROR, bytes([number]))

    def result(self, command: int, strings: list[bytes]) -> None:
        """The networks heard go one by one, YES or NO for a password, and nothing after the last."""
        if command == SCAN:
            for at in range(0, len(strings), 3):
                locked = b"NO" if strings[at + 2] == b"NO" else b"YES"
                self._send(_RESULT, packed(SCAN, strings[at : at + 2] + [locked]))
            strings = []
        self._send(_RESULT, packed(command, strings))

    def _send(self, kind: int, data: bytes) -> None:
        """A line break before it too: half a line of the log may stand there."""
        packet = _HEAD + bytes([kind, len(data)]) + data
        self._stream.write(b"\n" + packet + bytes([checksum(packet)]) + b"\n")


class Console:
    """The port that the log is on, as a stream. Until `close_console` 0x03 in a packet is no Ctrl-C."""

    def __init__(self) -> None:
        import micropython

        micropython.kbd_intr(-1)
        self.read = asyncio.StreamReader(sys.stdin.buffer).read  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)

    async def drain(self) -> None:
        """Nothing waits here: the port takes what it is given."""


def close_console() -> None:
    import micropython

    micropython.kbd_intr(3)
