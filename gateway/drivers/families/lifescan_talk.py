"""What a LifeScan meter on a cable is asked, question by question, and what its answers tell.

Sources: as in lifescan_packets.py and lifescan_records.py. Serial number, version and clock are asked before
how many records there are, and records from number 0 on. An Ultra2 tells all of them at once.
"""

from gateway.drivers.families.lifescan_records import is_record, line_time, refusal
from gateway.drivers.shared.fields import Fields
from gateway.wire.reading import is_digits

EASY, ULTRA2, VERIO = 0, 1, 2
_SERIAL, _VERSION, _CLOCK, _COUNT, _RECORDS = 0, 1, 2, 3, 4
_QUESTIONS = (
    # An Ultra Easy tells how many records it has when it is asked for one that cannot be: 501.
    (b"\x05\x0b\x02" + bytes(9), b"\x05\x0d\x02", b"\x05\x20\x02" + bytes(4), b"\x05\x1f\xf5\x01"),
    (b"DM@", b"DM?", b"DMF", b"DMP"),
    (b"\x03\x0b\x01\x02", b"\x03\x0d\x01", b"\x03\x20\x02", b"\x03\x27\x00"),
)
_RECORD = (b"\x05\x1f", b"", b"\x03\x21")  # before the record's number, u16
# All that is ever asked, as Driver.may_send has it.
QUESTIONS = tuple(
    [("serial", question, len(question)) for questions in _QUESTIONS for question in questions]
    + [("serial", record, 4) for record in _RECORD if record]
)
_MODELS = ("OneTouch Ultra Easy", "OneTouch Ultra2", "OneTouch Verio IQ")
_FIRST_YEAR = (1970, 2000, 2000)
_GOOD, _NO_SUCH_RECORD = 0x06, 0x0F
_MOST_REFUSED = 8  # in a row
_LINE_STARTS = ("@", "?", "F", "P")  # of the answers to the four questions of an Ultra2


class Talk:
    """One conversation. known: the mark of the last whole one, or empty.

    about, clock, mark: as a driver has them. done: nothing is left to be asked.
    """

    def __init__(self, tongue: int, known: bytes) -> None:
        self.tongue = tongue
        self.about: dict[str, str] = {}
        self.clock: str | None = None
        self.mark: bytes | None = None
        self.done = False
        self._known = known
        self._step = _SERIAL
        self._number = self._count = self._refused = 0
        self._newest = b""
        self._whole = True

    def question(self) -> bytes:
        """What is asked now."""
        if self._step == _RECORDS:
            return _RECORD[self.tongue] + self._number.to_bytes(2, "little")
        return _QUESTIONS[self.tongue][self._step]

    def reads_records(self) -> bool:
        """True when the answer that is awaited is a record."""
        return self._step == _RECORDS

    def reply(self, payload: bytes) -> bool:
        """True when this payload of a frame answers what was asked."""
        if self.tongue == ULTRA2 or payload[:1] != self.question()[:1]:
            return False
        refused = refusal(payload) is not None
        self._whole = self._whole and not refused
        if self._step == _RECORDS:
            return (refused or is_record(payload)) and self._record(payload)
        body = payload[2:]
        status = _NO_SUCH_RECORD if self._step == _COUNT and self.tongue == EASY else _GOOD
        if not refused and (payload[1:2] != bytes((status,)) or not self._told(body)):
            return False
        self._step += 1
        self.done = self._step == _RECORDS and not self._count
        return True

    def _told(self, body: bytes) -> bool:
        """What an answer before the records tells; False when it answers something else."""
        if self._step == _SERIAL:
            self._introduce("serial", _plain(body))
        elif self._step == _VERSION:
            self._introduce("firmware", _plain(body[1:]))  # its first byte is its size
        elif self._step == _CLOCK and len(body) == 4:
            self.clock = Fields(body).seconds(_FIRST_YEAR[self.tongue]).text
        elif self._step == _COUNT and len(body) == 2:
            self._count = int.from_bytes(body, "little")
        else:
            return False
        return True

    def _introduce(self, key: str, text: str) -> None:
        about = {"manufacturer": "LifeScan"}
        about.update(self.about)
        about[key] = text
        if self.tongue != ULTRA2 or about["serial"].endswith("Y"):  # other old meters speak as it does
            about["model"] = _MODELS[self.tongue]
        self.about = about

    def _record(self, payload: bytes) -> bool:
        """Stops at the record that was newest last time, when nothing is in doubt; else reads them all.

        Should number 0 not be the newest one of a meter, its mark is found again at number 0 only, and means
        that nothing is new where the count is the same too.
        """
        if self._number == 0:
            self._newest = payload
        met_again = self._known[3:] == payload + self._signature()
        same = met_again and (self._number > 0 or self._known == self._now())
        self._number += 1
        self._refused = self._refused + 1 if payload[1] != _GOOD else 0
        self.done = self._number >= self._count or self._refused == _MOST_REFUSED or (self._whole and same)
        if self.done and self._whole:
            self.mark = self._now()
        return True

    def _signature(self) -> bytes:
        return bytes(self.about.get("serial", ""), "ascii")

    def _now(self) -> bytes:
        start = bytes((self.tongue,)) + self._count.to_bytes(2, "little")
        return start + self._newest + self._signature()

    def line(self, text: str) -> bool:
        """True when this line of an Ultra2 answers what was asked."""
        if self.tongue != ULTRA2 or not text.startswith(_LINE_STARTS[self._step]):
            return False
        parts = text.split('"')
        if self._step == _SERIAL:
            self._introduce("serial", text[1:].strip(' "'))
        elif self._step == _VERSION:
            self._introduce("firmware", text[1:])
        elif self._step == _CLOCK:
            self.clock = line_time(parts[3], parts[5]).text if len(parts) > 5 else None
        else:
            return self._dumped(text)
        self._step += 1
        return True

    def _dumped(self, text: str) -> bool:
        """The first line of all records tells how many follow."""
        if is_digits(text[2:5]):
            self._count, self._number = int(text[2:5]), 0
        else:
            self._number += 1
        self.done = self._number >= self._count
        if self.done:
            self.mark = bytes((ULTRA2,))
        return True


def _plain(data: bytes) -> str:
    return "".join([chr(byte) for byte in data if 0x20 <= byte < 0x7F]).strip()
