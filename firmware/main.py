"""From power-on to a running hub: what /main.py starts in the slot that boot.py chose.

A reset that is due comes first; then the data are mounted, the light and the button live, and the hub runs as
soon as somebody has told it who it is. An exception that nobody handled leaves a crash record and ends here:
the board starts again.
"""

import asyncio

from firmware import crash, reset, slots
from firmware.board import Board
from firmware.watchdog import TIMEOUT_MS, Watchdog

DATA = "/data"


def main() -> None:
    """Until the board starts again."""
    from machine import WDT

    wdt = WDT(timeout=TIMEOUT_MS)
    reset.of_board(wdt.feed)
    slots.mount_data(DATA)
    running = slots.of_board()
    crashes = crash.Crashes("")
    try:
        asyncio.run(
            _live(Watchdog(wdt, lambda task: crashes.note_word(task, running.sequence)), crashes, running)
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        crashes.note(error, running.sequence)
        raise


async def _live(watchdog: Watchdog, crashes: crash.Crashes, running: slots.Slots) -> None:
    from firmware.appliance import Appliance

    appliance = Appliance(Board(""), DATA, watchdog, crashes, running)
    await appliance.run()


def request(hub: str) -> None:
    """At the workbench: print what the bridge needs to know this hub."""
    import json

    from firmware import enrolment

    _mounted()
    print(json.dumps(enrolment.request(DATA, hub)))


def install(answer: str, settings: str) -> None:
    """At the workbench: keep what the bridge answered, and the settings."""
    from firmware import enrolment

    _mounted()
    enrolment.install(DATA, answer, settings)


def devices() -> None:
    """At the workbench: print the identities of the configured devices, to bind them at the bridge."""
    import json

    from firmware import hub

    _mounted()
    print(json.dumps(hub.identities(DATA)))


def _mounted() -> None:
    """The data are there whatever ran before, made where this is a new board."""
    if reset.is_due():
        reset.resume(slots.partition(slots.DATA), [slots.partition(slots.NVS)], lambda: None)
    try:
        slots.mount_data(DATA)
    except OSError:
        pass  # they are already
