"""A virtual blood glucose meter (Bluetooth SIG 1808): it tells what it stored when a hub asks.

Layout: Glucose Service 1.0.1 (2A18, 2A34, 2A51, 2A52). Its base clock runs on whatever happens; setting the
clock changes the offset that is added to it. Manners of makers: `GlucoseOptions`.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.encoding import MINUS_INFINITY, PLUS_INFINITY, date_time, scaled, sfloat
from gateway.simulator.hub_link import HubLink
from gateway.simulator.meter_memory import Record
from gateway.simulator.record_store import Packet, RecordStore, RecordStoreOptions

_OFFSET, _VALUE, _IN_MOL, _STATUS, _CONTEXT = 0x01, 0x02, 0x04, 0x08, 0x10
_FINGER_BLOOD, _CONTROL_TYPE, _CONTROL_PLACE = 0x11, 0x1A, 0x41
_HIGH, _LOW = 0x20, 0x40
_HAS_MEAL = 0x02
_MEALS = {"before-meal": 1, "after-meal": 2, "fasting": 3, "casual": 4, "bedtime": 5}
_KETONE = 6
CURRENT_TIME, DATE_TIME, NO_CLOCK = "current-time", "date-time", "none"
CONTROL_BY_TYPE, CONTROL_BY_PLACE = "type", "place"
HIGH, LOW = "high", "low"
_SAMPLE = {"sample": "capillary-blood", "location": "finger"}
_LATER_S = 0.3
_MOST_OFFSET = timedelta(days=20)


@dataclass
class GlucoseOptions(RecordStoreOptions):
    """in_mmol: shows mmol/L. clock: which one it offers. contexts: sent "at-once", "late" (after the report
    has ended) or "never". drops_before_context: so many times the link drops between a measurement and its
    context. moves_offsets: when its clock is set, stored records are told with the new offset. renumbers: the
    newest record is always number 0 (TaiDoc).
    """

    model: str = "GLUCOSE-SIM"
    in_mmol: bool = False
    clock: str = CURRENT_TIME
    contexts: str = "at-once"
    drops_before_context: int = 0
    moves_offsets: bool = False
    renumbers: bool = False


class GlucoseMeter(RecordStore):
    """One meter. Control solution, ketone and results beyond its range are measured as by the person."""

    driver, called, advertised = "glucose-meter", "GLUCO", (0x1808,)
    options: GlucoseOptions
    options_type = GlucoseOptions

    def declare(self) -> None:
        self.told = {
            "2a18": self.offers(0x2A18, notifies=True),
            "2a34": self.offers(0x2A34, notifies=True),
        }
        self.control = self.offers_control()
        self._base_ahead = timedelta(seconds=self.options.clock_offset_s)
        features = self.offers(0x2A51, value=b"\xff\x03")
        clocks = [self.date_time()] if self.options.clock == DATE_TIME else []
        self.service(0x1808, *self.told.values(), features, self.control, *clocks)
        if self.options.clock == CURRENT_TIME:
            self.service(0x1805, self.current_time())

    # What a person does.

    async def measure(
        self,
        shown: int,
        *,
        meal: str | None = None,
        beyond: str | None = None,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """shown: in mg/dL, or in 0.1 mmol/L. beyond: HIGH or LOW, when the meter shows that instead."""
        text = None if beyond else scaled(shown, 1) if self.options.in_mmol else str(shown)
        told = {} if meal is None or self.options.contexts == "never" else {"meal": meal}
        base, number = self._base() - ago, self._next_number()
        row = self.truth.measured(
            "glucose",
            {"glucose": text},
            self._shown(base),
            units={"glucose": "mmol/L" if self.options.in_mmol else "mg/dL"},
            origin="stored",
            record=None if self.options.renumbers else number,
            context={**_SAMPLE, **told},
            final=meal is None or bool(told),
        )
        status = {HIGH: _HIGH, LOW: _LOW}.get(beyond or "", 0)
        code = None if meal is None else _MEALS[meal]
        return await self._keep(row, number, self._concentration(shown, beyond), base, status, code)

    async def measure_ketone(self, shown: int, ago: timedelta = timedelta(0)) -> Record:
        """shown: in 0.1 mmol/L. A CareSens Dual tells it as a tenfold mg/dL, with meal 6."""
        base, number = self._base() - ago, self._next_number()
        row = self.truth.measured(
            "ketone",
            {"ketone": scaled(shown, 1)},
            self._shown(base),
            units={"ketone": "mmol/L"},
            record=number,
        )
        return await self._keep(row, number, sfloat(shown, -5), base, 0, _KETONE)

    async def test_with_control_solution(self, marked: str = CONTROL_BY_TYPE) -> Record:
        """Somebody checks the meter: no reading of a person."""
        what = _CONTROL_TYPE if marked == CONTROL_BY_TYPE else _CONTROL_PLACE
        row = self.truth.no_reading()
        return await self._keep(row, self._next_number(), sfloat(120, -5), self._base(), 0, 4, what)

    async def renumber(self, first: int = 0) -> None:
        """As some do when the battery is changed: the records stay and are counted anew."""
        records = list(self.memory.records)
        for record in records:
            self.memory.forget(record)
        for number, record in enumerate(records, first):
            parts = [
                (place, data[:1] + number.to_bytes(2, "little") + data[3:]) for place, data in record.parts
            ]
            self.memory.add(record.number, *parts)

    async def change_battery(self, *, wipes_memory: bool = False) -> None:
        """Both clocks restart."""
        await super().change_battery(wipes_memory=wipes_memory)
        self._base_ahead = self._ahead()

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        shown = random.randint(42, 160) if self.options.in_mmol else random.randint(75, 280)
        await self.measure(shown, meal=random.choice([None, *_MEALS]), ago=ago)

    # What the meter makes of it.

    def _ahead(self) -> timedelta:
        """How far the shown clock is ahead of the machine's."""
        return self.clock() - datetime.now()  # noqa: DTZ005 (devices know no zone)

    def _base(self) -> datetime:
        """The base clock. It follows the shown one only where the offset could not tell the difference."""
        if abs(self._ahead() - self._base_ahead) > _MOST_OFFSET:
            self._base_ahead = self._ahead()
        return (datetime.now() + self._base_ahead).replace(microsecond=0)  # noqa: DTZ005 (as above)

    def _offset(self) -> int:
        """Minutes from the base clock to the one that the person sees."""
        return round((self.clock() - self._base()).total_seconds() / 60)

    def _shown(self, base: datetime) -> datetime:
        return base + timedelta(minutes=self._offset())

    def _next_number(self) -> int:
        return self.number_of(self.memory.records[-1]) + 1 if self.memory.records else 0

    def _concentration(self, shown: int, beyond: str | None) -> bytes:
        if beyond:
            return (PLUS_INFINITY if beyond == HIGH else MINUS_INFINITY).to_bytes(2, "little")
        return sfloat(shown, -4 if self.options.in_mmol else -5)

    async def _keep(
        self,
        row: int,
        number: int,
        concentration: bytes,
        base: datetime,
        status: int,
        meal: int | None,
        what: int = _FINGER_BLOOD,
    ) -> Record:
        flags = _OFFSET | _VALUE | _STATUS | (_IN_MOL if self.options.in_mmol and meal != _KETONE else 0)
        flags |= 0 if meal is None else _CONTEXT
        fields = date_time(base) + self._offset().to_bytes(2, "little", signed=True)
        fields += concentration + bytes((what,)) + status.to_bytes(2, "little")
        sequence = number.to_bytes(2, "little")
        parts = [("2a18", bytes((flags,)) + sequence + fields)]
        if meal is not None:
            parts.append(("2a34", bytes((_HAS_MEAL,)) + sequence + bytes((meal,))))
        record = self.memory.add(row, *parts)
        await self.open_window()
        return record

    # What it tells.

    def number_of(self, record: Record) -> int:
        if self.options.renumbers and record in self.memory.records:
            return len(self.memory.records) - 1 - self.memory.records.index(record)
        return int.from_bytes(record.data[1:3], "little")

    def packed(self, records: list[Record]) -> list[Packet]:
        return [
            ([record], [part for part in self._parts(record) if self._at_once(part)]) for record in records
        ]

    def _parts(self, record: Record) -> list[tuple[str, bytes]]:
        sequence = self.number_of(record).to_bytes(2, "little")
        offset = self._offset().to_bytes(2, "little", signed=True)
        parts = []
        for place, data in record.parts:
            tail = offset + data[12:] if place == "2a18" and self.options.moves_offsets else data[10:]
            parts.append((place, data[:1] + sequence + data[3:10] + tail))
        return parts

    def _at_once(self, part: tuple[str, bytes]) -> bool:
        return part[0] == "2a18" or self.options.contexts == "at-once"

    async def _tell(self, link: HubLink, packet: Packet) -> None:
        records, parts = packet
        if len(parts) == 1 or not self.options.drops_before_context:
            await super()._tell(link, packet)
            return
        self.options.drops_before_context -= 1
        await super()._tell(link, (records, parts[:1]))
        self.truth.write("dropped", hex=parts[1][1].hex())
        await link.hang_up()

    async def reported(self, link: HubLink) -> None:
        if self.options.contexts != "late":
            return
        await link.pause(_LATER_S)
        for record in self.memory.records:
            for place, data in self._parts(record):
                if place == "2a34":
                    await link.notify(self.told[place], data)
