"""The hub's one button: a short press, three seconds for setup, ten for a factory reset.

It acts when the finger lifts, except for the reset: that begins at ten seconds, after the light has warned
since the fifth. A button that was down when the hub started counts only once it was let go: a jammed one must
not wipe the hub at every boot.
"""

import asyncio
import time

from firmware.light import HELD, LAST_CHANCE, Light

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SHORT, LONG, RESET = range(3)
_LONG_MS, _WARN_MS, _RESET_MS = 3000, 5000, 10000
# Two looks that agree are a press: contacts of such buttons are quiet after 5 to 10 ms.
_LOOK_MS = 20


class Button:
    """is_down: whether the finger is on it. pressed: told SHORT, LONG or RESET."""

    def __init__(self, is_down: "Callable[[], bool]", pressed: "Callable[[int], None]", light: Light) -> None:
        self._is_down = is_down
        self._pressed = pressed
        self._light = light

    async def run(self) -> None:
        await self._until(down=False)
        while True:
            await self._until(down=True)
            await self._follow(time.ticks_ms())  # type: ignore[attr-defined]

    async def _until(self, *, down: bool) -> None:
        agreeing = 0
        while agreeing < 2:
            await asyncio.sleep(_LOOK_MS / 1000)
            agreeing = agreeing + 1 if self._is_down() == down else 0

    async def _follow(self, since: int) -> None:
        """One press, from its beginning."""
        up = held = 0
        while up < 2 and held < _RESET_MS:
            await asyncio.sleep(_LOOK_MS / 1000)
            held = time.ticks_diff(time.ticks_ms(), since)  # type: ignore[attr-defined]
            up = 0 if self._is_down() else up + 1
            self._tell(held)
        self._light.hide(HELD)
        self._light.hide(LAST_CHANCE)
        self._pressed(RESET if held >= _RESET_MS else LONG if held >= _LONG_MS else SHORT)
        await self._until(down=False)

    def _tell(self, held: int) -> None:
        if held >= _WARN_MS:
            self._light.show(LAST_CHANCE)
        elif held >= _LONG_MS:
            self._light.show(HELD)


def button_on(number: int) -> "Callable[[], bool]":
    """How to look at a button between this pin and ground."""
    from machine import Pin

    pin = Pin(number, Pin.IN, Pin.PULL_UP)
    return lambda: pin.value() == 0
