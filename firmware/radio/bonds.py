"""The keys of bonds, which NimBLE leaves to the application: one small file, written whole.

Format: CRC-32 (4 bytes, big end first), then rows: kind, size of key, size of value (a byte each), key,
value. What key and value mean is NimBLE's own; a key is the type of an address and the address, last byte
first.
Source: MicroPython, docs/library/bluetooth.rst, _IRQ_GET_SECRET, _IRQ_SET_SECRET.
"""

import binascii

from firmware.files import read, write_whole
from firmware.radio.base import const
from gateway.hub.events import log

_PEER = const(2)  # the other side's keys; kind 1 are ours
_OUR_IDENTITY = const(10)  # the hub's own identity key, made when the radio is first switched on
_MOST_ROWS = const(64)


class Bonds:
    """The keys in one file. A damaged file is no bond: devices are then paired anew ("bond-lost")."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rows: list[tuple[int, bytes, bytes]] = []
        self._changed = False
        self.may_change: list[bytes] = []
        try:
            data = read(path)
            if data is not None:
                self._rows = _parsed(data)
        except (OSError, ValueError):
            log.error("bonds-damaged", code="bonds-damaged")

    def holds(self, address: bytes) -> bool:
        """Whether there is a bond with this address (six bytes as printed)."""
        for kind, key, _ in self._rows:
            if kind == _PEER and _address(key) == address:
                return True
        return False

    def get(self, kind: int, index: int, key: bytes | None) -> bytes | None:
        """As NimBLE asks: the value of this key, or the index-th of this kind."""
        for row in self._rows:
            if row[0] == kind:
                if row[1] == key or (key is None and index == 0):
                    return row[2]
                index -= 1
        return None

    def set(self, kind: int, key: bytes, value: bytes | None) -> bool:
        """As NimBLE tells; None forgets. Only of this hub and of devices that may pair now (`may_change`).

        What is not wanted is dropped in silence: where it hears False NimBLE forgets another bond and asks
        again, for ever. It forgets a key until it hears False.
        """
        rows = [row for row in self._rows if row[0] != kind or row[1] != key]
        if value is None:
            known = len(rows) < len(self._rows)
            self._rows, self._changed = rows, self._changed or known
            return known
        wanted = kind == _OUR_IDENTITY or _address(key) in self.may_change
        if wanted and len(key) < 256 and len(value) < 256 and len(rows) < _MOST_ROWS:
            rows.append((kind, key, value))
            self._rows, self._changed = rows, True
        return True

    def forget(self, address: bytes) -> None:
        """No bond with this device any more. OSError when that could not be written."""
        self._rows = [row for row in self._rows if _address(row[1]) != address]
        self._changed = True
        self.save()

    def save(self) -> None:
        """Durable when it returns. OSError when it could not be written; then `save` again."""
        if self._changed:
            rows = b"".join(
                [bytes((kind, len(key), len(value))) + key + value for kind, key, value in self._rows]
            )
            write_whole(self._path, binascii.crc32(rows).to_bytes(4, "big") + rows)
            self._changed = False


def _parsed(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """ValueError for what `save` never wrote."""
    if len(data) < 4 or binascii.crc32(data[4:]).to_bytes(4, "big") != data[:4]:
        raise ValueError
    rows, at = [], 4
    while at < len(data):
        if at + 3 > len(data):
            raise ValueError
        middle = at + 3 + data[at + 1]
        end = middle + data[at + 2]
        if end > len(data):
            raise ValueError
        rows.append((data[at], data[at + 3 : middle], data[middle:end]))
        at = end
    return rows


def _address(key: bytes) -> bytes:
    return bytes(reversed(key[1:7]))
