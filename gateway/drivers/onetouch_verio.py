"""OneTouch Verio Flex, Verio Reflect and Select Plus Flex over Bluetooth; they bond with a passkey they show.

Sources: NightscoutFoundation/xDrip (VerioHelper), tidepool-org/uploader (oneTouchVerioBLE). The frames of the
Verio IQ's cable behind a byte 01; each side answers a frame with the single byte 81. The newest record's
number must be asked before how many there are. Numbers rise with each measurement and are not in the record.
Stored times move with the meter's clock: it is never set.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.families.lifescan_ear import Ear
from gateway.drivers.families.lifescan_packets import is_frame, packed, payload_of
from gateway.drivers.families.lifescan_records import STATUSES, frame_records, is_record, refusal
from gateway.drivers.shared.fields import Fields
from gateway.wire.items import Frame

_SERVICE = "af9df7a1-e595-11e3-96b4-0002a5d5c51b"
_WRITE = "af9df7a2-e595-11e3-96b4-0002a5d5c51b"
_NOTIFY = "af9df7a3-e595-11e3-96b4-0002a5d5c51b"
_HEARD = b"\x81"
_CLOCK, _NEWEST, _COUNT = b"\x03\x20\x02", b"\x03\x0a\x02\x06", b"\x03\x27\x00"
_RECORD = b"\x03\xb3"
_MAY_SEND = tuple(
    [(_WRITE, command, len(command)) for command in (_HEARD, _CLOCK, _NEWEST, _COUNT)]
    + [(_WRITE, _RECORD, 4)]
)
_PATIENCE_S, _TRIES, _MOST_REFUSED = 2, 5, 8


class OnetouchVerio(Driver):
    """One visit of a meter. Without `start` it decodes what it hears and asks nothing."""

    name = "onetouch-verio"
    services = (_SERVICE,)
    names = ("OneTouch",)
    subscribe = (_NOTIFY,)
    cuts = True
    keeps_records = True
    clock_moves_records = True
    may_send = _MAY_SEND

    def __init__(self) -> None:
        self._ear = Ear(_NOTIFY)
        self._last = self._question = self._known = b""
        self._number = self._newest = self._first = 0
        self._tries = self._unanswered = 0
        self._whole = True

    def start(self, known: Known) -> None:
        self._known = known.mark or b""
        self._ask(_CLOCK)

    def received(self, frame: Frame) -> list[Record]:
        return self._records(self._ear.hear(frame))

    def silent(self) -> list[Record]:
        """Asks again; a record that never comes is left out, and asked for at the next visit."""
        asked, records = self._question, self._records(self._ear.quiet())
        self._tries += 1
        if self._question != asked:
            return records  # what hid behind half a frame was an answer
        if self._tries <= _TRIES:
            self._ask(asked)
        elif self._question[:2] == _RECORD and not self._unanswered:
            self._unanswered += 1
            self._whole = False
            self._next_record()
        else:
            self._hang_up()
        return records

    def finish(self) -> list[Record]:
        return self._records(self._ear.gone())

    def framed(self, command: bytes) -> bytes:
        return command if command == _HEARD else b"\x01" + packed(0, command)

    def _ask(self, question: bytes) -> None:
        self._question = question
        self.patience_s = _PATIENCE_S
        self.send(_WRITE, question)

    def _hang_up(self) -> None:
        self._question, self.patience_s = b"", None

    def _records(self, heard: list[tuple[Frame, Record | None]]) -> list[Record]:
        records = []
        for frame, damaged in heard:
            if damaged is not None:
                records.append(damaged)
            else:
                records += self._frame(frame)
        return records

    def _frame(self, frame: Frame) -> list[Record]:
        payload = payload_of(frame.data) if is_frame(frame.data) else b""
        if len(payload) < 2 or payload[1] not in STATUSES:
            return []
        if self._question:
            self.send(_WRITE, _HEARD)
        twice, self._last = frame.data == self._last, frame.data
        if twice and refusal(payload) is None:
            return []
        self._answered(payload)
        return frame_records(frame, payload)

    def _answered(self, payload: bytes) -> None:
        """Goes on to the next question when this answers the last one."""
        refused, body = refusal(payload) is not None, payload[2:]
        if self._question == _CLOCK and (refused or len(body) == 4):
            self.device_clock = None if refused else Fields(body).seconds(2000).text
            self._next(_NEWEST)
        elif self._question == _NEWEST and len(body) == 4:
            self._newest = int.from_bytes(body, "little")
            self._next(_COUNT)
        elif self._question == _COUNT and len(body) == 2:
            self._begin(int.from_bytes(body, "little"))
        elif self._question[:2] == _RECORD and (refused or is_record(payload)):
            self._whole = self._whole and not refused
            self._unanswered = self._unanswered + 1 if refused else 0
            self._read(payload)
        elif refused:
            self._hang_up()

    def _next(self, question: bytes) -> None:
        self._tries = 0
        self._ask(question)

    def _begin(self, count: int) -> None:
        """The first record that is read is the one that was newest last time, if the meter still has it."""
        self._first = max(0, self._newest - count + 1)
        last = int.from_bytes(self._known[:4], "little")
        self._number = (last if self._known and self._first <= last <= self._newest else self._first) - 1
        self._next_record()

    def _read(self, payload: bytes) -> None:
        """Where another record stands under that number now, all are read."""
        known, self._known = self._known, b""
        if known and payload != known[4:] and self._number > self._first:
            self._number = self._first - 1
        elif self._number == self._newest and self._whole:
            self.mark = self._number.to_bytes(4, "little") + payload
        self._next_record()

    def _next_record(self) -> None:
        if self._number >= self._newest or self._unanswered == _MOST_REFUSED:
            self._hang_up()
            return
        self._number += 1
        self._next(_RECORD + (self._number & 0xFFFF).to_bytes(2, "little"))
