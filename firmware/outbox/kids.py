# ruff: noqa: ARG002 (who looks at frames is told all of them)
"""Which keys ever began to seal, and into which store: beside it, so that a store that is gone is noticed."""

from firmware.outbox.frames import frame, scan

_NAME = "kids"
_LISTED = 1
IDENTITY_SIZE = 8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.outbox.files import Files


class Kids:
    """listed: key id: identity of the store into which it began to seal."""

    def __init__(self, files: "Files") -> None:
        self._files = files
        self.listed: dict[bytes, bytes] = {}
        scan(files.path(_NAME), self._listed)

    def _listed(self, kind: int, body: bytes, start: int, middle: int, end: int) -> None:
        if kind == _LISTED and len(body) == 2 * IDENTITY_SIZE:
            self.listed[body[:IDENTITY_SIZE]] = body[IDENTITY_SIZE:]

    def add(self, kid: bytes, identity: bytes) -> None:
        """Before its first envelope; durable when this returns."""
        if kid not in self.listed:
            line = frame(_LISTED, kid + identity)
            self._files.append(_NAME, [line, line], self._files.size(_NAME))
            self.listed[kid] = identity
