"""Checks that a decoded item has the shape the wire format gives; WireError("wire-shape") otherwise."""

from gateway.wire.errors import WireError

MAX_TEXT = 512
MAX_UINT = (1 << 64) - 1


def array(item: object, size: int | None = None) -> list[object]:
    if not isinstance(item, list) or (size is not None and len(item) != size):
        raise WireError("wire-shape", "array expected" if size is None else "%d fields expected" % size)
    return item


def integer(item: object, low: int = 0, high: int = MAX_UINT) -> int:
    # bool before int: True is an int on CPython and none on MicroPython
    if isinstance(item, bool) or not isinstance(item, int) or not low <= item <= high:
        raise WireError("wire-shape", "integer expected")
    return item


def text(item: object) -> str:
    if not isinstance(item, str) or len(item) > MAX_TEXT:
        raise WireError("wire-shape", "text expected")
    return item


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


def maybe_integer(item: object) -> int | None:
    return None if item is None else integer(item)


def maybe_text(item: object) -> str | None:
    return None if item is None else text(item)


def maybe_octets(item: object, size: int | None = None) -> bytes | None:
    return None if item is None else octets(item, size)
