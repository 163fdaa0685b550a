"""A hub in its setup window on a virtual board, for a client at the other end of a cable.

Words: port, folder, milliseconds that the window stays open, milliseconds that a press authorises. The button
is pin 0, the light a NeoPixel at pin 48. A short press authorises again.
"""

import asyncio
import sys

from firmware.button import SHORT, Button, button_on
from firmware.light import Light, neopixel_on
from firmware.setup.improv_serial import ImprovSerial
from firmware.setup.wifi import Wifi
from firmware.setup.window import Setup


async def main(port, folder, open_ms, authorised_ms):
    light = Light(neopixel_on(48))
    wifi = Wifi(folder)
    about = [b"Meethub", b"1.0.0", b"virtual"]
    setup = Setup(wifi, light, about, "hub-00AB12", "https://pgo.example/h", authorised_ms)
    button = Button(button_on(0), lambda press: setup.pressed() if press == SHORT else None, light)
    tasks = [asyncio.create_task(part.run()) for part in (light, button, wifi)]
    stream = asyncio.StreamReader(open(port, "r+b", 0))
    print("open")
    await setup.run([ImprovSerial(stream, setup.improv, setup).run()], open_ms)
    print("shut", wifi.connected, len(setup.improv.carriers))
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
