"""Contec CMS50 finger oximeters on a cable (D+, E, EW, F and what is sold under other names).

Sources: as in contec_packets.py. The older generation shows live values all the time, tells its one session
when asked with F5 F5; the newer one speaks when it is spoken to. Both are tried, each with its own settings.
"""

from gateway.drivers.base import SENT, Driver, Known, Record
from gateway.drivers.families.contec_live import Live
from gateway.drivers.families.contec_older import STOP, TELL, OlderTalk
from gateway.drivers.families.contec_packets import (
    REALTIME,
    START_DATE,
    STORED,
    STORED_WITH_INDEX,
    Packets,
    damaged,
    old_length_s,
)
from gateway.drivers.families.contec_sessions import PLACE, Session
from gateway.drivers.families.contec_talk import MAY_ASK, Talk
from gateway.drivers.shared.damage import Damage
from gateway.drivers.shared.framing import Cut
from gateway.wire.items import Frame

_SURE = 3  # packets in a row; noise, or another speed of the cable, can look like one
_SESSION_PATIENCE_S = 5.0


class ContecCms50(Driver):
    """One visit of an oximeter of either generation."""

    name = "contec-cms50"
    serial = (115200, 8, "N", 1)
    serial_others = ((19200, 8, "O", 1),)
    asks = True
    cuts = True
    keeps_records = True
    may_send = MAY_ASK + (("serial", TELL, 2), ("serial", STOP, 3))

    def __init__(self) -> None:
        self._packets, self._damage, self._live = Packets(), Damage(), Live()
        self._talk, self._older_talk = Talk(), OlderTalk()
        self._older = self._asking = False
        self._session: Session | None = None
        self._run = 0  # good packets in a row

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
            records += self._over(0, reached=self._session.over_when_silent())
        else:
            self._talk.silent()
        self._follow_talk()
        return records

    def finish(self) -> list[Record]:
        """The last live value. A session that was asked for and broke off is read at the next visit."""
        left = self._packets.end()
        cut_off = [damaged(cut, 0) for cut in left]
        doubted = bool(left) and left[0].code == "frame-garbled" and self._live.damaged()
        records = self._live.ended() + self._over(0, reached=not self._asking)
        return records + (self._damage.stretch(cut_off[0]) if doubted else self._damage.ended(cut_off))

    def _follow_talk(self) -> None:
        talk = self._talk
        self.about, self.mark = talk.told.about, talk.mark
        self.patience_s = _SESSION_PATIENCE_S if self._session else talk.patience_s
        for bare in talk.sends + self._older_talk.sends:
            self.send("serial", bare)
        talk.sends, self._older_talk.sends = [], []

    def _heard(self, cut: Cut, offset_ms: int) -> list[Record]:
        if cut.code:
            self._run = 0
            self._live.damaged()
            lost = self._session.lost(len(cut.data), offset_ms) if self._session else []
            return lost + self._damage.stretch(damaged(cut, offset_ms))
        self._damage.understood()
        self._run += 1
        self.understood = self.understood or self._run >= _SURE
        packet = cut.data
        if packet[0] & 0x80:
            return self._of_older(packet, offset_ms)
        shown = packet[0] == REALTIME and not (self._session or self._talk.tells_session())
        if packet[0] in (STORED, STORED_WITH_INDEX) or (packet[0] == REALTIME and not shown):
            return self._stored(packet, offset_ms)
        records = self._over(offset_ms) if packet[0] == START_DATE else []
        self._talk.packet(packet)
        return records + (self._shown(packet, offset_ms) if shown else [])

    def _of_older(self, packet: bytes, offset_ms: int) -> list[Record]:
        """A packet of the older generation: live, of a session, or the head of one."""
        if len(packet) == 3:
            return self._stored(packet, offset_ms)
        if len(packet) == 5 and self._session is not None and self._session.stray():
            return []
        records = self._over(offset_ms, reached=not self._asking)
        if len(packet) == 12:
            self._session = Session(b"", None, old_length_s(packet))
            return records
        if self._asking and self._run >= _SURE:
            self._older = True
            self._talk.give_up()
            self._older_talk.packet(packet)
        return records + self._shown(packet, offset_ms)

    def _stored(self, packet: bytes, offset_ms: int) -> list[Record]:
        if self._session is None:
            self._session = Session(self._talk.told.place(), self._talk.told.size)
        records = self._session.add(packet, offset_ms)
        self._talk.passed()
        return records + (self._over(offset_ms) if self._session.whole() else [])

    def _over(self, offset_ms: int, *, reached: bool = True) -> list[Record]:
        """The session ends; its last window counts when the end was really reached."""
        session, self._session = self._session, None
        if session is None:
            return []
        if self._asking:
            talk = self._older_talk if self._older else self._talk
            talk.session_over(whole=reached and not session.damaged)
        return session.ended(offset_ms) if reached else []

    def _shown(self, packet: bytes, offset_ms: int) -> list[Record]:
        due = self._live.packet(packet, offset_ms)
        if due:
            self._damage.read()
        return due
