"""A row of numbered files: the last one is written to, the others only shrink or go."""

from gateway.hub.errors import OutboxError

# Of a file in blocks of 4 KiB littlefs takes some bytes for its own pointers: this fills four of them.
SEGMENT = 16 * 1024 - 16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware.outbox.files import Files


class Segments:
    """`numbers` of the files, ascending; their names are a letter and the number."""

    def __init__(self, files: "Files", letter: str, longest: int = SEGMENT) -> None:
        self.files = files
        self._letter = letter
        self._longest = longest
        found = [int(name[1:]) for name in files.names if name[0] == letter and name[1:].isdigit()]
        self.numbers = sorted(found)
        self._size = files.size(self.name(self.last())) if found else 0
        if found and self._size == 0:  # cut off before its first commit, which begins it anew
            self.numbers.pop()
            self._size = files.size(self.name(self.last())) if self.numbers else 0

    def name(self, number: int) -> str:
        return "%s%06d" % (self._letter, number)

    def path(self, number: int) -> str:
        return self.files.path(self.name(number))

    def last(self) -> int:
        """The number of the file that is written to; 0 when there is none."""
        return self.numbers[-1] if self.numbers else 0

    def is_full(self, more: int) -> bool:
        """Whether so many bytes more begin a new file."""
        return not self.numbers or (self._size > 0 and self._size + more > self._longest)

    def append(self, parts: list[bytes]) -> None:
        """To the last file."""
        self._size = self.files.append(self.name(self.last()), parts, self._size)

    def begin(self, number: int, parts: list[bytes]) -> None:
        """A new last file."""
        self._size = self.files.append(self.name(number), parts, 0)
        self.numbers.append(number)

    def check(self, more: int) -> None:
        """OutboxError("disk-full") when so many bytes more do not fit."""
        name = self.name(self.last() + 1 if self.is_full(more) else self.last())
        if not self.files.fits(name, more):
            raise OutboxError("disk-full")

    def rewrite(self, number: int, parts: "Iterable[bytes]") -> None:
        """A file that holds only these from now on; not the last one."""
        self.files.replace(self.name(number), parts)

    def remove(self, number: int) -> None:
        self.files.remove(self.name(number))
        self.numbers.remove(number)
