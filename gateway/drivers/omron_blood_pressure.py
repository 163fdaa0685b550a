"""Omron blood pressure monitors that are read by memory address (M2 to M7 Intelli IT, Evolv, Complete, RS7).

Sources: userx14/omblepy@708c13e omblepy.py (UUIDs, frames, keys, five tries a second apart) and
eigger/hass-omron@0467b76 (the newer stack, refused reads). The records of all users are read at every visit,
block by block; which are new the hub knows by their keys. Nothing is ever written to the memory (frame type
01c0), so the monitor goes on counting them as unread, and its clock stays as it is.

Omron's body composition monitors use the same frames for other records: they are not read here. Monitors of
the newer stack that want a token or an encrypted session (HEM-7380T1, HEM-7142T2 of some age) stay silent.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.omron_evidence import Evidence, unknown_model
from gateway.drivers.omron_frames import (
    AGREED,
    DATA,
    END,
    ENDED,
    KEY,
    NEW_KEY,
    NOTIFY,
    PROGRAM,
    READ,
    START,
    STARTED,
    UNLOCK,
    UNLOCKING,
    WRITE,
    Answer,
    Pieces,
    read_command,
)
from gateway.drivers.omron_models import Model, model_named
from gateway.drivers.omron_records import EEPROM, Slots, slot_records
from gateway.wire.items import Frame

_MODEL = "2a24"
_NO_KEY = bytes(16)
_MET = b"\x01"
_PATIENCE_S, _TRIES, _PROGRAM_TRIES = 1.0, 5, 10


class OmronBloodPressure(Driver):
    """One visit of a monitor.

    mark: that this monitor was met before, so that our key may be in it, and what was told as undecoded at
    the last visit (omron_evidence.py).
    """

    name = "omron-blood-pressure"
    services = ("ecbe3980-c9a2-11e1-b1bd-0002a5d5c51b", "fe4a")
    names = ("BLEsmart_", "BLESmart_")
    subscribe = NOTIFY + (UNLOCK,)  # the first of them makes the monitor ask for a bond
    reads = (_MODEL,)
    keeps_records = True
    keeps_secret = True
    cuts = True
    may_send = (
        (WRITE, START, len(START)),
        (WRITE, READ, 8),
        (WRITE, END, len(END)),
        (UNLOCK, NEW_KEY, UNLOCKING),  # only in a pairing that a person opened
        (UNLOCK, KEY, UNLOCKING),
        (UNLOCK, PROGRAM + _NO_KEY, UNLOCKING),
    )

    def __init__(self) -> None:
        self._model: Model | None = None
        self._pieces, self._slots, self._evidence = Pieces(), Slots(), Evidence()
        self._secret = _NO_KEY
        self._asked, self._tries = b"", 0
        self._pairing = False
        self._plan: list[tuple[int, int]] = []

    def start(self, known: Known) -> None:
        """Pairs where a person has opened pairing; else opens the memory and reads it."""
        self._secret, self._pairing = known.secret, known.pairing
        self._evidence.before = (known.mark or b"")[len(_MET) :]
        if self._model is None:
            self.patience_s = _PATIENCE_S
        elif not self._model.has_key:
            self._begin()
        else:
            self._ask(PROGRAM + _NO_KEY if known.pairing and known.mark is None else KEY + self._secret)

    def received(self, frame: Frame) -> list[Record]:
        """The records of a block, and what could not be understood."""
        if frame.source == _MODEL:
            text = "".join([chr(byte) for byte in frame.data if 0x20 <= byte < 0x7F])
            self._model, self._evidence.about = model_named(text.strip()), [frame]
        elif frame.source == UNLOCK:
            return self._unlocking(frame)
        elif frame.source in NOTIFY:
            one_channel = self._model is not None and not self._model.has_key
            return self._each(self._pieces.add(NOTIFY.index(frame.source), frame, one_channel=one_channel))
        elif frame.source.startswith(EEPROM + ":"):
            return slot_records(frame)
        return []

    def silent(self) -> list[Record]:
        """The same again, a few times. A monitor that is not in pairing mode may know this hub already."""
        records = self._each(self._pieces.end())
        programs = self._asked[:1] == PROGRAM
        if self._asked and self._tries < (_PROGRAM_TRIES if programs else _TRIES):
            self._tries += 1
            self._say()
        elif programs:
            self._pairing = False
            self._ask(KEY + self._secret)
        else:
            self._stop()
            records += self._unread()
        return records

    def finish(self) -> list[Record]:
        """Half a frame is damage; a monitor of unknown layout is told of, even if it said nothing."""
        return self._each(self._pieces.end()) + self._unread()

    # What is asked, and in which order.

    def _ask(self, command: bytes) -> None:
        self._asked, self._tries, self.patience_s = command, 1, _PATIENCE_S
        self._say()

    def _say(self) -> None:
        self.send(UNLOCK if len(self._asked) == UNLOCKING else WRITE, self._asked)

    def _stop(self) -> None:
        self._asked, self.patience_s = b"", None

    def _begin(self) -> None:
        self._plan = self._model.reads() if self._model else []
        self._ask(START)

    def _go_on(self) -> None:
        self._ask(read_command(self._plan[0][0], self._plan[0][1]) if self._plan else END)

    def _unlocking(self, frame: Frame) -> list[Record]:
        said, asked = frame.data[:1], self._asked[:1]
        if said not in AGREED:
            if asked == PROGRAM:
                return []  # the bond is still being made: it is asked again in a moment
            if asked == KEY and self._pairing:  # it forgot us, or was never ours
                self._ask(PROGRAM + _NO_KEY)
                return []
            self._stop()
            records = self._evidence.key_refused(frame)
            self.mark = _MET + self._evidence.mark
            return records
        if len(self._asked) == UNLOCKING and said[0] == 0x80 + asked[0]:
            if asked == PROGRAM:
                self._ask(NEW_KEY + self._secret)
            elif asked == NEW_KEY:
                self._ask(START)  # and the end of it: then the monitor keeps the key
            else:
                self._begin()
        return []

    # What the monitor tells.

    def _each(self, answers: list[Answer]) -> list[Record]:
        records = []
        for answer in answers:
            if answer.code:
                records += self._evidence.record(answer.pieces, answer.error())
            elif answer.kind == DATA:
                records += self._block(answer)
            elif answer.kind == STARTED and self._asked == START:
                self._go_on()
            elif answer.kind == ENDED:  # it refuses a command in the same way
                if self._asked == END:
                    self.mark = _MET + self._evidence.mark
                self._stop()
        return records

    def _block(self, answer: Answer) -> list[Record]:
        if self._model is None:
            return self._evidence.record(answer.pieces, unknown_model())
        if not self._asked:
            return self._read(self._model, answer)
        if not self._plan or (answer.address, answer.size) != self._plan[0] or self._asked[:3] != READ:
            return []  # told twice, because it was asked twice
        self._plan.pop(0)
        if answer.refused():  # the memory of somebody whom the monitor does not know
            user = self._model.place(answer.address)[0]
            self._plan = [row for row in self._plan if self._model.place(row[0])[0] != user]
        self._go_on()
        return self._read(self._model, answer)

    def _read(self, model: Model, answer: Answer) -> list[Record]:
        slots = self._slots.cut(model, answer.address, answer.content, answer.pieces[0].offset_ms)
        return self._evidence.of_slots(slots)

    def _unread(self) -> list[Record]:
        if self._model is not None:
            return []
        records = self._evidence.model_unknown()
        self.mark = _MET + self._evidence.mark
        return records
