"""A virtual OneTouch Verio Flex: the frames of the Verio IQ over Bluetooth, to a hub that is bonded with it.

Layout: devices.md section 7.7; encoded here without any code of the gateway. A record has a number that rises
with each measurement; stored times move with the clock.
"""

import binascii
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.advertiser import Part, flags, local_name, services
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions

SERVICE = "af9df7a1-e595-11e3-96b4-0002a5d5c51b"
_WRITTEN = "af9df7a2-e595-11e3-96b4-0002a5d5c51b"
_NOTIFIED = "af9df7a3-e595-11e3-96b4-0002a5d5c51b"
_HEARD = b"\x81"
_GOOD, _NOT_SUPPORTED, _NOT_UNDERSTOOD = b"\x03\x06", b"\x03\x08\x03", b"\x03\x09\x03"
_SINCE_2000 = datetime(2000, 1, 1)  # noqa: DTZ001 (devices know no zone)
_LOWEST, _HIGHEST = 20, 600


def frame(payload: bytes) -> bytes:
    """01, then 02, size, 00, payload, 03 and CRC-16/CCITT-FALSE of these, low byte first."""
    body = bytes((0x02, len(payload) + 6, 0)) + payload + b"\x03"
    return b"\x01" + body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "little")


@dataclass
class VerioOptions(PeripheralOptions):
    """twice: every notification comes twice. deaf: so many of the next questions are not answered."""

    manufacturer: str = "LifeScan"
    model: str = "OneTouch Verio SIM"
    twice: bool = False
    deaf: int = 0


class OnetouchVerio(Peripheral):
    """A meter that hears questions and tells its records by number."""

    driver, called = "onetouch-verio", "OneTouch"
    advertised: tuple[int | str, ...] = (SERVICE,)
    stores = True
    options: VerioOptions
    options_type = VerioOptions

    def declare(self) -> None:
        self._out = self.offers(_NOTIFIED, notifies=True)
        self.service(SERVICE, self._out, self.offers(_WRITTEN, written=self.written, without_response=True))

    def advertisement(self) -> list[Part]:
        return [flags(), services(*self.advertised), local_name(self.called)]  # no more fits

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        await self.measure(random.randint(64, 190), ago=ago)

    async def measure(self, mg_dl: int, *, control: bool = False, ago: timedelta = timedelta(0)) -> None:
        """A drop of blood, or of control solution; beyond 20 to 600 the meter shows LO or HI."""
        happened = (datetime.now() - ago).replace(microsecond=0)  # noqa: DTZ005 (devices know no zone)
        if control:
            number = self.truth.no_reading(control=mg_dl)
        else:
            shown = ">600" if mg_dl > _HIGHEST else "<20" if mg_dl < _LOWEST else str(mg_dl)
            number = self.truth.measured("glucose", {"glucose": shown}, self._told(happened))
        seconds = int((happened - _SINCE_2000).total_seconds())
        stored = seconds.to_bytes(4, "little") + mg_dl.to_bytes(2, "little") + bytes((control, 0, 0, 0, 0))
        self.memory.add(number, ("record", stored))
        await self.open_window()

    def move_clock(self, by: timedelta) -> None:
        """A person sets the meter's clock: what is stored moves with it."""
        self.memory.set_clock(self.memory.now() + by)

    def _told(self, happened: datetime) -> datetime:
        offset = self.memory.now() - datetime.now()  # noqa: DTZ005 (as above)
        return happened + timedelta(seconds=round(offset.total_seconds()))

    def written(self, link: HubLink, data: bytes) -> Work | None:
        """A question is answered once it is acknowledged; what has a wrong checksum is not heard."""
        if data == _HEARD or frame(data[4:-3]) != data:
            return None
        if self.options.deaf:
            self.options.deaf -= 1
            return None
        return self._answer(link, data[4:-3])

    async def _answer(self, link: HubLink, payload: bytes) -> None:
        await link.notify(self._out, _HEARD)
        record = self._record(payload)
        said = frame(self._said(payload, record))
        if record is not None:
            self.truth.sent(record.number, hex=said.hex())
        for _ in range(2 if self.options.twice else 1):
            await link.notify(self._out, said)
        if record is not None:
            self.truth.confirmed(record.number)
            self.news = self.news and record is not self.memory.records[-1]

    def _record(self, payload: bytes) -> Record | None:
        number = int.from_bytes(payload[2:4], "little")
        known = payload[:2] == b"\x03\xb3" and 1 <= number <= len(self.memory.records)
        return self.memory.records[number - 1] if known else None

    def _said(self, payload: bytes, record: Record | None) -> bytes:
        if record is not None:
            happened = _SINCE_2000 + timedelta(seconds=int.from_bytes(record.data[:4], "little"))
            return _GOOD + _seconds(self._told(happened)) + record.data[4:]
        answers = {
            b"\x03\x20\x02": _seconds(self.clock()),
            b"\x03\x0a\x02\x06": len(self.memory.records).to_bytes(4, "little"),
            b"\x03\x27\x00": len(self.memory.records).to_bytes(2, "little"),
        }
        if payload in answers:
            return _GOOD + answers[payload]
        return _NOT_SUPPORTED if payload[:1] == b"\x03" else _NOT_UNDERSTOOD


def _seconds(moment: datetime) -> bytes:
    return int((moment - _SINCE_2000).total_seconds()).to_bytes(4, "little")
