"""The 64-byte USB reports in which Contour USB meters wrap what others say on a plain line.

Source: Tidepool Uploader, Contour Next driver; Glucometer Utilities, contourusb. A report is "ABC", the
number of bytes that follow, up to 60 of them, and padding. On a plain line nothing begins with a letter.
"""

_HEAD, _SIZE, _MOST = b"ABC", 64, 60
_DATA_AT = len(_HEAD) + 1


class Reports:
    """Unwraps what comes, from the first bytes on; a plain line passes as it is. `wrapped`: which it is."""

    def __init__(self) -> None:
        self._rest = b""
        self.wrapped: bool | None = None

    def feed(self, data: bytes) -> bytes:
        """What the device said with these bytes, as far as it is certain."""
        self._rest += data
        if self.wrapped is None and not self._known():
            return b""
        if not self.wrapped:
            data, self._rest = self._rest, b""
            return data
        said = b""
        while len(self._rest) >= _SIZE:
            if _is_head(self._rest):
                said += self._rest[_DATA_AT : _DATA_AT + self._rest[len(_HEAD)]]
                self._rest = self._rest[_SIZE:]
            else:
                self._rest = self._rest[1:]  # bytes were lost: to the next report
        return said

    def _known(self) -> bool:
        """Whether the first bytes tell which it is."""
        if _HEAD.startswith(self._rest[: len(_HEAD)]) and len(self._rest) < _DATA_AT:
            return False
        self.wrapped = _is_head(self._rest)
        return True

    def end(self) -> bytes:
        """Nothing more comes: what was too short for a report is what it is."""
        data, self._rest = self._rest, b""
        return data

    def wrap(self, command: bytes) -> bytes:
        """A command as this device takes it."""
        if not self.wrapped:
            return command
        return (_HEAD + bytes((len(command),)) + command + bytes(_SIZE))[:_SIZE]


def _is_head(data: bytes) -> bool:
    return data[: len(_HEAD)] == _HEAD and data[len(_HEAD)] <= _MOST
