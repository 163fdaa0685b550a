"""What is around the hub in the machine: an adapter, two blood pressure monitors and bluetoothd. Runs as root.

The steps tell it what happens: one JSON object a line on a unix socket, {"do": name, ...}, and one line back.
"""

import asyncio
import json
import os
import signal
from datetime import timedelta
from pathlib import Path

from bumble.device import Connection
from bumble.hci import LeFeatureMask
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport

from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from gateway.simulator.virtual_radio import Air, AirController

METER, CODED_METER, ADAPTER = "F0:5A:01:00:00:01", "F0:5A:01:00:00:02", "00:AA:01:00:00:01"
BLUETOOTHD, LOG = "/usr/libexec/bluetooth/bluetoothd", Path("/run/bluetoothd.log")
CLOCK_OFFSET_S = -600


class PlainAdapter(AirController):
    """An adapter as Bluetooth 4.2 has it, without privacy and extended advertising.

    bumble 0.0.236 claims both and yet tells of each connection in the old form. Linux waits for the new one,
    20 s in which it scans nothing and hangs up nobody.
    """

    le_features = AirController.le_features & ~(
        LeFeatureMask.LL_PRIVACY
        | LeFeatureMask.LE_EXTENDED_ADVERTISING
        | LeFeatureMask.LE_PERIODIC_ADVERTISING
    )


class Display(PairingDelegate):
    """A meter's display: six digits that a person has to type on the hub."""

    def __init__(self) -> None:
        super().__init__(PairingDelegate.DISPLAY_OUTPUT_ONLY)
        self.shown: int | None = None

    async def display_number(self, number: int, digits: int) -> None:  # noqa: ARG002 (bumble's)
        self.shown = number


class CodedMeter(BloodPressureMonitor):
    """Bonds only with who knows what it shows."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.display = Display()

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        if not self.pairing:
            return super()._pairing_config(connection)
        return PairingConfig(sc=True, mitm=True, bonding=True, delegate=self.display)


class World:
    """Adapter, meters and bluetoothd, and what can happen to them. Each command's answer is JSON."""

    def __init__(self, directory: Path) -> None:
        self._air = Air()
        self._meters = {
            METER: BloodPressureMonitor(self._air, METER, directory / "plain", _options()),
            CODED_METER: CodedMeter(self._air, CODED_METER, directory / "coded", _options()),
        }
        self._systolic = 100  # another one each time, so that no two readings are the same
        self._adapter = None
        self._bluetoothd = None

    async def start(self) -> None:
        for meter in self._meters.values():
            await meter.start()
        await self.plug_in()
        await self.start_bluetoothd()

    # The adapter.

    async def plug_in(self) -> None:
        transport = await open_transport("vhci")
        ends = {"host_source": transport.source, "host_sink": transport.sink}
        self._adapter = transport, PlainAdapter("hci0", link=self._air, public_address=ADAPTER, **ends)

    async def pull_out(self) -> None:
        transport, controller = self._adapter
        controller.lose_power()
        self._air.remove_controller(controller)
        await transport.close()

    async def power(self, on: bool) -> str:
        return await _said("bluetoothctl", "power", "on" if on else "off")

    # bluetoothd.

    async def start_bluetoothd(self) -> None:
        with LOG.open("ab") as log:  # noqa: ASYNC230 (a line at a start)
            self._bluetoothd = await asyncio.create_subprocess_exec(BLUETOOTHD, "-n", stdout=log, stderr=log)

    async def kill_bluetoothd(self) -> None:
        self._bluetoothd.send_signal(signal.SIGKILL)
        await self._bluetoothd.wait()

    async def bonded(self, address: str = METER) -> dict[str, bool]:
        """Who holds a bond: the meter, and BlueZ."""
        said = await _said("bluetoothctl", "info", address)
        return {"meter": await self._meters[address].bonded(), "bluez": "Paired: yes" in said}

    # The meters.

    async def measure(self, count: int, hours_ago: int = 0, address: str = METER) -> list[str]:
        """People measure so many times, one an hour or all now; the records as they will be sent."""
        records = []
        for number in range(count):
            self._systolic += 1
            ago = timedelta(hours=hours_ago - number) if hours_ago else timedelta(0)
            meter = self._meters[address]
            records.append(await meter.measure(self._systolic, 80, 90, 60 + number, ago=ago))
        return [record.data.hex() for record in records]

    async def pairing_mode(self, address: str = METER) -> None:
        await self._meters[address].pairing_mode()

    async def shown_code(self) -> int | None:
        return self._meters[CODED_METER].display.shown

    async def lose_confirmation(self) -> None:
        self._meters[METER].options.lose_confirmations = 1

    async def reset_meter(self) -> None:
        await self._meters[METER].forget_bonds()

    async def clock_set(self) -> bool:
        """Whether a hub has set the meter's clock."""
        return bool(self._meters[METER].truth.of("clock-set"))

    async def stored(self, address: str = METER) -> int:
        """What the meter has not got rid of yet."""
        return len(self._meters[address].memory.records)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked = json.loads(line)
            answer = await getattr(self, asked.pop("do"))(**asked)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()


def _options() -> MeterOptions:
    """Advertises as long as it takes. Emulated, everything is slower: a real meter hangs up after 0.3 s."""
    return MeterOptions(clock_offset_s=CLOCK_OFFSET_S, window_s=900, advertising_ms=100, hang_up_after_s=1.2)


async def _said(*command: str) -> str:
    pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdin=none, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    return said.decode(errors="replace")


async def main() -> None:
    world = World(Path("/run/world"))
    await world.start()
    path = Path(os.environ["MEETHUB_WORLD"])
    server = await asyncio.start_unix_server(world.serve, path.with_suffix(".new"))
    path.with_suffix(".new").chmod(0o666)
    path.with_suffix(".new").rename(path)  # from now on it is there: the steps begin
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
