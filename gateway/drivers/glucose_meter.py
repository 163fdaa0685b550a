"""Blood glucose meters that follow the Bluetooth Glucose Profile (Accu-Chek, Contour, CareSens, GlucoMen).

Source: Glucose Service 1.0.1 (0x1808): 2A18, 2A34, record access 2A52. A context belongs to the measurement
with its sequence number; it comes after it, late or never. A quirk of a maker is known by 2A29.
"""

from gateway.drivers.base import Known, Record
from gateway.drivers.families.glucose_joins import Waiting, lost, number_of
from gateway.drivers.families.glucose_records import Context, Measurement, as_ketone
from gateway.drivers.shared.clocks import CONTOUR_CLOCK, CURRENT_TIME, DATE_TIME, ISENS_CLOCK
from gateway.drivers.shared.record_access import RACP, RecordReader
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading

_MEASUREMENT, _CONTEXT, _MAKER = "2a18", "2a34", "2a29"
# Maker's name as it begins: what is peculiar to its meters.
_QUIRKS = (
    (b"TaiDoc", "renumbers"),  # Diamond Mini: the newest record is always number 0
    (b"i-SENS", "ketone"),  # CareSens Dual: only the context tells ketone from glucose
)
_JOIN_S = 5  # for contexts that are still to come when the transfer is over


class GlucoseMeter(RecordReader):
    """One visit of a meter: everything it has stored since the last whole transfer."""

    name = "glucose-meter"
    services = ("1808",)
    subscribe = (_MEASUREMENT, _CONTEXT, RACP)
    reads = (_MAKER,)
    clocks = (CURRENT_TIME, DATE_TIME, CONTOUR_CLOCK, ISENS_CLOCK)
    joins = True

    def __init__(self) -> None:
        super().__init__()
        self._maker: list[Frame] = []  # of a maker with a quirk: it decides, so it stands in each record
        self._quirk = ""
        self._waiting, self._alone = Waiting(), Waiting()  # measurements, contexts
        self._last: Frame | None = None  # announced no context; some meters send one all the same
        self._joined = b""  # the last context that found its measurement
        self._unsure = False

    def start(self, known: Known) -> None:
        """A meter that renumbers its records is asked for all of them, each time."""
        super().start(Known() if self._quirk == "renumbers" else known)

    def received(self, frame: Frame) -> list[Record]:
        """The record that this frame completes; an error for a frame that is cut short."""
        try:
            if frame.source == _MEASUREMENT:
                return self._measured(Measurement(frame))
            if frame.source == _CONTEXT:
                return self._told(Context(frame))
        except DecodeError as error:
            return [Record([frame], None, None, error)]
        if frame.source == _MAKER:
            self._meet(frame)
        elif frame.source == RACP:
            records = self._passed()
            self._say(self._access.answered(frame.data))
            return records
        return []

    def silent(self) -> list[Record]:
        """While the transfer goes on, ask again; after it, no context is waited for any longer."""
        if self._access.patience_s is not None:
            return super().silent()
        return self.finish()

    def finish(self) -> list[Record]:
        """Measurements without their context, and contexts without a measurement."""
        records = self._passed() + self._without_context(self._waiting.take_all())
        records += [lost(frame) for frame in self._alone.take_all()]
        self._say(None)
        return records

    def _meet(self, frame: Frame) -> None:
        for maker, quirk in _QUIRKS:
            if frame.data[: len(maker)] == maker:
                self._maker, self._quirk = [frame], quirk

    def _say(self, command: bytes | None) -> None:
        super()._say(command)
        if self._access.whole and self._waiting:
            self.patience_s, self.mark = _JOIN_S, None
        if self._unsure or self._quirk == "renumbers":
            self.mark = None  # to be read again

    def _measured(self, found: Measurement) -> list[Record]:
        self._access.record(found.number, found.frame.data)
        records = self._passed()
        context = self._alone.take(found.number)
        if context:
            return records + self._record(found, Context(context))
        if not found.announces:
            self._last = found.frame
        elif not self._waiting.holds(found.frame.data):  # else it is told again
            records += self._without_context(self._waiting.add(found.frame))
        return records

    def _passed(self) -> list[Record]:
        """The last measurement that announced no context, now that something else follows it."""
        last, self._last = self._last, None
        return self._without_context([last] if last else [])

    def _told(self, found: Context) -> list[Record]:
        measurement = self._waiting.take(found.number)
        if measurement is None and self._last and number_of(self._last) == found.number:
            measurement, self._last = self._last, None
        if measurement:
            self._joined = found.frame.data
            self._say(None)
            return self._record(Measurement(measurement), found)
        if found.frame.data == self._joined:
            return []  # told again
        return [lost(frame) for frame in self._alone.add(found.frame)]

    def _without_context(self, frames: list[Frame]) -> list[Record]:
        return [record for frame in frames for record in self._record(Measurement(frame), None)]

    def _record(self, found: Measurement, context: Context | None) -> list[Record]:
        """The record of a measurement; none where nothing of a person was measured."""
        if found.value is None or not found.counts:
            return []
        frames = [found.frame] if context is None else [found.frame, context.frame]
        if not found.announces:
            frames.reverse()  # evidence that can be read without waiting
        frames = self._maker + frames
        missing = found.announces and context is None
        if missing and self._quirk == "ketone":
            self._unsure = True
            return [Record(frames, None, None, DecodeError("context-missing", "glucose or ketone"))]
        reading = self._reading(found, context, final=not missing)
        # Numbers change when a meter is reset; they serve only where there is no time to tell records apart.
        by_number = found.key_time is None and self._quirk != "renumbers"
        number = found.number if by_number else None
        key = RecordKey(_MEASUREMENT, number, found.key_time, found.raw_value, stored=True)
        return [Record(frames, reading, key)]

    def _reading(self, found: Measurement, context: Context | None, *, final: bool) -> Reading:
        assert found.value is not None
        ketone = context is not None and context.ketone
        value = as_ketone(found.value) if ketone else found.value
        more = [] if context is None or context.hba1c is None else [context.hba1c]
        number = None if self._quirk == "renumbers" else found.number
        pairs = found.context + ([] if context is None else context.pairs)
        notes, time = found.notes(value), found.time.text
        return Reading(value.name, "stored", [value] + more, notes, None, number, time, pairs, final)
