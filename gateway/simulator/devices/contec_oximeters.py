"""Virtual Contec finger oximeters on a cable, of both generations: live values, and sessions of whole nights.

Layouts: devices.md sections 8.1 and 8.2, dates and lengths as real ones tell them; encoded here without any
code of the gateway. A session is recorded while the oximeter hangs on no cable.
"""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.simulator.cable import Cable
from gateway.simulator.meter_memory import Record

PACKETS_A_SECOND = 60
A_MINUTE = 60 * PACKETS_A_SECOND
IDLE_S = 0.02  # between two packets without a finger: slower than life, for nobody reads them
Pair = tuple[int, int]  # SpO2, pulse; (0, 0) where the oximeter has no number


def demanded(pairs: list[Pair], window: int) -> list[int]:
    """Which values must be reported: of each window the last that is one."""
    windows = [range(at, min(at + window, len(pairs))) for at in range(0, len(pairs), window)]
    valid = [[at for at in places if pairs[at] != (0, 0)] for places in windows]
    return [places[-1] for places in valid if places]


def shown(pair: Pair) -> dict[str, str]:
    return {"spo2": str(pair[0]), "pulse-rate": str(pair[1])}


class ContecOximeter(Cable):
    """What both generations are. While it is on, and may, it shows live values, with or without a finger.

    pause_s: so long it is silent in the middle of the next session that it tells, as after XOFF.
    """

    driver = "contec-cms50"
    stores = True
    clock_told = False
    pause_s = 0.0
    _live = False
    _spoken_to = False  # since it was plugged in; what is sent before, the hub may throw away as it opens
    _idling: asyncio.Task[None] | None = None

    def plug_in(self) -> None:
        super().plug_in()
        self._spoken_to = False
        self._busy = asyncio.Lock()
        self._idling = asyncio.get_running_loop().create_task(self._idle())

    def unplug(self) -> None:
        super().unplug()
        if self._idling is not None and self._idling is not asyncio.current_task():
            self._idling.cancel()
        self._idling = None

    def packet(self, pair: Pair | None) -> bytes:
        """A live packet; None: no finger is in."""
        raise NotImplementedError

    async def _idle(self) -> None:
        while self.plugged_in:
            async with self._busy:
                if self._live and self.heard:
                    self.send(self.packet(None))
            await asyncio.sleep(IDLE_S)

    # What a person does.

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        values = [(random.randint(93, 99), random.randint(52, 99)) for _ in range(130 if ago else 90)]
        if ago:
            await self.night(values, ago=ago)
        else:
            await self.ready()
            await self.finger(values)

    async def ready(self, timeout_s: float | None = None) -> None:
        """Returns when somebody listens to live values."""
        async with asyncio.timeout(timeout_s):
            while not (self._live and self._spoken_to and self.heard):  # noqa: ASYNC110 (the kernel tells only when asked)
                await asyncio.sleep(IDLE_S)

    async def finger(self, pairs: list[Pair]) -> bool:
        """A finger is put in, these values are shown one packet each, and it is taken out."""
        async with self._busy:
            numbers = [self._measured(pairs[at], None, "spot") for at in demanded(pairs, A_MINUTE)]
            complete = self.heard
            for at in range(0, len(pairs), PACKETS_A_SECOND):
                data = b"".join(self.packet(pair) for pair in pairs[at : at + PACKETS_A_SECOND])
                complete = await self.say(data) and complete
                await asyncio.sleep(len(data) / len(self.packet(None)) / PACKETS_A_SECOND / self.speed)
            complete = await self.say(self.packet(None) * 2) and complete
        self._told(numbers, complete=complete)
        for number in numbers if not complete else []:
            self.truth.cut_off(number)
        return complete

    async def night(self, pairs: list[Pair], *, ago: timedelta = timedelta(0)) -> None:
        """A session is recorded, one value a second; the cable is out meanwhile."""
        plugged_in = self.plugged_in
        if plugged_in:
            self.unplug()
        began = (self.clock() - ago).replace(microsecond=0)
        numbers = [self._measured(pairs[at], self._time(began, at), "stored") for at in demanded(pairs, 60)]
        parts = (("began", began.isoformat().encode()), ("numbers", json.dumps(numbers).encode()))
        self.keep(parts, bytes(byte for pair in pairs for byte in pair))
        if plugged_in:
            self.plug_in()

    def keep(self, parts: tuple[tuple[str, bytes], ...], pairs: bytes) -> None:
        self.memory.add(0, *parts, ("pairs", pairs))

    def _measured(self, pair: Pair, moment: datetime | None, origin: str) -> int:
        return self.truth.measured("oximetry", shown(pair), moment, origin=origin, notes=[])

    def _time(self, began: datetime, second: int) -> datetime | None:
        return began + timedelta(seconds=second) if self.clock_told else None

    # What it says.

    def _told(self, numbers: list[int], *, complete: bool) -> None:
        for number in numbers:
            self.truth.sent(number)
            if complete:
                self.truth.confirmed(number)

    async def tell_session(self, record: Record, encoded: Callable[[list[Pair]], bytes]) -> None:
        """All values of a session, in the middle of which it may be silent for a while."""
        pairs = record.parts[2][1]
        data = encoded([(pairs[at], pairs[at + 1]) for at in range(0, len(pairs), 2)])
        pause_s, self.pause_s = self.pause_s, 0.0
        complete = await self.say_with_pause(data, pause_s)
        self._told(json.loads(record.parts[1][1]), complete=complete)


class OldContec(ContecOximeter):
    """CMS50D+ up to firmware 4.6: live values all the time; one session, without a time, for F5 F5."""

    _live = True
    _asked = b""

    def packet(self, pair: Pair | None) -> bytes:
        spo2, pulse = pair or (0, 0)
        out = 0x10 if pair is None else 0
        return bytes((0x80 | out | 5, 40, pulse >> 1 & 0x40 | out | 7, pulse & 0x7F, spo2))

    def keep(self, parts: tuple[tuple[str, bytes], ...], pairs: bytes) -> None:
        """A new session takes the place of the old one."""
        for record in list(self.memory.records):
            self.memory.forget(record)
        super().keep(parts, pairs)

    async def asked(self, data: bytes) -> None:
        self._spoken_to = True
        self._asked = (self._asked + data)[-2:]
        if self._asked == b"\xf5\xf5" and self.memory.records:
            self._asked = b""
            async with self._busy:
                await self.tell_session(self.memory.records[0], self._encoded)

    def _encoded(self, pairs: list[Pair]) -> bytes:
        size = 3 * len(pairs) - 1
        head = b"\xf2\x80\x00" * 3 + bytes((0x80 | size >> 14, 0x80 | size >> 7 & 0x7F, size & 0x7F))
        return head + b"".join(bytes((0xF0 | pulse >> 7, 0x80 | pulse & 0x7F, spo2)) for spo2, pulse in pairs)


class NewContec(ContecOximeter):
    """CMS50D+ of newer firmware, CMS50E and F: speaks when spoken to; sessions with their times.

    A command to erase is refused, and stands in the truth log as a fault.
    """

    clock_told = True
    _heard = b""

    @staticmethod
    def wrapped(kind: int, data: bytes) -> bytes:
        """Kind, the high bits of the data in one byte, and the data with bit 7 set."""
        high = sum(byte >> 7 << at for at, byte in enumerate(data))
        return bytes((kind, 0x80 | high)) + bytes(byte | 0x80 for byte in data)

    def packet(self, pair: Pair | None) -> bytes:
        spo2, pulse = pair or (0x7F, 0xFF)
        return self.wrapped(1, bytes((0x85 if pair is None else 5, 64, 3, pulse, spo2, 0xFF, 0xFF)))

    def plug_in(self) -> None:
        self._live, self._heard = False, b""
        super().plug_in()

    async def asked(self, data: bytes) -> None:
        self._spoken_to = True
        self._heard += data
        while len(self._heard) >= 9:
            command, self._heard = self._heard[:9], self._heard[9:]
            if command[:2] == b"\x7d\x81":
                async with self._busy:
                    await self._answer(command[2], command[4] & 0x7F)

    async def _answer(self, code: int, segment: int) -> None:
        if code in {0xA0, 0xA2, 0xA7}:
            self._live = False
            await self.say(b"\x0c\x80")
        elif code == 0xA1:
            self._live = True
        elif code == 0xA3:
            await self.say(self.wrapped(0x0A, bytes((0, len(self.memory.records)))))
        elif code in {0xA4, 0xA5, 0xA6} and segment < len(self.memory.records):
            await self._tell(code, segment, self.memory.records[segment])
        elif code == 0xA8:
            await self.say(self.wrapped(2, b"\x00CMS50D") + self.wrapped(2, b"\x01+     "))
        elif code == 0xA9:
            await self.say(self.wrapped(3, b"CONTEC "))
        elif code != 0xAF:
            if code == 0xAE:
                self.truth.write("fault", error="asked to erase")
            await self.say(self.wrapped(0x0B, bytes((code, 5))))

    async def _tell(self, code: int, segment: int, record: Record) -> None:
        if code == 0xA4:
            size = len(record.parts[2][1]).to_bytes(4, "little")
            await self.say(self.wrapped(8, bytes((0, segment)) + size))
        elif code == 0xA5:
            began = datetime.fromisoformat(record.parts[0][1].decode())
            date = bytes((0, segment, began.year // 100, began.year % 100, began.month, began.day))
            time = bytes((0, segment, began.hour, began.minute, began.second, 0))
            await self.say(self.wrapped(7, date) + self.wrapped(0x12, time))
        else:
            await self.tell_session(record, self._encoded)

    def _encoded(self, pairs: list[Pair]) -> bytes:
        filled = [*pairs, *[(0, 0)] * (-len(pairs) % 3)]
        rows = [byte for pair in filled for byte in pair]
        return b"".join(self.wrapped(0x0F, bytes(rows[at : at + 6])) for at in range(0, len(rows), 6))
