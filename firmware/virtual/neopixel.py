"""A NeoPixel that remembers what it showed and when, instead of shining.

NeoPixel.shown: (ms, colour of the first pixel), newest last, at most 256. With MEETHUB_BOARD the same goes
as lines "ms r g b" to the file `light` in that folder, for a test outside to follow.
"""

import time

from machine import board_file

_MOST = 256


class NeoPixel:
    shown = []

    def __init__(self, pin, n, bpp=3, timing=1):
        self._pixels = [(0,) * bpp for _ in range(n)]

    def __len__(self):
        return len(self._pixels)

    def __setitem__(self, at, colour):
        if any(not 0 <= part <= 255 for part in colour):
            raise ValueError("a byte each")
        self._pixels[at] = tuple(colour)

    def __getitem__(self, at):
        return self._pixels[at]

    def fill(self, colour):
        for at in range(len(self._pixels)):
            self[at] = colour

    def write(self):
        now, colour = time.ticks_ms(), self._pixels[0]
        NeoPixel.shown.append((now, colour))
        if len(NeoPixel.shown) > _MOST:
            NeoPixel.shown.pop(0)
        path = board_file("light")
        if path:
            with open(path, "a") as file:
                file.write("%d %d %d %d\n" % ((now,) + colour[:3]))
