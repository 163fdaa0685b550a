"""A handler that is kept waiting: how much of a burst a ring of so many bytes holds."""

import asyncio
import json
import sys
import time

import bluetooth

ble = bluetooth.BLE()
latest = {}
heard = []


def irq(event, data):
    latest[event] = tuple([bytes(one) if isinstance(one, memoryview) else one for one in data])
    if event == 11 and bytes(data[4]) == b"\x35\x2a":
        latest["value"] = data[2]
    if event == 19:
        heard.append(bytes(data[2]))
        time.sleep_ms(60)  # meanwhile the device goes on
    return True if event == 30 else None


async def until(number):
    while number not in latest:
        await asyncio.sleep_ms(1)
    return latest.pop(number)


async def main():
    address = bytes.fromhex(sys.argv[1])
    ble.irq(irq)
    ble.active(True)
    ble.config(rxbuf=4096, mtu=247, bond=True, le_secure=True, io=3)
    ble.gap_connect(1, address, 5000)
    conn = (await until(7))[0]
    ble.gattc_discover_characteristics(conn, 1, 0xFFFF)
    await until(12)
    ble.gap_pair(conn)
    assert (await until(28))[1]
    ble.config(rxbuf=int(sys.argv[2]))
    ble.gattc_write(conn, latest["value"] + 1, b"\x02\x00", 1)
    await until(17)
    quiet = time.ticks_ms()
    seen = 0
    while time.ticks_diff(time.ticks_ms(), quiet) < 3000 and 8 not in latest:
        if len(heard) != seen:
            seen, quiet = len(heard), time.ticks_ms()
        await asyncio.sleep_ms(5)
    print(json.dumps(["heard", len(heard), ble.lost]))


asyncio.run(main())
