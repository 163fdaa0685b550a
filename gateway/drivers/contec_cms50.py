"""Contec CMS50 finger oximeters on a cable (D+, E, EW, F and what is sold under other names).

Sources: as in contec_packets.py. The older generation shows live values all the time and tells its one stored
session when it is asked with F5 F5; the newer one speaks when it is spoken to (contec_talk.py). Both are
tried, each with its own settings of the cable. Live values give readings by the rule of streams, 60 packets
to a second; stored ones by windows of 60 s (contec_sessions.py).
"""

from gateway.drivers.base import SENT, Driver, Known, Record
from gateway.drivers.contec_packets import (
    REALTIME,
    START_DATE,
    STORED,
    STORED_WITH_INDEX,
    Packets,
    Sample,
    live,
    old_length_s,
)
from gateway.drivers.contec_sessions import PLACE, Session, reading
from gateway.drivers.contec_talk import CODES, Talk, command
from gateway.drivers.damage import Damage
from gateway.drivers.framing import Cut
from gateway.drivers.last_valid import LastValid
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey

_OLD_TELL, _OLD_STOP = b"\xf5\xf5", b"\xf6\xf6\xf6"
_SURE = 3  # packets in a row; noise, or another speed of the cable, can look like one
_OLD_UNANSWERED = 180
_OLD_TRIES = 2
_SESSION_PATIENCE_S = 5.0
_PACKETS_A_SECOND = 60


class ContecCms50(Driver):
    """One visit of an oximeter of either generation."""

    name = "contec-cms50"
    serial = (115200, 8, "N", 1)
    serial_others = ((19200, 8, "O", 1),)
    asks = True
    cuts = True
    keeps_records = True
    may_send = tuple(
        [("serial", command(code)[:3], 9) for code in CODES]
        + [("serial", _OLD_TELL, 2), ("serial", _OLD_STOP, 3)]
    )

    def __init__(self) -> None:
        self._packets = Packets()
        self._damage = Damage()
        self._rule = LastValid()
        self._talk = Talk()
        self._session: Session | None = None
        self._asking = False
        self._live = self._run = 0
        self._old_live = 0
        self._old_asked = 0

    def start(self, known: Known) -> None:
        self._asking = True
        self._talk = Talk(known.mark or b"")
        self._talk.begin()
        self._follow_talk()

    def received(self, frame: Frame) -> list[Record]:
        """Records that these bytes complete, in whatever pieces they come."""
        records: list[Record] = []
        if frame.source == PLACE:
            self._session = Session(frame.data)
        elif frame.source == SENT + "serial" and not self._asking:
            records += self._over(frame.offset_ms)
            self._talk.overheard(frame.data)
        for cut in self._packets.feed(frame.data) if frame.source == "serial" else []:
            records += self._heard(cut, frame.offset_ms)
        self._follow_talk()
        return records

    def silent(self) -> list[Record]:
        """A session that does not go on has ended; else there was no answer."""
        records = []
        for cut in self._packets.end():
            records += self._heard(cut, 0)
        if self._session is not None:
            records += self._over(0, reached=self._session.whole() or self._talk.size is None)
        else:
            self._talk.silent()
        self._follow_talk()
        return records

    def finish(self) -> list[Record]:
        """The last live value. A session that was asked for and broke off is read at the next visit."""
        cut_off = [_damaged(cut, 0) for cut in self._packets.end()]
        records = self._readings(self._rule.ended())
        records += self._over(0, reached=not self._asking)
        return records + self._damage.ended(cut_off)

    def _follow_talk(self) -> None:
        talk = self._talk
        self.about, self.mark = talk.about, talk.mark
        self.patience_s = _SESSION_PATIENCE_S if self._session else talk.patience_s
        sends, talk.sends = talk.sends, []
        for bare in sends:
            self.send("serial", bare)

    def _heard(self, cut: Cut, offset_ms: int) -> list[Record]:
        if cut.code:
            self._run = 0
            lost = self._session.lost(len(cut.data), offset_ms) if self._session else []
            return lost + self._damage.stretch(_damaged(cut, offset_ms))
        self._damage.understood()
        self._run += 1
        self.understood = self.understood or self._run >= _SURE
        packet = cut.data
        if packet[0] & 0x80:
            return self._older(packet, offset_ms)
        shown = packet[0] == REALTIME and not (self._session or self._talk.tells_session())
        if packet[0] in (STORED, STORED_WITH_INDEX) or (packet[0] == REALTIME and not shown):
            return self._stored(packet, offset_ms)
        records = self._over(offset_ms) if packet[0] == START_DATE else []
        self._talk.told(packet)
        return records + (self._shown(packet, offset_ms) if shown else [])

    def _older(self, packet: bytes, offset_ms: int) -> list[Record]:
        """A packet of the older generation: live, of a session, or the head of one."""
        if len(packet) == 3:
            return self._stored(packet, offset_ms)
        records = self._over(offset_ms, reached=not self._asking)
        if len(packet) == 12:
            self._session = Session(b"", None, old_length_s(packet))
            return records
        self._old_live += 1
        if self._asking and self._run >= _SURE:
            self._ask_older(live(packet))
        return records + self._shown(packet, offset_ms)

    def _ask_older(self, shown: Sample) -> None:
        """For its session, once no finger is in: the answer interrupts the live values."""
        self._talk.give_up()
        due = self._old_live > self._old_asked * _OLD_UNANSWERED
        if due and not shown.valid() and self._old_asked < _OLD_TRIES:
            self._old_asked += 1
            self._old_live = 1
            self.send("serial", _OLD_TELL)

    def _stored(self, packet: bytes, offset_ms: int) -> list[Record]:
        if self._session is None:
            self._session = Session(self._talk.place(), self._talk.size)
        records = self._session.add(packet, offset_ms)
        self._talk.passed()
        return records + (self._over(offset_ms) if self._session.whole() else [])

    def _over(self, offset_ms: int, *, reached: bool = True) -> list[Record]:
        """The session ends; its last window counts when the end was really reached."""
        session, self._session = self._session, None
        if session is None:
            return []
        whole = reached and not session.damaged
        if self._asking and self._old_live:
            self._old_asked = _OLD_TRIES if whole else self._old_asked
            self.send("serial", _OLD_STOP)
        elif self._asking:
            self._talk.session_over(whole=whole)
        return session.ended(offset_ms) if reached else []

    def _shown(self, packet: bytes, offset_ms: int) -> list[Record]:
        """A live packet, by the rule."""
        self._live += 1
        now_ms, sample = self._live * 1000 // _PACKETS_A_SECOND, live(packet)
        if sample.finger_out:
            return self._readings(self._rule.ended())
        if not sample.valid():
            return self._readings(self._rule.passed(now_ms))
        candidate = Record([Frame("serial", offset_ms, packet)], None, None)
        return self._readings(self._rule.valid(candidate, now_ms))

    def _readings(self, due: list[Record]) -> list[Record]:
        """Only what is due is made a reading: packets come 60 times a second."""
        for record in due:
            self._damage.read()
            sample = live(record.frames[0].data)
            record.reading = reading(sample, "spot", [])
            record.key = RecordKey("live", None, None, sample.raw)
        return due


def _damaged(cut: Cut, offset_ms: int) -> Record:
    error = DecodeError("frame-garbled", "no packet of a known form")
    return Record([Frame("serial", offset_ms, cut.data)], None, None, error)
