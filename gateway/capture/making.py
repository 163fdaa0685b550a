"""`meethub-gateway capture`: records real devices over the hub's own radio and cables.

Through a whole hub, where nothing is lost: it stores and sends what it hears as always. Or one device without
a hub, for whoever writes a driver: then what the device forgets once it was told stands in the file alone.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine

from gateway.capture.recorder import CaptureFile, Recorder
from gateway.capture.recording import CaptureError
from gateway.config import Config
from gateway.daemon import run
from gateway.drivers import driver_named
from gateway.drivers.base import Driver, Known
from gateway.hub.visit import Visit
from gateway.logs import log_to_stderr
from gateway.pairing.agent import PairingAgent
from gateway.pairing.window import PairingWindow
from gateway.radio import Backend, BluetoothDevice, Radio
from gateway.serial_port import SerialPort
from gateway.wire.items import Frame
from gateway.wire.measurement import Device

NAMELESS = "capture"
_PAIRING_S = 3600.0
HOLDS = {
    ("nl", True): "Dit bestand bevat wat de apparaten zeiden: ook de metingen en hun tijden. Serienummers en "
    "adressen staan er niet in. Geef het alleen aan wie uw metingen mag zien.",
    (
        "nl",
        False,
    ): "Dit bestand bevat alleen hoeveel de apparaten zeiden en wanneer: geen metingen. Om een fout "
    "na te spelen zijn de bytes nodig: --with-values.",
    (
        "en",
        True,
    ): "This file holds what the devices said: also the measurements and their times. Serial numbers "
    "and addresses are not in it. Give it only to people who may see your measurements.",
    (
        "en",
        False,
    ): "This file holds only how much the devices said and when: no measurements. To play a fault "
    "again the bytes are needed: --with-values.",
}
"""What people are told is in the file, by language and with or without values."""


def capture_hub(
    config: Config, file: CaptureFile, seconds: float | None, backend: Backend | None = None
) -> None:
    """The hub of this configuration, recorded, until it is told to stop or so many seconds have passed."""
    run(config, backend, lambda listener: Recorder(listener, file.keep, _mono_ms), seconds)


def capture_alone(
    driver: type[Driver],
    file: CaptureFile,
    seconds: float | None,
    port: str | None,
    address: str | None,
    adapter: str | None = None,
    backend: Backend | None = None,
) -> None:
    """One device without a hub, on this port or with this Bluetooth address; it may pair then."""
    log_to_stderr("text")
    listener = Recorder(Alone(), file.keep, _mono_ms)
    if port is not None:
        work = SerialPort(port, driver, Device(NAMELESS), listener).run()
    else:
        work = listen_alone(BluetoothDevice(address or "", driver, NAMELESS), listener, adapter, backend)
    asyncio.run(_for_a_while(work, seconds))


async def listen_alone(
    device: BluetoothDevice, listener: Recorder, adapter: str | None, backend: Backend | None
) -> None:
    """The radio; nobody tells it the time, so it sets no clock."""
    window = PairingWindow()
    window.open_for(device.address, _PAIRING_S)
    radio = Radio(
        [device],
        listener,
        lambda: None,
        backend,
        pairing_open=window.is_open,
        pairing_answered=window.answered,
        adapter=adapter,
    )
    async with contextlib.AsyncExitStack() as stack:
        if backend is None:
            await stack.enter_async_context(PairingAgent(window))
        await radio.run()


async def _for_a_while(work: Coroutine[None, None, None], seconds: float | None) -> None:
    """Until Ctrl-C, SIGTERM or the end of the time; visits that go on are closed then."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(task, seconds)


class Alone:
    """A Listener that holds the conversation which a driver wants, and keeps nothing."""

    @staticmethod
    def driver(name: str, *, cable: bool) -> type[Driver]:
        """The driver of that name, where it can do so without a hub. CaptureError("capture-not-alone")."""
        kind = driver_named(name)
        if kind is None:
            raise CaptureError("driver-unknown", name)
        if (
            kind.keeps_secret
            or (cable and kind.serial is None)
            or (not cable and not (kind.services or kind.adverts))
        ):
            raise CaptureError("capture-not-alone", name)
        return kind

    def __init__(self) -> None:
        self._drivers: dict[bytes, Driver] = {}

    def opened(self, visit: Visit) -> None:
        self._drivers[visit.number] = visit.driver()

    def begun(self, visit: Visit) -> list[Frame]:
        self._drivers[visit.number].start(
            Known(None, users=visit.users, pairing=visit.pairing, cable=visit.bonded is None)
        )
        return self._turn(visit)

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        self._drivers[visit.number].received(Frame(source, 0, data))
        return self._turn(visit)

    def silent(self, visit: Visit) -> list[Frame]:
        self._drivers[visit.number].silent()
        return self._turn(visit)

    def closed(self, visit: Visit) -> None:
        self._drivers.pop(visit.number).finish()

    def _turn(self, visit: Visit) -> list[Frame]:
        driver = self._drivers[visit.number]
        visit.patience_s = driver.patience_s
        about = driver.about
        visit.understood = visit.understood or bool(about)
        if about.get("serial"):
            visit.device = Device(NAMELESS, serial=about["serial"], address=visit.device.address)
        return driver.take_sends()


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000
