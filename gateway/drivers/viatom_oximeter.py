"""Viatom/Wellue O2Ring and rings of its family: what they recorded, night by night.

Source: home-health-hub/viatom-o2ring-ble@0698a1b client.py and commands.py: information (14h), then each file
is opened (03), read block by block (04) and closed (05). Live values (17h, 1Bh) are understood when they are
heard, but not asked for: the file of the night holds the same ones. The ring is never configured (16h, which
also sets its clock) or reset (18h).

O2Ring-S (service e8fb0001) speaks another protocol with a login of its own: not read here.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.framing import Cut
from gateway.drivers.last_valid import LastValid
from gateway.drivers.viatom_frames import (
    Live,
    Replies,
    Reply,
    command_frame,
    live_values,
    told_field,
    told_time,
)
from gateway.drivers.viatom_night import Kept, Night
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

_NOTIFY = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
_WRITE = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
_INFORMATION, _CLOSE = b"\x14\x00\x00", b"\x05\x00\x00"
_OPEN, _READ = b"\x03\x00\x00", b"\x04"
_LONGEST_NAME = 32
_SIZE = 4  # bytes that answer an opening: how many the file has
_PATIENCE_S, _TRIES = 3.0, 3
_ABOUT = (("model", "Model"), ("firmware", "SoftwareVer"), ("serial", "SN"))


class ViatomOximeter(Driver):
    """One visit of a ring. mark: version of this driver, then name:size of each file that is done with."""

    name = "viatom-oximeter"
    services = ("14839ac4-7d7e-415c-9a42-167340cf2339",)
    names = (
        "O2Ring",
        "O2M",
        "O2NCI",
        "KidsO2",
        "CMRing",
        "Checkme O2",
        "CheckO2",
        "SleepO2",
        "WearO2",
        "SleepU",
    )
    subscribe = (_NOTIFY,)
    keeps_records = True
    cuts = True
    write_size = 20
    may_send = (
        (_WRITE, _INFORMATION, len(_INFORMATION)),
        (_WRITE, _READ, 3),
        (_WRITE, _CLOSE, len(_CLOSE)),
    ) + tuple([(_WRITE, _OPEN, len(_OPEN) + size + 1) for size in range(1, _LONGEST_NAME + 1)])

    def __init__(self) -> None:
        self._replies, self._rule, self._kept = Replies(), LastValid(), Kept()
        self._night: Night | None = None
        self._name, self._block = "", 0
        self._asks = False
        self._asked, self._tries = b"", 0
        self._files: list[str] = []
        self._known: list[str] = []

    def start(self, known: Known) -> None:
        """First who it is, its clock and its files."""
        self._known = (known.mark or b"").decode().split(",")
        self._known = self._known[1:] if self._known[0] == str(self.version) else []
        self._asks = True
        self._ask(_INFORMATION)

    def received(self, frame: Frame) -> list[Record]:
        """What these bytes complete, in whatever pieces they come."""
        if frame.source != _NOTIFY:
            return self._kept.received(frame)
        return self._each(self._replies.feed(frame.data), frame.offset_ms)

    def silent(self) -> list[Record]:
        """The same again, three times in all."""
        records = self._each(self._replies.end(), 0)
        if self._asks and self._tries < _TRIES:
            self._tries += 1
            self.send(_WRITE, self._asked)
        else:
            self._stop()
        return records

    def finish(self) -> list[Record]:
        """The last live value; of a file that broke off the rest is asked for at the next visit."""
        return self._each(self._replies.end(), 0) + self._rule.ended()

    def framed(self, command: bytes) -> bytes:
        return command_frame(command)

    # What is asked, and in which order. Who listens to a recorded exchange asks nothing.

    def _ask(self, command: bytes) -> None:
        if self._asks:
            self._asked, self._tries, self.patience_s = command, 1, _PATIENCE_S
            self.send(_WRITE, command)

    def _stop(self) -> None:
        self._asks, self._night, self.patience_s = False, None, None

    def _open_next(self) -> None:
        if self._files:
            self._ask(_OPEN + self._files[0].encode() + b"\x00")
        else:
            self._stop()

    def _done_with_file(self) -> None:
        self._files = self._files[1:]
        self._open_next()

    # What the ring tells.

    def _each(self, cuts: list[Cut], offset_ms: int) -> list[Record]:
        records = []
        for cut in cuts:
            frame = Frame(_NOTIFY, offset_ms, cut.data)
            if cut.code:
                records += self._rule.damaged(Record([frame], None, None, _damage(cut)))
            else:
                records += self._reply(Reply(cut.data), frame)
        return records

    def _reply(self, reply: Reply, frame: Frame) -> list[Record]:
        """A reply does not say what it answers: its data do, and what came before."""
        if self._night is not None:
            return self._block_of(self._night, reply, frame.offset_ms)
        if self._asked == _CLOSE or reply.failed:
            self._done_with_file()
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
        names = told_field(text, "FileList").split(",")
        self._files = [name for name in names if 0 < len(name) <= _LONGEST_NAME]
        self._known = [entry for entry in self._known if entry.split(":")[0] in self._files]
        self._open_next()

    def _opened(self, size: int) -> None:
        self._name = self._files[0] + ":" + str(size) if self._files else ""
        if self._name in self._known:
            self._ask(_CLOSE)
        else:
            self._night, self._block = Night(size), 0
            self._ask(_READ + bytes(2))

    def _block_of(self, night: Night, reply: Reply, offset_ms: int) -> list[Record]:
        if reply.failed or not reply.data:  # this file must wait for another visit
            self._night = None
            self._ask(_CLOSE)
            return []
        if reply.block != self._block & 0xFFFF:
            return []  # asked twice, told twice
        self._block += 1
        records = night.add(reply.data, offset_ms)
        if night.whole:
            self._night = None
            self._known.append(self._name)
            self.mark = ",".join([str(self.version)] + self._known).encode()
            self._ask(_CLOSE)
        else:
            self._ask(_READ + (self._block & 0xFFFF).to_bytes(2, "little"))
        return records

    def _live(self, values: Live | None, frame: Frame) -> list[Record]:
        if values is None:
            return []
        if not values.worn:
            return self._rule.ended()
        if not values.measured():
            return self._rule.passed(frame.offset_ms)
        return self._rule.valid(values.record(frame), frame.offset_ms)


def _damage(cut: Cut) -> DecodeError | None:
    """Whether bytes are missing or too many depends on what comes behind; evidence stands alone."""
    if cut.code == "checksum-wrong":
        return cut.error()
    return DecodeError("frame-garbled", "no reply of a ring")
