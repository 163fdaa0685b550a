"""Asks the DNS server on this port of loopback for a host: its address and how often the loop turned meanwhile."""

import asyncio
import sys

from firmware import names

names.ipconfig = lambda _: "127.0.0.1"  # what DHCP would have told
names._PATIENCE_MS = 500


async def main(port, host):
    turns = 0
    task = asyncio.create_task(names.address_of(host, port))
    while not task.done():
        await asyncio.sleep_ms(10)
        turns += 1
    try:
        print(await task, turns)
    except OSError:
        print("unknown")


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
