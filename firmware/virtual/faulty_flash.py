"""A NOR flash chip whose power can be cut in the middle of any program or erase.

Its parts are block devices for `vfs.VfsLfs2` and the raw partitions of `esp32.Partition`. As in the chip and
in `ports/esp32/esp32_partition.c`: programming only turns ones to zeros, erasing is by whole blocks,
`writeblocks` without an offset erases first and with an offset does not.

    flash = FaultyFlash(blocks=64)
    vfs.VfsLfs2.mkfs(flash.part(), progsize=32, readsize=32, lookahead=32)
    clean = flash.snapshot()
    flash.restore(clean, cut=k, seed=k)      # the power will fail in operation k (0 is the first from here)
    …                                        # from then on OSError(EIO), and `flash.dead` is True
    flash.power_up()                         # what is torn stays torn; take a new `flash.part()` and mount it

A part belongs to the life in which it was taken: files left open in an earlier life can write nothing
when the garbage collector closes them.
"""

import errno
import gc
import random

_BLOCK_COUNT, _BLOCK_SIZE, _BLOCK_ERASE = 4, 5, 6
_UNSTABLE = 64  # bytes behind the place where the power failed that are neither old nor new


class FaultyFlash:
    """`blocks` blocks of `size` bytes in `data`.

    ops: programs and erases in this life. erased: erases of each block since ever.
    broken: while True programs and erases fail and change nothing, reading works.
    overwritten: programs that wanted a one where a zero was, a mistake of whoever wrote.
    """

    def __init__(self, blocks: int = 64, size: int = 4096, data: bytearray | None = None) -> None:
        self.size, self.blocks = size, blocks
        self.data = data if data is not None else bytearray(b"\xff" * (blocks * size))
        self.erased = [0] * blocks
        self._blank = b"\xff" * size
        self.broken = False
        self.overwritten = 0
        self.life = 0
        self.power_up()

    def power_up(self, cut: int = -1, seed: int = 0) -> None:
        """Power until operation `cut` (-1: for good). `seed` chooses what a torn operation leaves."""
        self.life += 1
        gc.collect()
        self.cut, self.dead, self.ops = cut, False, 0
        random.seed(seed)

    def snapshot(self) -> bytes:
        """All that the chip holds now."""
        return bytes(self.data)

    def restore(self, snapshot: bytes, cut: int = -1, seed: int = 0) -> None:
        """The chip as it was at `snapshot`, powered up. In place: memoryviews of `data` stay valid."""
        self.data[:] = snapshot
        self.power_up(cut, seed)

    def part(self, first: int = 0, blocks: int | None = None) -> "Part":
        """A block device of `blocks` blocks (default: all the rest) from `first` on, for this life."""
        return Part(self, first, self.blocks - first if blocks is None else blocks)

    def erase(self, block: int) -> None:
        """All bits of a block to one; torn: from one end or the other to somewhere in the middle."""
        torn, at = self._begin(), block * self.size
        self.erased[block] += 1
        if not torn:
            try:
                self.data[at : at + self.size] = self._blank
            except MemoryError:  # as in `program`
                for place in range(at, at + self.size):
                    self.data[place] = 255
            return
        done = random.getrandbits(16) % (self.size + 1)
        start = at if random.getrandbits(1) else at + self.size - done
        self.data[start : start + done] = b"\xff" * done
        for unstable in range(start + done, min(start + done + _UNSTABLE, at + self.size)):
            self.data[unstable] |= random.getrandbits(8)
        raise OSError(errno.EIO)

    def program(self, at: int, buf) -> None:
        """The zeros of `buf` into the bytes from `at` on; torn: of some first bytes only."""
        torn, whole = self._begin(), len(buf)
        length = random.getrandbits(16) % (whole + 1) if torn else whole
        try:
            new = bytes(memoryview(buf)[:length])
            old = bytes(memoryview(self.data)[at : at + length])
            left = int.from_bytes(old, "little") & int.from_bytes(new, "little")
            result = left.to_bytes(length, "little")
            self.overwritten += result != new
            self.data[at : at + length] = result
        except MemoryError:  # a file that the garbage collector closes: nothing can be allocated then
            for place in range(length):
                self.data[at + place] &= buf[place]
        if torn:
            if length < whole:  # the byte at which the power failed has some of its zeros
                self.data[at + length] &= buf[length] | random.getrandbits(8)
            raise OSError(errno.EIO)

    def alive(self) -> None:
        """OSError(EIO) without power."""
        if self.dead:
            raise OSError(errno.EIO)

    def _begin(self) -> bool:
        """Count an operation; True: the power fails in it."""
        self.alive()
        if self.broken:
            raise OSError(errno.EIO)
        self.dead = self.ops == self.cut
        self.ops += 1
        return self.dead


class Part:
    """Some blocks of a FaultyFlash as a block device, for one life of it."""

    def __init__(self, flash: FaultyFlash, first: int, blocks: int) -> None:
        self.flash, self.first, self.blocks, self.life = flash, first, blocks, flash.life

    def memory(self) -> memoryview:
        """The part's bytes as the processor sees them: mapped, what is programmed shows at once."""
        size = self.flash.size
        return memoryview(self.flash.data)[self.first * size : (self.first + self.blocks) * size]

    def readblocks(self, block: int, buf, offset: int = 0) -> int:
        if self.life != self.flash.life:
            return -errno.EIO
        self.flash.alive()
        at = self._at(block, offset, len(buf))
        try:
            buf[:] = memoryview(self.flash.data)[at : at + len(buf)]
        except MemoryError:  # as in `program`
            for place in range(len(buf)):
                buf[place] = self.flash.data[at + place]
        return 0

    def writeblocks(self, block: int, buf, offset: int | None = None) -> int:
        if self.life != self.flash.life:
            return -errno.EIO
        at = self._at(block, offset or 0, len(buf))
        if offset is None:
            for number in range((len(buf) + self.flash.size - 1) // self.flash.size):
                self.flash.erase(self.first + block + number)
        self.flash.program(at, buf)
        return 0

    def ioctl(self, op: int, arg: int) -> int:
        if op == _BLOCK_COUNT:
            return self.blocks
        if op == _BLOCK_SIZE:
            return self.flash.size
        if op == _BLOCK_ERASE:
            if self.life != self.flash.life:
                return -errno.EIO
            self._at(arg, 0, self.flash.size)
            self.flash.erase(self.first + arg)
        return 0

    def _at(self, block: int, offset: int, length: int) -> int:
        """The place in the chip; EINVAL outside this part."""
        at = block * self.flash.size + offset
        if at < 0 or at + length > self.blocks * self.flash.size:
            raise OSError(errno.EINVAL)
        return self.first * self.flash.size + at
