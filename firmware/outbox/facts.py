# ruff: noqa: ARG002 (who looks at frames is told all of them)
"""Settings and keys: one small file, appended to, written anew when it has grown; each fact twice."""

from firmware.outbox.frames import HEAD, frame, frame_at, scan
from firmware.outbox.keys import key_from_body
from gateway.hub.errors import OutboxError
from gateway.wire.errors import WireError

_NAME = "facts"
_SETTING, _DROPPED, _KEY = 1, 2, 3
_LONGEST = 12 << 10

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.outbox.files import Files
    from firmware.outbox.keys import Key


class Facts:
    """Where the newest value of each setting stands; the keys. Those of the outbox begin with a dot."""

    def __init__(self, files: "Files") -> None:
        self._files = files
        self._path = files.path(_NAME)
        self._written = 0
        self.keys: dict[int, Key] = {}
        self._load()

    def _load(self) -> None:
        """Names with the place and size of the value."""
        self._places: dict[str, tuple[int, int]] = {}
        self._size = 0
        scan(self._path, self._seen)
        self._size = self._files.size(_NAME)

    def _seen(self, kind: int, body: bytes, start: int, middle: int, end: int) -> None:
        if kind == _SETTING:
            self._place(_parts(body)[0], start, len(body))
        elif kind == _DROPPED:
            self._dropped(body)
        elif kind == _KEY:
            self._take(body)

    def _place(self, name: bytes, start: int, size: int) -> None:
        try:
            self._places[name.decode()] = start, size
        except (ValueError, UnicodeError):
            pass

    def _dropped(self, body: bytes) -> None:
        for name in list(self._places):
            if name.encode().startswith(body) and not name.startswith("."):
                del self._places[name]

    def _take(self, body: bytes) -> None:
        try:
            key = key_from_body(body)
        except WireError:
            return
        self.keys[key.number] = key

    def in_order(self) -> "list[Key]":
        """Keys in the order in which they began to seal; the last is the live one."""
        return [self.keys[number] for number in sorted(self.keys)]

    # Settings.

    def get(self, name: str) -> bytes | None:
        """The value; None when it was never set or cannot be read any more."""
        for _ in range(2):
            place = self._places.get(name)
            if place is None:
                return None
            kind, body = frame_at(self._path, place[0])
            if kind == _SETTING and len(body) == place[1]:
                return _parts(body)[1]
            self._load()  # rotten since it was opened: there is another copy
        return None

    def number(self, name: str) -> int:
        """A setting of our own that is a number; 0 when it is none."""
        try:
            return int(self.get(name) or b"0")
        except ValueError:
            return 0

    def set(self, name: str, value: bytes) -> None:
        """One commit, none when it says nothing new."""
        if self.get(name) == value:
            return
        body = _setting(name, value)
        self._append([frame(_SETTING, body)])
        self._places[name] = self._size - HEAD - len(body), len(body)
        self._shorten()

    def drop(self, start: str) -> None:
        """All settings whose names begin so."""
        self._append([frame(_DROPPED, start.encode())])
        self._dropped(start.encode())

    # Keys.

    def keep(self, keys: "list[Key]") -> None:
        """These keys as they are now, taken over when durable. One commit, none when nothing is new."""
        frames = []
        for key in keys:
            body = key.body()
            old = self.keys.get(key.number)
            if old is None or old.body() != body:
                frames.append(frame(_KEY, body))
        if frames:
            self._append(frames)
        for key in keys:
            self.keys[key.number] = key
        if frames:
            self._shorten()

    def _append(self, frames: list[bytes]) -> None:
        self._size = self._files.append(_NAME, frames + frames, self._size)

    def _shorten(self) -> None:
        """Write the file anew when it is mostly past. A failure only postpones it."""
        if self._size <= max(_LONGEST, 3 * self._written):
            return
        try:
            self._files.replace(_NAME, self._newest())
        except OutboxError:
            return
        keys = self.keys
        self._load()
        self.keys = keys
        self._written = self._size

    def _newest(self) -> "Iterator[bytes]":
        for name in list(self._places):
            value = self.get(name)
            if value is not None:
                copy = frame(_SETTING, _setting(name, value))
                yield copy
                yield copy
        for key in self.in_order():
            copy = frame(_KEY, key.body())
            yield copy
            yield copy


def _setting(name: str, value: bytes) -> bytes:
    label = name.encode()
    return len(label).to_bytes(2, "big") + label + value


def _parts(body: bytes) -> tuple[bytes, bytes]:
    """Name and value."""
    end = 2 + int.from_bytes(body[:2], "big")
    return body[2:end], body[end:]
