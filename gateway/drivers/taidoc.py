"""TaiDoc meters on a cable or over Bluetooth, sold as FORA, GlucoRx, GlucoMen Nexus and others.

Sources: Glucometer Protocols, TaiDoc TD-42xx; advmeds-bluetooth-lib (service 1523, SpO2); h2Sync, FORA D40.
Record 0 is the newest, and a reply does not tell which record it is of. So a record's time is asked once more
after its value: had a measurement come in between, all would have moved up by one. The stored times move with
the clock: it is never set; and where a person set it, taidoc_marks.py knows the records again.
"""

from gateway.drivers.base import SENT, Record
from gateway.drivers.families.taidoc_codec import CHARACTERISTIC, MODEL_NUMBER, SPO2, TIME, VALUE
from gateway.drivers.families.taidoc_marks import MARK_SIZE, Search
from gateway.drivers.families.taidoc_records import OXIMETER, family
from gateway.drivers.families.taidoc_talk import COUNT, MAY_SEND, TRIES, Talk
from gateway.wire.items import Frame

_USERS = {0x3140: (1, 2), 0x3261: (1, 2, 3, 4)}  # model: the users whose records are numbered apart
_EMPTY_POLLS = 3


class TaiDoc(Talk):
    """One visit: who are you, what is your time, and then your records, newest first.

    mark: for each user the number of records and the newest four. Where they are found again, all older
    ones were read; else everything is read.
    """

    name = "taidoc"
    services = ("00001523-1212-efde-1523-785feabcd123",)
    names = ("TAIDOC", "FORA", "GlucoRx")
    subscribe = (CHARACTERISTIC,)
    reads = (MODEL_NUMBER,)
    serial = (19200, 8, "N", 1)
    asks = True
    cuts = True
    keeps_records = True
    unique_serial = True
    clock_moves_records = True
    repeats_within_s = 1
    may_send = MAY_SEND

    def __init__(self) -> None:
        super().__init__()
        self._moves = self._empty = self._bank = self._count = self._index = 0
        self._marks = b""
        self._search = Search(b"", 0)
        self._whole = False

    def begin(self) -> None:
        kind = family(self._number())
        if kind == OXIMETER:
            self._ask(SPO2)
        elif kind is None:
            self.mark = self._name().encode()  # said once, not at every visit
            self._model_told = self._known == self.mark
            self._stop()
        else:
            self._begin_bank()

    def take(self, command: int, reply: Frame) -> list[Record]:
        if command == TIME:
            return self._timed(reply)
        if command == SPO2:
            return self._polled(reply)
        if command == VALUE:
            self._value = reply
            self._ask(TIME, self._index, self._user())
        else:
            self._counted(int.from_bytes(reply.data[2:4], "little"))
        return []

    def _polled(self, reply: Frame) -> list[Record]:
        """An oximeter is asked every second, until it has nothing to show for a while."""
        self._empty = 0 if any(reply.data[2:6]) else self._empty + 1
        self._resting = True
        if self._empty == _EMPTY_POLLS:
            self._stop()
        return self._shown(reply)

    # The memory: user after user, from the newest record back to the one that was the newest before.

    def _users(self) -> tuple[int, ...]:
        return _USERS.get(self._number() or 0, (0,))

    def _user(self) -> int:
        return self._users()[self._bank]

    def _begin_bank(self) -> None:
        self._time = self._value = None
        self._index, self._whole = 0, False
        self._ask_count()

    def _ask_count(self) -> None:
        self._ask(COUNT, self._user(), self._user())

    def _counted(self, count: int) -> None:
        """Asked before the first record and after the last one: a measurement in between moves the others."""
        if self._whole and count != self._count:
            self._moved()
            return
        if not self._whole:
            self._count, self._search = count, Search(self._known_of_bank(), count)
        if self._whole or not count:
            self._bank_done()
        else:
            self._ask(TIME, 0, self._user())

    def _timed(self, reply: Frame) -> list[Record]:
        if self._time is None or self._value is None:
            self._time = reply
            self._ask(VALUE, self._index, self._user())
            return []
        if reply.data != self._time.data:
            self._moved()
            return []
        raw = self._time.data[2:6] + self._value.data[2:6]
        if self._user():
            self._request = Frame(SENT + reply.source, reply.offset_ms, self.framed(self._asked))
        records = self._search.add(raw, self._record())
        self._index += 1
        if self._search.found:
            self._bank_done()
        elif self._index < self._count:
            self._ask(TIME, self._index, self._user())
        else:
            self._whole = True
            self._ask_count()
            records += self._search.rest()
        return records

    def _moved(self) -> None:
        """From the beginning, unless the meter never says the same twice."""
        self._moves += 1
        if self._moves > TRIES:
            self._stop()
        else:
            self._begin_bank()

    def _known_of_bank(self) -> bytes:
        if len(self._known) != MARK_SIZE * len(self._users()):
            return b""
        return self._known[MARK_SIZE * self._bank : MARK_SIZE * (self._bank + 1)]

    def _bank_done(self) -> None:
        self._marks += self._search.mark()
        self._bank += 1
        if self._bank < len(self._users()):
            self._begin_bank()
        else:
            self.mark = self._marks
            self._stop()
