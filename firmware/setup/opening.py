"""One setup window: all ways in are opened together, and shut together. Loaded only while it is open."""

import bluetooth

from firmware.setup.improv_ble import ImprovBle
from firmware.setup.improv_serial import Console, ImprovSerial, close_console
from firmware.setup.portal import Portal, setup_key
from firmware.setup.window import Setup
from gateway.hub.events import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine

    from firmware.light import Light
    from firmware.setup.wifi import Wifi


def window(wifi: "Wifi", light: "Light", about: list[bytes], hub: str) -> Setup:
    """What a press opens. about: firmware, version, chip. hub: what people call it, its last four signs."""
    return Setup(wifi, light, about, hub)


async def keep_open(setup: Setup, folder: str, label: str, ports: tuple[int, int] = (80, 53)) -> None:
    """Bluetooth, the cable and the setup network, until the window shuts; what fails leaves the others.

    label: ends the network's name. ports: of the page and of the names. The radio must be free.
    """
    ble = bluetooth.BLE()
    ways = [
        _tried(ImprovSerial(Console(), setup.improv, setup).run()),
        _tried(_bluetooth(setup, ble)),
        _tried(_page(setup, folder, label, ports)),
    ]
    try:
        await setup.run(ways)
    finally:
        close_console()
        ble.active(False)


async def _bluetooth(setup: Setup, ble: "bluetooth.BLE") -> None:
    improv = ImprovBle(ble, setup.improv, setup.name)
    ble.irq(improv.heard)
    ble.active(True)
    ble.config(mtu=247)
    improv.register()
    await improv.run()


async def _page(setup: Setup, folder: str, label: str, ports: tuple[int, int]) -> None:
    await Portal(setup, "Meethub-" + label, setup_key(folder), ports).run()


async def _tried(way: "Coroutine[object, object, None]") -> None:
    try:
        await way
    except OSError as error:
        log.warning("setup-way-shut", errno=error.args[0] if error.args else 0)
