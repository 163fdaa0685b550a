"""An uplink on the board that does what lines on its input say and tells on its output what happened."""

import asyncio
import json
import os
import select
import sys

from firmware.uplink import Uplink, UplinkSettings
from gateway.hub.events import log

log.send_to(lambda *_: None)
told = json.loads(os.getenv("UPLINK"))


def say(*words):
    print(json.dumps(words))


settings = UplinkSettings(
    told["host"], told["port"], told["hub"], told["ca"], told["certificate"], told["key"]
)
for name in told["changes"]:
    setattr(settings, name, told["changes"][name])
wall = [told.get("wall")]


def arrived(topic, payload):
    say("arrived", topic, payload.hex())


uplink = Uplink(
    settings, lambda: say("online"), lambda code: say("offline", code), arrived, wall=lambda: wall[0]
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


async def obey():
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    while True:
        if not poll.poll(0):
            await asyncio.sleep_ms(2)
            continue
        word, *more = json.loads(sys.stdin.readline())
        if word == "publish":
            say("published", uplink.publish(more[0], bytes.fromhex(more[1])))
        elif word == "publish-stored":
            say("published", uplink.publish(more[0], Stored(more[1])))
        elif word == "wall":
            wall[0] = more[0]
        elif word == "hurry":
            uplink.hurry()
        elif word == "connected":
            say("connected", uplink.connected)
        elif word == "end":
            return


async def main():
    task = asyncio.create_task(uplink.run())
    await obey()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    say("ended")


asyncio.run(main())
