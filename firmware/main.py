"""From power-on to a running hub: what /main.py starts in the slot that boot.py chose.

A reset that is due comes first; then the data are mounted, the light and the button live, and the hub runs as
soon as somebody has told it who it is. An exception that nobody handled leaves a crash record and ends here:
the board starts again. What a workbench asks of a board stands in bench.py.
"""

import asyncio
import gc

from firmware.modules import forget
from firmware.watchdog import TIMEOUT_MS, Watchdog

DATA = "/data"
# Collecting often and little keeps the free memory in large pieces; else an import may find none that fits.
_GARBAGE = 16384


def main() -> None:
    """Until the board starts again."""
    from machine import WDT

    gc.threshold(_GARBAGE)  # type: ignore[attr-defined]
    wdt = WDT(timeout=TIMEOUT_MS)
    _prepare(wdt.feed)
    from firmware.past import Past

    past = Past()
    try:
        asyncio.run(_live(Watchdog(wdt, past.note_starved), past))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        past.note(error)
        raise


def _prepare(fed: "object") -> None:
    """A reset that was asked for, or else the file system of keys, settings and readings."""
    from firmware import reset, slots

    reset.of_board(fed)  # type: ignore[arg-type]
    slots.mount_data(DATA)
    del reset, slots
    forget("firmware.reset", "firmware.slots")


async def _live(watchdog: Watchdog, past: "object") -> None:
    from firmware.appliance import Appliance
    from firmware.board import Board

    await Appliance(Board(""), DATA, watchdog, past).run()  # type: ignore[arg-type]
