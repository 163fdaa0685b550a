"""Hubs that seal envelopes as the protocol says, and the ledgers that take them in."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, select, text

from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.envelopes import Ledger, TakenItem
from cloud_bridge.registry import Registry
from cloud_bridge.schema import hub_keys, journey
from gateway.wire import cose, envelope
from gateway.wire.envelope import Contents, digest, disclosure, external_aad, message
from gateway.wire.items import Item, Lost, NextKey, Statement, Status, next_key_proof
from gateway.wire.measurement import Moment, key_id

HOUSEHOLD, HUB = "home-1", "hub-1"
NOW = 1_800_000_000_000
BOOT = b"boot-one"


class Signing:
    """A signing key as a hub holds it; the seed makes it the same in every run."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))
        self.public_key = self._key.public_key().public_bytes_raw()
        self.kid = key_id(self.public_key)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def proof(self, hub: str) -> bytes:
        return self.sign(next_key_proof(hub, self.public_key))


@dataclass(frozen=True)
class Sealed:
    """An envelope as it leaves the hub."""

    kid: bytes
    sequence: int
    hash: bytes
    signed: bytes
    disclosures: list[bytes | None]

    @property
    def raw(self) -> bytes:
        return message(self.signed, self.disclosures)

    def without(self, *positions: int) -> bytes:
        """The message with null where the hub cannot supply a disclosure any more."""
        return message(
            self.signed, [None if i in positions else data for i, data in enumerate(self.disclosures)]
        )


def sign(signing: Signing, hub: str, payload: bytes, content_type: str = envelope.CONTENT_TYPE) -> bytes:
    protected = cose.protected_header(content_type, signing.kid)
    covered = cose.sig_structure(protected, external_aad(hub), payload)
    return cose.pack(protected, payload, signing.sign(covered))


def moment(mono_ms: int = 1000) -> Moment:
    return Moment(BOOT, mono_ms, NOW, "ntp")


def status(number: int = 0, commands: list[bytes] | None = None) -> Status:
    """An item with nothing to it; the number makes it differ from others."""
    return Status(moment(number), "1.0", 1000, [], [], commands or [])


def pause(number: int = 1) -> Statement:
    return Statement("pause", number.to_bytes(16, "big"), moment())


def lost(kid: bytes, sequence: int, position: int | None = None) -> Lost:
    return Lost((kid, sequence, position), None, 1, "bit-rot")


def next_key(signing: Signing, hub: str = HUB) -> NextKey:
    return NextKey(signing.public_key, signing.proof(hub))


@dataclass
class Chain:
    """One key of a hub, sealing one envelope after the other."""

    signing: Signing
    hub: str = HUB
    sequence: int = 0
    last: bytes | None = None
    statements: int = 0
    sealed: list[Sealed] = field(default_factory=list)
    reason: str = "first-key"

    @property
    def kid(self) -> bytes:
        return self.signing.kid

    def copy(self) -> "Chain":
        """A clone: the same key and head, from now on another life."""
        return Chain(self.signing, self.hub, self.sequence, self.last, self.statements, list(self.sealed))

    def seal(self, *items: Item | bytes, at: Moment | None = None) -> Sealed:
        """An envelope of these items; bytes stand for a disclosure as it is."""
        number = len(self.sealed)
        parts = list(items) or [status(number)]
        self.statements += sum(isinstance(item, Statement) for item in parts)
        disclosures = [self._disclosure(number, at, item) for at, item in enumerate(parts)]
        return self.seal_raw(disclosures, at=at)

    def seal_raw(
        self, disclosures: list[bytes], previous: bytes | None = None, at: Moment | None = None
    ) -> Sealed:
        self.sequence += 1
        link = previous or self.last
        contents = Contents(
            self.sequence,
            link,
            None if link else self.reason,
            at or moment(self.sequence),
            self.statements,
            [digest(data) for data in disclosures],
        )
        signed = sign(self.signing, self.hub, contents.encode())
        made = Sealed(self.kid, self.sequence, digest(signed), signed, list(disclosures))
        self.last = made.hash
        self.sealed.append(made)
        return made

    def _disclosure(self, number: int, position: int, item: Item | bytes) -> bytes:
        if isinstance(item, bytes):
            return item
        return disclosure(digest(b"%d %d %d" % (id(self), number, position))[:16], item)


class Home:
    """A ledger with one household and hub; what its items say is written down, item by item."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = Ledger(database, self.keep, self.hold)
        self.held: list[tuple[bytes, int]] = []
        self.fails: list[Exception] = []  # raised one after the other, by each item that is kept
        self.forked: list[bool] = []

    def register(self, chain: Chain, household: str = HOUSEHOLD, now_ms: int = NOW) -> Chain:
        with self.database.transaction() as connection:
            registry = Registry(connection)
            if registry.hub(chain.hub) is None:
                registry.enrol(chain.hub, household, now_ms)
            registry.add_key(chain.kid, chain.hub, chain.signing.public_key, now_ms)
        return chain

    def keep(self, connection: Connection, taken: TakenItem) -> None:
        connection.execute(
            insert(journey).values(
                household=taken.household,
                envelope=taken.envelope_id,
                step=f"{taken.position} {type(taken.item).__name__}",
                at_ms=taken.arrived_ms,
                code="forked" if taken.forked else None,
            )
        )
        if self.fails:
            raise self.fails.pop(0)

    def hold(self, _connection: Connection, kid: bytes, sequence: int) -> None:
        self.held.append((kid, sequence))

    def kept(self) -> list[tuple[int, str, str | None]]:
        """(envelope, "position item", forked) of every item that was handed on."""
        with self.database.reading() as connection:
            rows = connection.execute(select(journey).order_by(journey.c.id))
            return [(row.envelope, row.step, row.code) for row in rows]

    def rows(self, table: Any) -> list[Any]:
        with self.database.reading() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

    def key_status(self, kid: bytes) -> str:
        return next(row.status for row in self.rows(hub_keys) if bytes(row.kid) == kid)


class Databases:
    """Fresh ledgers on SQLite: each a copy of one that was migrated once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template.sqlite"
        self._count = 0
        Database.at(self._template).close()

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        self._count += 1
        path = self._directory / f"ledger-{self._count}.sqlite"
        shutil.copy(self._template, path)
        database = Database(f"sqlite:///{path}")
        try:
            yield database
        finally:
            database.close()


class PostgresDatabases:
    """The same on a PostgreSQL server of our own, on a socket in a directory of our own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
        self._count = 0

    def start(self) -> None:
        if self._user:
            shutil.chown(self._directory, self._user)
            self._directory.chmod(0o755)
        data = ["-D", str(self._directory / "data")]
        make = ["initdb", *data, "--auth=trust", "--username=test", "--no-sync", "-E", "UTF8"]
        subprocess.run(make, check=True, user=self._user, cwd=self._directory, stdout=subprocess.DEVNULL)
        settings = [f"unix_socket_directories={self._directory}", "listen_addresses=", "fsync=off"]
        options = [word for setting in settings for word in ("-c", setting)]
        self._server = subprocess.Popen(
            ["postgres", *data, *options], user=self._user, cwd=self._directory, stderr=subprocess.PIPE
        )
        ready = Event()
        self._log = Thread(target=self._listen, args=(ready,), daemon=True)
        self._log.start()
        assert ready.wait(30), "PostgreSQL does not start"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE template")
        template = Database(self._url("template"))
        template.migrate()
        template.close()

    def stop(self) -> None:
        self._server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        self._server.wait(30)
        self._log.join(30)

    def _listen(self, ready: Event) -> None:
        assert self._server.stderr is not None
        with self._server.stderr as lines:
            for line in lines:
                if b"ready to accept connections" in line:
                    ready.set()

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        self._count += 1
        name = f"ledger{self._count}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template")  # type: ignore[call-overload]
        database = Database(self._url(name))
        try:
            yield database
        finally:
            database.close()

    def _dsn(self, name: str) -> str:
        return f"host={self._directory} user=test dbname={name}"

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://test@/{name}?host={self._directory}"


def count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
