"""An uplink on the board that does what lines on its input say and tells on its output what happened."""

import asyncio
import gc
import json
import os
import select
import sys

told = json.loads(os.getenv("UPLINK"))


def say(*words):
    print(json.dumps(words))


def set_calendar(_clock, date):
    """The board's own clock, which TLS looks at; the unix port has none."""
    from firmware.time_zone import days_since_1970

    year, month, day, _, hour, minute, second, _ = date
    with open(os.getenv("CALENDAR"), "w") as file:
        file.write(str(days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second))


if os.getenv("CALENDAR"):
    import machine

    machine.RTC.datetime = set_calendar

gc.collect()
before = gc.mem_alloc()
from firmware import certificate_dates, uplink_line  # noqa: E402
from firmware.uplink import Uplink, UplinkSettings, open_socket  # noqa: E402 (what it takes is measured)
from gateway.hub.events import log  # noqa: E402

gc.collect()
imported = gc.mem_alloc() - before
log.send_to(lambda level, event, _: say("log", event) if level == "error" else None)
settings = UplinkSettings(
    told["host"], told["port"], told["hub"], told["ca"], told["certificate"], told["key"]
)
for name in told["changes"]:
    setattr(settings, name, told["changes"][name])
wall = [told.get("wall")]
if told.get("blind"):
    uplink_line.dates = lambda _der: certificate_dates.dates(b"")


def arrived(topic, payload):
    say("arrived", topic, payload.hex())
    if told.get("fails"):
        raise ZeroDivisionError


async def open_modem(host, port):
    """A modem's driver instead of the board's network: a stream of its own that counts what passes."""
    from uplink_modem import Modem

    return Modem(await open_socket(host, port), say)


sys.path.insert(0, "tests/firmware/board")
uplink = Uplink(
    settings,
    lambda: say("online"),
    lambda code: say("offline", code),
    arrived,
    wall=lambda: wall[0],
    open_socket=open_modem if told.get("modem") else open_socket,
)


class Stored:
    """A message that is read piece by piece."""

    def __init__(self, size):
        self.at, self.size = 0, size

    def __len__(self):
        return self.size

    def readinto(self, view):
        for place in range(len(view)):
            view[place] = (self.at + place) % 251
        self.at += len(view)
        return len(view)


async def publish_many(topic, count, size):
    """So many messages, each as soon as there is room; the heap in use after the first tenth and at the end."""
    marks = []
    for number in range(count):
        payload = bytes(size)
        while not uplink.publish(topic, payload):
            await asyncio.sleep_ms(1)
        if number + 1 in (count // 10, count):
            await asyncio.sleep_ms(200)
            gc.collect()
            marks.append(gc.mem_alloc())
    return marks


def memory():
    gc.collect()
    return [imported, gc.mem_alloc() - before]


def tell_time(wall_ms):
    wall[0] = wall_ms


WORDS = {
    "publish": lambda topic, data: uplink.publish(topic, bytes.fromhex(data)),
    "publish-stored": lambda topic, size: uplink.publish(topic, Stored(size)),
    "wall": tell_time,
    "hurry": uplink.hurry,
    "connected": lambda: uplink.connected,
    "memory": memory,
}


async def obey():
    """One line after the other, each answered, until the word `end`."""
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    while True:
        if not poll.poll(0):
            await asyncio.sleep_ms(2)
            continue
        word, *more = json.loads(sys.stdin.readline())
        if word == "end":
            return
        say("answer", await publish_many(*more) if word == "publish-many" else WORDS[word](*more))


async def main():
    task = asyncio.create_task(uplink.run())
    await obey()
    while not task.done():  # one that meets a time-out is lost on MicroPython
        task.cancel()
        await asyncio.sleep_ms(20)
    say("ended")


asyncio.run(main())
