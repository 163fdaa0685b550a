"""FreeStyle meters on a cable: Optium and Xtra (glucose and ketones), Freedom Lite, Lite and Mini.

Sources: as in freestyle_text.py. The hub asks: `$colq` for the state of the meter and `$xmem` for its memory,
or, of the older ones, `mem`. The first command is often not heard. A memory is told as one text with the sum
of its characters at the end, so that nothing of it is believed before its end has come and is right.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.damage import Damage
from gateway.drivers.framing import Cut, Lines
from gateway.drivers.freestyle_text import MemoryText, clock, record
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

_STATE, _MEMORY = b"$colq\r\n", b"$xmem\r\n"
_OLDER, _OLDER_LINE = b"mem", b"$mem\r\n"
_FIRST = (_STATE, _STATE, _OLDER, _OLDER, _OLDER_LINE)
_PATIENCE_S = 2.0
_MOST_COMMANDS = 8
_AT_ONCE = 16  # records given in one call: a whole memory of them does not fit into a small hub


class FreestyleSerial(Driver):
    """One visit. The whole memory is read each time: the meter cannot tell less of it."""

    name = "freestyle-serial"
    serial = (19200, 8, "N", 1)
    asks = True
    cuts = True
    keeps_records = True
    unique_serial = True
    may_send = (
        ("serial", _STATE, len(_STATE)),
        ("serial", _MEMORY, len(_MEMORY)),
        ("serial", _OLDER, len(_OLDER)),
        ("serial", _OLDER_LINE, len(_OLDER_LINE)),
    )

    def __init__(self) -> None:
        self._lines = Lines()
        self._damage = Damage()
        self._commands: tuple[bytes, ...] | None = None  # to be tried next; None: nobody asks here
        self._command = b""
        self._asked = 0
        self._state_told = False
        self._right: list[Frame] = []  # records whose text was right, not given yet
        self._text = MemoryText()

    def start(self, known: Known) -> None:  # noqa: ARG002 (nothing can be left out)
        self._ask(_FIRST)

    def _ask(self, commands: tuple[bytes, ...]) -> None:
        """Send the first of these; the others when there is no answer."""
        self._text = MemoryText()
        self._commands = commands[1:]
        self.patience_s = None
        if commands and self._asked < _MOST_COMMANDS:
            self._command = commands[0]
            self._asked += 1
            self.patience_s = _PATIENCE_S
            self.send("serial", self._command)

    def received(self, frame: Frame) -> list[Record]:
        """Records, once their text is whole; an error when its sum is wrong, and for what is no line."""
        records = []
        for cut in self._lines.feed(frame.data) if frame.source == "serial" else []:
            records += self._heard(cut, frame.offset_ms)
        return records

    def silent(self) -> list[Record]:
        """The next records; else a last line without its end, a text that broke off, or a deaf meter."""
        if self._right:
            return self._give(_AT_ONCE)
        asked, records = self._asked, []
        for cut in self._lines.end():
            records += self._heard(cut, 0)
        if self.patience_s and self._asked == asked:
            self._ask((self._command,) if self._text.records else self._commands or ())
        return records

    def finish(self) -> list[Record]:
        """What was asked for counts with the end of its text only; records alone count by themselves."""
        cut_off = [self._take(cut, 0) for cut in self._lines.end()]
        if self._commands is None:
            self._right += self._text.records
        no_text = DecodeError("frame-garbled", "no line of a meter")
        cut_off += [Record([line], None, None, no_text) for line in self._text.head]
        self._text = MemoryText()
        records = self._give(len(self._right))
        return records + self._damage.ended([error for error in cut_off if error is not None])

    def _give(self, most: int) -> list[Record]:
        """The next records of a text that is right."""
        lines, self._right = self._right[:most], self._right[most:]
        if self._commands is not None and lines:
            self.patience_s = 0.0 if self._right else None  # the rest at once
        records = []
        for told in map(record, lines):
            if told.error is not None:
                records += self._damage.stretch(told)
            else:
                self._damage.understood()
            if told.reading is not None:
                self._damage.read()
                records.append(told)
        return records

    def _heard(self, cut: Cut, offset_ms: int) -> list[Record]:
        error = self._take(cut, offset_ms)
        return self._give(_AT_ONCE) if error is None else self._damage.stretch(error)

    def _take(self, cut: Cut, offset_ms: int) -> Record | None:
        """Takes in what was said; the error in it, if any."""
        line = Frame("serial", offset_ms, cut.data)
        error = cut.error()
        if error is None or _is_text(cut.data):
            try:
                self._read(line, cut.data.strip())
            except DecodeError as wrong:
                error = wrong
            else:
                return None
        return Record([line], None, None, error)

    def _read(self, line: Frame, text: bytes) -> None:
        """Everything that a meter says, line by line."""
        if text.endswith(b"END"):
            self._end_text(line)
        elif text[:1] == b"$":  # it sends the command back
            self._text = MemoryText()
        elif text[:3] == b"CMD":
            self._answered(text)
        elif b":\t" in text:
            self._state(text.decode().split())
        else:
            self._text.add(line)

    def _state(self, words: list[str]) -> None:
        """A line of the answer to `$colq`."""
        if words[0] == "Clock:" and clock(words[1:]) is None:
            raise DecodeError("frame-garbled", "no moment")
        self._damage.understood()
        self._state_told = True

    def _answered(self, text: bytes) -> None:
        """The meter has done what it was asked, or knows no such command."""
        self._text = MemoryText()
        if self._commands is None:
            return
        if text == b"CMD OK":
            if self._state_told and self._command == _STATE:
                self._ask((_MEMORY, _MEMORY, _MEMORY))
        else:
            self._ask(self._commands)

    def _end_text(self, line: Frame) -> None:
        text, self._text = self._text, MemoryText()
        self._damage.understood()
        if not text.right(line.data):
            if self._commands is not None:
                self._ask((self._command,))
            raise DecodeError("checksum-wrong", "the sum of the text does not match")
        self._right += text.records
        self._introduce([line.data.decode().strip() for line in text.head])
        if self._commands is not None:
            self._commands, self.patience_s = (), None

    def _introduce(self, head: list[str]) -> None:
        """The serial number names the device: it and the clock are taken from a text whose sum was right."""
        self.about = {"serial": head[0], "firmware": head[1] if len(head) > 1 else ""}
        if len(head) > 2:
            self.device_clock = clock(head[2].split())


def _is_text(data: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in data)
