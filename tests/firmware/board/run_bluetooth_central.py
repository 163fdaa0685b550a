"""The `bluetooth` module in the central role: finds one device, bonds, and tells what it indicates."""

import asyncio
import json
import sys
import time

import bluetooth

events = []
kept = {}
overwritten = []
ble = bluetooth.BLE()


def irq(event, data):
    if event == 29:
        kind, _, key = data
        return kept.get((kind, bytes(key)))
    if event == 30:
        kind, key, value = data
        kept[(kind, bytes(key))] = bytes(value)
        return True
    overwritten.extend([(one, bytes(one)) for one in data if isinstance(one, memoryview) and len(one)])
    events.append((event, tuple([keep(one) for one in data])))
    return None


def keep(one):
    if isinstance(one, memoryview):
        return bytes(one)
    return bluetooth.UUID(one) if isinstance(one, bluetooth.UUID) else one


async def until(number, timeout_ms=4000):
    end = time.ticks_add(time.ticks_ms(), timeout_ms)
    while True:
        for at, (event, data) in enumerate(events):
            if event == number:
                del events[at]
                return data
        assert time.ticks_diff(end, time.ticks_ms()) > 0, "no event %d among %s" % (number, events)
        await asyncio.sleep_ms(1)


def say(*words):
    print(json.dumps(words))


async def main():  # noqa: PLR0915 (one conversation from beginning to end)
    address = bytes.fromhex(sys.argv[1])
    ble.irq(irq)
    try:
        ble.gap_scan(0)
        raise AssertionError("an inactive radio")
    except OSError as error:
        assert error.errno == 19
    assert ble.active(True)
    say("mac", ble.config("mac")[1].hex())
    if len(sys.argv) > 2:
        with open(sys.argv[2]) as file:
            for kind, key, value in json.load(file):
                kept[(kind, bytes.fromhex(key))] = bytes.fromhex(value)
    ble.config(rxbuf=2048, mtu=247, bond=True, le_secure=True, io=3)
    ble.gap_scan(0, 30000, 30000, True)
    while True:
        kind, found, _, rssi, advertised = await until(5)
        if found == address:
            break
    say("found", kind, rssi, advertised.hex())
    ble.gap_connect(kind, address)
    await until(6)  # connecting ends a scan
    conn, kind, found = await until(7)
    assert found == address
    ble.gattc_exchange_mtu(conn)
    say("mtu", (await until(21))[1])
    ble.gattc_discover_services(conn)
    assert (await until(10))[1] == 0
    services = [data for event, data in events if event == 9]
    say("services", [bytes(one[3]).hex() for one in services])
    ble.gattc_discover_characteristics(conn, 1, 0xFFFF)
    assert (await until(12))[1] == 0
    handles = {bytes(data[4]): data for event, data in events if event == 11}
    _, end, handle, _, _ = handles[b"\x35\x2a"]
    ble.gattc_discover_descriptors(conn, handle, end)
    assert (await until(14))[1] == 0
    cccd = next(data[1] for event, data in events if event == 13 and data[2] == bluetooth.UUID(0x2902))
    clock = handles[b"\x2b\x2a"][2]
    if (2, b"\x01" + bytes(reversed(address))) not in kept:
        ble.gattc_read(conn, clock)
        say("refused", (await until(16))[2])
    ble.gap_pair(conn)
    say("encrypted", list((await until(28))[1:]))
    ble.gattc_read(conn, clock)
    say("clock", len((await until(15))[2]), (await until(16))[2])
    ble.gattc_write(conn, cccd, b"\x02\x00", 1)
    assert (await until(17))[2] == 0
    value = (await until(19))[2]
    say("indicated", value.hex())
    say(
        "overwritten",
        all([bytes(view) == b"\xa5" * len(view) != was for view, was in overwritten]),
        len(overwritten),
    )
    await until(8)
    assert not ble.gap_disconnect(conn)
    say("kept", [[kind, key.hex(), value.hex()] for (kind, key), value in kept.items()])
    ble.gap_connect(1, b"\x01\x02\x03\x04\x05\x06", 50)
    assert (await until(8))[0] == 65535
    assert not ble.active(False)


asyncio.run(main())
