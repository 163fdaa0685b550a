"""A part of a flash chip in a file of the computer: a block device that outlives the process."""

import os

_BLOCK = 4096
_COUNT, _SIZE, _ERASE = 4, 5, 6


class FileFlash:
    """`blocks` blocks in the file, which is made when there is none. Programming only turns ones to zeros."""

    def __init__(self, path: str, blocks: int) -> None:
        self._blocks = blocks
        try:
            os.stat(path)
        except OSError:
            with open(path, "wb") as file:
                for _ in range(blocks):
                    file.write(b"\xff" * _BLOCK)
        self._file = open(path, "r+b")

    def readblocks(self, block, buf, offset=0) -> None:
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=0) -> None:
        old = bytearray(len(buf))
        self.readblocks(block, old, offset)
        for index in range(len(buf)):
            old[index] &= buf[index]
        self._put(block * _BLOCK + offset, old)

    def ioctl(self, op, arg):
        if op == _COUNT:
            return self._blocks
        if op == _SIZE:
            return _BLOCK
        if op == _ERASE:
            self._put(arg * _BLOCK, b"\xff" * _BLOCK)
        return 0

    def _put(self, at, data) -> None:
        self._file.seek(at)
        self._file.write(data)
        self._file.flush()
