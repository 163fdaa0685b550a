"""The base of virtual Bluetooth devices that keep what they measured and send it by themselves.

Oldest first to whoever subscribes; a record is forgotten exactly when the indication of its last part is
confirmed; what is measured meanwhile is sent too; then the device hangs up first.
"""

from datetime import datetime

from gateway.simulator.hub_link import HubLink
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral import Offer, Peripheral
from gateway.simulator.truth import Values


class Storing(Peripheral):
    """A Peripheral whose `told` characteristics carry its records.

    told: place of a record's part ("2a35") -> the characteristic it is indicated by; set in `declare`.
    talking: something else goes on, so it does not hang up.
    """

    stores = True
    told: dict[str, Offer]
    talking = False

    async def store(
        self,
        kind: str,
        values: Values,
        *parts: tuple[str, bytes],
        device_time: datetime | None = None,
        **more: object,
    ) -> Record:
        """Something was measured: kept, and told as soon as a hub listens. parts: (place, bytes)."""
        number = self.truth.measured(kind, values, device_time, hex=_hex(parts), **more)
        return await self._keep(number, *parts)

    async def store_no_reading(self, *parts: tuple[str, bytes]) -> Record:
        """A measurement that failed: kept and told as well, and no reading."""
        return await self._keep(self.truth.no_reading(hex=_hex(parts)), *parts)

    async def _keep(self, number: int, *parts: tuple[str, bytes]) -> Record:
        record = self.memory.add(number, *parts)
        await self.open_window()
        return record

    async def subscribed(self, link: HubLink, characteristic: Offer) -> None:
        """The first subscription sets it going; later ones widen what can be told."""
        known = [offer for offer in link.subscribed if offer in self.told.values()]
        if known == [characteristic]:
            await self._tell(link)

    async def _tell(self, link: HubLink) -> None:
        self.truth.write("subscribed", stored=len(self.memory.records))
        if link.bonded_now and self.options.only_bonds_at_first:
            await link.pause(self.options.idle_s)
            await link.hang_up()
        sent: set[int] = set()
        wait_s = self.options.idle_s
        while True:
            link.news.clear()
            for record in self._tellable(link, sent):
                await self._send(link, record)
                sent.add(record.number)
                wait_s = self.options.hang_up_after_s
            self.news = any(record.number not in sent for record in self.memory.records)
            if not await link.hear(wait_s) and not self.talking:
                await link.hang_up()

    def may_tell(self, link: HubLink, record: Record) -> bool:  # noqa: ARG002 (for scales that ask for consent)
        """Whether this hub may hear this record."""
        return True

    def _tellable(self, link: HubLink, sent: set[int]) -> list[Record]:
        return [
            record
            for record in self.memory.records
            if record.number not in sent
            and all(self.told[place] in link.subscribed for place, _ in record.parts)
            and self.may_tell(link, record)
        ]

    async def _send(self, link: HubLink, record: Record) -> None:
        self.truth.sent(record.number, hex=record.data.hex())
        for place, data in record.parts:
            await link.indicate(self.told[place], data)
        if not self.options.keeps_memory:
            self.memory.forget(record)
        self.truth.confirmed(record.number)


def _hex(parts: tuple[tuple[str, bytes], ...]) -> str:
    return "".join(data.hex() for _, data in parts)
