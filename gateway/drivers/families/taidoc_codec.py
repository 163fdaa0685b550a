"""Understands what TaiDoc meters send: finds their replies, and joins those that make one record.

Source: Glucometer Protocols, TaiDoc TD-42xx. A reply is 51, command, d0 to d3, A5, sum of all before it; the
commands that we send are the same with A3. What d0 to d3 mean stands in taidoc_records.py.
"""

from gateway.drivers.base import SENT, Driver, Record
from gateway.drivers.families.taidoc_records import STRIP, Content, Live, family
from gateway.drivers.shared.checksums import sum8
from gateway.drivers.shared.damage import Damage
from gateway.drivers.shared.framing import Cut, Cutter
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

CHARACTERISTIC = "00001524-1212-efde-1523-785feabcd123"
CHANNELS = ("serial", CHARACTERISTIC)
MODEL_NUMBER = "2a24"
START, REPLY, COMMAND = 0x51, 0xA5, 0xA3
MODEL, TIME, VALUE, SPO2 = 0x24, 0x25, 0x26, 0x49
_SIZE, _USER_AT = 8, 5


class _Frames(Cutter):
    """Frames of both directions: a cable may echo what was sent."""

    def size(self, data: bytes) -> int:
        return _SIZE if data[0] == START else -1

    def fault(self, frame: bytes) -> str:
        if frame[6] not in (REPLY, COMMAND):
            return "frame-garbled"
        return "" if sum8(frame[:7]) == frame[7] else "checksum-wrong"


class Codec(Driver):
    """The hearing half of the driver; alone it decodes records, and what was recorded of a visit.

    A record's frames are the replies with its time and value; before them, where the value cannot be
    understood without, the model's reply (or what was read as its model number) and the request that names
    the user.
    """

    def __init__(self) -> None:
        self._cutter = _Frames()
        self._stream = LastValid()
        self._source = CHANNELS[0]
        self._damage = Damage()
        self._model: Frame | None = None
        self._model_told = False
        self._request: Frame | None = None
        self._time_of = b""  # the record whose time was asked for
        self._time: Frame | None = None
        self._value: Frame | None = None
        self._joined = b""  # the value that was joined with its time last

    def received(self, frame: Frame) -> list[Record]:
        """The records that these bytes complete, in whatever pieces they come."""
        if frame.source[:1] == SENT:
            self._requested(frame)
        elif frame.source == MODEL_NUMBER and _model_number(frame):
            self._model, self._model_told = frame, False
        if frame.source not in CHANNELS:
            return []
        self._source = frame.source
        return self._cut(self._cutter.feed(frame.data), frame.offset_ms)

    def finish(self) -> list[Record]:
        """The last value of an oximeter; a model that is not known is evidence by itself."""
        left = self._cutter.end()
        records = self._cut([cut for cut in left if len(cut.data) >= _SIZE], 0)
        cut_off = [_evidence(Frame(self._source, 0, cut.data)) for cut in left if len(cut.data) < _SIZE]
        records += self._damage.ended(cut_off) + self._stream.ended()
        if self._model and not self._model_told and family(self._number()) is None:
            self._model_told = True
            error = DecodeError("model-unknown", "nobody told what a %s measures" % self._name())
            records.append(Record([self._model], None, None, error))
        return records

    def _requested(self, request: Frame) -> None:
        """A value never takes the time of another record."""
        command, which = request.data[1:2], request.data[2:6]
        names_user = command in (b"\x25", b"\x26") and request.data[_USER_AT:6] > b"\0"
        self._request = request if names_user else None
        if command == b"\x25":
            self._time_of, self._time = which, None
        elif command == b"\x26" and which != self._time_of:
            self._time = None
            self._joined = b""

    def _cut(self, cuts: list[Cut], offset_ms: int) -> list[Record]:
        records = []
        for cut in cuts:
            part = Frame(self._source, offset_ms, cut.data)
            if cut.code:
                records += self._damage.stretch(_evidence(part))
            elif cut.data[6] == REPLY:
                self._damage.understood()
                records += self._answered(part)
        return records

    def _answered(self, reply: Frame) -> list[Record]:
        """What a reply gives when nobody asks for it: a record as far as it is told."""
        command = reply.data[1]
        if command == MODEL:
            self._model, self._model_told = reply, False
        elif command == TIME:
            self._time = reply
        elif command == VALUE and (self._time or reply.data != self._joined):  # else it came twice
            self._value = reply
            return self._record()
        elif command == SPO2:
            return self._shown(reply)
        return []

    def _number(self) -> int | None:
        """The model as four decimal digits, 0x4277; None when it was not told."""
        return _model_number(self._model) if self._model else None

    def _name(self) -> str:
        return "TD-%04x" % (self._number() or 0)

    def _record(self) -> list[Record]:
        """What time and value say together; nothing where nothing was measured."""
        time, value = self._time, self._value
        self._time = self._value = None
        assert value is not None
        self._joined = value.data if time else b""
        frames = [frame for frame in (self._request, time, value) if frame]
        if self._model and family(self._number()) != STRIP:
            frames.insert(0, self._model)
            self._model_told = True
        user = self._request.data[_USER_AT] if self._request else 0
        try:
            content = Content(self._number(), user, time.data[2:6] if time else None, value.data[2:6])
        except DecodeError as error:
            return [Record(frames, None, None, error)]
        self._damage.read()
        return [Record(frames, content.reading, content.key)] if content.reading else []

    def _shown(self, reply: Frame) -> list[Record]:
        """What an oximeter shows just now."""
        live = Live(reply.data[2:6])
        if live.reading is None:
            return self._stream.ended()
        return self._stream.valid(Record([reply], live.reading, live.key), reply.offset_ms)


def _model_number(model: Frame) -> int | None:
    """Four decimal digits as 0x4277, from the model's reply or a Model Number String such as TD-4277."""
    if model.source != MODEL_NUMBER:
        return int.from_bytes(model.data[2:4], "little")
    digits = "".join([chr(byte) for byte in model.data if 0x30 <= byte <= 0x39])
    return int(digits, 16) if len(digits) == 4 else None


def _evidence(part: Frame) -> Record:
    """A damaged stretch, with the error that it has when it stands alone."""
    alone = _Frames()
    return Record([part], None, None, (alone.feed(part.data) + alone.end())[0].error())
