"""A virtual Ascensia Contour meter on a cable: ASTM E1381 frames that it repeats until they are acknowledged.

Layout: devices.md section 8.6; encoded here without any code of the gateway. At EOT it shows its header and
asks with ENQ; after the first ACK it sends everything it holds, oldest first, one record a frame.
"""

import asyncio
from datetime import timedelta

from gateway.simulator.cable import Cable
from gateway.simulator.encoding import scaled
from gateway.simulator.meter_memory import Record

_ENQ, _EOT, _ACK, _NAK = 0x05, 0x04, 0x06, 0x15
_ETB, _ETX = b"\x17", b"\x03"
_LOWEST, _HIGHEST = 20, 600  # mg/dL
_MEALS = {"": "", "before-meal": "B", "after-meal": "A"}
_MOST_SENDS, _ANSWER_S = 6, 15


def frame(number: int, text: bytes, end: bytes) -> bytes:
    """STX, number, text, end, sum of these in two digits, CR LF."""
    body = b"%d" % (number % 8) + text + b"\r" + end
    return b"\x02" + body + b"%02X" % (sum(body) & 0xFF) + b"\r\n"


class ContourMeter(Cable):
    """9600 8N1.

    refuses: so many of the next EOTs are answered with NAK. damages: so many of the next frames have a wrong
    byte. deaf: so many of the next ACKs are not heard, so that the frame comes again. in_reports: it wraps
    what it says in USB reports. mmol: its unit.
    """

    driver = "ascensia-contour"
    stores = True
    serial = "7410-1611135"
    refuses = damages = deaf = 0
    in_reports = mmol = False
    _frames: tuple[tuple[Record | None, bytes], ...] = ()
    _at = -1  # of _frames; -1: nothing is asked or sent
    _sends = 0
    _waiting: asyncio.Task[None] | None = None

    # What a person does.

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        await self.measure(self.unlike(64, 190), ago=ago)

    async def measure(
        self, number: int, meal: str = "", *, control: bool = False, ago: timedelta = timedelta(0)
    ) -> None:
        """A drop of blood, or of control solution. number: mg/dL, or tenths of mmol/L."""
        moment = (self.clock() - ago).replace(second=0, microsecond=0)
        unit = "mmol/L" if self.mmol else "mg/dL"
        limit = "" if self.mmol else ">" if number > _HIGHEST else "<" if number < _LOWEST else ""
        shown = scaled(number, 1) if self.mmol else str(number)
        if control:
            row = self.truth.no_reading(control=shown)
        else:
            told = {"": shown, ">": ">600", "<": "<20"}[limit]
            context = {"meal": meal} if meal else {}
            row = self.truth.measured(
                "glucose",
                {"glucose": told},
                moment,
                units={"glucose": unit},
                context={**context, "reference-method": "plasma"},
                record=len(self.memory.records) + 1,
            )
        markers = "/".join(mark for mark in (_MEALS[meal], "C" if control else "", limit) if mark)
        text = f"^^^Glucose|{shown}|{unit}^P||{markers}||{moment:%Y%m%d%H%M}"
        self.memory.add(row, ("result", text.encode()))

    # What it says.

    def _header(self) -> bytes:
        settings = f"A=1^C=00^G=en^I=0200^R=0^S=01^U={int(self.mmol)}^V=20600^X=070070180130^Z=1"
        about = f"Contour7410^01.14\\01.03\\04.18^{self.serial}^0000-"
        tail = f"{len(self.memory.records)}|||||P|1|{self.clock():%Y%m%d%H%M}"
        return f"H|\\^&||qvqOi8|{about}|{settings}|{tail}".encode()

    def _transfer(self) -> tuple[tuple[Record | None, bytes], ...]:
        """Each record with its frame; None: header, patient and end."""
        texts: list[tuple[Record | None, bytes]] = [(None, self._header()), (None, b"P|1")]
        for at, record in enumerate(self.memory.records):
            texts.append((record, b"R|%d|" % (at + 1) + record.data))
        whole = tuple((record, frame(number, text, _ETB)) for number, (record, text) in enumerate(texts, 1))
        return (*whole, (None, frame(len(texts) + 1, b"L|1||N", _ETX)))

    async def asked(self, data: bytes) -> None:
        for byte in self._unwrapped(data):
            if byte == _EOT:
                await self._open()
            elif self._at >= 0:
                await self._answered(byte)

    async def _open(self) -> None:
        self._stop_waiting()
        self._at = -1
        if self.refuses:
            self.refuses -= 1
            await self._tell(bytes((_NAK,)))
            return
        self._frames, self._at = self._transfer(), 0
        await self._tell(bytes((_EOT,)) + self._frames[0][1] + bytes((_ENQ,)))

    async def _answered(self, byte: int) -> None:
        """ACK brings the next frame, NAK the same again; the first ACK is for ENQ."""
        if byte == _ACK and self.deaf:
            self.deaf -= 1
            self.truth.write("deaf")
        elif byte == _ACK:
            if self._at and (record := self._frames[self._at - 1][0]) is not None:
                self.truth.confirmed(record.number)
            self._at += 1
            self._sends = 0
            await self._send()
        elif byte == _NAK and not self._at:
            await self._tell(bytes((_ENQ,)))
        elif byte == _NAK:
            self.truth.write("refused")
            await self._send()

    async def _send(self) -> None:
        """The frame whose turn it is; EOT after the last one, or when nobody takes it."""
        self._stop_waiting()
        self._sends += 1
        if self._at > len(self._frames) or self._sends > _MOST_SENDS:
            self._at = -1
            await self._tell(bytes((_EOT,)))
            return
        record, whole = self._frames[self._at - 1]
        if record is not None:
            self.truth.sent(record.number, hex=whole.hex())
        if self.damages:
            self.damages -= 1
            whole = whole[:9] + bytes((whole[9] ^ 1,)) + whole[10:]
        self._waiting = asyncio.get_running_loop().create_task(self._again())
        await self._tell(whole)

    async def _again(self) -> None:
        """Nobody answered: the frame comes again, with the same number."""
        await asyncio.sleep(_ANSWER_S / self.speed)
        self._waiting = None
        self.truth.write("said-again")
        await self._send()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None

    def unplug(self) -> None:
        self._stop_waiting()
        self._at = -1
        super().unplug()

    # USB reports: "ABC", a length, up to 60 bytes, padding.

    async def _tell(self, data: bytes) -> None:
        if self.in_reports:
            pieces = [data[at : at + 60] for at in range(0, len(data), 60)]
            data = b"".join(b"ABC" + bytes((len(piece),)) + piece.ljust(60, b"\0") for piece in pieces)
        await self.say(data)

    def _unwrapped(self, data: bytes) -> bytes:
        said = b""
        while data[:3] == b"ABC":
            said += data[4 : 4 + data[3]]
            data = data[64:]
        return said + data
