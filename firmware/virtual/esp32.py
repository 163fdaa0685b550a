"""The flash partitions of a board without a board: `Partition`, and `vfs.rom_ioctl`, over a FaultyFlash.

    esp32.use(flash, (("nvs", 0, 2), ("romfs", 2, 128), ("vfs", 130, 16), ("data", 146, 110)))

Labels, first blocks and numbers of blocks. `install_vfs()` puts `rom_ioctl` into the module `vfs`, which the
unix port lacks: reading only; on a chip it gives an object with a buffer (its `memoryview` is the flash).
"""

import errno
import sys

_board = {}


def use(flash, table):
    """From here on this is the board's flash; the parts belong to its present life."""
    _board["flash"], _board["table"] = flash, table


class Partition:
    TYPE_APP, TYPE_DATA = 0, 1

    def __init__(self, label):
        for row, first, blocks in _board["table"]:
            if row == label:
                self.part, self._label = _board["flash"].part(first, blocks), label
                return
        raise OSError(errno.ENOENT)

    @staticmethod
    def find(type=0, subtype=0xFF, label=None):  # noqa: A002, ARG004 (the real one's)
        if type != Partition.TYPE_DATA:
            return []
        return [Partition(row[0]) for row in _board["table"] if label in (None, row[0])]

    def info(self):
        size = self.part.flash.size
        return (1, 0, self.part.first * size, self.part.blocks * size, self._label, False)

    def readblocks(self, block, buf, offset=0):
        return self.part.readblocks(block, buf, offset)

    def writeblocks(self, block, buf, offset=None):
        return self.part.writeblocks(block, buf, offset)

    def ioctl(self, op, arg):
        return self.part.ioctl(op, arg)


def rom_ioctl(op, *args):
    if op == 1:
        return 1
    if op == 2 and args == (0,):
        return Partition("romfs").part.memory()
    return -errno.EINVAL


class _Vfs:
    """The module `vfs` with `rom_ioctl`."""

    def __init__(self, real):
        self._real = real
        self.rom_ioctl = rom_ioctl

    def __getattr__(self, name):
        return getattr(self._real, name)


def install_vfs():
    import vfs

    if not hasattr(vfs, "rom_ioctl"):
        sys.modules["vfs"] = _Vfs(vfs)
