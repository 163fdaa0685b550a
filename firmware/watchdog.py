"""The hub's watchdog: fed only while every steady task has made progress.

The hardware's timer starts the board again when nobody feeds it. What starved is noted before that happens.
A release on trial is a task as well: `expect(TRIAL, TRIAL_MS)`, and `release(TRIAL)` once it is confirmed.
"""

import asyncio
import time

try:
    from micropython import const
except ImportError:  # CPython

    def const(value: int) -> int:
        return value


TIMEOUT_MS = const(120_000)  # of the hardware, as boot.py starts it for a trial
FEED_MS = const(5_000)
TRIAL_MS = const(900_000)  # within this a release confirms itself, or is started again
TRIAL = "trial"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Feedable(Protocol):
        """A `machine.WDT`."""

        def feed(self) -> None: ...


class Watchdog:
    """wdt: a machine.WDT. starved: told the first task that stands still, before the board starts again.

    Tasks call `tick` at least as often as they said in `expect`; what waits long calls it from a time-out.
    """

    def __init__(self, wdt: "Feedable", starved: "Callable[[str], None]") -> None:
        self._wdt = wdt
        self._starved = starved
        self._tasks: dict[str, list[int]] = {}  # name: [limit, last tick] in ms
        self._told = False

    def expect(self, name: str, every_ms: int) -> None:
        """From here on the task of this name ticks; its name is a kebab-case word."""
        self._tasks[name] = [every_ms, _now()]

    def tick(self, name: str) -> None:
        """The task did some of its work."""
        self._tasks[name][1] = _now()

    def release(self, name: str) -> None:
        """The task ended as it should, or may wait for as long as it likes."""
        self._tasks.pop(name, None)

    def feed(self) -> bool:
        """Feed when all are well; False: somebody starves and the board will start again."""
        for name in sorted(self._tasks):
            limit, last = self._tasks[name]
            if _since(last) > limit:
                self._tell(name)
                return False
        self._wdt.feed()
        return True

    async def run(self, every_ms: int = FEED_MS) -> None:
        """Feed for ever, or until somebody starved."""
        while self.feed():
            await asyncio.sleep(every_ms / 1000)

    def _tell(self, name: str) -> None:
        if not self._told:
            self._told = True
            self._starved(name)


def _now() -> int:
    return time.ticks_ms() if hasattr(time, "ticks_ms") else int(time.monotonic() * 1000)


def _since(before: int) -> int:
    return time.ticks_diff(_now(), before) if hasattr(time, "ticks_diff") else _now() - before
