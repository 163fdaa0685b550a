"""A virtual Omron monitor that is read by memory address: key, pairing mode, a ring of records for each user.

Layout: devices.md sections 7.2 and 10.5; encoded here without any code of the gateway. Whoever writes to its
memory (frame type 01c0) gets no answer, and that is a fault.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gateway.simulator.advertiser import Part, flags, local_name, services
from gateway.simulator.attributes import Offer
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions

SERVICE, NEWER_SERVICE = "ecbe3980-c9a2-11e1-b1bd-0002a5d5c51b", 0xFE4A
_TELLS = (
    "49123040-aee8-11e1-a74d-0002a5d5c51b",
    "4d0bf320-aee8-11e1-a0d9-0002a5d5c51b",
    "5128ce60-aee8-11e1-b84b-0002a5d5c51b",
    "560f1420-aee8-11e1-8184-0002a5d5c51b",
)
_HEARS = (
    "db5b55e0-aee7-11e1-965e-0002a5d5c51b",
    "e0b8a060-aee7-11e1-92f4-0002a5d5c51b",
    "0ae12b00-aee8-11e1-a192-0002a5d5c51b",
    "10e1ba60-aee8-11e1-89e5-0002a5d5c51b",
)
_UNLOCK = "b305b680-aee7-11e1-a730-0002a5d5c51b"
_START, _READ, _WRITE, _END = b"\x00\x00", b"\x01\x00", b"\x01\xc0", b"\x0f\x00"
_PIECE = 16
_SLOT = 14


@dataclass(frozen=True)
class Layout:
    """Where the records of each user begin, how many there are, and whether it is of the newer stack."""

    starts: tuple[int, ...]
    slots: int
    newer: bool = False


_LAYOUTS = {
    "HEM-7322T-E": Layout((0x02AC, 0x0824), 100),
    "HEM-7530T-Z": Layout((0x02E8,), 90),
    "HEM-7142T2-Z": Layout((0x02E8,), 14, newer=True),
}


@dataclass
class OmronOptions(PeripheralOptions):
    """model: one of the layouts here, or any other text, which then is a HEM-7322T in secret.

    deaf: so many of the next commands are not answered. lost_pieces: so many of the next answers lose their
    last piece. hang_up_after_reads: so many reads, then the link drops, once. not_yet: so many of the next
    wishes to program a key come too early. refused_user: whose memory it does not tell. token: one of the
    newer stack wants four bytes to give back before it tells anything.
    """

    manufacturer: str = "OMRON HEALTHCARE"
    model: str = "HEM-7322T-E"
    deaf: int = 0
    lost_pieces: int = 0
    hang_up_after_reads: int | None = None
    not_yet: int = 0
    refused_user: int | None = None
    token: bool = True


class OmronMonitor(Peripheral):
    """One monitor. A record of its memory lies at an address, which is the place of its one part."""

    driver, called = "omron-blood-pressure", "BLEsmart_"
    stores = True
    options: OmronOptions
    options_type = OmronOptions

    def declare(self) -> None:
        self.layout = _LAYOUTS.get(self.options.model, _LAYOUTS["HEM-7322T-E"])
        channels = 1 if self.layout.newer else len(_TELLS)
        self._tells = [self.offers(uuid, notifies=True) for uuid in _TELLS[:channels]]
        hears = [
            self.offers(uuid, written=partial(self.written, at), without_response=True)
            for at, uuid in enumerate(_HEARS[:channels])
        ]
        self._unlocks = self.offers(_UNLOCK, written=self.unlock, notifies=True)
        self._bond_opens = self.layout.newer and not self.options.token
        own = [] if self._bond_opens else [self._unlocks]
        self.service(NEWER_SERVICE if self.layout.newer else SERVICE, *self._tells, *hears, *own)
        self._key_file = self._directory / "key.bin"
        self._opened: HubLink | None = None
        self._pieces: dict[int, bytes] = {}
        self._reads = 0
        self._told: set[int] = set()

    def advertisement(self) -> list[Part]:
        service: int | str = NEWER_SERVICE if self.layout.newer else SERVICE
        return [flags(), services(service), local_name(self.called[:8])]  # no more fits

    @property
    def key(self) -> bytes:
        return self._key_file.read_bytes() if self._key_file.exists() else b""

    def forget_key(self) -> None:
        """As after pairing with somebody's phone: another key is in it."""
        self._key_file.write_bytes(bytes(16))

    # What people do.

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        user = random.randint(1, len(self.layout.starts))
        await self.measure(
            random.randint(105, 165), random.randint(60, 95), random.randint(52, 99), user, ago=ago
        )

    async def measure(
        self,
        systolic: int,
        diastolic: int,
        pulse: int,
        user: int = 1,
        *,
        moved: bool = False,
        irregular: bool = False,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """A person measures: written over the oldest record of that user when all slots are full."""
        moment = (self.clock() - ago).replace(microsecond=0)
        shown = {"systolic": systolic, "diastolic": diastolic, "pulse-rate": pulse}
        notes = ["body-moved"] * moved + ["irregular-pulse"] * irregular
        number = self.truth.measured(
            "blood-pressure",
            {name: str(value) for name, value in shown.items()},
            moment,
            origin="stored",
            notes=notes,
            user=user if len(self.layout.starts) > 1 else None,
        )
        packed = _little if self.layout.newer else _big
        data = packed(tuple(shown.values()), moment, moved=moved, irregular=irregular)
        start = self.layout.starts[user - 1]
        count = len([one for one in self.memory.records if start <= _address(one) < start + self._span()])
        if count == self.layout.slots:
            raise ValueError("the virtual memory is full")
        record = self.memory.add(number, (f"{start + count * _SLOT:04x}", data))
        await self.open_window()
        return record

    def _span(self) -> int:
        return self.layout.slots * _SLOT

    # The key.

    def unlock(self, link: HubLink, data: bytes) -> Work | None:
        """02: may a key be programmed? 00: this one. 01: is it this one? 11: a token of the newer stack."""
        if self._is_deaf():
            return None
        said = b"\x0f\x01"
        if data[0] == 0x02 and link.bonded_now and not self.options.not_yet:
            said = b"\x82\x00"
        elif data[0] == 0x02 and self.options.not_yet:
            self.options.not_yet -= 1
        elif data[0] == 0x00 and link.bonded_now:
            self._key_file.write_bytes(data[1:])
            said = b"\x80\x00"
        elif data[0] == 0x01 and data[1:] == self.key:
            self._opened = link
            said = b"\x81\x00"
        elif data[0] == 0x11 and self.layout.newer:
            self._opened = link
            said = b"\x91\x00" + data[1:5]
        return link.notify(self._unlocks, said)

    def _is_deaf(self) -> bool:
        deaf = self.options.deaf > 0
        self.options.deaf -= deaf
        return deaf

    # The memory.

    def written(self, channel: int, link: HubLink, data: bytes) -> Work | None:
        """A piece of a command; the answer when it is whole. What has a wrong checksum is not heard."""
        if channel == 0:
            self._pieces = {}
        self._pieces[channel] = data
        whole = b"".join(self._pieces[at] for at in sorted(self._pieces))
        if len(whole) < whole[0]:
            return None
        command = whole[: whole[0]]
        if _xor(command) or self._is_deaf():
            return None
        return self._answer(link, command[1:3], int.from_bytes(command[3:5], "big"), command[5])

    async def _answer(self, link: HubLink, kind: bytes, address: int, size: int) -> None:
        if kind == _WRITE:
            self.truth.write("fault", error=f"a write to {address:04x}")
        elif kind == _START and (link is self._opened or self._bond_opens or link.bonded_now):
            await self._tell(link, _closed(b"\x80\x00" + bytes((0, 0, 16)) + bytes(16)))
        elif kind == _READ and (link is self._opened or self._bond_opens):
            await self._read(link, address, size)
        elif kind == _END:
            await self._tell(link, _closed(b"\x8f\x00\x00\x00\x00"))
            await self._done(link)

    async def _read(self, link: HubLink, address: int, size: int) -> None:
        if self._reads == self.options.hang_up_after_reads:
            self.options.hang_up_after_reads = None
            await link.hang_up()
        self._reads += 1
        head = b"\x81\x00" + address.to_bytes(2, "big") + bytes((size,))
        refused = self.options.refused_user
        if refused and 0 <= address - self.layout.starts[refused - 1] < self._span():
            await self._tell(link, _refusal(head))
            return
        ending = [one for one in self.memory.records if address < _address(one) + _SLOT <= address + size]
        for record in ending:
            self.truth.sent(record.number)
            self._told.add(record.number)
        await self._tell(link, _closed(head + self._image(address, size)))

    def _image(self, address: int, size: int) -> bytes:
        image = bytearray(b"\xff" * size)
        for record in self.memory.records:
            for at, byte in enumerate(record.data, _address(record) - address):
                if 0 <= at < size:
                    image[at] = byte
        return bytes(image)

    async def _tell(self, link: HubLink, frame: bytes) -> None:
        pieces = [frame[at : at + _PIECE] for at in range(0, len(frame), _PIECE)]
        if self.options.lost_pieces:
            self.options.lost_pieces -= 1
            pieces.pop()
        channels: list[Offer] = self._tells * len(pieces) if self.layout.newer else self._tells
        for channel, piece in zip(channels, pieces, strict=False):
            await link.notify(channel, piece)

    async def _done(self, link: HubLink) -> None:
        """Whoever ends a conversation has what was told in it."""
        for number in sorted(self._told):
            self.truth.confirmed(number)
        self.news = any(record.number not in self._told for record in self.memory.records)
        self._told = set()
        await link.pause(self.options.hang_up_after_s)
        await link.hang_up()


def _address(record: Record) -> int:
    return int(record.parts[0][0], 16)


def _xor(data: bytes) -> int:
    rest = 0
    for byte in data:
        rest ^= byte
    return rest


def _closed(body: bytes) -> bytes:
    """The length in front; 00 and the byte that makes the exclusive or 0 behind."""
    whole = bytes((len(body) + 3,)) + body + b"\x00"
    return whole + bytes((_xor(whole),))


def _refusal(head: bytes) -> bytes:
    whole = b"\x08" + head + b"\x03"
    return whole + bytes((_xor(whole),))


def _big(numbers: tuple[int, ...], moment: datetime, *, moved: bool, irregular: bool) -> bytes:
    """14 bytes of the older monitors, the highest bit first; the last two are the sum and its inverse."""
    systolic, diastolic, pulse = numbers
    day = moved << 15 | irregular << 14 | moment.month << 10 | moment.day << 5 | moment.hour
    time = 1 << 12 | moment.minute << 6 | moment.second
    data = bytes((diastolic, systolic - 25, moment.year - 2000, pulse))
    data += day.to_bytes(2, "big") + time.to_bytes(2, "big") + bytes(4)
    total = sum(data) & 0xFF
    return data + bytes((total ^ 0xFF, total))


def _little(numbers: tuple[int, ...], moment: datetime, *, moved: bool, irregular: bool) -> bytes:
    """14 bytes of the newer monitors, low bytes first; the last two are the sum."""
    systolic, diastolic, pulse = numbers
    day = moved << 15 | irregular << 14 | moment.month << 10 | moment.day << 5 | moment.hour
    time = 1 << 12 | moment.minute << 6 | moment.second
    data = bytes((systolic - 25, diastolic, pulse, moment.year - 2000))
    data += day.to_bytes(2, "little") + time.to_bytes(2, "little") + bytes(4)
    return data + (sum(data) & 0xFF).to_bytes(2, "little")
