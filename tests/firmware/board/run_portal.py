"""A hub in its setup window on a virtual board, for guests of its setup network on loopback.

Words: folder, milliseconds that the window stays open, port of the page, port of the names, milliseconds that a
guest may take. It prints what the heap holds for it when the page is up, and what is left of that at the end.
"""

import asyncio
import gc
import socket
import sys

from firmware.light import Light
from firmware.modules import forget, loaded
from firmware.setup.wifi import Wifi

STEADY = ("firmware.setup.wifi", "firmware.setup.credentials")


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


async def main(folder, open_ms, page_port, names_port, patience_ms):
    light = Light(lambda *_: None)
    wifi = Wifi(folder)
    tasks = [asyncio.create_task(part.run()) for part in (light, wifi)]
    await asyncio.sleep(0.05)
    gc.collect()
    before = gc.mem_alloc()
    from firmware.setup import portal as room
    from firmware.setup import window as frame
    from firmware.setup.portal import Portal, setup_key
    from firmware.setup.window import Setup

    room._HEAD_MS = patience_ms
    frame._GOODBYE_MS = 1500
    setup = Setup(wifi, light, [b"Meethub", b"1.0.0", b"virtual"], "hub-00AB12")
    portal = Portal(setup, "Meethub-AB12", setup_key(folder), (page_port, names_port))
    window = asyncio.create_task(setup.run([portal.run()], open_ms))
    while not taken(page_port):
        await asyncio.sleep(0.01)
    gc.collect()
    print("open", gc.mem_alloc() - before)
    await window
    gc.collect()
    print("shut", wifi.connected, gc.mem_alloc() - before)
    for task in tasks:
        task.cancel()
    del setup, portal, window, room, frame, Portal, setup_key, Setup
    forget(*[name for name in loaded("firmware.setup") if name not in STEADY])
    await asyncio.sleep(0.3)  # the server's own task ends
    gc.collect()
    print("heap", gc.mem_alloc() - before)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
