"""A virtual blood pressure monitor (Bluetooth SIG 1810, 1805, 180A, 180F) that behaves as a patient's meter.

It advertises only for a while after a measurement or in pairing mode, answers only over an encrypted bond,
sends what it stored oldest first, forgets a record exactly when that record's indication is confirmed, and
hangs up first. Layouts: devices.md sections 5.1 and 5.8 (Bluetooth GATT Specification Supplement); encoded
here without any code of the gateway.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bumble import att, hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.keys import JsonKeyStore
from bumble.link import LocalLink
from bumble.pairing import PairingConfig
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.meter_memory import MeterMemory, Record, date_time, measurement
from gateway.simulator.truth import TruthLog
from gateway.simulator.virtual_adapter import just_works

_PROPERTIES = Characteristic.Properties
_PERMISSIONS = Characteristic.Permissions
_CCCD = UUID.from_16_bits(0x2902)


@dataclass
class MeterOptions:
    """How this meter behaves. Times in seconds; may be changed while it runs.

    keeps_memory: sends everything at each connection and forgets nothing. window_s: how long it advertises
    after a measurement. hang_up_after_s: after the last confirmation. idle_s: without anything to send.
    pace_s: pause between indications, as on a slow link. refusal: ATT error without a bond (0F or 05).
    lose_confirmations: so many of the next confirmations never reach the meter, the link drops instead.
    """

    clock_offset_s: float = 0
    keeps_memory: bool = False
    window_s: float = 30
    hang_up_after_s: float = 0.3
    idle_s: float = 5
    pace_s: float = 0
    advertising_ms: float = 20
    refusal: int = att.ATT_INSUFFICIENT_ENCRYPTION_ERROR
    lose_confirmations: int = 0
    manufacturer: str = "Meethub"
    model: str = "BP-SIM"
    firmware: str = "1.0"
    serial: str = "0001"
    battery: int = 80


class BloodPressureMonitor:
    """One meter in the street. What it measured, sent and saw confirmed stands in `truth`."""

    def __init__(
        self, air: LocalLink, address: str, directory: Path, options: MeterOptions | None = None
    ) -> None:
        self.options = options or MeterOptions()
        self.address = address
        self.name = f"BPM {address[-5:].replace(':', '')}"
        self.truth = TruthLog(directory / "truth.jsonl", "blood-pressure-monitor")
        self.memory = MeterMemory(directory / "memory.json", timedelta(seconds=self.options.clock_offset_s))
        self.pairing = False
        self._news = False  # something measured that no hub has confirmed
        self._directory = directory
        self._controller = Controller(self.name, link=air)
        self._device = Device(
            name=self.name,
            address=hci.Address(address),
            host=Host(self._controller, AsyncPipeSink(self._controller)),
        )
        self._measured = asyncio.Event()
        self._window: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._characteristic = Characteristic(
            UUID.from_16_bits(0x2A35), _PROPERTIES.INDICATE, _PERMISSIONS(0), b""
        )

    async def start(self) -> None:
        """Switches on; nothing is advertised yet."""
        device = self._device
        device.pairing_config_factory = self._pairing_config
        device.advertising_interval_min = device.advertising_interval_max = self.options.advertising_ms
        for service in self._services():
            device.add_service(service)
        self._guard()
        self._characteristic.on(Characteristic.EVENT_SUBSCRIPTION, self._subscribed)
        device.on(Device.EVENT_CONNECTION, self._connected)
        await device.power_on()
        device.keystore = JsonKeyStore(self.address, str(self._directory / "bonds.json"))
        device.advertising_data = bytes(
            AdvertisingData(
                [
                    (AdvertisingData.FLAGS, b"\x06"),
                    (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, b"\x10\x18"),
                    (AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode()),
                ]
            )
        )

    async def stop(self) -> None:
        """Switches off: the connection drops, the memory stays."""
        for task in self._tasks:
            task.cancel()
        await self._close_window()
        await self.hang_up()

    async def bonded(self) -> bool:
        return self._device.keystore is not None and bool(await self._device.keystore.get_all())

    async def pairing_mode(self) -> None:
        """The person holds the button: advertises and lets a hub bond, until one has."""
        self.pairing = True
        await self._advertise()

    async def forget_bonds(self) -> None:
        """As after a reset: the meter knows no hub any more."""
        if self._device.keystore is not None:
            await self._device.keystore.delete_all()

    def clock(self) -> datetime:
        """What the meter's own clock shows."""
        return self.memory.now()

    async def measure(
        self,
        systolic: int,
        diastolic: int,
        mean_arterial: int | None,
        pulse: int,
        *,
        user: int | None = None,
        status: int | None = None,
    ) -> Record:
        """A person measures: stored in the meter, which then advertises for a while."""
        data = measurement((systolic, diastolic, mean_arterial), self.clock(), pulse, user, status)
        record = self.memory.add(data)
        values = {"systolic": systolic, "diastolic": diastolic, "mean-arterial": mean_arterial}
        self.truth.write(
            "measured",
            number=record.number,
            hex=data.hex(),
            device_time=self.clock().isoformat(timespec="seconds"),
            values={**values, "pulse-rate": pulse},
        )
        self._measured.set()
        self._news = True
        await self.open_window()
        return record

    async def change_battery(self, *, wipes_memory: bool = False) -> None:
        """The clock restarts at 2000-01-01; records that were not sent stay, or not."""
        await self.hang_up()
        lost = self.memory.change_battery(wipes_memory=wipes_memory)
        self.truth.write("battery-changed", lost=[record.number for record in lost])

    async def open_window(self, seconds: float | None = None) -> None:
        """Advertises for window_s, or this long."""
        loop = asyncio.get_running_loop()
        if self._window is not None:
            self._window.cancel()
        self._window = loop.call_later(seconds or self.options.window_s, self._window_ends)
        await self._advertise()

    async def hang_up(self) -> None:
        for connection in list(self._device.connections.values()):
            with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
                await connection.disconnect()

    async def _advertise(self) -> None:
        if not self._device.connections and not self._device.is_advertising:
            await self._device.start_advertising(auto_restart=False)

    def _window_ends(self) -> None:
        self._window = None
        if not self.pairing:
            self._spawn(self._close_window())

    async def _close_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None
        if self._device.is_advertising:
            await self._device.stop_advertising()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        return just_works(connection, accept=self.pairing)

    def _services(self) -> list[Service]:
        options = self.options
        system_id = bytes.fromhex(self.address.replace(":", ""))[::-1]
        about = {
            0x2A29: options.manufacturer.encode(),
            0x2A24: options.model.encode(),
            0x2A25: options.serial.encode(),
            0x2A26: options.firmware.encode(),
            0x2A23: system_id[:3] + b"\xfe\xff" + system_id[3:],
        }
        clock = CharacteristicValue(read=self._read_clock, write=self._write_clock)
        return [
            _service(0x1810, [self._characteristic, _readable(0x2A49, b"\x07\x00")]),
            _service(
                0x1805,
                [
                    Characteristic(
                        UUID.from_16_bits(0x2A2B),
                        _PROPERTIES.READ | _PROPERTIES.WRITE,
                        _PERMISSIONS.READABLE | _PERMISSIONS.WRITEABLE,
                        clock,
                    )
                ],
            ),
            _service(0x180A, [_readable(number, value) for number, value in about.items()]),
            _service(0x180F, [_readable(0x2A19, bytes((options.battery,)))]),
        ]

    def _guard(self) -> None:
        """Subscribing needs the bond, as in real meters: refused at the CCCD."""
        for attribute in self._device.gatt_server.attributes:
            if attribute.type == _CCCD:
                open_value: Any = attribute.value
                attribute.value = att.AttributeValueV2(
                    read=open_value.read, write=partial(self._guarded, open_value.write)
                )

    def _guarded(self, write: Callable[[Any, bytes], Any], connection: Any, value: bytes) -> Any:
        self._must_be_encrypted(connection)
        return write(connection, value)

    def _must_be_encrypted(self, connection: Connection) -> None:
        if not connection.encryption:
            raise att.ATT_Error(self.options.refusal)

    def _read_clock(self, connection: Connection) -> bytes:
        self._must_be_encrypted(connection)
        now = self.clock()
        return date_time(now) + bytes((now.isoweekday(), now.microsecond * 256 // 1_000_000, 0))

    def _write_clock(self, connection: Connection, value: bytes) -> None:
        self._must_be_encrypted(connection)
        if len(value) != 10:
            raise att.ATT_Error(att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR)
        self.memory.set_clock(datetime(int.from_bytes(value[:2], "little"), *value[2:7]))  # noqa: DTZ001 (devices know no zone)
        self.truth.write("clock-set", hex=value.hex())

    def _connected(self, connection: Connection) -> None:
        self.truth.write("connected")
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)
        connection.on(Connection.EVENT_PAIRING, lambda _: self._paired())
        encrypted = Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE
        connection.on(encrypted, lambda: self.truth.write("encrypted"))

    def _paired(self) -> None:
        self.pairing = False
        self.truth.write("paired")

    def _gone(self, reason: int) -> None:
        self.truth.write("disconnected", reason=reason)
        if self.pairing or (self._window is not None and self._news):
            self._spawn(self._advertise())

    def _subscribed(self, connection: Connection, _notify: bool, indicate: bool) -> None:  # noqa: FBT001 (bumble's signature)
        if indicate:
            self._spawn(self._send_stored(connection))

    async def _send_stored(self, connection: Connection) -> None:
        """Oldest first, what is measured meanwhile as well; then hangs up."""
        self.truth.write("subscribed", stored=len(self.memory.records))
        gone = _ending(connection)
        sent: set[int] = set()
        wait_s = self.options.idle_s
        while not gone.done():
            self._measured.clear()
            for record in [record for record in self.memory.records if record.number not in sent]:
                if not await self._send(connection, gone, record):
                    return
                sent.add(record.number)
                wait_s = self.options.hang_up_after_s
            self._news = False
            if await self._nothing_for(wait_s, gone):
                break
        await self.hang_up()

    async def _nothing_for(self, seconds: float, gone: asyncio.Future[None]) -> bool:
        measured = asyncio.ensure_future(self._measured.wait())
        waiting: set[asyncio.Future[Any]] = {measured, gone}
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        measured.cancel()
        return not self._measured.is_set()

    async def _send(self, connection: Connection, gone: asyncio.Future[None], record: Record) -> bool:
        """True when the record is confirmed; False when the link dropped before."""
        await asyncio.wait([gone], timeout=self.options.pace_s)
        if gone.done():  # bumble would take an indication to nobody for a confirmed one
            return False
        indication = asyncio.ensure_future(
            self._device.gatt_server.indicate_subscriber(connection, self._characteristic, record.data)
        )
        self.truth.write("indicated", number=record.number, hex=record.data.hex())
        waiting: set[asyncio.Future[Any]] = {indication, gone}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not indication.done() or indication.cancelled() or indication.exception() is not None:
            indication.cancel()
            return False
        if self.options.lose_confirmations > 0:
            self.options.lose_confirmations -= 1
            self.truth.write("confirmation-lost", number=record.number)
            await self.hang_up()
            return False
        if not self.options.keeps_memory:
            self.memory.forget(record)
        self.truth.write("confirmed", number=record.number)
        return True


def _ending(connection: Connection) -> asyncio.Future[None]:
    """Done at the very moment when this connection ends."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(_: int) -> None:
        if not gone.done():
            gone.set_result(None)

    connection.on(Connection.EVENT_DISCONNECTION, end)
    return gone


def _service(number: int, characteristics: list[Characteristic[bytes]]) -> Service:
    return Service(UUID.from_16_bits(number), characteristics)


def _readable(number: int, value: bytes) -> Characteristic[bytes]:
    return Characteristic(UUID.from_16_bits(number), _PROPERTIES.READ, _PERMISSIONS.READABLE, value)
