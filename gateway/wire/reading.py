"""A reading: what one measurement of a device says, in the device's own digits and unit.

Numbers are decimals: 36.60 Cel is digits 3660, exponent -2. No binary float enters a Reading.
Kinds, value names and units: docs/vocabulary.md.
"""

from gateway.wire import shape
from gateway.wire.errors import WireError

ORIGINS = ("spot", "stored", "device-average", "hub-summary")
COMPARATORS = ("<", ">")
# Why there is no value: FHIR R4, code system data-absent-reason.
ABSENT = (
    "unknown",
    "asked-unknown",
    "temp-unknown",
    "not-asked",
    "asked-declined",
    "masked",
    "not-applicable",
    "unsupported",
    "as-text",
    "error",
    "not-a-number",
    "negative-infinity",
    "positive-infinity",
    "not-performed",
    "not-permitted",
)
MAX_DIGITS = (1 << 63) - 1
MAX_EXPONENT = 40
MAX_VALUES = 256
MAX_NOTES = 32
MAX_CONTEXT = 32


class Value:
    """One value of a reading: digits x 10^exponent in a UCUM unit, or the reason why there is none.

    With a comparator ("<", ">") the digits are the device's limit: it showed LO or HI.
    """

    def __init__(
        self,
        name: str,
        digits: int | None,
        exponent: int,
        unit: str,
        absent: str | None = None,
        comparator: str | None = None,
    ) -> None:
        self.name = name
        self.digits = digits
        self.exponent = exponent
        self.unit = unit
        self.absent = absent
        self.comparator = comparator

    def text(self) -> str | None:
        """Plain decimal text with the device's resolution: 120, 36.60, 70.000; None when absent."""
        if self.digits is None:
            return None
        return decimal_text(self.digits, self.exponent)

    def wire(self) -> list[object]:
        return [self.name, self.digits, self.exponent, self.unit, self.absent, self.comparator]

    def json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": self.text(),
            "unit": self.unit,
            "absent": self.absent,
            "comparator": self.comparator,
        }


class Reading:
    """What one record of a device says. `context` is a list of (key, value) pairs in order."""

    def __init__(
        self,
        kind: str,
        origin: str,
        values: list[Value],
        notes: list[str] | None = None,
        user: int | None = None,
        record: int | None = None,
        device_time: str | None = None,
        context: list[tuple[str, str]] | None = None,
        final: bool = True,  # noqa: FBT001, FBT002 (the JSON word)
    ) -> None:
        self.kind = kind
        self.origin = origin
        self.values = values
        self.notes = notes or []
        self.user = user
        self.record = record
        self.device_time = device_time
        self.context = context or []
        self.final = final

    def wire(self) -> list[object]:
        """The array form (docs/wire-format.md, `reading`)."""
        return [
            self.kind,
            self.origin,
            [value.wire() for value in self.values],
            self.notes,
            self.user,
            self.record,
            self.device_time,
            [list(pair) for pair in self.context],
            self.final,
        ]

    def json(self) -> dict[str, object]:
        """The JSON form that the command line, the pages and the tests speak."""
        return {
            "kind": self.kind,
            "origin": self.origin,
            "values": [value.json() for value in self.values],
            "notes": list(self.notes),
            "user": self.user,
            "record": self.record,
            "device_time": self.device_time,
            "context": dict(self.context),
            "final": self.final,
        }


def decimal_text(digits: int, exponent: int) -> str:
    """Plain decimal text without exponent; every digit of the resolution is kept."""
    sign, body = ("-", str(-digits)) if digits < 0 else ("", str(digits))
    if exponent >= 0:
        return sign + body + ("0" * exponent if digits else "")
    places = -exponent
    body = "0" * (places + 1 - len(body)) + body
    return sign + body[:-places] + "." + body[-places:]


def parse_decimal(text: str) -> tuple[int, int]:
    """(digits, exponent) of plain decimal text. WireError("wire-shape") for anything else."""
    sign, body = (-1, text[1:]) if text[:1] == "-" else (1, text)
    whole, dot, places = body.partition(".")
    if not is_digits(whole) or (dot and not is_digits(places)) or len(body) > 40:
        raise WireError("wire-shape", "not a plain decimal")
    digits = int(whole + places)
    if digits > MAX_DIGITS:
        raise WireError("wire-shape", "more digits than 63 bits hold")
    return sign * digits, -len(places)


def is_digits(text: str) -> bool:
    """True for ASCII digits only (str.isdigit takes others as well on CPython)."""
    return bool(text) and all("0" <= c <= "9" for c in text)


def reading_from_wire(item: object) -> Reading:
    """The Reading that this array is. WireError("wire-shape") otherwise."""
    kind, origin, values, notes, user, record, device_time, context, final = shape.array(item, 9)
    return Reading(
        shape.word(kind),
        shape.one_of(origin, ORIGINS),
        [_value(value) for value in shape.some(values, MAX_VALUES)],
        [shape.word(note) for note in shape.some(notes, MAX_NOTES)],
        shape.maybe_integer(user),
        shape.maybe_integer(record),
        None if device_time is None else shape.local_time(device_time),
        _context(context),
        shape.flag(final),
    )


def _context(item: object) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for row in shape.some(item, MAX_CONTEXT):
        key, said = shape.array(row, 2)
        if key in [pair[0] for pair in pairs]:
            raise WireError("wire-shape", "a context key twice")
        pairs.append((shape.word(key), shape.text(said)))
    return pairs


def _value(item: object) -> Value:
    name, digits, exponent, unit, absent, comparator = shape.array(item, 6)
    if (digits is None) == (absent is None):
        raise WireError("wire-shape", "a value is digits or a reason, never both or neither")
    if comparator is not None and digits is None:
        raise WireError("wire-shape", "a comparator without the limit")
    return Value(
        shape.word(name),
        shape.maybe_integer(digits, -MAX_DIGITS, MAX_DIGITS),
        shape.integer(exponent, -MAX_EXPONENT, MAX_EXPONENT),
        shape.text(unit),
        None if absent is None else shape.one_of(absent, ABSENT),
        None if comparator is None else shape.one_of(comparator, COMPARATORS),
    )
