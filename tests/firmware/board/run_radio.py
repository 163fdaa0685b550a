"""The firmware's radio with a listener that only says what it hears. Words: a file of JSON with the facts.

devices: [[address, driver, bond, identity]]. pairing: may they pair? work_ms: as Hears. limits: other than
usual. bonds: the file. wall_ms: what the clock says, or null. Lines on standard input: "state", "lend" (the
radio is somebody else's for a moment), anything else ends it.
"""

import asyncio
import gc
import json
import sys

import bluetooth
from radio_listener import Hears, say

from firmware.clock import Clock
from firmware.radio import BluetoothDevice, Bonds, Limits, Radio
from firmware.time_zone import Zone
from gateway.drivers import driver_named
from gateway.hub.events import log


async def main():
    with open(sys.argv[1]) as file:
        facts = json.load(file)
    log.send_to(lambda level, event, told: say("log", level, event, told))
    clock = Clock(Zone(facts.get("zone", "UTC0")))
    if facts.get("wall_ms"):
        clock.set_ntp(facts["wall_ms"])
    limits = Limits()
    for name, value in facts.get("limits", {}).items():
        setattr(limits, name, value)
    devices = [
        BluetoothDevice(address, driver_named(driver), identity, bond=bond, users=((1, 1234),))
        for address, driver, bond, identity in facts["devices"]
    ]
    pairing = facts.get("pairing", True)
    hears = Hears(facts.get("work_ms", 0))
    hears.fault_at = facts.get("fault_at", 0)
    radio = Radio(devices, hears, clock, lambda _: True, lambda _: pairing, Bonds(facts["bonds"]), limits)
    task = asyncio.create_task(radio.run())
    reader = asyncio.StreamReader(sys.stdin)
    while True:
        word = (await reader.readline()).strip()
        if word == b"state":
            gc.collect()
            problems = [
                [one.identity, one.problem, one.visits, one.values, one.clock_problem]
                for one in radio.devices
            ]
            say("state", radio.numbers(), problems, gc.mem_alloc(), radio.problem)
        elif word == b"lend":
            await ended(task)
            bluetooth.BLE().irq(None)
            task = asyncio.create_task(radio.run())
        else:
            break
    await ended(task)
    say("ended", radio.numbers())


async def ended(task):
    assert not task.done(), "run must never end by itself"
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    assert not bluetooth.BLE().active()


asyncio.run(main())
