"""The hub's one light: what it is doing, by rhythm first and by colour second.

Rhythms differ without colour, no rhythm flashes more than three times a second (WCAG 2.3.1), colours are
Okabe and Ito's: told apart by the colour blind. Printed on the label: docs/setting-up-a-hub.md.
"""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Pattern = tuple[int, tuple[int, int, int], bytes, int]

# A pattern: (rank, colour, beats, times). Beats are pairs of bytes, brightness and tens of milliseconds.
# times 0: steady, shown until hidden, the highest rank first. Others are played once, before any steady one.
_BLUE, _GREEN, _ORANGE = (0, 114, 178), (0, 158, 115), (230, 159, 0)
_RED, _WHITE = (213, 94, 0), (255, 255, 255)
_BREATH = bytes(
    b
    for n in (8, 20, 40, 70, 110, 160, 205, 240, 255, 255, 240, 205, 160, 110, 70, 40, 20, 8, 0, 0)
    for b in (n, 5)
)
_SHORT = b"\xff\x0f\x00\x14"  # 0.15 s on, 0.2 s off

PAUSED = (1, _WHITE, b"\x30\x14" + b"\x00\xf8" * 12, 0)  # a dim blink every 30 s
STORED = (2, _ORANGE, b"\xff\x64\x00\xe1\x00\xe1\x00\xe1\x00\xe1", 0)  # 1 long every 10 s
SETUP = (3, _BLUE, _BREATH, 0)  # breathes once a second
HELP = (4, _RED, _SHORT * 3 + b"\x00\x46" + _SHORT * 3 + b"\x00\xfa\x00\xfa", 0)  # 3 short, pause, 3 short
RECEIVED = (5, _BLUE, b"\xff\x64\x00\x1e", 1)  # 1 long
DELIVERED = (6, _GREEN, b"\xff\x14\x00\x1e\xff\x14\x00\x1e", 1)  # 2 short
# What a finger on the button is told: steadily on, let go for setup; quick, your last chance to let go.
HELD = (7, _BLUE, b"\xff\x64", 0)
LAST_CHANCE = (8, _RED, b"\xff\x0a\x00\x19", 0)
IDENTIFY = (9, _WHITE, b"\xff\x11\x00\x11", 29)  # 10 s quick
_MOST_WAITING = 4
# Between two patterns, or the second would look like more of the first.
_DARK_MS = 300


class Light:
    """show: called with red, green and blue, 0 to 255. bright: how much of a pixel's light, of 256."""

    def __init__(self, show: "Callable[[int, int, int], None]", bright: int = 64) -> None:
        self._pixel = show
        self._bright = bright
        self._steady: list[Pattern] = []
        self._once: list[Pattern] = []
        self._changed = asyncio.Event()

    def show(self, pattern: "Pattern") -> None:
        """Steady ones until `hide`; others once, in the order of their asking, identifying first."""
        if pattern[3] == 0:
            self._keep_steady(pattern)
        elif pattern not in self._once and len(self._once) < _MOST_WAITING:
            self._once.insert(0 if pattern is IDENTIFY else len(self._once), pattern)
            self._changed.set()

    def hide(self, pattern: "Pattern") -> None:
        if pattern in self._steady:
            self._steady.remove(pattern)
            self._changed.set()

    def _keep_steady(self, pattern: "Pattern") -> None:
        if pattern not in self._steady:
            self._steady.append(pattern)
            self._steady.sort(key=lambda one: -one[0])
            self._changed.set()

    def _next(self) -> "Pattern | None":
        """A finger on the button is answered before all else."""
        if self._steady and self._steady[0][0] >= HELD[0]:
            return self._steady[0]
        if self._once:
            return self._once[0]
        return self._steady[0] if self._steady else None

    async def run(self) -> None:
        before = None
        while True:
            self._changed.clear()
            pattern = self._next()
            if pattern is not before and pattern not in (HELD, LAST_CHANCE):
                before = pattern
                self._set(_WHITE, 0)
                if await self._interrupted(pattern, _DARK_MS):
                    continue
            before = pattern
            if pattern is None:
                await self._changed.wait()
            elif await self._play(pattern) and pattern in self._once:
                self._once.remove(pattern)

    async def _play(self, pattern: "Pattern") -> bool:
        """Whether it was played to its end: something more urgent may come between."""
        beats = pattern[2]
        for _ in range(pattern[3] or 1):
            for at in range(0, len(beats), 2):
                self._set(pattern[1], beats[at])
                if await self._interrupted(pattern, beats[at + 1] * 10):
                    return False
        return True

    async def _interrupted(self, pattern: "Pattern | None", ms: int) -> bool:
        try:
            await asyncio.wait_for_ms(self._changed.wait(), ms)  # type: ignore[attr-defined]
        except asyncio.TimeoutError:
            return False
        self._changed.clear()
        return self._next() is not pattern

    def _set(self, colour: tuple[int, int, int], level: int) -> None:
        scale = level * self._bright
        self._pixel(colour[0] * scale >> 16, colour[1] * scale >> 16, colour[2] * scale >> 16)


def neopixel_on(number: int) -> "Callable[[int, int, int], None]":
    """How to show a colour on one NeoPixel at this pin."""
    from machine import Pin
    from neopixel import NeoPixel

    pixel = NeoPixel(Pin(number, Pin.OUT), 1)

    def show(red: int, green: int, blue: int) -> None:
        pixel[0] = (red, green, blue)
        pixel.write()

    return show


def lamp_on(number: int, lit: int = 1) -> "Callable[[int, int, int], None]":
    """How to show a colour on a plain LED at this pin: on or off. lit: the level at which it shines."""
    from machine import Pin

    pin = Pin(number, Pin.OUT, value=1 - lit)

    def show(red: int, green: int, blue: int) -> None:
        pin.value(lit if red or green or blue else 1 - lit)

    return show
