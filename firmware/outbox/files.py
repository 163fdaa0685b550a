"""The outbox's folder: bytes appended and synced, files replaced whole, and how much of the flash they take.

On littlefs `flush` is the sync, and a file shows what it held at its last one: never half a commit. A rename
replaces at once. Where a write fails, the file is cut back to what was acknowledged before anything follows.
"""

import os

from firmware.outbox.frames import copied
from gateway.hub.errors import OutboxError

BLOCK = 4096
# MicroPython's errno has no name for it.
_ENOSPC = 28
# Written beside a file and renamed onto it.
_NEW = "new"
# Kept for settings, states, moving and erasing when everything else is full.
_SPARE = 32 << 10
# Kept for status and 50 readings.
_RESERVE = 56 << 10
# So often, in bytes written, the file system is asked what it has left: that takes as long as it is full.
_ASK_EVERY = 64 << 10

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO


def _blocks(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _failed(error: OSError) -> OutboxError:
    return OutboxError("disk-full" if error.errno == _ENOSPC else "disk-error", str(error.errno))


class Files:
    """Everything that writes. `used`: bytes in whole blocks, as the flash counts them."""

    def __init__(self, folder: str, limit_bytes: int) -> None:
        self.folder = folder
        self._limit = limit_bytes
        self._spare = min(_SPARE, limit_bytes // 8)
        self._reserve = min(_RESERVE, limit_bytes // 4)
        # Sizes that were acknowledged of files whose last write failed, and what is still open of that.
        self._doubtful: dict[str, int] = {}
        self._left: dict[str, BinaryIO] = {}
        self._free = self._since = 0
        try:
            self._open()
            found = self._found()
            self.names = [name for name, _ in found]
            self.used = sum([_blocks(size) for _, size in found])
            self._ask()
        except OSError as error:
            raise _failed(error) from None

    def _open(self) -> None:
        """The folder is there, and nothing half-written is in it."""
        at = self.folder.find("/", 1)
        while at > 0:
            self._make(self.folder[:at])
            at = self.folder.find("/", at + 1)
        self._make(self.folder)
        if self.is_there(_NEW):
            os.remove(self.path(_NEW))

    def _found(self) -> list[tuple[str, int]]:
        """Names and sizes, on a board by one look at the folder."""
        if hasattr(os, "ilistdir"):
            return [(row[0], row[3]) for row in os.ilistdir(self.folder)]
        return [(name, self.size(name)) for name in os.listdir(self.folder)]

    def _make(self, folder: str) -> None:
        try:
            os.stat(folder)
        except OSError:
            os.mkdir(folder)

    def path(self, name: str) -> str:
        return self.folder + "/" + name

    def is_there(self, name: str) -> bool:
        return self.size(name, -1) >= 0

    def size(self, name: str, without: int = 0) -> int:
        """`without` for a file that is not there."""
        try:
            return os.stat(self.path(name))[6]
        except OSError:
            return without

    # Space.

    def _most(self) -> int:
        """What may be used in all, of the limit and of what the flash has."""
        return min(self._limit, self.used + max(self._free - self._since, 0)) - self._spare

    def room(self) -> int:
        """What may be used in all before the reserve."""
        return max(self._most() - self._reserve, 1)

    def fits(self, name: str, more: int) -> bool:
        """Whether so much more may be written to a file, reserve included."""
        size = self.size(name)
        return self.used + _blocks(size + more) - _blocks(size) <= self._most()

    def _ask(self) -> None:
        told = os.statvfs(self.folder)
        self._free, self._since = told[1] * told[4], 0

    def _grown(self, size: int, after: int) -> None:
        """Counted here; what others use is asked for now and then."""
        self.used += _blocks(after) - _blocks(size)
        self._since += _blocks(after) - _blocks(size)
        if not -_ASK_EVERY < self._since < _ASK_EVERY:
            try:
                self._ask()
            except OSError:
                pass  # what was written is durable all the same

    # Writing.

    def append(self, name: str, parts: "Iterable[bytes]", size: int) -> int:
        """Durable when this returns; the file's size then. size: what it has now.

        OutboxError("disk-full" or "disk-error"): nothing of it happened.
        """
        try:
            self._mend(name)
            self._doubtful[name] = size
            after = size + self._write(name, "ab", parts)
            del self._doubtful[name]
            self._grown(size, after)
        except OSError as error:
            self._try_to_mend(name)
            raise _failed(error) from None
        return after

    def replace(self, name: str, parts: "Iterable[bytes]") -> None:
        """The file holds these bytes and no others, or is as it was (OutboxError)."""
        try:
            self._mend(name)
            self._replace(name, parts)
        except OSError as error:
            raise _failed(error) from None

    def _replace(self, name: str, parts: "Iterable[bytes]") -> None:
        size = self.size(name)
        try:
            self._write(_NEW, "wb", parts)
            os.rename(self.path(_NEW), self.path(name))
        finally:
            self._grown(size, self.size(name))

    def remove(self, name: str) -> None:
        """Gone, or as it was (OutboxError)."""
        size = self.size(name)
        try:
            os.remove(self.path(name))
        except OSError as error:
            if self.is_there(name):
                raise _failed(error) from None
        self._grown(size, 0)

    def _write(self, name: str, mode: str, parts: "Iterable[bytes]") -> int:
        """All parts, durable; their size.

        A file that cannot be closed is kept, so that it is not closed behind our back: a garbage collector
        would write then what was not acknowledged.
        """
        self._close(name)
        file: BinaryIO = open(self.path(name), mode)  # type: ignore[assignment]  # noqa: SIM115 (see above)
        self._left[name] = file
        size = 0
        for part in parts:
            file.write(part)
            size += len(part)
        file.flush()
        if hasattr(os, "fsync"):  # a computer
            os.fsync(file.fileno())
        self._close(name)
        return size

    def _close(self, name: str) -> None:
        if name in self._left:
            self._left[name].close()
            del self._left[name]

    def _try_to_mend(self, name: str) -> None:
        try:
            self._mend(name)
        except OSError:
            pass  # before the next write to it

    def _mend(self, name: str) -> None:
        """What a write left that failed is not to come back: the file is cut to what was acknowledged."""
        self._close(name)
        size = self._doubtful.get(name)
        if size is None:
            return
        if size == 0 and self.is_there(name):
            os.remove(self.path(name))
        elif self.size(name) > size:
            self._replace(name, copied(self.path(name), 0, size))
        del self._doubtful[name]
