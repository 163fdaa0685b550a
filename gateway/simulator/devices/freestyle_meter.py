"""A virtual FreeStyle meter on a cable: Optium with `$colq` and `$xmem`, or an older one with `mem`.

Layout: devices.md section 8.7; encoded here without any code of the gateway. What is stored keeps the time
that the meter's clock showed then.
"""

from datetime import datetime, timedelta

from gateway.simulator.cable import Cable
from gateway.simulator.encoding import scaled

_MONTHS = ("Jan ", "Feb ", "Mar ", "Apr ", "May ", "June", "July", "Aug ", "Sep ", "Oct ", "Nov ", "Dec ")
_HIGHEST, _LOWEST = 500, 20  # mg/dL
_KETONE_HIGHEST = 144  # kept as 18 times mmol/L
_CONTROL = 0x01


def day(moment: datetime) -> str:
    """Month in four characters, day, year."""
    return f"{_MONTHS[moment.month - 1]} {moment:%d %Y}"


class FreestyleMeter(Cable):
    """19200 8N1.

    older: it knows `mem` only. damages: so many of the next texts have a wrong character. pause_s: so long it
    is silent in the middle of the next text, as after XOFF.
    """

    driver = "freestyle-serial"
    stores = True
    serial = "DSIM001-00001"
    older = False
    damages = 0
    pause_s = 0.0
    _heard = b""

    def plug_in(self) -> None:
        self._heard = b""
        super().plug_in()

    # What a person does.

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        await self.measure(self.unlike(64, 190), ago=ago)

    async def measure(self, mg_dl: int, *, control: bool = False, ago: timedelta = timedelta(0)) -> None:
        """A drop of blood, or of control solution; beyond 20 to 500 the meter shows LO or HI."""
        beyond = "HI " if mg_dl > _HIGHEST else "LO " if mg_dl < _LOWEST else ""
        self._store(beyond or f"{mg_dl:03d}", "glucose", None if beyond else str(mg_dl), ago, control=control)

    async def ketone(self, kept: int, *, ago: timedelta = timedelta(0)) -> None:
        """A drop of blood on a ketone strip; kept: 18 times mmol/L. The meter shows one decimal."""
        tenths = int(kept / 1.8 + 0.5)
        beyond = kept > _KETONE_HIGHEST
        self._store("HI " if beyond else f"{kept:03d}", "ketone", None if beyond else scaled(tenths, 1), ago)

    def _store(
        self, kept: str, kind: str, shown: str | None, ago: timedelta, *, control: bool = False
    ) -> None:
        moment = (self.clock() - ago).replace(second=0, microsecond=0)
        if control:
            number = self.truth.no_reading(control=shown)
        else:
            unit = "mmol/L" if kind == "ketone" else "mg/dL"
            more = {"units": {kind: unit}, "origin": "stored", "notes": []}
            number = self.truth.measured(kind, {kind: shown}, moment, **more)
        letter = "00" if self.older else "K" if kind == "ketone" else "G"
        text = f"{kept}  {day(moment)} {moment:%H:%M} {letter} 0x{control * _CONTROL:02X}"
        self.memory.add(number, ("line", text.encode()))

    # What it says.

    async def asked(self, data: bytes) -> None:
        self._heard += data
        if self.older and self._heard.endswith(b"mem"):
            self._heard = b""
            await self._tell_memory()
        while b"\r\n" in self._heard:
            command, _, self._heard = self._heard.partition(b"\r\n")
            if not self.older:
                await self._answer(command)

    async def _answer(self, command: bytes) -> None:
        now = self.clock()
        if command == b"$colq":
            clock = f"{day(now)[:3]}  {now:%d %Y\t%H:%M:%S}"
            lines = (f"S/N:\t{self.serial}", "Ver:\t0.22\tMMOL", f"Clock:\t{clock}", "Market:\t1\t2")
            usage = f"Usage:\t{len(self.memory.records)}"
            await self.say("\r\n".join((*lines, usage, "CMD OK", "")).encode())
        elif command == b"$xmem":
            await self._tell_memory()
        else:
            await self.say(b"CMD Fail!\r\n")

    async def _tell_memory(self) -> None:
        """Newest first, and the sum of all characters."""
        told = list(reversed(self.memory.records))
        now = self.clock()
        lines = ["", self.serial, "0.22", f"{day(now)} {now:%H:%M:%S}", f"{len(told):03d}"]
        text = "\r\n".join([*lines, *(record.data.decode() for record in told), ""]).encode()
        text += f"0x{sum(text) & 0xFFFF:04X}  END\r\n".encode()
        damaged = self.damages > 0
        if damaged:
            self.damages -= 1
            text = text.replace(b"0.22", b"0.23")
        for record in told:
            self.truth.sent(record.number)
        pause_s, self.pause_s = self.pause_s, 0.0
        if await self.say_with_pause(text, pause_s) and not damaged:
            for record in told:
                self.truth.confirmed(record.number)
