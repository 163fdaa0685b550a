"""The words with which the ledger's files speak to each other: what came, what was taken, one item of it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.wire.items import Item

# What became of an upward message. failed: the bridge could not finish it; the hub sends it again.
ACCEPTED, SEEN_AGAIN, REFUSED, FAILED = "accepted", "seen-again", "refused", "failed"


@dataclass(frozen=True)
class Message:
    """An upward message as it came. hub: who the broker says sent it; arrived_ms: bridge time, ms UTC."""

    hub: str
    topic: str
    raw: bytes
    arrived_ms: int

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True)
class Taken:
    """What became of one message.

    outcome: accepted, seen-again, refused or failed. kid, sequence: None where they cannot be read.
    code and retry: why it was refused, and when to try again (never, after-action, after-time).
    statements: True when it brought a statement, so that readings that waited may go on.
    """

    outcome: str
    hub: str
    kid: bytes | None = None
    sequence: int | None = None
    envelope: int | None = None
    code: str | None = None
    retry: str | None = None
    statements: bool = False


@dataclass(frozen=True)
class TakenItem:
    """One item of an accepted envelope, for whoever keeps its kind.

    forked: hold what this says until a person confirmed the hub. envelope_id, disclosure_id: its rows.
    """

    household: str
    hub: str
    kid: bytes
    sequence: int
    position: int
    disclosure_id: int
    envelope_id: int
    arrived_ms: int
    item: Item
    forked: bool


# Called inside the ledger's transaction. A MeethubError puts this one item into quarantine under its code
# and undoes what was written for it; the other items of the envelope go on.
ItemTaker = Callable[[Connection, TakenItem], None]
