"""The `bluetooth` module in the peripheral role: takes what is written and tells it back."""

import asyncio
import json

import bluetooth

ble = bluetooth.BLE()
events = []
more = asyncio.ThreadSafeFlag()


def irq(event, data):
    events.append((event, tuple([bytes(one) if isinstance(one, memoryview) else one for one in data])))
    more.set()


async def until(number):
    while True:
        for at, (event, data) in enumerate(events):
            if event == number:
                del events[at]
                return data
        await asyncio.wait_for_ms(more.wait(), 5000)


def say(*words):
    print(json.dumps(words))


async def main():
    ble.irq(irq)
    ble.active(True)
    ble.config(gap_name="meethub", mtu=200)
    service = (
        bluetooth.UUID("00467768-6228-2272-4663-277478268000"),
        (
            (
                bluetooth.UUID("00467768-6228-2272-4663-277478268001"),
                bluetooth.FLAG_READ | bluetooth.FLAG_NOTIFY,
            ),
            (
                bluetooth.UUID(0x2A9F),
                bluetooth.FLAG_WRITE | bluetooth.FLAG_INDICATE,
                ((bluetooth.UUID(0x2901), 2),),
            ),
        ),
    )
    ((state, command, note),) = ble.gatts_register_services([service])
    ble.gatts_write(state, b"\x01")
    ble.gatts_write(note, b"commands")
    ble.gap_advertise(20000, b"\x02\x01\x06", resp_data=b"\x08\x09meethub")
    say("advertises", ble.config("gap_name"))
    conn, kind, address = await until(1)
    say("came", kind, len(address))
    assert await until(3) == (conn, command)
    say("written", ble.gatts_read(command).hex())
    ble.gatts_set_buffer(command, 64, True)
    await until(3)
    await until(3)
    say("appended", ble.gatts_read(command).hex(), ble.gatts_read(command).hex())
    ble.gatts_write(state, b"\x02", True)
    ble.gatts_notify(conn, state, b"\x03\x04")
    ble.gatts_indicate(conn, command, b"yes")
    assert await until(20) == (conn, command, 0)
    say("confirmed")
    assert (await until(2))[0] == conn
    ble.gap_advertise(20000, connectable=False)
    ble.gap_advertise(None)
    say("gone", [event for event, _ in events])


asyncio.run(main())
