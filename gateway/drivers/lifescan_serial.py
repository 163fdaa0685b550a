"""LifeScan meters on a cable: OneTouch Ultra Easy and Mini, Verio IQ, Ultra2. They speak when they are asked.

Sources: as in lifescan_packets.py, lifescan_records.py and lifescan_talk.py; the link byte also in
tidepool-org/uploader (oneTouchUltraMini). Each is asked in its own way, in turn, until one answers.
- Ultra Easy: an empty frame with the bit "disconnect" opens and closes. Each frame carries its own number and
  the one that is expected next, one bit each; a reply comes again until it is acknowledged.
- Verio IQ: the same frames without numbers, at another speed. Ultra2: commands and answers are lines.
Stored times move with the meter's clock: it is never set.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.families.lifescan_ear import Ear
from gateway.drivers.families.lifescan_packets import Link, is_frame, packed, payload_of, text_of
from gateway.drivers.families.lifescan_records import STATUSES, frame_records, line_records, refusal
from gateway.drivers.families.lifescan_talk import EASY, QUESTIONS, Talk
from gateway.wire.items import Frame

_ACKNOWLEDGE, _DISCONNECT = b"\x04", b"\x08"  # link bits of a frame without payload
_FIRST_PATIENCE_S, _PATIENCE_S, _DUMP_PATIENCE_S = 1, 2, 5
_TONGUES, _TRIES, _FIRST_TRIES = 3, 5, 2


class LifescanSerial(Driver):
    """One visit of a meter on a cable; a stream without conversation is decoded as well."""

    name = "lifescan-serial"
    serial = (9600, 8, "N", 1)
    serial_others = ((38400, 8, "N", 1),)
    asks = True
    cuts = True
    keeps_records = True
    clock_moves_records = True
    unique_serial = True
    may_send = QUESTIONS + (("serial", _ACKNOWLEDGE, 1), ("serial", _DISCONNECT, 1))

    def __init__(self) -> None:
        self._ear = Ear("serial")
        self._talk: Talk | None = None
        self._link = Link()
        self._known = self._last = b""
        self._tongues = self._tries = 0
        self._met = self._open = False

    def start(self, known: Known) -> None:
        self._known = known.mark or b""
        self._speak(self._known[0] % _TONGUES if self._known else EASY)

    def received(self, frame: Frame) -> list[Record]:
        return self._records(self._ear.hear(frame))

    def silent(self) -> list[Record]:
        """Asks again; after some time in the next tongue, or no more."""
        heard = self._ear.quiet()
        records, talk = self._records(heard), self._talk
        if talk is not None and not [frame for frame, damaged in heard if damaged is None]:
            self._ask_again(talk)
        return records

    def finish(self) -> list[Record]:
        return self._records(self._ear.gone())

    def framed(self, command: bytes) -> bytes:
        if command[:2] == b"DM":
            return b"\x11\r" + command + b"\r"
        bits = self._link.bits()
        return packed(bits, command) if len(command) > 1 else packed(bits | command[0], b"")

    def _speak(self, tongue: int) -> None:
        self._talk = Talk(tongue, self._known)
        self._tongues += 1
        self._tries = 0
        self._ask(self._talk)

    def _ask(self, talk: Talk) -> None:
        patience_s = _PATIENCE_S if self._met else _FIRST_PATIENCE_S
        self.patience_s = _DUMP_PATIENCE_S if talk.question() == b"DMP" else patience_s
        if talk.tongue == EASY and not self._open:
            self._link = Link()
            self.send("serial", _DISCONNECT)
        else:
            self.send("serial", talk.question())

    def _ask_again(self, talk: Talk) -> None:
        """An Ultra Easy from the opening on, whatever was lost: both ends count from 0 again."""
        self._tries += 1
        self._open = False
        if self._tries < (_TRIES if self._met else _FIRST_TRIES):
            self._ask(talk)
        elif self._met or self._tongues == _TONGUES:
            self._hang_up()
        else:
            self._speak((talk.tongue + 1) % _TONGUES)

    def _hang_up(self) -> None:
        self._talk, self.patience_s = None, None
        if self._open:
            self.send("serial", _DISCONNECT)

    def _records(self, heard: list[tuple[Frame, Record | None]]) -> list[Record]:
        records = []
        for frame, damaged in heard:
            if damaged is not None:
                records.append(damaged)
            else:
                records += self._frame(frame) if is_frame(frame.data) else self._line(frame)
        return records

    def _line(self, frame: Frame) -> list[Record]:
        talk, text = self._talk, text_of(frame.data)
        asked = b"" if talk is None else talk.question()
        if talk is not None and talk.line(text):
            self._answered(talk, asked)
        return line_records(frame, text)

    def _frame(self, frame: Frame) -> list[Record]:
        talk, payload = self._talk, payload_of(frame.data)
        if not self._is_news(talk, frame.data, payload):
            return []
        if talk is None:
            return frame_records(frame, payload)
        asked, reads = talk.question(), talk.reads_records()
        if not talk.reply(payload):
            return []
        self._answered(talk, asked)
        return frame_records(frame, payload) if reads or refusal(payload) is not None else []

    def _is_news(self, talk: Talk | None, data: bytes, payload: bytes) -> bool:
        """False for acknowledgements, for our own frame come back, and for a frame that was sent again."""
        news, self._last = data != self._last or refusal(payload) is not None, data
        if talk is None or talk.tongue != EASY:
            return news
        if not payload and data[2] & _ACKNOWLEDGE[0] and not self._open:
            self._open = self._met = True
            self._ask(talk)
        if not self._open or len(payload) < 2 or payload[1] not in STATUSES:
            return False
        news = self._link.takes(data[2])
        self.send("serial", _ACKNOWLEDGE)
        return news

    def _answered(self, talk: Talk, asked: bytes) -> None:
        self._met = True
        self._tries = 0
        self.about, self.device_clock = talk.about, talk.clock
        if talk.done:
            self.mark = talk.mark
            self._hang_up()
        elif talk.question() != asked:
            self._ask(talk)
