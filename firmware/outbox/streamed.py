"""A message on its way out of the outbox."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Stored:
    """An upward message that is read when its first byte is asked for and let go of with its last.

    So a window of messages may wait for the network, and one is in memory. Should it be freed or erased
    meanwhile, it ends early.
    """

    def __init__(self, size: int, read: "Callable[[], bytes | bytearray]") -> None:
        self._size = size
        self._read = read
        self._raw: bytes | bytearray = b""
        self._at = 0

    def __len__(self) -> int:
        return self._size

    def readinto(self, buffer: memoryview | bytearray) -> int:
        """The next bytes; how many, 0 at the end."""
        if self._at == 0:
            self._raw = self._read()
        part = self._raw[self._at : self._at + len(buffer)] if len(self._raw) == self._size else b""
        buffer[: len(part)] = part
        self._at += len(part)
        if self._at >= self._size:
            self._raw = b""
        return len(part)
