"""A hub in its setup window on a virtual board, for a phone in the air.

Words: folder, milliseconds that the window stays open, milliseconds that a press authorises. Lines of JSON.
"""

import asyncio
import gc
import json
import sys

import bluetooth

from firmware.button import SHORT, Button, button_on
from firmware.light import Light, neopixel_on
from firmware.setup.wifi import Wifi
from firmware.setup.window import Setup


async def main(folder, open_ms, authorised_ms):
    ble = bluetooth.BLE()
    light = Light(neopixel_on(48))
    wifi = Wifi(folder)
    gc.collect()
    before = gc.mem_alloc()
    from firmware.setup.improv_ble import ImprovBle

    about = [b"Meethub", b"1.0.0", b"virtual"]
    setup = Setup(wifi, light, about, "hub-00AB12", "https://pgo.example/h", authorised_ms)
    button = Button(button_on(0), lambda press: setup.pressed() if press == SHORT else None, light)
    tasks = [asyncio.create_task(part.run()) for part in (light, button, wifi)]
    improv = ImprovBle(ble, setup.improv, b"Meethub AB12")
    ble.irq(improv.heard)
    ble.active(True)
    ble.config(rxbuf=1024, mtu=247)
    improv.register()
    print(json.dumps(["open"]))
    await setup.run([improv.run()], open_ms)
    gc.collect()
    print(json.dumps(["shut", wifi.connected, gc.mem_alloc() - before]))
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
