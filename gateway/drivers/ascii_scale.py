"""Scales that tell weights as lines of text, in the standard format of A&D and of many that follow it.

Source: A&D standard output format: `ST,+00065.0 kg` CR LF, with GS or NT (gross, net) between, sign and
digits padded with zeros or blanks; ST stable, US not stable yet, OL overload, WT and QT of weighing and
counting programs. Only ST is a measurement. The settings of the cable vary with the model.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.damage import Damage
from gateway.drivers.shared.fields import between
from gateway.drivers.shared.framing import Cut, Lines
from gateway.wire.errors import DecodeError, WireError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value, parse_decimal

_STABLE = b"ST,"
_HEADERS = (_STABLE, b"US,", b"OL,", b"WT,", b"QT,")
_MODES = (b"GS,", b"NT,")
_UNITS = ((b"kg", "kg"), (b"lb", "[lb_av]"))
# What no scale for people can measure: a fault of the device, not a medical judgement.
_LIMITS = {"kg": (1, 327), "[lb_av]": (2, 655)}
_REPEATS_MS = 10_000


class AsciiScale(Driver):
    """One visit of a scale that sends a line for each weighing, or lines all the time.

    A weight that is told again while the same person stands there is one measurement; an empty scale is none.
    """

    name = "ascii-scale"
    serial = (2400, 7, "E", 1)
    serial_others = ((9600, 8, "N", 1), (2400, 8, "N", 1), (9600, 7, "E", 1))
    cuts = True
    repeats_within_s = _REPEATS_MS // 1000

    def __init__(self) -> None:
        self._lines = Lines()
        self._damage = Damage()
        self._told: list[tuple[bytes, int]] = []  # weights of these seconds, and when each was told last

    def received(self, frame: Frame) -> list[Record]:
        """A record for each stable weight that is new, and for each line without form."""
        records = []
        for cut in self._lines.feed(frame.data) if frame.source == "serial" else []:
            record = _heard(cut, frame.offset_ms)
            if record is not None and record.error:
                records += self._damage.stretch(record)
                continue
            self.understood = True
            self._damage.understood()
            records += self._new(record) if record else []
        return records

    def finish(self) -> list[Record]:
        """A line that has no end is none."""
        cut_off = [
            Record([Frame("serial", 0, cut.data)], None, None, cut.error()) for cut in self._lines.end()
        ]
        return self._damage.ended(cut_off)

    def _new(self, record: Record) -> list[Record]:
        """The record, unless it was told a few seconds ago."""
        line, now_ms = record.frames[0].data, record.frames[0].offset_ms
        recent = [told for told in self._told if now_ms - told[1] < _REPEATS_MS]
        self._told = [told for told in recent if told[0] != line] + [(line, now_ms)]
        if len(self._told) == len(recent):
            return []
        self._damage.read()
        return [record]


def _heard(cut: Cut, offset_ms: int) -> Record | None:
    """The record that a line makes; None for a good line that is no measurement."""
    line = cut.data[max(_header_at(cut.data), 0) :]
    try:
        if cut.code or _header_at(cut.data) < 0:
            raise cut.error() or DecodeError("frame-garbled", "no line of a scale")
        if not line.startswith(_STABLE):
            return None
        raw, weight = _weight(line)
    except DecodeError as error:
        return Record([Frame("serial", offset_ms, cut.data)], None, None, error)
    if weight.digits == 0:
        return None  # nobody stands there
    notes = [] if between(weight, *_LIMITS[weight.unit]) else ["implausible"]
    reading = Reading("weight", "spot", [weight], notes)
    return Record([Frame("serial", offset_ms, line)], reading, RecordKey("line", None, None, raw))


def _header_at(text: bytes) -> int:
    """Where the last header in a line stands (before it is noise, or a line whose end got lost); or -1."""
    return max([text.rfind(header) for header in _HEADERS])


def _weight(line: bytes) -> tuple[bytes, Value]:
    """The raw bytes and the value of a stable line. DecodeError("frame-garbled")."""
    raw = line[len(_STABLE) :].strip()
    if raw[:3] in _MODES:
        raw = raw[3:]
    for ending, unit in _UNITS:
        if raw.endswith(ending):
            return raw, _number(raw[: -len(ending)].replace(b" ", b"").decode(), unit)
    raise DecodeError("frame-garbled", "no unit of weight")


def _number(text: str, unit: str) -> Value:
    sign, size = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    try:
        digits, exponent = parse_decimal("0" + size)
    except WireError:
        raise DecodeError("frame-garbled", "no number") from None
    return Value("body-weight", sign * digits, exponent, unit)
