"""A virtual blood pressure monitor (Bluetooth SIG 1810, 1805, 180A, 180F) that behaves as a patient's meter.

It advertises only for a while after a measurement or in pairing mode, answers only over an encrypted bond,
sends what it stored oldest first, forgets a record exactly when that record's indication is confirmed, and
hangs up first. Layouts: devices.md sections 5.1 and 5.8 (Bluetooth GATT Specification Supplement); encoded
here without any code of the gateway.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bumble import hci
from bumble.controller import Controller
from bumble.core import AdvertisingData, BaseBumbleError
from bumble.device import Connection, Device
from bumble.gatt import Characteristic
from bumble.host import Host
from bumble.keys import JsonKeyStore
from bumble.link import LocalLink
from bumble.pairing import PairingConfig
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.meter_gatt import MeterOptions, MeterServices
from gateway.simulator.meter_memory import MeterMemory, Record, measurement
from gateway.simulator.truth import TruthLog
from gateway.simulator.virtual_adapter import just_works

__all__ = ["BloodPressureMonitor", "MeterOptions"]


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
        self._on = False
        self._button = asyncio.Lock()  # one change of the advertising at a time
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
        self._services = MeterServices(address, self.options, self.memory, self.truth)

    async def start(self) -> None:
        """Switches on; nothing is advertised yet."""
        device = self._device
        device.pairing_config_factory = self._pairing_config
        device.advertising_interval_min = device.advertising_interval_max = self.options.advertising_ms
        self._services.add_to(device)
        self._services.measurement.on(Characteristic.EVENT_SUBSCRIPTION, self._subscribed)
        device.on(Device.EVENT_CONNECTION, self._connected)
        await device.power_on()
        self._on = True
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
        self._on = False
        await self.hang_up()
        await self._close_window()
        await asyncio.gather(*self._tasks)

    async def bonded(self) -> bool:
        return self._device.keystore is not None and bool(await self._device.keystore.get_all())

    async def pairing_mode(self) -> None:
        """The person holds the button: advertises and lets a hub bond, until one is there."""
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
        ago: timedelta = timedelta(0),
    ) -> Record:
        """A person measures, or did some time ago: stored in the meter, which then advertises."""
        moment = self.clock() - ago
        data = measurement((systolic, diastolic, mean_arterial), moment, pulse, user, status)
        record = self.memory.add(data)
        values = {"systolic": systolic, "diastolic": diastolic, "mean-arterial": mean_arterial}
        self.truth.write(
            "measured",
            number=record.number,
            hex=data.hex(),
            device_time=moment.isoformat(timespec="seconds"),
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
        async with self._button:
            if self._on and not self._device.connections and not self._device.is_advertising:
                await self._device.start_advertising(auto_restart=False)

    def _window_ends(self) -> None:
        self._window = None
        if not self.pairing:
            self._spawn(self._close_window())

    async def _close_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None
        async with self._button:
            if self._device.is_advertising:
                await self._device.stop_advertising()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        return just_works(connection, accept=self.pairing)

    def _connected(self, connection: Connection) -> None:
        self.truth.write("connected")
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)
        connection.on(Connection.EVENT_PAIRING, lambda _: self._paired())
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._encrypted)

    def _paired(self) -> None:
        self.truth.write("paired")

    def _encrypted(self) -> None:
        self.pairing = False
        self.truth.write("encrypted")

    def _gone(self, reason: int) -> None:
        self.truth.write("disconnected", reason=reason)
        if self._on and (self.pairing or (self._window is not None and self._news)):
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
            self._device.gatt_server.indicate_subscriber(connection, self._services.measurement, record.data)
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
