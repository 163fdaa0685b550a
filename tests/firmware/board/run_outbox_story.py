"""Plays stories (a JSON file) on the board's outbox over littlefs and writes down the answers (another)."""

import json
import sys

from outbox_flash import formatted, mounted
from outbox_story import Story

from firmware.outbox import Outbox
from gateway.hub.events import log

log.send_to(lambda *_: None)


FLASH = formatted(128)
CLEAN = FLASH.snapshot()


def told(steps):
    clock = [0]
    FLASH.restore(CLEAN)
    folder = mounted(FLASH)
    return Story(lambda: Outbox(folder, 500000, monotonic_ms=lambda: clock[0] * 1000), clock).play(steps)


def main():
    with open(sys.argv[1]) as file:
        stories = json.load(file)
    with open(sys.argv[2], "w") as file:
        json.dump([told(steps) for steps in stories], file)
    print(len(stories), "stories told")


main()
