"""A hub in its setup window on a virtual board, for guests of its setup network on loopback.

Words: folder, milliseconds that the window stays open, port of the page, port of the names. It prints when the
page is up, and at the end what the heap held at most and what it holds now.
"""

import asyncio
import gc
import socket
import sys

from firmware.light import Light, neopixel_on
from firmware.setup.wifi import Wifi
from firmware.setup.window import Setup


def taken(port):
    """Whether the page is being served."""
    line = socket.socket()
    try:
        line.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    except OSError:
        return False
    finally:
        line.close()
    return True


async def main(folder, open_ms, page_port, names_port):
    light = Light(neopixel_on(48))
    wifi = Wifi(folder)
    tasks = [asyncio.create_task(part.run()) for part in (light, wifi)]
    await asyncio.sleep(0.05)
    gc.collect()
    before = gc.mem_alloc()
    from firmware.setup.portal import Portal, setup_key

    setup = Setup(wifi, light, [b"Meethub", b"1.0.0", b"virtual"], "hub-00AB12")
    portal = Portal(setup, "Meethub-AB12", setup_key(folder), (page_port, names_port))
    window = asyncio.create_task(setup.run([portal.run()], open_ms))
    while not taken(page_port):
        await asyncio.sleep(0.01)
    gc.collect()
    print("open", gc.mem_alloc() - before)
    await window
    print("shut", wifi.connected)
    for task in tasks:
        task.cancel()
    del setup, portal, window
    for name in list(sys.modules):
        if name.startswith("firmware.setup.") and name != "firmware.setup.wifi":
            sys.modules.pop(name)
    gc.collect()
    print("heap", gc.mem_alloc() - before)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
