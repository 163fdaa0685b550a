"""Virtual LifeScan meters on a cable: Ultra Easy, Verio IQ and Ultra2. They speak when they are asked.

Layouts: devices.md section 8.4; encoded here without any code of the gateway. Stored times move with the
clock: a meter keeps how long ago something was, and tells it in the time of its clock as it is now set.
"""

import asyncio
import binascii
import random
from datetime import datetime, timedelta

from gateway.simulator.cable import Cable
from gateway.simulator.meter_memory import Record

_STX, _ETX = 0x02, 0x03
_ACK, _DISCONNECT = 0x04, 0x08
_NO_SUCH_RECORD = 501
_SINCE_1970, _SINCE_2000 = datetime(1970, 1, 1), datetime(2000, 1, 1)  # noqa: DTZ001 (devices know no zone)
_LOWEST, _HIGHEST, _HI = 20, 600, 0xFFFF
_MEALS = ("", "before-meal", "after-meal")
_RESEND_S, _RESENDS = 1, 3


def frame(payload: bytes = b"", link: int = 0) -> bytes:
    """02, size, link byte, payload, 03, CRC-16/CCITT-FALSE with its low byte first."""
    body = bytes((_STX, len(payload) + 6, link)) + payload + bytes((_ETX,))
    return body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "little")


def line(text: str) -> bytes:
    """Text, a blank, the sum of its codes in four digits, CR."""
    return f"{text} {sum(text.encode()) & 0xFFFF:04X}\r".encode()


def seconds(moment: datetime, epoch: datetime) -> bytes:
    return int((moment - epoch).total_seconds()).to_bytes(4, "little")


class LifescanMeter(Cable):
    """What all of them are: a memory with the newest record first, and a clock that moves its times."""

    driver = "lifescan-serial"
    stores = True
    serial = "SIM0001EY"

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        await self.measure(random.randint(64, 190), ago=ago)

    async def measure(
        self, mg_dl: int, *, meal: int = 0, control: bool = False, ago: timedelta = timedelta(0)
    ) -> None:
        """A drop of blood, or of control solution; beyond 20 to 600 the meter shows LO or HI."""
        happened = (datetime.now() - ago).replace(microsecond=0)  # noqa: DTZ005 (devices know no zone)
        context = {"meal": _MEALS[meal]} if meal else {}
        if control:
            number = self.truth.no_reading(control=mg_dl)
        else:
            shown = ">600" if mg_dl > _HIGHEST else "<20" if mg_dl < _LOWEST else str(mg_dl)
            number = self.truth.measured("glucose", {"glucose": shown}, self._told(happened), context=context)
        raw = _HI if mg_dl > _HIGHEST else mg_dl
        record = seconds(happened, _SINCE_1970) + raw.to_bytes(2, "little") + bytes((control, meal))
        self.memory.add(number, ("record", record))

    def move_clock(self, by: timedelta) -> None:
        """A person sets the meter's clock: what is stored moves with it."""
        self.memory.set_clock(self.memory.now() + by)
        self.truth.write("clock-moved", seconds=by.total_seconds())

    def _told(self, happened: datetime) -> datetime:
        offset = self.memory.now() - datetime.now()  # noqa: DTZ005 (as above)
        return happened + timedelta(seconds=round(offset.total_seconds()))

    def record(self, number: int) -> Record | None:
        """The record of this number; 0 is the newest."""
        return self.memory.records[-1 - number] if number < len(self.memory.records) else None

    def content(self, record: Record) -> tuple[datetime, int, int, int]:
        """Time as told now, mg/dL as stored, control, meal."""
        data = record.data
        happened = _SINCE_1970 + timedelta(seconds=int.from_bytes(data[:4], "little"))
        return self._told(happened), int.from_bytes(data[4:6], "little"), data[6], data[7]

    async def tell(self, record: Record, data: bytes) -> None:
        """Says a record to the end, to somebody or nobody."""
        self.truth.sent(record.number, hex=data.hex())
        if await self.say(data):
            self.truth.confirmed(record.number)


class _Framed(LifescanMeter):
    """Hears whole frames with a right checksum; everything else is dropped."""

    _rest = b""

    async def asked(self, data: bytes) -> None:
        self._rest += data
        while (start := self._rest.find(_STX)) >= 0:
            self._rest = self._rest[start:]
            size = self._rest[1] if len(self._rest) > 1 else 0
            if not size or len(self._rest) < size:
                return
            whole, self._rest = self._rest[:size], self._rest[size:]
            if size >= 6 and frame(whole[3:-3], whole[2]) == whole:
                await self.heard_frame(whole[2], whole[3:-3])
        self._rest = b""

    async def heard_frame(self, link: int, payload: bytes) -> None:
        raise NotImplementedError


class UltraEasy(_Framed):
    """OneTouch Ultra Easy, in other countries Ultra Mini.

    Every frame has a one-bit number; a reply comes again after a second without acknowledgement, three
    times. acknowledgements_lost: so many of the hub's next ones never arrive.
    """

    acknowledgements_lost = 0
    _open = False
    _ours = _expected = 0
    _unheard: tuple[bytes, Record | None] | None = None
    _resending: asyncio.Task[None] | None = None

    async def heard_frame(self, link: int, payload: bytes) -> None:
        if link & _DISCONNECT:
            self._open = True
            self._ours = self._expected = 0
            self._unheard = None
            await self.say(frame(b"", _DISCONNECT | _ACK))
        elif not self._open:
            self.truth.write("not-open")
        elif link & _ACK:
            self._acknowledged(link)
        elif link & 1 != self._expected:
            await self.say(frame(b"", self._link() | _ACK))
        else:
            self._expected ^= 1
            await self.say(frame(b"", self._link() | _ACK))
            await self._reply(payload)

    def _link(self) -> int:
        return self._ours | self._expected << 1

    def _acknowledged(self, link: int) -> None:
        if self.acknowledgements_lost:
            self.acknowledgements_lost -= 1
        elif self._unheard is not None and link >> 1 & 1 != self._ours:
            record = self._unheard[1]
            self._unheard = None
            self._ours ^= 1
            if record is not None:
                self.truth.confirmed(record.number)

    async def _reply(self, payload: bytes) -> None:
        said, record = self._answer(payload)
        self._unheard = (frame(said, self._link()), record)
        if record is not None:
            self.truth.sent(record.number, hex=self._unheard[0].hex())
        await self.say(self._unheard[0])
        if self._resending is not None:
            self._resending.cancel()
        self._resending = asyncio.get_running_loop().create_task(self._say_again(self._unheard))

    async def _say_again(self, reply: tuple[bytes, Record | None]) -> None:
        for _ in range(_RESENDS):
            await asyncio.sleep(_RESEND_S / self.speed)
            if self._unheard is not reply:
                return
            self.truth.write("said-again")
            await self.say(reply[0])

    async def stop(self) -> None:
        await super().stop()
        if self._resending is not None:
            self._resending.cancel()

    def _answer(self, payload: bytes) -> tuple[bytes, Record | None]:
        number = int.from_bytes(payload[2:4], "little")
        record = self.record(number) if payload[:2] == b"\x05\x1f" else None
        if record is not None:
            moment, mg_dl, _, _ = self.content(record)
            return b"\x05\x06" + seconds(moment, _SINCE_1970) + mg_dl.to_bytes(4, "little"), record
        if payload == b"\x05\x1f" + _NO_SUCH_RECORD.to_bytes(2, "little"):
            return b"\x05\x0f" + len(self.memory.records).to_bytes(2, "little"), None
        answers = {
            b"\x05\x0b\x02" + bytes(9): self.serial.encode(),
            b"\x05\x0d\x02": b"\x11P02.00.0025/05/07",
            b"\x05\x20\x02" + bytes(4): seconds(self.clock(), _SINCE_1970),
        }
        return (b"\x05\x06" + answers[payload] if payload in answers else b"\x05\x09"), None


class VerioIq(_Framed):
    """OneTouch Verio IQ: the same frames at 38400 baud, without numbers. It keeps control tests and meals."""

    serial = "SIM0001IQ"

    async def heard_frame(self, link: int, payload: bytes) -> None:
        record = self.record(int.from_bytes(payload[2:4], "little")) if payload[:2] == b"\x03\x21" else None
        if record is not None:
            moment, mg_dl, control, meal = self.content(record)
            said = seconds(moment, _SINCE_2000) + mg_dl.to_bytes(2, "little") + bytes((control, meal, 0, 0))
            await self.tell(record, frame(b"\x03\x06" + said, link))
            return
        answers = {
            b"\x03\x0b\x01\x02": self.serial.encode() + b"\x00",
            b"\x03\x0d\x01": b"\x0801.02.03\x00",
            b"\x03\x20\x02": seconds(self.clock(), _SINCE_2000),
            b"\x03\x27\x00": len(self.memory.records).to_bytes(2, "little"),
        }
        if payload[:1] == b"\x03":
            await self.say(frame(b"\x03\x06" + answers[payload] if payload in answers else b"\x03\x09", 0))


class Ultra2(LifescanMeter):
    """OneTouch Ultra2: lines of text. Its year has two digits; it knows meals, not what LO and HI were."""

    serial = "SIM0001AY"
    _rest = b""

    async def asked(self, data: bytes) -> None:
        *commands, self._rest = (self._rest + data).split(b"\r")
        for command in commands:
            await self._command(command.strip(b"\x11").decode("ascii", "replace"))

    async def _command(self, command: str) -> None:
        answers = {
            "DM@": f'@ "{self.serial}"',
            "DM?": "?P02.00.00 30/08/06",
            "DMF": "F " + _day(self.clock()),
        }
        if command in answers:
            await self.say(line(answers[command]) + b"\n")
        elif command == "DMP":
            await self.say(line(f'P {len(self.memory.records):03d},"{self.serial}","MMOL/L"') + b"\n")
            for record in reversed(self.memory.records):
                await self.tell(record, line(self._row(record)) + b"\n")

    def _row(self, record: Record) -> str:
        moment, mg_dl, control, meal = self.content(record)
        shown = "HIGH" if mg_dl > _HIGHEST else "LOW " if mg_dl < _LOWEST else f" {mg_dl:03d}"
        return f'P {_day(moment)},"{"C" if control else " "}{shown} ","{"NBA"[meal]}","00", 00'


def _day(moment: datetime) -> str:
    """As in `"SAT","03/21/15","16:45:24   "`."""
    return f'"{moment:%a}","{moment:%m/%d/%y}","{moment:%H:%M:%S}   "'.upper()
