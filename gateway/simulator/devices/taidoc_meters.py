"""Virtual TaiDoc meters (FORA, GlucoRx …), on a cable and over Bluetooth: they speak when they are asked.

Layouts: devices.md sections 8.5 and 7.9; encoded here without any code of the gateway. Stored times move with
the clock: a meter keeps how long ago something was, and tells it in the time of its clock as it is now set.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.advertiser import Part, flags, local_name, services
from gateway.simulator.cable import Cable
from gateway.simulator.encoding import scaled
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.virtual_device import VirtualDevice

SERVICE = "00001523-1212-efde-1523-785feabcd123"
_CHARACTERISTIC = "00001524-1212-efde-1523-785feabcd123"
_COMMAND, _REPLY, _SIZE = 0xA3, 0xA5, 8
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 (devices know no zone)
_LOWEST, _HIGHEST, _MOST_KETONE = 20, 600, 240
_MEALS = {"": 0, "before-meal": 0x40, "after-meal": 0x80}
_CONTROL, _KETONE_STRIP = 0xC0, 7 << 2
_CUFF, _BOTH, _THERMOMETER = (0x3128, 0x3140), 0x3261, 0x1261
_FORBIDDEN = (0x52, 0x43, 0x50, 0x33)


def frame(command: int, data: bytes) -> bytes:
    """51, command, d0 to d3, A5, sum of all before it."""
    body = bytes((0x51, command)) + data + bytes((_REPLY,))
    return body + bytes((sum(body) & 0xFF,))


class TaiDocMeter(VirtualDevice):
    """Memory and answers, whatever the bytes travel on.

    model: what it says it is, and with it what it measures. wakes: so many of the next commands are answered
    by 54 alone: it just begins to listen. damages: so many of the next replies have a wrong sum.
    """

    driver = "taidoc"
    stores = True
    serial = "01A2B3C4D5E6F708"
    model = 0x4277
    wakes = 0
    damages = 0
    _telling: Record | None = None

    # What a person does.

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        if self.model in (*_CUFF, _BOTH):
            numbers = random.randint(105, 165), random.randint(60, 95), random.randint(52, 99)
            await self.cuff(*numbers, user=0 if self.model == 0x3128 else 1, ago=ago)
        elif self.model == _THERMOMETER:
            await self.temperature(random.randint(360, 389), ago=ago)
        else:
            await self.glucose(self.unlike(64, 190), ago=ago)

    async def glucose(
        self,
        mg_dl: int,
        meal: str = "",
        *,
        user: int = 0,
        control: bool = False,
        ago: timedelta = timedelta(0),
    ) -> None:
        """A drop of blood, or of control solution; beyond 20 to 600 the meter shows LO or HI."""
        shown = ">600" if mg_dl > _HIGHEST else "<20" if mg_dl < _LOWEST else str(mg_dl)
        value = mg_dl.to_bytes(2, "little") + bytes((44, 0x03 | (_CONTROL if control else _MEALS[meal])))
        context = {"meal": meal} if meal else {}
        told = None if control else {"glucose": shown}
        await self._stored(
            "glucose", told, value, ago, user, context=context, units={"glucose": "mg/dL"}, user=user or None
        )

    async def ketone(self, thirtieths: int, *, ago: timedelta = timedelta(0)) -> None:
        shown = ">8.0" if thirtieths > _MOST_KETONE else scaled(thirtieths // 3, 1)
        value = thirtieths.to_bytes(2, "little") + bytes((0, _KETONE_STRIP))
        await self._stored("ketone", {"ketone": shown}, value, ago, units={"ketone": "mmol/L"})

    async def cuff(
        self,
        systolic: int,
        diastolic: int,
        pulse: int,
        *,
        user: int = 0,
        irregular: bool = False,
        ago: timedelta = timedelta(0),
    ) -> None:
        values = {"systolic": str(systolic), "diastolic": str(diastolic)}
        second = systolic >> 8
        if self.model != _BOTH:
            second = diastolic + (systolic - diastolic) // 3
            values["mean-arterial"] = str(second)
        value = bytes((systolic & 0xFF, second, diastolic, pulse))
        bits = (0x80 if self.model == _BOTH else 0) | (0x40 if irregular else 0)
        notes = ["irregular-pulse"] if irregular else []
        values["pulse-rate"] = str(pulse)
        await self._stored("blood-pressure", values, value, ago, user, bits, notes=notes, user=user or None)

    async def temperature(self, tenths: int, *, room: bool = False, ago: timedelta = timedelta(0)) -> None:
        """Of a person, or of the room (which is no reading)."""
        value = tenths.to_bytes(2, "little") + (215).to_bytes(2, "little")
        told = None if room else {"body-temperature": scaled(tenths, 1)}
        await self._stored("temperature", told, value, ago, 0, 0x40 if room else 0, 0x20 if room else 0)

    async def failed(self) -> None:
        """A measurement without a result."""
        await self._stored("", None, bytes(4), timedelta(0))

    def move_clock(self, by: timedelta) -> None:
        """A person sets the meter's clock: what is stored moves with it."""
        self.memory.set_clock(self.memory.now() + by)
        self.truth.write("clock-moved", seconds=by.total_seconds())

    async def news_is_there(self) -> None:
        """A measurement was stored; a meter with Bluetooth advertises now."""

    async def _stored(
        self,
        kind: str,
        values: Mapping[str, str] | None,
        value: bytes,
        ago: timedelta,
        bank: int = 0,
        minute_bits: int = 0,
        hour_bits: int = 0,
        **more: object,
    ) -> None:
        happened = (datetime.now() - ago).replace(microsecond=0)  # noqa: DTZ005 (devices know no zone)
        if values is None:
            number = self.truth.no_reading(hex=value.hex())
        else:
            number = self.truth.measured(kind, values, self._told(happened), **more)
        seconds = int((happened - _EPOCH).total_seconds()).to_bytes(4, "little")
        self.memory.add(number, (str(bank), seconds + bytes((minute_bits, hour_bits)) + value))
        await self.news_is_there()

    def _told(self, happened: datetime) -> datetime:
        offset = self.memory.now() - datetime.now()  # noqa: DTZ005 (as above)
        return (happened + timedelta(seconds=round(offset.total_seconds()))).replace(second=0)

    # What it answers.

    def reply(self, command: bytes) -> bytes:
        """To a whole command with a right sum; empty when it says nothing."""
        if command[1] in _FORBIDDEN:
            self.truth.write("fault", error=f"forbidden command {command[1]:02x}")
            return b""
        if self.wakes:
            self.wakes -= 1
            return frame(0x54, bytes(4))
        number, user = int.from_bytes(command[2:4], "little"), command[5]
        said = frame(command[1], self._answer(command[1], number, user))
        self._follow(command[1], self._record(number, user) if command[1] in (0x25, 0x26) else None)
        if self.damages:
            self.damages -= 1
            said = said[:-1] + bytes((said[-1] ^ 1,))
        return said

    def _follow(self, command: int, record: Record | None) -> None:
        """Whoever goes on to another record has this one."""
        if self._telling is not None and record is not self._telling and command in (0x25, 0x26, 0x2B):
            self.truth.confirmed(self._telling.number)
            self._telling = None
        if record is not None and command == 0x26:
            self._telling = record
            self.truth.sent(record.number)

    def _answer(self, command: int, number: int, user: int) -> bytes:
        record = self._record(number, user)
        serial = bytes.fromhex(self.serial)[::-1]
        answers = {
            0x23: _time(self.clock()),
            0x24: self.model.to_bytes(2, "little") + bytes(2),
            0x25: self._record_time(record),
            0x26: record.data[6:] if record else bytes(4),
            0x27: serial[:4],
            0x28: serial[4:],
            0x2B: len(self._bank(user)).to_bytes(2, "little") + b"\xff\xff",
        }
        return answers.get(command, bytes(4))

    def _bank(self, user: int) -> list[Record]:
        """A user's records, newest first."""
        return [record for record in reversed(self.memory.records) if record.parts[0][0] == str(user)]

    def _record(self, number: int, user: int) -> Record | None:
        bank = self._bank(user)
        return bank[number] if number < len(bank) else None

    def _record_time(self, record: Record | None) -> bytes:
        if record is None:
            return bytes(4)
        happened = _EPOCH + timedelta(seconds=int.from_bytes(record.data[:4], "little"))
        shown = _time(self._told(happened))
        return shown[:2] + bytes((shown[2] | record.data[4], shown[3] | record.data[5]))


class TaiDocCable(TaiDocMeter, Cable):
    """With a cable, 19200 8N1. Bytes that are no command are passed over."""

    _rest = b""

    async def asked(self, data: bytes) -> None:
        self._rest += data
        while (start := self._rest.find(0x51)) >= 0:
            self._rest = self._rest[start:]
            if len(self._rest) < _SIZE:
                return
            command = self._rest[:_SIZE]
            good = command[6] == _COMMAND and sum(command[:7]) & 0xFF == command[7]
            self._rest = self._rest[_SIZE if good else 1 :]
            if good:
                await self.say(self.reply(command))
        self._rest = b""


@dataclass
class TaiDocOptions(PeripheralOptions):
    """together: so many bytes of a reply stand in each notification."""

    manufacturer: str = "TaiDoc"
    model: str = "TD-SIM"
    bonds: bool = False
    together: int = 20


class TaiDocBluetooth(TaiDocMeter, Peripheral):
    """The same frames over service 1523; it needs no bond."""

    called = "TAIDOC"
    advertised: tuple[int | str, ...] = (SERVICE,)
    options: TaiDocOptions
    options_type = TaiDocOptions

    def declare(self) -> None:
        self._both = self.offers(_CHARACTERISTIC, notifies=True, written=self.written)
        self.service(SERVICE, self._both)

    async def news_is_there(self) -> None:
        await self.open_window()

    def advertisement(self) -> list[Part]:
        return [flags(), services(SERVICE), local_name(self.called)]

    def written(self, link: HubLink, data: bytes) -> Work:
        return self._say(link, data)

    async def _say(self, link: HubLink, data: bytes) -> None:
        whole = self._telling
        said = self.reply(data)
        for at in range(0, len(said), self.options.together):
            await link.notify(self._both, said[at : at + self.options.together])
        if whole is not None and self._telling is None:
            self.news = False


def _time(moment: datetime) -> bytes:
    """Year from 2000 (7 bits), month (4), day (5), low byte first; minute; hour."""
    day = (moment.year - 2000) << 9 | moment.month << 5 | moment.day
    return day.to_bytes(2, "little") + bytes((moment.minute, moment.hour))
