"""Hello and state: what the bridge holds of a hub, signed, in answer to that hub's newest 8 bytes.

A hello costs no commit: the 8 bytes are kept in memory, and a bridge that was started again has no answer
until the hub says hello again. Counters rise all the same, over restarts too.
"""

from threading import Lock

from sqlalchemy import Connection, and_, exists, insert, or_, select, update

from cloud_bridge.ledger import chain, disclosed
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.state_key import StateKey
from cloud_bridge.registry import LIVE, REVOKED, HubKey, Registry
from cloud_bridge.schema import (
    arrivals,
    chains,
    commands,
    disclosures,
    envelopes,
    forgets,
    holds,
    hub_states,
    measurements,
    refusals,
)
from gateway.wire import cose, state
from gateway.wire.reports import MAX_COMMANDS
from gateway.wire.state import Command, Hello, KeyState, Refusal, State, open_hello

# Counters are milliseconds of bridge time, or one more than the last. So far ahead of them one number is
# written down, once an hour and hub: a bridge whose clock ran back goes on from there.
RESERVE = 3_600_000


class States:
    """Answers hellos. key: signs the states; its public half is all that hubs know of the bridge."""

    def __init__(self, database: Database, key: StateKey) -> None:
        self._database = database
        self._key = key
        self._nonces: dict[str, bytes] = {}
        self._counters: dict[str, tuple[int, int]] = {}  # hub → (last counter, written down up to)
        self._settled: dict[bytes, int] = {}
        self._lock = Lock()

    def hello(self, hub: str, raw: bytes) -> Hello:
        """This hub's newest 8 bytes from now on; WireError when these bytes are no hello."""
        said = open_hello(raw)
        self._nonces[hub] = said.nonce
        return said

    def state_for(self, hub: str, now_ms: int) -> bytes | None:
        """The signed state for this hub now; None when it has said no hello, is unknown or revoked."""
        nonce = self._nonces.get(hub)
        if nonce is None:
            return None
        with self._database.reading() as connection:
            known = Registry(connection).hub(hub)
            if known is None or known.status == REVOKED:
                self._nonces.pop(hub, None)
                return None
            keys = [self._key_state(connection, key) for key in _told_keys(connection, hub)]
            told = (_refusals(connection, hub), _commands(connection, hub, now_ms), _forgets(connection, hub))
            not_before = _not_before(connection, hub, now_ms)
        refused, asked, forgotten = told
        counter = self._count(hub, now_ms, [key.kid for key in keys])
        return self._sign(
            hub, State(nonce, counter, keys, refused, now_ms, asked, forgotten, not_before).encode()
        )

    def _sign(self, hub: str, payload: bytes) -> bytes:
        protected = cose.protected_header(state.CONTENT_TYPE, self._key.kid)
        covered = cose.sig_structure(protected, state.external_aad(hub), payload)
        return cose.pack(protected, payload, self._key.sign(covered))

    def _key_state(self, connection: Connection, key: HubKey) -> KeyState:
        found = chain.accepted_ranges(connection, key.kid, state.MAX_RANGES + 1)
        contiguous = found.pop(0)[1] if found and found[0][0] == 1 else 0
        last = _hash_at(connection, key.kid, contiguous) if contiguous else None
        known = self._settled.get(key.kid)
        if known is None:
            stored = select(chains.c.settled).where(chains.c.kid == key.kid)
            known = int(connection.execute(stored).scalar() or 0)
        settled = settled_up_to(connection, key.kid, known, contiguous)
        self._settled[key.kid] = settled
        return KeyState(key.kid, contiguous, last, found[: state.MAX_RANGES], settled)

    def _count(self, hub: str, now_ms: int, kids: list[bytes]) -> int:
        with self._lock:
            last, written = self._counters.get(hub, (0, 0))
            if not written:
                last = self._written(hub)
            counter = max(now_ms, last + 1)
            if counter > written:
                written = counter + RESERVE
                self._write(hub, written, kids)
            self._counters[hub] = (counter, written)
            return counter

    def _written(self, hub: str) -> int:
        with self._database.reading() as connection:
            chosen = select(hub_states.c.counter).where(hub_states.c.hub == hub)
            return int(connection.execute(chosen).scalar() or 0)

    def _write(self, hub: str, counter: int, kids: list[bytes]) -> None:
        """What saves the next start some work or trouble; nothing is lost with it."""
        with self._database.relaxed() as connection:
            row = update(hub_states).where(hub_states.c.hub == hub).values(counter=counter)
            if connection.execute(row).rowcount == 0:
                connection.execute(insert(hub_states).values(hub=hub, counter=counter))
            for kid in kids:
                settled = self._settled.get(kid, 0)
                connection.execute(update(chains).where(chains.c.kid == kid).values(settled=settled))


def settled_up_to(connection: Connection, kid: bytes, known: int, contiguous: int) -> int:
    """The highest sequence up to which every envelope is there and every measurement delivered or decided.

    known: a sequence up to which that is so already: only what comes after it is looked at. Held is not
    decided, and neither is what is in quarantine or of a newer version: somebody may still need its bytes.
    """
    open_measurement = exists().where(
        arrivals.c.disclosure == disclosures.c.id,
        measurements.c.id == arrivals.c.measurement,
        measurements.c.settled_ms.is_(None),
    )
    open_hold = exists().where(holds.c.disclosure == disclosures.c.id, holds.c.ended_ms.is_(None))
    unread = disclosures.c.status.in_((disclosed.PENDING, disclosed.QUARANTINED))
    first = (
        select(envelopes.c.sequence)
        .join_from(envelopes, disclosures)
        .where(
            and_(
                envelopes.c.kid == kid,
                envelopes.c.sequence > known,
                envelopes.c.sequence <= contiguous,
                or_(unread, open_hold, open_measurement),
            )
        )
        .order_by(envelopes.c.sequence)
        .limit(1)
    )
    waiting = connection.execute(first).scalar()
    return max(known, contiguous if waiting is None else int(waiting) - 1)


def _told_keys(connection: Connection, hub: str) -> list[HubKey]:
    """The live key, then those that were so last: a state has room for eight."""
    keys = sorted(
        Registry(connection).keys(hub), key=lambda key: (key.status != LIVE, -key.since_ms, key.kid)
    )
    return keys[: state.MAX_KEYS]


def _hash_at(connection: Connection, kid: bytes, sequence: int) -> bytes:
    """The hash of the envelope that came first at this place."""
    chosen = select(envelopes.c.hash).where(
        envelopes.c.kid == kid, envelopes.c.sequence == sequence, envelopes.c.branch == 0
    )
    return bytes(connection.execute(chosen).scalar_one())


def _refusals(connection: Connection, hub: str) -> list[Refusal]:
    chosen = select(refusals).where(refusals.c.hub == hub).order_by(refusals.c.id).limit(state.MAX_REFUSED)
    return [
        Refusal(bytes(row.kid), row.sequence, bytes(row.hash), row.code, row.retry, row.after_ms)
        for row in connection.execute(chosen)
    ]


def _commands(connection: Connection, hub: str, now_ms: int) -> list[Command]:
    chosen = select(commands).where(
        commands.c.hub == hub, commands.c.done_ms.is_(None), commands.c.expires_ms > now_ms
    )
    rows = connection.execute(chosen.order_by(commands.c.expires_ms).limit(MAX_COMMANDS))
    return [Command(bytes(row.id), row.verb, row.expires_ms) for row in rows]


def _forgets(connection: Connection, hub: str) -> list[bytes]:
    chosen = select(forgets.c.key).where(forgets.c.hub == hub).order_by(forgets.c.since_ms.desc())
    return [bytes(row.key) for row in connection.execute(chosen.limit(state.MAX_FORGET))]


def _not_before(connection: Connection, hub: str, now_ms: int) -> int | None:
    chosen = select(hub_states.c.not_before_ms).where(hub_states.c.hub == hub)
    told = connection.execute(chosen).scalar()
    return int(told) if told is not None and told > now_ms else None
