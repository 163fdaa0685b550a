"""All ways into a hub at once on a virtual board, as a long press opens them; the cable is this process's own.

Words: folder, port of the page, port of the names.
"""

import asyncio
import sys

from firmware.light import Light
from firmware.setup import opening
from firmware.setup.wifi import Wifi


async def main(folder, page_port, names_port):
    light = Light(lambda *_: None)
    wifi = Wifi(folder)
    tasks = [asyncio.create_task(part.run()) for part in (light, wifi)]
    setup = opening.window(wifi, light, [b"Meethub", b"1.0.0", b"virtual"], "AB12")
    await opening.keep_open(setup, folder, "AB12", (page_port, names_port))
    print("shut", wifi.connected)
    for task in tasks:
        task.cancel()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
