"""Checks that a decoded item has the shape the wire format gives; WireError("wire-shape") otherwise."""

from gateway.wire.errors import WireError

MAX_TEXT = 512  # bytes of UTF-8
MAX_WORD = 64
MAX_INTEGER = (1 << 63) - 1  # what SQLite and PostgreSQL store
MAX_WALL_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_TIME_FORM = "0000-00-00T00:00:00"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def array(item: object, size: int | None = None) -> list[object]:
    """The elements of an array; exactly `size` of them when given."""
    if not isinstance(item, list) or (size is not None and len(item) != size):
        raise WireError("wire-shape", "array expected" if size is None else "%d fields expected" % size)
    return item


def some(item: object, most: int, least: int = 0) -> list[object]:
    """The elements of an array of `least` to `most`."""
    row = array(item)
    if not least <= len(row) <= most:
        raise WireError("wire-shape", "%d to %d elements expected" % (least, most))
    return row


def integer(item: object, low: int = 0, high: int = MAX_INTEGER) -> int:
    # bool before int: True is an int on CPython and none on MicroPython
    if isinstance(item, bool) or not isinstance(item, int) or not low <= item <= high:
        raise WireError("wire-shape", "integer expected")
    return item


def text(item: object) -> str:
    if not isinstance(item, str) or len(item) > MAX_TEXT or len(item.encode()) > MAX_TEXT:
        raise WireError("wire-shape", "text expected")
    return item


def word(item: object) -> str:
    """Kebab-case, so that a word can stand in a log and in a table and never hold a name or a sentence."""
    if not isinstance(item, str) or not is_word(item):
        raise WireError("wire-shape", "kebab-case word expected")
    return item


def is_word(item: str) -> bool:
    """True for small letters and digits, joined by single dashes."""
    parts = item.split("-")
    return len(item) <= MAX_WORD and all([bool(p) and all([c in _LETTERS for c in p]) for p in parts])  # noqa: C419 (no generators on the hub)


def octets(item: object, size: int | None = None) -> bytes:
    if not isinstance(item, bytes) or (size is not None and len(item) != size):
        raise WireError("wire-shape", "byte string expected")
    return item


def flag(item: object) -> bool:
    if not isinstance(item, bool):
        raise WireError("wire-shape", "true or false expected")
    return item


def one_of(item: object, words: tuple[str, ...]) -> str:
    if not isinstance(item, str) or item not in words:
        raise WireError("wire-shape", "unknown word")
    return item


def local_time(item: object) -> str:
    """A device's own date and time, YYYY-MM-DDTHH:MM:SS, that exists in the calendar; year 1 to 9999."""
    if not isinstance(item, str) or not is_local_time(item):
        raise WireError("wire-shape", "date and time expected")
    return item


def is_local_time(item: str) -> bool:
    if len(item) != len(_TIME_FORM):
        return False
    for seen, form in zip(item, _TIME_FORM):  # noqa: B905 (MicroPython has no strict=)
        if not ("0" <= seen <= "9" if form == "0" else seen == form):
            return False
    year, month, day = int(item[:4]), int(item[5:7]), int(item[8:10])
    if not (year and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    if (month, day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
        return False
    return int(item[11:13]) < 24 and int(item[14:16]) < 60 and int(item[17:]) < 60


def maybe_integer(item: object, low: int = 0, high: int = MAX_INTEGER) -> int | None:
    return None if item is None else integer(item, low, high)


def maybe_text(item: object) -> str | None:
    return None if item is None else text(item)


def maybe_word(item: object) -> str | None:
    return None if item is None else word(item)


def maybe_octets(item: object, size: int | None = None) -> bytes | None:
    return None if item is None else octets(item, size)
