"""A virtual Viatom O2Ring: nights in files, told in blocks and small notifications to whoever asks.

Layout: devices.md section 7.10; encoded here without any code of the gateway. It must never be configured or
reset: that is a fault.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.advertiser import Part, flags, local_name, services
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions

SERVICE = "14839ac4-7d7e-415c-9a42-167340cf2339"
_NOTIFIED = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
_WRITTEN = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
_INFORMATION, _OPEN, _READ, _CLOSE = 0x14, 0x03, 0x04, 0x05
_HEAD, _SAMPLE, _WINDOW_S = 40, 5, 60
_CHUNK = 20
_NO_FILE = 9
NO_FINGER = (0xFF, 0xFFFF)
Sample = tuple[int, int]


def crc8(data: bytes) -> int:
    """Polynomial 07, from 0."""
    rest = 0
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest << 1 ^ 0x07) & 0xFF if rest & 0x80 else rest << 1
    return rest


@dataclass
class RingOptions(PeripheralOptions):
    """block: bytes of a file in one reply. deaf: so many of the next commands are not answered.

    hang_up_after_blocks: so many blocks, then the link drops, once.
    """

    manufacturer: str = "Viatom"
    model: str = "O2Ring"
    bonds: bool = False
    window_s: float | None = 120
    block: int = 512
    deaf: int = 0
    hang_up_after_blocks: int | None = None


class ViatomRing(Peripheral):
    """One ring. A record of its memory is a file, its place the name and how many readings are in it."""

    driver, called = "viatom-oximeter", "O2Ring"
    advertised: tuple[int | str, ...] = (SERVICE,)
    stores = True
    options: RingOptions
    options_type = RingOptions

    def declare(self) -> None:
        self._out = self.offers(_NOTIFIED, notifies=True)
        self._heard = b""
        self._open: Record | None = None
        self.service(SERVICE, self._out, self.offers(_WRITTEN, written=self.written, without_response=True))

    def advertisement(self) -> list[Part]:
        return [flags(), services(*self.advertised), local_name(self.called)]  # no more fits

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        await self.sleep([(random.randint(90, 99), random.randint(48, 80)) for _ in range(40)], ago=ago)

    async def sleep(
        self, samples: Sequence[Sample], *, pace_s: int = 4, ago: timedelta = timedelta(0)
    ) -> Record:
        """A night: samples of (SpO2, pulse), pace_s apart. It ends now, or did so long ago."""
        began = (self.clock() - ago - timedelta(seconds=pace_s * len(samples))).replace(microsecond=0)
        numbers = []
        width = _WINDOW_S // pace_s
        for first in range(0, len(samples), width):
            good = [
                at for at in range(first, first + width) if at < len(samples) and samples[at] != NO_FINGER
            ]
            if good:
                numbers.append(
                    self._measured(samples[good[-1]], began + timedelta(seconds=pace_s * good[-1]))
                )
        data = _file(began, samples, pace_s)
        place = f"{began:%Y%m%d%H%M%S} {len(numbers)}"
        record = self.memory.add(numbers[0] if numbers else 0, (place, data))
        await self.open_window()
        return record

    def _measured(self, sample: Sample, moment: datetime) -> int:
        values = {"spo2": str(sample[0]), "pulse-rate": str(sample[1])}
        return self.truth.measured("oximetry", values, moment, origin="stored")

    # The dialogue.

    def written(self, link: HubLink, data: bytes) -> Work | None:
        """Pieces of a command; the reply when it is whole. Writes of more than 20 bytes are a fault."""
        if len(data) > _CHUNK:
            self.truth.write("fault", error=f"a write of {len(data)} bytes")
        self._heard += data
        if len(self._heard) < 8 or len(self._heard) < 8 + int.from_bytes(self._heard[5:7], "little"):
            return None
        command, self._heard = self._heard, b""
        if command[0] != 0xAA or command[1] ^ command[2] != 0xFF or crc8(command[:-1]) != command[-1]:
            return None
        if command[1] not in (_INFORMATION, _OPEN, _READ, _CLOSE):
            self.truth.write("fault", error=f"command {command[1]:02x}")
        if self.options.deaf:
            self.options.deaf -= 1
            return None
        return self._answer(link, command[1], int.from_bytes(command[3:5], "little"), command[7:-1])

    async def _answer(self, link: HubLink, code: int, block: int, data: bytes) -> None:
        if code == _READ and self.options.hang_up_after_blocks == block:
            self.options.hang_up_after_blocks = None
            await link.hang_up()
        status, said = self._said(code, block, data)
        body = bytes((0x55, status, status ^ 0xFF)) + block.to_bytes(2, "little")
        body += len(said).to_bytes(2, "little") + said
        whole = body + bytes((crc8(body),))
        for at in range(0, len(whole), _CHUNK):
            await link.notify(self._out, whole[at : at + _CHUNK])
        if code == _READ:
            self._told(block * self.options.block + len(said))

    def _said(self, code: int, block: int, data: bytes) -> tuple[int, bytes]:
        if code == _INFORMATION:
            return 0, self._information()
        if code == _OPEN:
            name = data.rstrip(b"\x00").decode()
            self._open = next((one for one in self.memory.records if _name(one) == name), None)
            if self._open is None or not data.endswith(b"\x00"):
                return _NO_FILE, b""
            return 0, len(self._open.data).to_bytes(4, "little")
        if code == _READ and self._open is not None:
            size = self.options.block
            return 0, self._open.data[block * size : (block + 1) * size]
        return 0, b""

    def _told(self, reached: int) -> None:
        """The whole file was told: whoever asked for it all has it."""
        if self._open is None or reached < len(self._open.data):
            return
        first, count = self._open.number, int(self._open.parts[0][0].split()[1])
        for number in range(first, first + count):
            self.truth.sent(number)
            self.truth.confirmed(number)
        self.news = self.news and self._open is not self.memory.records[-1]

    def _information(self) -> bytes:
        told = {
            "Region": "CE",
            "Model": "1652",
            "SoftwareVer": "1.4.0",
            "FileVer": "3",
            "SN": self.options.serial,
            "CurTIME": self.clock().strftime("%Y-%m-%d,%H:%M:%S"),
            "CurBAT": "86%",
            "FileList": ",".join(_name(record) for record in self.memory.records),
        }
        return json.dumps(told, separators=(",", ":")).encode()


def _name(record: Record) -> str:
    return record.parts[0][0].split()[0]


def _file(began: datetime, samples: Sequence[Sample], pace_s: int) -> bytes:
    """A .vld file of version 3."""
    size = _HEAD + _SAMPLE * len(samples)
    moment = (began.month, began.day, began.hour, began.minute, began.second)
    head = b"\x03\x00" + began.year.to_bytes(2, "little") + bytes(moment) + size.to_bytes(4, "little")
    head += (pace_s * len(samples)).to_bytes(2, "little")
    body = b"".join(bytes((spo2,)) + pulse.to_bytes(2, "little") + b"\x02\x00" for spo2, pulse in samples)
    return head.ljust(_HEAD, b"\x00") + body
