"""Taking envelopes in: verify, keep, note what the chain shows, hand every item on; one commit.

An envelope that this hub signed is kept in whatever order it arrives. What cannot be taken goes aside with
its code, and the hub's next state says so; nothing else waits for it.
"""

import traceback
from collections.abc import Sequence
from pathlib import Path

import structlog
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from cloud_bridge.ledger import chain, disclosed, keys, links, origin, quarantine
from cloud_bridge.ledger.database import Database, lock
from cloud_bridge.ledger.disclosed import Disclosed, ItemError
from cloud_bridge.ledger.origin import Origin
from cloud_bridge.ledger.taken import (
    ACCEPTED,
    FAILED,
    REFUSED,
    SEEN_AGAIN,
    ItemTaker,
    Message,
    Taken,
    TakenItem,
)
from cloud_bridge.schema import envelopes, hub_keys, hubs
from cloud_bridge.verify import Verified, VerifyError, verify_envelope
from gateway.wire import topics
from gateway.wire.envelope import Sealed
from gateway.wire.errors import MeethubError
from gateway.wire.state import AFTER_ACTION, AFTER_TIME, NEVER

__all__ = ["ItemTaker", "Ledger", "Taken", "TakenItem"]

_log = structlog.get_logger()
# Refused, and nothing is kept of it: the signed part is known and the rest comes again.
_COMES_AGAIN = ("envelope-incomplete", "disclosure-mismatch", "disclosures-unreadable", "disclosure-not-lost")


def _holds_nothing(_connection: Connection, _kid: bytes, _sequence: int) -> None:
    """For a ledger without measurements."""


class Ledger:
    """Where envelopes are taken in.

    items: keeps what each item says. forked: holds what was already taken of a key from a sequence on.
    """

    def __init__(
        self, database: Database, items: ItemTaker, forked: chain.ForkTaker = _holds_nothing
    ) -> None:
        self._database = database
        self._items = items
        self._forked = forked

    def take(self, hub: str, raw: bytes, arrived_ms: int) -> Taken:
        """Take one upward message of this hub in; on disk when this returns."""
        return self.take_many([(hub, raw, arrived_ms)])[0]

    def take_many(self, arrivals: Sequence[tuple[str, bytes, int]]) -> list[Taken]:
        """Take messages (hub, bytes, arrival in ms) in with one commit; what became of each, in order.

        Bytes that were begun before and never finished may have crashed the bridge: each of those gets
        a commit of its own, so that only the guilty one is counted again.
        """
        messages = [Message(hub, topics.up(hub, topics.ENVELOPE), raw, ms) for hub, raw, ms in arrivals]
        with self._database.relaxed() as connection:
            begun = quarantine.begun(connection, list({message.digest for message in messages}))
            fresh = {m.digest: m.arrived_ms for m in messages if m.digest not in begun}
            for digest, arrived_ms in sorted(fresh.items()):  # one order for all workers
                quarantine.begin(connection, digest, arrived_ms)
        taken = self._together([message for message in messages if message.digest in fresh])
        return [taken.pop(0) if m.digest in fresh else self._alone(m) for m in messages]

    def take_key(self, hub: str, raw: bytes, arrived_ms: int) -> Taken:
        """Take a hub's key request in: its new key is live, the one before retired, when this returns."""
        message = Message(hub, topics.up(hub, topics.KEY), raw, arrived_ms)
        with self._database.transaction() as connection:
            self._lock(connection, [message])
            try:
                return Taken(ACCEPTED, hub, keys.requested(connection, hub, raw, arrived_ms))
            except MeethubError as error:
                quarantine.keep(connection, message, error.code)
                _log.warning("key-request-refused", hub=hub, code=error.code)
                return Taken(REFUSED, hub, code=error.code, retry=AFTER_ACTION)

    def _together(self, messages: list[Message]) -> list[Taken]:
        if not messages:
            return []
        try:
            with self._database.transaction() as connection:
                self._lock(connection, messages)
                taken = [self._guarded(connection, message) for message in messages]
                done = [m.digest for m, t in zip(messages, taken, strict=True) if t.outcome != FAILED]
                quarantine.finished(connection, done)
                return taken
        except (SQLAlchemyError, OSError):
            with self._database.relaxed() as connection:
                quarantine.undo(connection, [message.digest for message in messages])
            raise

    def _alone(self, message: Message) -> Taken:
        with self._database.relaxed() as connection:
            times = quarantine.begin(connection, message.digest, message.arrived_ms)
        if times <= quarantine.MAX_CRASHES:
            return self._together([message])[0]
        with self._database.transaction() as connection:
            # Reading the place may be what crashes: tried once, and never again.
            place = origin.place_of(message.raw) if times == quarantine.MAX_CRASHES + 1 else None
            return _refuse(connection, message, VerifyError("envelope-crashes", place=place, retry=NEVER))

    def _lock(self, connection: Connection, messages: list[Message]) -> None:
        named = {message.hub for message in messages}
        owners = select(func.coalesce(hub_keys.c.household, hubs.c.household)).join_from(hubs, hub_keys)
        found = connection.execute(owners.where(hubs.c.id.in_(named)).distinct())
        lock(connection, {row[0] for row in found}, named)

    def _guarded(self, connection: Connection, message: Message) -> Taken:
        """One message in a savepoint; an item that cannot be kept is left out and the rest done again."""
        refused: dict[int, str] = {}
        while True:
            try:
                with connection.begin_nested():
                    return self._one(connection, message, refused)
            except ItemError as error:
                refused[error.position] = error.code
            except (OperationalError, InterfaceError):
                raise  # the database, not these bytes
            except Exception as error:  # noqa: BLE001 (a fault of ours must not stop the other hubs)
                return _failed(message, error)

    def _one(self, connection: Connection, message: Message, refused: dict[int, str]) -> Taken:
        known: list[Origin] = []
        try:
            verified = verify_envelope(message.raw, message.hub, origin.finder(connection, known))
            return self._verified(connection, message, verified, known[0], refused)
        except VerifyError as error:
            return _refuse(connection, message, error)

    def _verified(
        self,
        connection: Connection,
        message: Message,
        verified: Verified,
        source: Origin,
        refused: dict[int, str],
    ) -> Taken:
        sealed, link = verified.sealed, links.link_of(verified.sealed)
        parts = disclosed.opened(verified, refused)
        beside = links.around(connection, link)
        envelope = beside.known
        if envelope is None:
            _check(connection, link, source, parts)
            envelope, outcome = self._insert(connection, message, sealed, beside), ACCEPTED
            new = disclosed.insert_all(connection, envelope, parts)
        else:
            self._understand(connection, message, sealed, beside)
            new, outcome = disclosed.supply(connection, envelope, parts), SEEN_AGAIN
        quarantine.settle(connection, message.hub, (link.kid, link.sequence, link.hash))
        quarantine.release(connection, message.hub, message.digest, outcome, message.arrived_ms)
        said = disclosed.hand_on(connection, self._items, (message, verified, source, envelope), new)
        return Taken(outcome, message.hub, link.kid, link.sequence, envelope, statements=said)

    def _insert(self, connection: Connection, message: Message, sealed: Sealed, beside: links.Around) -> int:
        """Keep the envelope, and note what the chain shows now that it is there."""
        link = links.link_of(sealed)
        row = insert(envelopes).values(
            arrived_ms=message.arrived_ms, branch=beside.others, **_columns(sealed)
        )
        envelope = int(connection.execute(row.returning(envelopes.c.id)).scalar_one())
        head = chain.head(connection, link.kid)
        if not beside.others:
            chain.arrived(connection, link.kid, link.sequence, head.highest, message.arrived_ms)
        self._compare(connection, message, link, links.contradiction(link, beside, head.ended_at))
        return envelope

    def _understand(
        self, connection: Connection, message: Message, sealed: Sealed, beside: links.Around
    ) -> None:
        """A version that was newer than the bridge when it came, and is not any more."""
        unread = envelopes.c.id == beside.known, envelopes.c.sealed_boot.is_(None)
        if sealed.contents is None:
            return
        if connection.execute(update(envelopes).where(*unread).values(**_columns(sealed))).rowcount:
            link = links.link_of(sealed)
            self._compare(connection, message, link, links.contradiction(link, beside, None))

    def _compare(
        self, connection: Connection, message: Message, link: links.Link, conflict: tuple[str, int] | None
    ) -> None:
        """Note what contradicts: in this key, and in one that went on after its successor had begun."""
        for kid, sequence in links.succeed(connection, link, message.arrived_ms):
            self._note(connection, message, kid, (links.AFTER_SUCCESSOR, sequence))
        if conflict is not None:
            self._note(connection, message, link.kid, conflict)

    def _note(self, connection: Connection, message: Message, kid: bytes, conflict: tuple[str, int]) -> None:
        kind, sequence = conflict
        for place in chain.fork(connection, kid, kind, sequence, message.arrived_ms):
            self._forked(connection, *place)
        _log.warning("fork-found", hub=message.hub, kid=kid.hex(), sequence=sequence, kind=kind)


def _failed(message: Message, error: Exception) -> Taken:
    """Ours to mend: counted as a crash on these bytes. An error's text may hold a value: not logged."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    _log.warning("envelope-failed", hub=message.hub, error=type(error).__name__, where=where)
    return Taken(FAILED, message.hub, code="envelope-failed", retry=AFTER_TIME)


def _check(connection: Connection, link: links.Link, source: Origin, parts: list[Disclosed]) -> None:
    """What stands against taking a verified envelope that is not there yet; VerifyError then."""
    place = (link.kid, link.sequence, link.hash)
    if source.revoked and not links.proven(connection, link):
        raise VerifyError("key-revoked", place=place, retry=AFTER_ACTION)
    if disclosed.unexplained(connection, link.kid, link.sequence, parts):
        raise VerifyError("disclosure-not-lost", place=place, retry=AFTER_TIME)


def _refuse(connection: Connection, message: Message, error: VerifyError) -> Taken:
    """Keep what may be evidence, and tell the hub where it can be told which envelope is meant."""
    if error.code not in _COMES_AGAIN:
        quarantine.keep(connection, message, error.code)
    kid, sequence = None, None
    if error.place is not None:
        kid, sequence, _ = error.place
        quarantine.refuse(connection, message, error.place, error.code, error.retry)
    _log.warning("envelope-refused", hub=message.hub, code=error.code, retry=error.retry)
    return Taken(REFUSED, message.hub, kid, sequence, code=error.code, retry=error.retry)


def _columns(sealed: Sealed) -> dict[str, object]:
    same = {"kid": sealed.kid, "sequence": sealed.sequence, "hash": sealed.hash, "version": sealed.version}
    if sealed.contents is None:
        return {**same, "signed": sealed.signed}
    moment = sealed.contents.sealed_at
    return {
        **same,
        "signed": sealed.signed,
        "previous": sealed.contents.previous,
        "reason": sealed.contents.reason,
        "sealed_boot": moment.boot,
        "sealed_mono_ms": moment.mono_ms,
        "sealed_wall_ms": moment.wall_ms,
        "sealed_quality": moment.quality,
        "statements": sealed.contents.statements,
    }
