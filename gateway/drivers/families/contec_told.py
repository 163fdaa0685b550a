"""What a Contec oximeter of the newer generation tells of itself and of its sessions, beside their values.

Sources: as in contec_packets.py.
"""

from gateway.drivers.families.contec_packets import (
    LENGTH,
    MODEL,
    SESSIONS,
    START_DATE,
    START_TIME,
    VENDOR,
    fields,
)

NAME = 8 + 8 + 4
"""Bytes that name a session: its packets of date and time, and its size."""


class Told:
    """about: as the driver's. sessions: how many it keeps. size: bytes in the one that is told, or None."""

    def __init__(self) -> None:
        self.about: dict[str, str] = {}
        self.sessions = 0
        self.size: int | None = None
        self._start: dict[int, bytes] = {}
        self._model: dict[int, bytes] = {}
        self._vendor = b""

    def another_session(self) -> None:
        """What comes is of another one."""
        self._start, self.size = {}, None

    def place(self) -> bytes:
        """When the session began, as the oximeter told; empty where it did not."""
        return self._start[START_DATE] + self._start[START_TIME] if len(self._start) == 2 else b""

    def name(self) -> bytes:
        return self.place() + (self.size or 0).to_bytes(4, "little")

    def packet(self, packet: bytes) -> None:
        """Any packet; those that tell nothing of this are left."""
        kind, data = packet[0], fields(packet)
        if kind in (START_DATE, START_TIME):
            self._start[kind] = packet
        elif kind == LENGTH:
            self.size = int.from_bytes(data[2:], "little")
        elif kind == SESSIONS:
            self.sessions = data[1]
        elif kind == MODEL:
            self._model[data[0]] = data[1:]
            self._introduce()
        elif kind == VENDOR:
            self._vendor = data
            self._introduce()

    def _introduce(self) -> None:
        model = b"".join([self._model[part] for part in sorted(self._model)])
        self.about = {"manufacturer": _text(self._vendor), "model": _text(model)}


def _text(data: bytes) -> str:
    return "".join([chr(byte) for byte in data if 0x20 <= byte < 0x7F]).strip()
