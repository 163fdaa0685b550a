"""A virtual continuous glucose sensor (Bluetooth SIG 181F): a value every few minutes, all of them kept.

Layout: Continuous Glucose Monitoring Service 1.0.1 (2AA7, 2AA8, 2AAA, 2AAC, 2A52). It tells two values in one
notification where they fit, and whoever listens gets a new one at once.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.encoding import date_time, moment_of, scaled, sfloat
from gateway.simulator.hub_link import HubLink
from gateway.simulator.meter_memory import Record
from gateway.simulator.record_store import Packet, RecordStore, RecordStoreOptions

_TREND, _QUALITY, _WARNING = 0x01, 0x02, 0x20
_HAS_CRC = 0x1000
_INTERSTITIAL_SUBCUTANEOUS = 0x59
_MOST_BYTES = 20  # of a notification, with the smallest MTU
_SESSION = "2aaa"


@dataclass
class SensorOptions(RecordStoreOptions):
    """crc: each value has an E2E-CRC. wrong_crcs: so many of the next values are told with a damaged one."""

    model: str = "CGM-SIM"
    crc: bool = True
    wrong_crcs: int = 0


class GlucoseSensor(RecordStore):
    """One sensor; its session begins at its first start. Zone and summer time are told as +01:00 and none."""

    driver, called, advertised = "continuous-glucose", "CGM", (0x181F,)
    options: SensorOptions
    options_type = SensorOptions

    def declare(self) -> None:
        self.told = {"2aa7": self.offers(0x2AA7, notifies=True)}
        self.control = self.offers_control()
        special = self.offers(0x2AAC, indicates=True, written=self._must_not)
        bits = (_HAS_CRC if self.options.crc else 0).to_bytes(3, "little")
        features = self._checked(bits + bytes((_INTERSTITIAL_SUBCUTANEOUS,)), b"\xff\xff")
        session = self.offers(0x2AAA, value=lambda: self._checked(self._session().data))
        feature = self.offers(0x2AA8, value=features)
        self.service(0x181F, *self.told.values(), feature, session, special, self.control)
        self.service(0x1805, self.current_time())

    def _must_not(self, _: HubLink, data: bytes) -> None:
        self.truth.write("fault", error="a hub writes to the control point of the sensor", hex=data.hex())

    def _session(self) -> Record:
        """Kept as the first record of the memory."""
        if not self.memory.records:
            self.memory.add(0, (_SESSION, date_time(self.clock() - timedelta(hours=12)) + b"\x04\x00"))
        return self.memory.records[0]

    async def new_session(self) -> None:
        """Another sensor on the same transmitter: its minutes begin anew."""
        for record in list(self.memory.records):
            self.memory.forget(record)
        self.memory.add(0, (_SESSION, date_time(self.clock()) + b"\x04\x00"))

    async def measure(
        self,
        shown: int,
        minute: int | None = None,
        *,
        trend: int | None = None,
        quality: int | None = None,
        warning: int | None = None,
    ) -> Record:
        """shown: mg/dL. minute: since the session began. trend: 0.1 mg/dL/min. quality: per cent."""
        began = moment_of(self._session().data)
        minute = (self.clock() - began) // timedelta(minutes=1) if minute is None else minute
        values: dict[str, str | list[str] | None] = {"glucose": str(shown)}
        flags, tail = 0, b""
        if warning is not None:
            flags, tail = flags | _WARNING, tail + bytes((warning,))
        if trend is not None:
            flags, tail = flags | _TREND, tail + sfloat(trend, -1)
            values["trend"] = scaled(trend, 1)
        if quality is not None:
            flags, tail = flags | _QUALITY, tail + sfloat(quality)
            values["quality"] = str(quality)
        data = bytes((flags,)) + sfloat(shown) + minute.to_bytes(2, "little") + tail
        size = len(data) + 1 + (2 if self.options.crc else 0)
        return await self._keep(values, began + timedelta(minutes=minute), bytes((size,)) + data)

    async def _keep(self, values: dict[str, str | list[str] | None], moment: datetime, data: bytes) -> Record:
        row = self.truth.measured("cgm-glucose", values, moment, origin="stored")
        record = self.memory.add(row, ("2aa7", self._checked(data)))
        await self.open_window()
        link = self.link
        if link is not None and self.told["2aa7"] in link.subscribed and self._reporting is None:
            link.go_on(self._tell_now(link, record))
        return record

    async def _tell_now(self, link: HubLink, record: Record) -> None:
        self.truth.sent(record.number)
        await link.notify(self.told["2aa7"], record.data)

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        began = moment_of(self._session().data)
        minute = max(0, (self.clock() - ago - began) // timedelta(minutes=1))
        await self.measure(self.unlike(70, 240), minute, trend=random.randint(-20, 20), quality=95)

    # What it tells.

    def kept(self) -> list[Record]:
        return [record for record in self.memory.records if record.parts[0][0] == "2aa7"]

    def number_of(self, record: Record) -> int:
        return int.from_bytes(record.data[4:6], "little")

    def packed(self, records: list[Record]) -> list[Packet]:
        """As many values together as fit."""
        together: list[list[Record]] = []
        for record in records:
            size = len(record.data) + sum(len(other.data) for other in together[-1]) if together else 0
            if together and size <= _MOST_BYTES:
                together[-1].append(record)
            else:
                together.append([record])
        return [(some, [("2aa7", self._told_bytes(some))]) for some in together]

    def _told_bytes(self, records: list[Record]) -> bytes:
        return b"".join(self._maybe_damaged(record.data) for record in records)

    def _maybe_damaged(self, data: bytes) -> bytes:
        if self.options.wrong_crcs == 0:
            return data
        self.options.wrong_crcs -= 1
        return data[:-1] + bytes((data[-1] ^ 0xFF,))

    def _checked(self, data: bytes, otherwise: bytes = b"") -> bytes:
        return data + (_crc(data).to_bytes(2, "little") if self.options.crc else otherwise)


def _crc(data: bytes) -> int:
    """CRC-16/MCRF4XX by nibbles."""
    register = 0xFFFF
    for byte in data:
        for nibble in (byte & 15, byte >> 4):
            part = (register ^ nibble) & 15
            for _ in range(4):
                part = part >> 1 ^ (0x8408 if part & 1 else 0)
            register = register >> 4 ^ part
    return register
