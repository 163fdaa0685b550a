"""A hub with one cable: `run_serial_port.py DRIVER [limit_ms=N …] [full=N]` until its standard input closes.

A line of JSON for each thing that happens: opened, begun, heard (bytes), record (its values or its error), sent,
closed, problem. full=N: the N-th time that something is to be stored, and from then on until the visit is over,
there is no room. Commands on standard input, a line each: "forbid", "allow", "block MS" (the loop stands
still), "memory" (what is in use).
"""

import asyncio
import gc
import json
import select
import sys
import time

import machine

from firmware.serial_port import RX_BUFFER, SerialLimits, SerialPort
from gateway.drivers import driver_named
from gateway.drivers.base import Known
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.wire.items import Frame
from gateway.wire.measurement import Device


def say(what, **facts):
    print(json.dumps([what, facts]))


class Hub:
    """What gateway.hub.visits does with a cable, without a store: it says what it would keep."""

    def __init__(self, full):
        self.stored, self.full = 0, full
        self.marks = {}

    def opened(self, visit):
        self.driver, self.began = visit.driver(), time.ticks_ms()
        say("opened")

    def begun(self, visit):
        known = Known(self.marks.get(visit.driver.name), bytes(range(16)), cable=True)
        self.driver.start(known)
        say("begun")
        return self._turn(visit)

    def received(self, visit, source, data):
        assert source == "serial"
        say("heard", bytes=data.hex())
        self._keep(
            visit, self.driver.received(Frame(source, time.ticks_diff(time.ticks_ms(), self.began), data))
        )
        return self._turn(visit)

    def silent(self, visit):
        self._keep(visit, self.driver.silent())
        return self._turn(visit)

    def closed(self, visit):
        try:
            self._keep(visit, self.driver.finish())
        finally:
            say("closed", understood=visit.understood)
            self.full = 0

    def _keep(self, visit, records):
        for record in records:
            self.stored += 1
            if self.full and self.stored >= self.full:
                raise OutboxError("outbox-full")
            self._say(record)
            visit.understood = visit.understood or record.reading is not None

    def _say(self, record):
        if record.error is not None:
            say("record", error=record.error.code)
        elif record.reading is not None:
            values = {value.name: [value.digits, value.exponent] for value in record.reading.values}
            say("record", values=values, frames=b"".join([frame.data for frame in record.frames]).hex())

    def _turn(self, visit):
        driver = self.driver
        visit.patience_s = driver.patience_s
        known = driver.understood or bool(driver.about) or driver.device_clock is not None
        visit.understood = visit.understood or known
        self.marks[visit.driver.name] = driver.mark
        sends = driver.take_sends()
        for frame in sends:
            say("sent", bytes=frame.data.hex())
        return sends


class Room:
    """Whether something may be stored."""

    free = True


async def obey(room):
    """Commands of the test, until it closes our standard input."""
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    while True:
        if poll.poll(0):
            line = sys.stdin.readline()
            if not line:
                return
            word = line.split()
            if word[0] == "block":
                time.sleep_ms(int(word[1]))
            elif word[0] == "memory":
                gc.collect()
                say("memory", bytes=gc.mem_alloc())
            else:
                room.free = word[0] == "allow"
            say("obeyed", command=word[0])
        await asyncio.sleep_ms(5)


async def main(name, *options):
    limits, full = SerialLimits(), 0
    for option in options:
        key, number = option.split("=")
        if key == "full":
            full = int(number)
        else:
            setattr(limits, key, int(number))
    log.send_to(
        lambda level, event, facts: say("problem", level=level, code=event, reason=facts.get("reason"))
    )
    room = Room()

    def open_uart(**settings):
        say("settings", **settings)
        return machine.UART(1, rxbuf=RX_BUFFER, **settings)

    port = SerialPort(open_uart, driver_named(name), Device("port-x"), Hub(full), lambda: room.free, limits)
    task = asyncio.create_task(port.run())
    say("ready")
    await obey(room)
    assert not task.done()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        say("ended", bytes=port.bytes)


asyncio.run(main(*sys.argv[1:]))
