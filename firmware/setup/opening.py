"""One setup window: all ways in are opened together, and shut together. Loaded only while it is open."""

import asyncio
import sys

import bluetooth

from firmware.setup.improv_ble import ImprovBle
from firmware.setup.improv_serial import ImprovSerial
from firmware.setup.portal import Portal, setup_key
from firmware.setup.window import Setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.light import Light
    from firmware.setup.wifi import Wifi


def window(wifi: "Wifi", light: "Light", about: list[bytes], hub: str) -> Setup:
    """What a press opens. about: firmware, version, chip. hub: what people call it, its last four signs."""
    return Setup(wifi, light, about, hub)


async def keep_open(setup: Setup, folder: str, label: str) -> None:
    """Bluetooth, the cable and the setup network, until the window shuts. label: ends the network's name."""
    ble = bluetooth.BLE()
    improv = ImprovBle(ble, setup.improv, setup.name)
    ble.irq(improv.heard)
    ble.active(True)
    improv.register()
    cable = ImprovSerial(asyncio.StreamReader(sys.stdin.buffer), setup.improv, setup)
    portal = Portal(setup, "Meethub-" + label, setup_key(folder))
    try:
        await setup.run([improv.run(), cable.run(), portal.run()])
    finally:
        ble.active(False)
