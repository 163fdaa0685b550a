"""The base of virtual devices that tell what they stored when they are asked: record access (2A52).

Source: Glucose Service 1.0.1, section 3.4; Continuous Glucose Monitoring Service 1.0.1. Nothing is ever
forgotten here: a hub that deletes is a fault, and told as one.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from bumble import att

from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral import Offer, Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions

_REPORT, _DELETE, _ABORT, _COUNT = 1, 2, 3, 4
_ALL, _FROM, _FIRST, _NEWEST = 1, 3, 5, 6
_SUCCESS, _UNKNOWN_OPCODE, _UNKNOWN_OPERATOR, _NONE, _NOT_COMPLETED, _BUSY = 1, 2, 4, 6, 8, 10
_NOT_SUBSCRIBED, _IN_PROGRESS = 0xFD, 0xFE  # errors of the Attribute Protocol
_BY_NUMBER = 1
# Records that are told together, and the parts that tell them: (place, bytes).
Packet = tuple[list[Record], list[tuple[str, bytes]]]


@dataclass
class RecordStoreOptions(PeripheralOptions):
    """What is asked of it and how it behaves.

    counts, selects, knows_newest: whether it takes that request. busy, ignores: so many of the next requests
    are answered "busy", or not at all. hangs_up_after, stops_after: so many records into the next report the
    link drops, or nothing more comes. loses: so many of the next notifications never arrive.
    """

    counts: bool = True
    selects: bool = True
    knows_newest: bool = True
    busy: int = 0
    ignores: int = 0
    hangs_up_after: int | None = None
    stops_after: int | None = None
    loses: int = 0


class RecordStore(Peripheral):
    """`declare` sets told (place of a record's part -> the characteristic it is notified by) and control."""

    stores = True
    options: RecordStoreOptions
    options_type: type[RecordStoreOptions] = RecordStoreOptions
    told: dict[str, Offer]
    control: Offer
    _reporting: asyncio.Event | None = None  # set to end the report that goes on
    _talking = False  # a report goes on, or its end waits to be sent

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._heard: set[int] = set()  # what some hub was told to the end

    def number_of(self, record: Record) -> int:
        """The number by which a hub asks for this record."""
        raise NotImplementedError

    def kept(self) -> list[Record]:
        """What can be reported, oldest first."""
        return self.memory.records

    def packed(self, records: list[Record]) -> list[Packet]:
        """How these records are told, in order; a device may pack several of them together."""
        return [([record], list(record.parts)) for record in records]

    async def reported(self, link: HubLink) -> None:
        """All of a report was told, and its end: what comes after that."""

    def offers_control(self) -> Offer:
        return self.offers(0x2A52, indicates=True, written=self._asked)

    async def subscribed(self, link: HubLink, characteristic: Offer) -> None:
        """Hangs up when the hub asks nothing any more."""
        if characteristic is not self.control:
            return
        heard = True
        while heard:
            link.news.clear()
            heard = await link.hear(self.options.idle_s) or self._talking
        await link.hang_up()

    def _asked(self, link: HubLink, data: bytes) -> Work | None:
        self.truth.write("asked", hex=data.hex())
        link.news.set()
        if data[:1] == bytes((_DELETE,)):
            self.truth.write("fault", error="a hub wants to delete records")
        if not {self.control, *self.told.values()} <= link.subscribed:
            raise att.ATT_Error(_NOT_SUBSCRIBED)
        if self.options.ignores > 0:
            self.options.ignores -= 1
            return None
        if data[:1] == bytes((_ABORT,)):
            return self._abort(link)
        if self._reporting is not None:
            raise att.ATT_Error(_IN_PROGRESS)
        return self._begin(link, data)

    async def _begin(self, link: HubLink, data: bytes) -> None:
        if self.options.busy > 0:
            self.options.busy -= 1
            await self._answer(link, data, _BUSY)
        elif data[0] not in {_REPORT, _COUNT} or (data[0] == _COUNT and not self.options.counts):
            await self._answer(link, data, _UNKNOWN_OPCODE)
        elif (chosen := self._chosen(data)) is None:
            await self._answer(link, data, _UNKNOWN_OPERATOR)
        elif data[0] == _COUNT:
            await link.indicate(self.control, b"\x05\x00" + len(chosen).to_bytes(2, "little"))
        elif not chosen:
            self._look_for_news()
            await self._answer(link, data, _NONE)
        else:
            link.go_on(self._report(link, data, chosen))

    def _chosen(self, data: bytes) -> list[Record] | None:
        """The records that are meant; None when this device does not know the operator."""
        operator, kept = data[1], self.kept()
        if operator == _ALL:
            return kept
        if operator == _FROM and self.options.selects and data[2] == _BY_NUMBER:
            least = int.from_bytes(data[3:5], "little")
            return [record for record in kept if self.number_of(record) >= least]
        if operator in {_FIRST, _NEWEST} and self.options.knows_newest:
            return kept[:1] if operator == _FIRST else kept[-1:]
        return None

    async def _report(self, link: HubLink, data: bytes, chosen: list[Record]) -> None:
        self._talking = True
        try:
            if not await self._tell_all(link, chosen):
                return
            await self._answer(link, data, _SUCCESS)  # after all that waits to be sent
            await self.reported(link)
        finally:
            self._talking = False
        for record in chosen:
            self.truth.confirmed(record.number)
            self._heard.add(record.number)
        self._look_for_news()

    async def _tell_all(self, link: HubLink, chosen: list[Record]) -> bool:
        """False when the hub ended it."""
        ended = self._reporting = asyncio.Event()
        try:
            for count, packet in enumerate(self.packed(chosen)):
                await self._may_stop(link, count)
                if ended.is_set():
                    return False
                await self._tell(link, packet)
        finally:
            self._reporting = None
        return True

    def _look_for_news(self) -> None:
        self.news = any(record.number not in self._heard for record in self.kept())

    async def _may_stop(self, link: HubLink, count: int) -> None:
        """The troubles in the middle of a report, each once."""
        options = self.options
        if options.hangs_up_after == count:
            options.hangs_up_after = None
            self.truth.write("dropped", after=count)
            await link.hang_up()
        if options.stops_after == count:
            options.stops_after = None
            self.truth.write("stopped", after=count)
            assert self._reporting is not None
            while not self._reporting.is_set():
                await link.pause(0.02)

    async def _tell(self, link: HubLink, packet: Packet) -> None:
        records, parts = packet
        for record in records:
            self.truth.sent(record.number)
        link.news.set()
        for place, data in parts:
            if self.options.loses > 0:
                self.options.loses -= 1
                self.truth.write("lost", hex=data.hex())
            else:
                await link.notify(self.told[place], data)

    async def _abort(self, link: HubLink) -> None:
        if self._reporting is not None:
            self._reporting.set()
        await self._answer(link, bytes((_ABORT, 0)), _SUCCESS)

    async def _answer(self, link: HubLink, asked: bytes, code: int) -> None:
        await link.indicate(self.control, bytes((6, 0, asked[0], code)))
