"""FreeStyle meters on a cable: Optium and Xtra (glucose and ketones), Freedom Lite, Lite and Mini.

Sources: as in freestyle_text.py. The meter is asked (freestyle_talk.py) and tells its memory as one text with
the sum of its characters at the end, so that nothing of it is believed before its end has come and is right.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.families.freestyle_talk import COMMANDS, Talk
from gateway.drivers.families.freestyle_text import MemoryText, clock, record
from gateway.drivers.shared.damage import Damage
from gateway.drivers.shared.framing import Cut, Lines
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

_AT_ONCE = 16  # records given in one call: a whole memory of them does not fit into a small hub


class FreestyleSerial(Driver):
    """One visit. The whole memory is read each time: the meter cannot tell less of it."""

    name = "freestyle-serial"
    serial = (19200, 8, "N", 1)
    asks = True
    cuts = True
    keeps_records = True
    unique_serial = True
    may_send = tuple([("serial", command, len(command)) for command in COMMANDS])

    def __init__(self) -> None:
        self._lines, self._damage, self._talk = Lines(), Damage(), Talk()
        self._state_told = False
        self._right: list[Frame] = []  # records whose text was right, not given yet
        self._text = MemoryText()

    def start(self, known: Known) -> None:  # noqa: ARG002 (nothing can be left out)
        self._talk.begin()
        self._follow_talk()

    def _follow_talk(self) -> None:
        """A question begins a text anew."""
        if self._talk.sends:
            self._text = MemoryText()
        for command in self._talk.sends:
            self.send("serial", command)
        self._talk.sends = []
        at_once = self._talk.begun and self._right
        self.patience_s = 0.0 if at_once else self._talk.patience_s

    def received(self, frame: Frame) -> list[Record]:
        """Records, once their text is whole; an error when its sum is wrong, and for what is no line."""
        records = []
        for cut in self._lines.feed(frame.data) if frame.source == "serial" else []:
            records += self._heard(cut, frame.offset_ms)
            self._follow_talk()
        return records

    def silent(self) -> list[Record]:
        """The next records; else a last line without its end, a text that broke off, or a deaf meter."""
        records = self._give(_AT_ONCE) if self._right else self._silence()
        self._follow_talk()
        return records

    def _silence(self) -> list[Record]:
        talk, asked, records = self._talk, self._talk.asked, []
        for cut in self._lines.end():
            records += self._heard(cut, 0)
        if talk.patience_s is not None and talk.asked == asked:
            (talk.again if self._text.records else talk.other)()
        return records

    def finish(self) -> list[Record]:
        """A text that began counts with its end only; records alone, that nobody asked for, by themselves."""
        cut_off = [self._take(cut, 0) for cut in self._lines.end()]
        if not self._talk.begun and not self._text.head:
            self._right += self._text.records
        no_text = DecodeError("frame-garbled", "no line of a meter")
        cut_off += [Record([line], None, None, no_text) for line in self._text.head]
        self._text = MemoryText()
        records = self._give(len(self._right))
        return records + self._damage.ended([error for error in cut_off if error is not None])

    def _give(self, most: int) -> list[Record]:
        """The next records of a text that is right."""
        lines, self._right = self._right[:most], self._right[most:]
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
        if cut.code != "frame-garbled":  # a line, or one whose end is missing
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
        if text != b"CMD OK":
            self._talk.other()
        elif self._state_told:
            self._talk.state_told()

    def _end_text(self, line: Frame) -> None:
        text, self._text = self._text, MemoryText()
        self._damage.understood()
        if not text.right(line.data):
            self._talk.again()
            raise DecodeError("checksum-wrong", "the sum of the text does not match")
        self._right += text.records
        # The serial number names the device: it comes from a text whose sum was right.
        self.about, self.device_clock = text.about() or self.about, text.clock() or self.device_clock
        self._talk.done()
