"""A whole flash chip in a file of the computer, for `esp32.use`: it outlives the process, also a killed one.

Each program and erase stands in the file when it returns. Programming only turns ones to zeros. `memory()` of
a part is a mapped copy outside the heap, as a board's flash is mapped.
"""

import errno

from mapped import mapped

_COUNT, _SIZE, _ERASE = 4, 5, 6


class ChipFile:
    """The chip in the file at `path`, which holds all its blocks."""

    size = 4096

    def __init__(self, path) -> None:
        self.file = open(path, "r+b")
        self.shown = {}  # first block of a part: its mapped copy

    def part(self, first, blocks):
        return Part(self, first, blocks)


class Part:
    """Some blocks of the chip as a block device."""

    def __init__(self, flash, first, blocks) -> None:
        self.flash, self.first, self.blocks = flash, first, blocks

    def memory(self):
        """The part as the processor sees it: what is programmed shows at once."""
        if self.first not in self.flash.shown:
            view = mapped(self.blocks * self.flash.size)
            self.flash.file.seek(self.first * self.flash.size)
            self.flash.file.readinto(view)
            self.flash.shown[self.first] = view
        return self.flash.shown[self.first]

    def readblocks(self, block, buf, offset=0):
        self.flash.file.seek(self._at(block, offset, len(buf)))
        self.flash.file.readinto(buf)
        return 0

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            for number in range((len(buf) + self.flash.size - 1) // self.flash.size):
                self.ioctl(_ERASE, block + number)
        at = self._at(block, offset or 0, len(buf))
        new = bytearray(len(buf))
        self.flash.file.seek(at)
        self.flash.file.readinto(new)
        for index in range(len(buf)):
            new[index] &= buf[index]
        self._put(at, new)
        return 0

    def ioctl(self, op, arg):
        if op == _COUNT:
            return self.blocks
        if op == _SIZE:
            return self.flash.size
        if op == _ERASE:
            self._put(self._at(arg, 0, self.flash.size), b"\xff" * self.flash.size)
        return 0

    def _put(self, at, data):
        self.flash.file.seek(at)
        self.flash.file.write(data)
        self.flash.file.flush()
        view = self.flash.shown.get(self.first)
        if view is not None:
            here = at - self.first * self.flash.size
            view[here : here + len(data)] = data

    def _at(self, block, offset, length):
        at = block * self.flash.size + offset
        if at < 0 or at + length > self.blocks * self.flash.size:
            raise OSError(errno.EINVAL)
        return self.first * self.flash.size + at
