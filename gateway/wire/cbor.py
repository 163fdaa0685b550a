"""Deterministic CBOR (RFC 8949, section 4.2.1) for the few types that the wire format uses.

Integers within 64 bits, byte strings, text, arrays, true, false, null and the one tag of COSE_Sign1; a map
from small integers is read, for the COSE header. The decoder takes exactly what the encoder writes: shortest
heads, definite lengths, no trailing bytes. So every accepted message has one form only.
"""

MAX_DEPTH = 12
TAGS = (18,)  # COSE_Sign1
_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)
# First bytes of a character beyond ASCII: from, to, size, and what its second byte may be.
_LEADS = (
    (0xC2, 0xDF, 2, 0x80, 0xBF),
    (0xE0, 0xE0, 3, 0xA0, 0xBF),
    (0xE1, 0xEC, 3, 0x80, 0xBF),
    (0xED, 0xED, 3, 0x80, 0x9F),
    (0xEE, 0xEF, 3, 0x80, 0xBF),
    (0xF0, 0xF0, 4, 0x90, 0xBF),
    (0xF1, 0xF3, 4, 0x80, 0xBF),
    (0xF4, 0xF4, 4, 0x80, 0x8F),
)
_SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}


class CborError(ValueError):
    """The bytes are not the deterministic CBOR that this format uses."""


class Tagged:
    """A tagged item; COSE_Sign1 is Tagged(18, [...])."""

    def __init__(self, tag: int, value: object) -> None:
        self.tag = tag
        self.value = value


def head(major: int, number: int) -> bytes:
    """The first bytes of an item: major type and length or value, in the shortest form."""
    if number < 0:
        raise CborError("a length or value below zero")
    if number < 24:
        return bytes((major << 5 | number,))
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number >> (8 * size) == 0:
            return bytes((major << 5 | code,)) + number.to_bytes(size, "big")
    raise CborError("integer beyond 64 bits")


def encode(item: object, depth: int = 0) -> bytes:
    """The one encoding of an item. CborError for what the format does not use and decode refuses."""
    if depth > MAX_DEPTH:
        raise CborError("nested too deeply")
    if item is None:
        return b"\xf6"
    if isinstance(item, bool):  # before int: True is an int on CPython and none on MicroPython
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, int):
        return head(_UINT, item) if item >= 0 else head(_NEGATIVE, -1 - item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return head(_BYTES, len(item)) + bytes(item)
    if isinstance(item, str):
        text = _utf8(item)
        return head(_TEXT, len(text)) + text
    if isinstance(item, (list, tuple)):
        return head(_ARRAY, len(item)) + b"".join([encode(part, depth + 1) for part in item])
    if isinstance(item, Tagged) and item.tag in TAGS:
        return head(_TAG, item.tag) + encode(item.value, depth + 1)
    raise CborError("no CBOR form for this type")


def decode(data: bytes) -> object:
    """The item that these bytes are, whole and in deterministic form; CborError otherwise."""
    item, end = decode_at(data, 0)
    if end != len(data):
        raise CborError("%d bytes after the end" % (len(data) - end))
    return item


def decode_at(data: bytes, at: int, depth: int = 0) -> tuple[object, int]:
    """The item that starts at `at`, and where it ends."""
    if depth > MAX_DEPTH:
        raise CborError("nested too deeply")
    if at >= len(data):
        raise CborError("ends early")
    first = data[at]
    if first in _SIMPLE:
        return _SIMPLE[first], at + 1
    major = first >> 5
    number, at = _number(data, at)
    if major == _UINT:
        return number, at
    if major == _NEGATIVE:
        return -1 - number, at
    if major in (_BYTES, _TEXT):
        return _string(data, at, number, major)
    if major == _ARRAY:
        return _array(data, at, number, depth)
    if major == _MAP:
        return _map(data, at, number, depth)
    if major == _TAG and number in TAGS:
        value, at = decode_at(data, at, depth + 1)
        return Tagged(number, value), at
    raise CborError("floats, other simple values and other tags are not used")


def _number(data: bytes, at: int) -> tuple[int, int]:
    code = data[at] & 31
    at += 1
    if code < 24:
        return code, at
    if code > 27:
        raise CborError("indefinite or reserved length")
    size = 1 << (code - 24)
    part = data[at : at + size]
    if len(part) < size:
        raise CborError("ends early")
    number = int.from_bytes(part, "big")
    if number < 24 or (size > 1 and number >> (4 * size) == 0):
        raise CborError("not the shortest form")
    return number, at + size


def _string(data: bytes, at: int, size: int, major: int) -> tuple[object, int]:
    if size > len(data) - at:  # before slicing: MicroPython gives OverflowError beyond a machine word
        raise CborError("ends early")
    part = bytes(data[at : at + size])
    if major == _BYTES:
        return part, at + size
    if not is_utf8(part):
        raise CborError("text is not UTF-8")
    return part.decode(), at + size


def _utf8(text: str) -> bytes:
    try:
        data = text.encode()
    except ValueError:  # a lone surrogate: CPython refuses it here, MicroPython writes it
        raise CborError("text is not UTF-8") from None
    if not is_utf8(data):
        raise CborError("text is not UTF-8")
    return data


def is_utf8(data: bytes) -> bool:
    """True for UTF-8 as RFC 3629 has it. MicroPython's decode() also takes overlong forms and surrogates."""
    at = 0
    while at < len(data):
        step = _character(data, at)
        if not step:
            return False
        at += step
    return True


def _character(data: bytes, at: int) -> int:
    """How many bytes the character at `at` has; 0 when it is none (RFC 3629, section 4)."""
    first = data[at]
    if first < 0x80:
        return 1
    for low, high, size, second_low, second_high in _LEADS:
        if low <= first <= high:
            rest = data[at + 1 : at + size]
            if len(rest) < size - 1 or not second_low <= rest[0] <= second_high:
                return 0
            return size if all([0x80 <= byte <= 0xBF for byte in rest[1:]]) else 0  # noqa: C419 (no generator on the hub)
    return 0


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[object, int]:
    if count > len(data) - at:
        raise CborError("ends early")
    items = []
    for _ in range(count):
        item, at = decode_at(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[object, int]:
    """A map with integer keys 0 to 23 in ascending order: where bytewise and length-first order agree."""
    items: dict[int, object] = {}
    last = -1
    for _ in range(count):
        key, at = decode_at(data, at, depth + 1)
        if isinstance(key, bool) or not isinstance(key, int) or not last < key < 24:
            raise CborError("map keys must be small integers in ascending order")
        items[key], at = decode_at(data, at, depth + 1)
        last = key
    return items, at
