"""What an operator or installer does once: set the bridge up, enrol a hub, name who may receive what.

Everything of one bridge lives in one directory (`Place`); no secret leaves it.
"""

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Connection, insert, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cloud_bridge import authority, broker
from cloud_bridge.authority import Identity
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.state_key import StateKey
from cloud_bridge.receivers import FhirReceiver
from cloud_bridge.registry import BRIDGE, HUB, Registry, RegistryError
from cloud_bridge.schema import citizen_receivers, citizens, households, receivers
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import key_id

SETTINGS = "settings.json"
LOOPBACK = "127.0.0.1"
SECRET_SIZE, PUBLIC_KEY_SIZE = 32, 32
# FHIR R4: a relative reference; an id is 1 to 64 of these
PATIENT = re.compile(r"Patient/[A-Za-z0-9.\-]{1,64}")


class AdministrationError(MeethubError):
    """A request that cannot be carried out.

    Codes: request-unreadable, bridge-not-set-up, bridge-not-writable, unknown-name, subject-unfit,
    already-linked, patient-taken, ledger-unreadable, ledger-unreachable.
    """


@dataclass(frozen=True)
class Place:
    """The bridge's directory: where each of its files stands."""

    directory: Path

    @property
    def database(self) -> str:
        return f"sqlite:///{self.ledger}"

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.sqlite"

    @property
    def broker(self) -> Path:
        return self.directory / "broker"

    @property
    def issuer(self) -> Path:
        return self.directory / "authority"

    @property
    def identity(self) -> Identity:
        return authority.identity(self.directory, "bridge")

    def settings(self) -> dict[str, int | str]:
        """MQTT host and port. AdministrationError: bridge-not-set-up, ledger-unreadable when it is gone."""
        try:
            settings = dict(json.loads((self.directory / SETTINGS).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise AdministrationError("bridge-not-set-up", str(self.directory)) from error
        if not self.ledger.exists():
            raise AdministrationError("ledger-unreadable", str(self.ledger))
        return settings


@contextmanager
def opened(directory: Path, *, before_setup: bool = False) -> Iterator[Database]:
    """The ledger of the bridge in this directory. AdministrationError for whatever is wrong with it.

    Never made by looking: bridge-not-set-up unless `before_setup`.
    """
    place = Place(directory)
    if not before_setup:
        place.settings()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(place.database)
        try:
            yield database
        finally:
            database.close()
    except SQLAlchemyError as error:
        raise _ledger_error(error) from error
    except BrokenPipeError:
        raise  # whoever read our output is gone; the directory is fine
    except OSError as error:
        raise AdministrationError("bridge-not-writable", error.strerror or "") from error


@contextmanager
def looking(directory: Path) -> Iterator[Connection]:
    """A look at the ledger that waits for nobody and changes nothing."""
    with opened(directory) as database, database.reading() as connection:
        yield connection


@contextmanager
def changing(directory: Path, *, before_setup: bool = False) -> Iterator[Connection]:
    """One transaction on the ledger, brought to the newest schema first."""
    with opened(directory, before_setup=before_setup) as database:
        database.migrate()
        with database.transaction() as connection:
            yield connection


def set_up(place: Place, connection: Connection, ports: broker.Ports, hosts: tuple[str, ...]) -> None:
    """Make or renew what the bridge and its broker need: authority, certificates, broker configuration.

    What exists and is still good is kept, so it may be called at every start.
    """
    issuer = authority.Authority.open(place.issuer)
    # The bridge reaches its own broker over loopback, also where hubs know it by another name.
    broker.prepare(
        place.broker, ports, issuer, (*hosts, *(name for name in (LOOPBACK,) if name not in hosts))
    )
    if authority.needs_renewal(place.identity.certificate):
        request = authority.make_request(place.identity.key, "bridge")
        authority.install(place.identity, issuer.issue_bridge(request).pem, issuer.pem)
    issued = authority.installed(place.identity.certificate)
    Registry(connection).add_certificate(issued.fingerprint, "bridge", BRIDGE, issued.not_after_ms)
    everywhere = ports.host in ("0.0.0.0", "::")  # noqa: S104 (a name for "all", nothing is bound here)
    settings = json.dumps({"host": LOOPBACK if everywhere else ports.host, "port": ports.mqtt})
    (place.directory / SETTINGS).write_text(settings)


def enrol(place: Place, connection: Connection, request: str, household: str, now_ms: int) -> dict[str, str]:
    """Take a hub's request (the JSON of `meethub-gateway init`) and answer it with what the hub needs.

    The request carries the hub id, its public signing key and a certificate request for its TLS key. A hub
    that is known gets a fresh certificate; its household never changes here.
    """
    try:
        fields = json.loads(request)
        hub, public_key = str(fields["hub"]), bytes.fromhex(fields["public_key"])
        certificate_request = str(fields["certificate_request"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AdministrationError("request-unreadable", type(error).__name__) from None
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise AdministrationError("request-unreadable", "public key")
    _known(connection, households.c.id, household)
    registry = Registry(connection)
    known = registry.hub(hub)
    if known is None:
        registry.enrol(hub, household, now_ms)
    elif known.household != household:
        raise RegistryError("hub-known", hub)
    registry.add_key(key_id(public_key), hub, public_key, now_ms)
    issuer = authority.Authority.open(place.issuer)
    issued = issuer.issue_hub(certificate_request, hub)
    registry.add_certificate(issued.fingerprint, hub, HUB, issued.not_after_ms)
    state_key = StateKey.open(place.directory).public_key.hex()
    return {"certificate": issued.pem.decode(), "ca": issuer.pem.decode(), "state_key": state_key}


def add_household(connection: Connection, now_ms: int) -> str:
    """A new household; its id is random and says nothing."""
    household = "household-" + secrets.token_hex(6)
    connection.execute(insert(households).values(id=household, created_ms=now_ms))
    return household


def add_citizen(connection: Connection, household: str) -> str:
    """A pseudonym for a citizen of this household: random, never a BSN."""
    _known(connection, households.c.id, household)
    citizen = "citizen-" + secrets.token_hex(6)
    connection.execute(insert(citizens).values(id=citizen, household=household))
    return citizen


def add_receiver(
    connection: Connection, base_url: str, rendering: str = "r4", *, conditional_create: bool | None = None
) -> str:
    """A PGO's FHIR endpoint; DeliveryError for an address that no reading may be sent to.

    conditional_create: whether it heeds If-None-Exist; None: it does, or what was said of it before. The same
    address again is the same receiver.
    """
    base_url = base_url.rstrip("/")
    FhirReceiver(base_url).close()
    said = {} if conditional_create is None else {"conditional_create": conditional_create}
    known = connection.execute(select(receivers.c.id).where(receivers.c.base_url == base_url)).scalar()
    if known is not None:
        if said:
            connection.execute(update(receivers).where(receivers.c.id == known).values(said))
        return str(known)
    receiver = "receiver-" + secrets.token_hex(6)
    row = {"id": receiver, "kind": "fhir", "base_url": base_url, "rendering": rendering}
    connection.execute(insert(receivers).values(row | said))
    return receiver


def link(connection: Connection, citizen: str, receiver: str, patient: str) -> None:
    """This citizen's readings go to this receiver, where the citizen is `patient` (Patient/…).

    The random secret of this pair makes the identifiers there; it never leaves the ledger.
    AdministrationError: unknown-name, subject-unfit, already-linked to somebody else there, and patient-taken
    by another citizen: one person's record never gets two people's readings.
    """
    _known(connection, citizens.c.id, citizen)
    _known(connection, receivers.c.id, receiver)
    if not PATIENT.fullmatch(patient):
        raise AdministrationError("subject-unfit", "write it as Patient/…")
    known = connection.execute(
        select(citizen_receivers.c.patient).where(
            citizen_receivers.c.citizen == citizen, citizen_receivers.c.receiver == receiver
        )
    ).scalar()
    if known == patient:
        return
    if known is not None:
        raise AdministrationError("already-linked")
    same = (citizen_receivers.c.receiver == receiver, citizen_receivers.c.patient == patient)
    if connection.execute(select(citizen_receivers.c.citizen).where(*same)).first() is not None:
        raise AdministrationError("patient-taken")
    row = {"citizen": citizen, "receiver": receiver, "patient": patient}
    connection.execute(insert(citizen_receivers).values(row | {"secret": secrets.token_bytes(SECRET_SIZE)}))


def must_know_hub(connection: Connection, hub: str) -> None:
    """AdministrationError("unknown-name") for a hub that was never enrolled."""
    if Registry(connection).hub(hub) is None:
        raise AdministrationError("unknown-name", hub)


def _known(connection: Connection, column: Column[str], name: str) -> None:
    if connection.execute(select(column).where(column == name)).first() is None:
        raise AdministrationError("unknown-name", name)


def _ledger_error(error: SQLAlchemyError) -> AdministrationError:
    """In plain words why the ledger cannot be used: it does not answer, or it cannot be read."""
    cause = error.__cause__ or error
    silent = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_BUSY) & 0xFF == sqlite3.SQLITE_BUSY
    silent = silent and isinstance(error, OperationalError)
    return AdministrationError("ledger-unreachable" if silent else "ledger-unreadable", type(cause).__name__)
