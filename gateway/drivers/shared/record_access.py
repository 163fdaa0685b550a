"""Reads what a device has stored: the Record Access Control Point (2A52). Bytes in, commands out.

Source: Glucose Service 1.0.1, section 3.4, and Continuous Glucose Monitoring Service 1.0.1, section 3.8: the
records are notified, then one indication ends the procedure. Both number their records in two bytes (a
sequence number; minutes since the session began). Nothing is ever deleted: opcode 02 is not on the list.

What was read once is not asked for again, but a device that was renumbered must hide nothing. So the mark is
the record with the highest number, whole: the device is asked for that number and above, and for everything
when this very record does not come back, when there is none, or when its newest record has a lower number.
"""

from gateway.drivers.base import Driver, Known, Record

RACP = "2a52"
_ALL, _SINCE, _NEWEST = b"\x01", b"\x03\x01", b"\x06"
_REPORT, _ABORT, _COUNT = 0x01, 0x03, 0x04
_COUNTED, _ANSWER = 0x05, 0x06
_SUCCESS, _NONE_FOUND, _BUSY = 0x01, 0x06, 0x0A
# All that may be sent, with its length.
ONLY_READING = (
    (RACP, b"\x01\x01", 2),  # report all
    (RACP, b"\x01\x03\x01", 5),  # report from this number on
    (RACP, b"\x01\x06", 2),  # report the newest
    (RACP, b"\x03\x00", 2),  # abort
    (RACP, b"\x04\x01", 2),  # count all
    (RACP, b"\x04\x03\x01", 5),  # count from this number on
)
_PATIENCE_S = 30  # after the last notification
_SHORT_PATIENCE_S = 5  # for a meter that is busy, aborts, counts or shows its newest record
_MOST_TRIES = 5
# Numbers have two bytes; near their end those after the wrap would be missed.
_NEARLY_WRAPPED = 0xFF00


class RecordAccess:
    """One conversation. Each method returns the command to send now, or None.

    patience_s: how long the device may be silent now; None when nothing is awaited.
    whole: the transfer came to its end. mark: what to know at the next visit; None without records.
    """

    def __init__(self) -> None:
        self.patience_s: float | None = None
        self.whole = False
        self.mark: bytes | None = None
        self._since: bytes | None = None
        self._known = b""
        self._command = b""
        self._tries = 0
        self._busy = self._repeated = self._met = False
        self._expected: int | None = None
        self._came = 0
        self._highest: tuple[int, bytes] | None = None
        self._newest: bytes | None = None

    def begin(self, mark: bytes | None) -> bytes:
        """The first command. mark: as the last whole transfer with this device left it, or None."""
        if mark is not None and len(mark) > 2 and int.from_bytes(mark[:2], "little") < _NEARLY_WRAPPED:
            self._since, self._known = mark[:2], mark[2:]
        return self._count()

    def record(self, number: int, data: bytes) -> None:
        """A record came. data: all its bytes."""
        if self._command == bytes((_REPORT,)) + _NEWEST:
            self._newest = data
        elif self._command[:1] == bytes((_REPORT,)):
            self._came += 1
            self._met = self._met or data == self._known
            if self._highest is None or number >= self._highest[0]:
                self._highest = (number, data)

    def answered(self, data: bytes) -> bytes | None:
        """The control point indicated. What answers no command of ours is passed over."""
        if self.patience_s is None or len(data) < 4:
            return None
        if data[0] == _COUNTED and self._command[0] == _COUNT:
            self._expected = int.from_bytes(data[2:], "little")
            return self._report() if self._expected else self._none_found()
        if data[0] != _ANSWER or data[2] != self._command[0]:
            return None
        if data[3] == _BUSY:
            self._busy, self.patience_s = True, _SHORT_PATIENCE_S
            return None
        return self._concluded(data[3])

    def silent(self) -> bytes | None:
        """Nothing came for `patience_s`."""
        if self.patience_s is None:
            return None
        if self._busy:
            return self._again(self._command)
        if self._command[0] == _ABORT:
            return self._again(None)
        if self._command[0] == _COUNT:
            return self._report()
        if self._command[1:] == _NEWEST:
            return self._end(whole=True)
        return self._ask(bytes((_ABORT, 0)), _SHORT_PATIENCE_S)

    def _concluded(self, code: int) -> bytes | None:
        if self._command[0] == _ABORT:
            return self._again(None)
        if code == _NONE_FOUND:
            return self._none_found()
        if self._command[0] == _COUNT:
            return self._report()  # it does not count, which it need not
        if self._command[1:] == _NEWEST:
            return self._checked()
        if code == _SUCCESS:
            return self._reported()
        return self._again(None) if self._since is None else self._everything()

    def _reported(self) -> bytes | None:
        """All that was asked for, by the device's word."""
        if self._expected is not None and self._came < self._expected and not self._repeated:
            self._repeated = (
                True  # some were lost on the way; if as many come again, it counts in its own way
            )
            return self._report()
        if self._since is None:
            return self._end(whole=True)
        if not self._met:
            return self._everything()
        return self._ask(bytes((_REPORT,)) + _NEWEST, _SHORT_PATIENCE_S)

    def _checked(self) -> bytes | None:
        """The newest record must be one that was just reported, else numbers began anew below the mark."""
        if self._newest is None or (self._highest is not None and self._newest == self._highest[1]):
            return self._end(whole=True)
        return self._everything()

    def _none_found(self) -> bytes | None:
        return self._end(whole=True) if self._since is None else self._everything()

    def _everything(self) -> bytes:
        self._since, self._known, self._highest = None, b"", None
        return self._count()

    def _again(self, command: bytes | None) -> bytes | None:
        """The same command, or (None) from the beginning; not for ever."""
        self._tries += 1
        if self._tries > _MOST_TRIES:
            return self._end(whole=False)
        return self._count() if command is None else self._ask(command, _PATIENCE_S)

    def _count(self) -> bytes:
        self._expected, self._repeated = None, False
        return self._ask(bytes((_COUNT,)) + self._which(), _SHORT_PATIENCE_S)

    def _report(self) -> bytes:
        self._came, self._met, self._highest, self._newest = 0, False, None, None
        return self._ask(bytes((_REPORT,)) + self._which(), _PATIENCE_S)

    def _which(self) -> bytes:
        return _ALL if self._since is None else _SINCE + self._since

    def _ask(self, command: bytes, patience_s: float) -> bytes:
        self._command, self.patience_s, self._busy = command, patience_s, False
        return command

    def _end(self, *, whole: bool) -> bytes | None:
        self._command, self.patience_s, self._busy, self.whole = b"", None, False, whole
        if whole and self._highest is not None:
            number, data = self._highest
            self.mark = number.to_bytes(2, "little") + data
        return None


class RecordReader(Driver):
    """Base of drivers whose device stores its records behind the control point."""

    keeps_records = True
    may_send = ONLY_READING

    def __init__(self) -> None:
        self._access = RecordAccess()

    def start(self, known: Known) -> None:
        self._say(self._access.begin(known.mark))

    def silent(self) -> list[Record]:
        self._say(self._access.silent())
        return []

    def _say(self, command: bytes | None) -> None:
        """Send this, and tell the hub what the conversation stands at."""
        if command is not None:
            self.send(RACP, command)
        self.patience_s, self.mark = self._access.patience_s, self._access.mark
