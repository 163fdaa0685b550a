"""One or more virtual devices beside a real hub with its radio and cables: does it report what they measured?

    async def test_it_reports_what_was_measured(bench):
        scale = await bench.on_air(Scale, WeightScale)
        await scale.weigh(70_000)
        await bench.reported(scale)

Everything is the product's own but the controller: hub, outbox, drivers, radio and serial port.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.drivers.base import Driver, Record
from gateway.radio import BluetoothDevice, Limits, Radio
from gateway.serial_port import SerialLimits, SerialPort
from gateway.simulator.advertiser import Advertiser
from gateway.simulator.cable import Cable
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.simulator.virtual_device import VirtualDevice
from gateway.simulator.virtual_radio import AdapterPort, Air
from gateway.wire.measurement import Device
from tests.e2e.gateways import Gateway, RealTime
from tests.e2e.wire import Wire

ADDRESS = "F0:5A:02:00:00:{:02X}"
QUICK = Limits(
    connect_s=3,
    read_s=2,
    prepare_s=5,
    quiet_s=0.6,
    settle_s=0.1,
    rest_s=0.02,
    idle_rest_s=0.05,
    advert_quiet_s=0.3,
    first_retry_s=0.05,
    last_retry_s=0.2,
)
QUICK_CABLE = SerialLimits(
    quiet_s=0.5, gather_s=0.01, poll_s=0.2, rest_s=0.2, settle_s=0.2, first_retry_s=0.05, last_retry_s=0.2
)
_SAME = ("kind", "device_time")  # always compared; more where the truth log says more
_MORE = ("origin", "notes", "user", "record", "context", "final")


class Bench:
    """A hub of its own; devices are set beside it, and what it sealed of them stands in `readings`.

    errors: what could not be decoded. pairing: whether a person has opened pairing.
    """

    def __init__(self, directory: Path) -> None:
        self.gateway = Gateway("hub-1", directory / "hub", RealTime(), Wire())
        self.gateway.start()
        self.hub = self.gateway.hub
        self.readings: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.pairing = True
        self.radio: Radio | None = None
        self.ports: list[SerialPort] = []
        self._directory = directory
        self._air = Air()
        self._devices: list[VirtualDevice] = []
        self._bluetooth: list[BluetoothDevice] = []
        self._adapter: tuple[AdapterPort, VirtualAdapter] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._keys: set[bytes] = set()
        self._listen_to_the_sealer()

    def _listen_to_the_sealer(self) -> None:
        add = self.hub.sealer.add

        def heard(rows: Any, record: Record) -> bytes | None:
            key = add(rows, record)
            if record.error is not None:
                self.errors.append(record.error.code)
            elif record.reading is not None and key not in self._keys:
                self._keys.add(key or b"")
                self.readings.append(told(record.reading.json()))
            return key

        self.hub.sealer.add = heard  # type: ignore[method-assign]

    # Devices.

    async def on_air(
        self,
        kind: type[Any],
        driver: type[Driver],
        consents: tuple[tuple[int, int], ...] = (),
        **options: Any,
    ) -> Any:
        """A Bluetooth device, switched on; in pairing mode where it wants a bond. options: its own.

        consents: (slot, code) that a person gave the hub for it.
        """
        address = ADDRESS.format(len(self._devices) + 1)
        quick = {"hang_up_after_s": 0.15, "idle_s": 1} if issubclass(kind, Peripheral) else {}
        chosen = kind.options_type(**{**quick, **options})
        made: Advertiser = kind(self._air, address, self._directory / address, chosen)
        self._devices.append(made)
        self._bluetooth.append(BluetoothDevice(address, driver, address, consents))
        await made.start()
        if isinstance(made, Peripheral) and made.options.bonds:
            await made.pairing_mode()
        return made

    async def on_cable(self, kind: type[Any], driver: type[Driver], **options: Any) -> Any:
        """A device on a cable, plugged in, with a port of the hub on it. options: of its constructor."""
        own = self._directory / f"cable-{len(self._devices)}"
        made: Cable = kind(own / "port", own, **{"speed": 50, "seed": 1, **options})
        self._devices.append(made)
        await made.start()
        device = Device(f"port-{len(self._devices)}")
        port = SerialPort(made.path, driver, device, self.hub.visits, limits=QUICK_CABLE)
        self.ports.append(port)
        self._tasks.append(asyncio.ensure_future(port.run()))
        return made

    async def listen(self, limits: Limits = QUICK) -> Radio:
        """The hub's radio, for all devices that are on the air by now."""
        port = AdapterPort(self._air, "00:AA:02:00:00:01")
        await port.open()
        adapter = VirtualAdapter(port.port, self._directory / "hub-bonds.json")
        self._adapter = (port, adapter)
        clock = self.gateway.clock
        self.radio = Radio(
            self._bluetooth,
            self.hub.visits,
            clock.wall,
            adapter.backend(),
            pairing_open=lambda _: self.pairing,
            limits=limits,
            mono_ms=clock.mono_ms,
        )
        self._tasks.append(asyncio.ensure_future(self.radio.run()))
        return self.radio

    # What must be so.

    async def reported(self, *devices: VirtualDevice, within_s: float = 20) -> None:
        """Returns when the hub has reported exactly what these devices measured; says what differs if not."""
        seen: list[int] = []

        def right() -> bool:
            """Compared anew only when something happened: a night has hundreds of readings."""
            now = [len(self.readings), *(len(device.truth.events) for device in devices)]
            changed, seen[:] = now != seen, now
            return changed and not self._differences(devices)

        try:
            await self.until(right, within_s)
        except TimeoutError:
            raise AssertionError("\n".join(self._differences(devices))) from None
        for device in devices:
            assert not device.truth.of("fault")

    def _differences(self, devices: tuple[VirtualDevice, ...]) -> list[str]:
        left: dict[Any, list[dict[str, Any]]] = {}
        for reading in self.readings:
            left.setdefault(reading["device_time"], []).append(reading)
        missing = []
        measured = [(device, row) for device in devices for row in device.truth.of("measured")]
        for device, row in measured:
            same_time = left.get(row["device_time"], [])
            found = next((reading for reading in same_time if agrees(row, reading)), None)
            if found is not None:
                same_time.remove(found)
            elif not _cut_off(device, row["number"]):
                missing.append(f"missing: {row}")
        return missing + [f"not measured: {reading}" for some in left.values() for reading in some]

    async def until(self, true: Callable[[], bool], timeout_s: float = 20) -> None:
        """Lets the event loop go round until it is so."""
        async with asyncio.timeout(timeout_s):
            while not true():  # noqa: ASYNC110 (facts are plain numbers)
                await asyncio.sleep(0.005)

    async def visited(self, device: Advertiser, times: int = 1) -> None:
        """Returns when the radio has visited this device so often, and left it."""
        assert self.radio is not None
        facts = self.radio.facts.devices[device.address]
        await self.until(lambda: facts.visits >= times and not facts.busy)

    async def close(self) -> None:
        for task in self._tasks:
            assert not task.done(), "radio and cables never end by themselves"
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for device in self._devices:
            await device.stop()
        if self._adapter is not None:
            port, adapter = self._adapter
            await adapter.close()
            await port.close()
        self.gateway.stop()


def _cut_off(device: VirtualDevice, number: int) -> bool:
    """Whether the hub may have this or not: it left in the middle of a stream."""
    return any(line["number"] == number for line in device.truth.of("cut-off"))


def told(reading: dict[str, Any]) -> dict[str, Any]:
    """A reading's JSON in the form of a truth log's row."""
    values: dict[str, Any] = {}
    for value in reading["values"]:
        text = None if value["value"] is None else (value["comparator"] or "") + value["value"]
        known = values.get(value["name"])
        values[value["name"]] = (
            text if known is None else [*(known if isinstance(known, list) else [known]), text]
        )
    units = {value["name"]: value["unit"] for value in reading["values"]}
    return {**reading, "values": values, "units": units}


def agrees(row: dict[str, Any], reading: dict[str, Any]) -> bool:
    """Whether a reading says what the truth log demands: kind, time, every value, and what else is stated."""
    keys = [*_SAME, *(key for key in _MORE if key in row)]
    wanted = {
        name: text[0] if isinstance(text, list) and len(text) == 1 else text
        for name, text in row["values"].items()
    }
    units = row.get("units", {})
    return (
        all(row[key] == reading[key] for key in keys)
        and wanted == reading["values"]
        and all(reading["units"][name] == unit for name, unit in units.items())
    )
