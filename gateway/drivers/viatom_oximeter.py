"""Viatom/Wellue O2Ring and rings of its family: what they recorded, night by night.

Source: home-health-hub/viatom-o2ring-ble@0698a1b; which of its files says what stands in viatom_frames.py,
viatom_night.py and viatom_talk.py. Live values (17h, 1Bh) are understood when they are heard, but not asked
for: the file of the night holds the same ones. The ring is never configured (16h, which also sets its clock)
or reset (18h).

O2Ring-S (service e8fb0001) speaks another protocol with a login of its own: not read here.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.families.viatom_frames import (
    Live,
    Replies,
    Reply,
    command_frame,
    damage,
    live_values,
    told_field,
    told_time,
)
from gateway.drivers.families.viatom_night import Kept, Night
from gateway.drivers.families.viatom_talk import CLOSE, INFORMATION, LONGEST_NAME, OPEN, READ, Talk
from gateway.drivers.shared.framing import Cut
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.items import Frame

_NOTIFY = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
_WRITE = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
_NAMES = "O2Ring,O2M,O2NCI,KidsO2,CMRing,Checkme O2,CheckO2,SleepO2,WearO2,SleepU"
_SIZE = 4  # bytes that answer an opening: how many the file has
_PATIENCE_S = 3.0
_ABOUT = (("model", "Model"), ("firmware", "SoftwareVer"), ("serial", "SN"))


class ViatomOximeter(Driver):
    """One visit of a ring. mark: version of this driver, then name:size of each file that is done with."""

    name = "viatom-oximeter"
    services = ("14839ac4-7d7e-415c-9a42-167340cf2339",)
    names = tuple(_NAMES.split(","))
    subscribe = (_NOTIFY,)
    keeps_records = True
    cuts = True
    write_size = 20
    may_send = (
        (_WRITE, INFORMATION, len(INFORMATION)),
        (_WRITE, READ, 3),
        (_WRITE, CLOSE, len(CLOSE)),
    ) + tuple([(_WRITE, OPEN, len(OPEN) + size + 1) for size in range(1, LONGEST_NAME + 1)])

    def __init__(self) -> None:
        self._replies, self._rule, self._kept = Replies(), LastValid(), Kept()
        self._talk, self._asks = Talk([]), False  # whoever hears a recorded exchange asks nothing
        self._night: Night | None = None
        self._block = 0

    def start(self, known: Known) -> None:
        """First who it is, its clock and its files."""
        version, _, files = (known.mark or b"").decode().partition(",")
        self._talk, self._asks = Talk(files.split(",") if version == str(self.version) else []), True
        self._say(self._talk.first())

    def received(self, frame: Frame) -> list[Record]:
        """What these bytes complete, in whatever pieces they come."""
        if frame.source != _NOTIFY:
            return self._kept.received(frame)
        return self._each(self._replies.feed(frame.data), frame.offset_ms)

    def silent(self) -> list[Record]:
        """The same again, three times in all."""
        records = self._each(self._replies.end(), 0)
        self._say(self._talk.again())
        return records

    def finish(self) -> list[Record]:
        """The last live value; of a file that broke off the rest is asked for at the next visit."""
        return self._each(self._replies.end(), 0) + self._rule.ended()

    def framed(self, command: bytes) -> bytes:
        return command_frame(command)

    def _say(self, command: bytes) -> None:
        self.patience_s = _PATIENCE_S if command and self._asks else None
        if self.patience_s:
            self.send(_WRITE, command)

    def _each(self, cuts: list[Cut], offset_ms: int) -> list[Record]:
        records = []
        for cut in cuts:
            frame = Frame(_NOTIFY, offset_ms, cut.data)
            if cut.code:
                records += self._rule.damaged(Record([frame], None, None, damage(cut)))
            else:
                records += self._reply(Reply(cut.data), frame)
        return records

    def _reply(self, reply: Reply, frame: Frame) -> list[Record]:
        """A reply does not say what it answers: its data do, and what came before."""
        if self._night is not None:
            return self._of_file(self._night, reply, frame.offset_ms)
        if reply.failed or (self._asks and self._talk.asked == CLOSE):
            self._say(self._talk.next_file())
        elif reply.data[:1] == b"{":
            self._information("".join([chr(byte) for byte in reply.data if byte < 0x80]))
        elif len(reply.data) == _SIZE:
            self._opened(int.from_bytes(reply.data, "little"))
        else:
            return self._live(live_values(reply.data), frame)
        return []

    def _information(self, text: str) -> None:
        told = [(word, told_field(text, name)) for word, name in _ABOUT]
        self.about = {word: said for word, said in told if said}
        self.device_clock = told_time(told_field(text, "CurTIME"))
        self._say(self._talk.listed(told_field(text, "FileList").split(",")))

    def _opened(self, size: int) -> None:
        command = self._talk.opened(size)
        self._say(command)
        if command != CLOSE or not self._asks:
            self._night, self._block = Night(size), 0

    def _of_file(self, night: Night, reply: Reply, offset_ms: int) -> list[Record]:
        if reply.failed or not reply.data:
            self._night = None
            self._say(self._talk.broken_off())
            return []
        if reply.block != self._block & 0xFFFF:
            return []  # asked twice, told twice
        self._block += 1
        records = night.add(reply.data, offset_ms)
        if night.whole:
            self._night = None
            self._say(self._talk.whole())
            self.mark = ",".join([str(self.version)] + self._talk.known).encode()
        else:
            self._say(self._talk.more(self._block))
        return records

    def _live(self, values: Live | None, frame: Frame) -> list[Record]:
        if values is None:
            return []
        if not values.worn:
            return self._rule.ended()
        if not values.measured():
            return self._rule.passed(frame.offset_ms)
        return self._rule.valid(values.record(frame), frame.offset_ms)
