"""Omron blood pressure monitors that are read by memory address (M2 to M7 Intelli IT, Evolv, Complete, RS7).

Sources: userx14/omblepy@708c13e and eigger/hass-omron@0467b76; which says what stands in omron_models.py,
omron_records.py, omron_frames.py and omron_talk.py. The records of all users are read at every visit; which
are new the hub knows by their keys. Nothing is ever written to the memory (frame type 01c0), so the monitor
goes on counting its records as unread, and its clock stays as it is.

Omron's body composition monitors use the same frames for other records: they are not read here.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.families.omron_evidence import Evidence, unknown_model
from gateway.drivers.families.omron_frames import (
    AGREED,
    DATA,
    END,
    KEY,
    NEW_KEY,
    NOTIFY,
    PROGRAM,
    READ,
    START,
    TOKEN,
    UNLOCK,
    WRITE,
    Answer,
    Pieces,
)
from gateway.drivers.families.omron_models import Model, model_named
from gateway.drivers.families.omron_records import EEPROM, Slots, slot_records
from gateway.drivers.families.omron_talk import Talk
from gateway.wire.items import Frame

_MODEL = "2a24"
_PATIENCE_S = 1.0
_MET = b"\x01"


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
        (WRITE, START, 8),
        (WRITE, READ, 8),
        (WRITE, END, 8),
        (UNLOCK, NEW_KEY, 17),  # only in a pairing that a person opened
        (UNLOCK, KEY, 17),
        (UNLOCK, PROGRAM + bytes(16), 17),
        (UNLOCK, TOKEN, 20),
    )

    def __init__(self) -> None:
        self._model: Model | None = None
        self._talk: Talk | None = None
        self._pieces, self._slots, self._evidence = Pieces(), Slots(), Evidence()

    def start(self, known: Known) -> None:
        """Pairs where a person has opened pairing; else opens the memory and reads it."""
        self._evidence.before = (known.mark or b"")[len(_MET) :]
        if self._model is None:
            self.patience_s = _PATIENCE_S
            return
        met = known.mark is not None
        self._talk = Talk(self._model, known.secret, met=met, pairing=known.pairing)
        self._say(self._talk.first())

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
        """The same again, a few times."""
        records = self._each(self._pieces.end())
        self._say(self._talk.again() if self._talk else b"")
        return records + self._unread()

    def finish(self) -> list[Record]:
        """Half a frame is damage; a monitor of unknown layout is told of, even if it said nothing."""
        return self._each(self._pieces.end()) + self._unread()

    def _say(self, command: bytes | None) -> None:
        if command:
            self.patience_s = _PATIENCE_S
            self.send(WRITE if command[:1] == START[:1] else UNLOCK, command)
        elif command is not None:
            self.patience_s = None

    def _unlocking(self, frame: Frame) -> list[Record]:
        command = self._talk.unlocked(frame.data) if self._talk else b""
        self._say(command)
        if command or command is None or frame.data[:1] in AGREED:
            return []
        records = self._evidence.key_refused(frame)
        self.mark = _MET + self._evidence.mark
        return records

    def _each(self, answers: list[Answer]) -> list[Record]:
        records = []
        for answer in answers:
            if answer.code:
                records += self._evidence.record(answer.pieces, answer.error())
            elif answer.kind == DATA:
                records += self._block(answer)
            elif self._talk:
                self._say(self._talk.told(answer))
                if self._talk.whole:
                    self.mark = _MET + self._evidence.mark
        return records

    def _block(self, answer: Answer) -> list[Record]:
        """The records in a block, in a recorded exchange too."""
        if self._model is None:
            return self._evidence.record(answer.pieces, unknown_model())
        if self._talk and not self._talk.expects(answer):
            return []
        slots = self._slots.cut(self._model, answer.address, answer.content, answer.pieces[0].offset_ms)
        records = self._evidence.of_slots(slots)
        if self._talk:
            self._say(self._talk.took(answer))
        return records

    def _unread(self) -> list[Record]:
        if self._model is not None:
            return []
        records = self._evidence.model_unknown()
        self.mark = _MET + self._evidence.mark
        return records
