"""Where is my reading: each step of its way, where it is now, since when, what is wrong, who must act.

The same plain answer in Dutch and English, for everyone who may see it. No value, name or address is in it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, true

from cloud_bridge.ledger import holds, journey_log
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.journey_log import STEPS
from cloud_bridge.placing import ZONE
from cloud_bridge.schema import deliveries, disclosures, envelopes, hub_keys, journey, measurements
from cloud_bridge.schema import holds as held_rows
from gateway.wire.catalogue import explain
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import short

LANGUAGES = ("nl", "en")
SHORT_SIZE = 6
FOLLOW_S = 0.5

# status: (Dutch, English)
NOW = {
    "held": ("De meting wacht.", "The reading waits."),
    "due": ("De meting wordt verstuurd.", "The reading is being sent."),
    "delivered": ("De meting staat in de PGO.", "The reading is in the PGO."),
    "repeat": ("Deze meting is dezelfde als een eerdere.", "This reading is the same as an earlier one."),
    "withheld": ("De meting wordt niet verstuurd.", "The reading will not be sent."),
}

# who must act: (Dutch, English)
WHO = {
    "patient": ("de patiënt", "the patient"),
    "installer": ("de installateur", "the installer"),
    "hub": ("niemand, het gaat vanzelf verder", "nobody, it goes on by itself"),
    "operator": ("de beheerder", "the operator"),
    "pgo": ("de PGO", "the PGO"),
    "care-team": ("het zorgteam", "the care team"),
    "dva": ("de DVA", "the DVA"),
    "xis": ("het systeem van de zorgverlener", "the care provider's system"),
    "standard": ("wie de standaard beheert", "whoever keeps the standard"),
}


class JourneyError(MeethubError):
    """No journey can be shown; codes reading-unknown, reading-key-unfit."""


@dataclass(frozen=True)
class Step:
    """One step: what happened when, at which receiver, and why (a code of the catalogue)."""

    step: str
    at_ms: int
    code: str | None
    receiver: str | None

    def text(self, language: str) -> str:
        """The step in plain words."""
        said = STEPS.get(self.step, (self.step, self.step))[LANGUAGES.index(language)]
        why = (
            self.code if self.code and self.step not in (journey_log.SETTLED, journey_log.WITHHELD) else None
        )
        return said if why is None else f"{said}: {_because(why, language)}"

    def json(self) -> dict[str, object]:
        return {"step": self.step, "at": _utc(self.at_ms), "code": self.code, "receiver": self.receiver}


@dataclass(frozen=True)
class Trouble:
    """What is in the way: a code of the catalogue, who must act, since when, and where."""

    code: str
    who: str
    since_ms: int
    receiver: str | None = None
    question: str | None = None

    def json(self) -> dict[str, object]:
        """The answer that anyone who may see it gets, in both languages."""
        said = {language: _because(self.code, language) for language in LANGUAGES}
        place = {"receiver": self.receiver, "question": self.question}
        return {"code": self.code, "who": self.who, "since": _utc(self.since_ms), **place, **said}


@dataclass(frozen=True)
class Journey:
    """The way of one measurement. status: held, due, delivered, repeat or withheld; since_ms: since then."""

    key: bytes
    kind: str
    hub: str
    device: str
    status: str
    since_ms: int
    late: bool
    steps: list[Step]
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Nothing is in the way."""
        return not self.troubles

    def json(self) -> dict[str, object]:
        return {
            "measurement_key": self.key.hex(),
            "reading": short(self.key),
            "kind": self.kind,
            "hub": self.hub,
            "status": self.status,
            "since": _utc(self.since_ms),
            "late": self.late,
            "steps": [step.json() for step in self.steps],
            "troubles": [trouble.json() for trouble in self.troubles],
        }

    def lines(self, language: str) -> list[str]:
        """The answer for people: the steps, where it is now, and who must act."""
        position = LANGUAGES.index(language)
        lines = [f"{('Meting', 'Reading')[position]} {short(self.key)}"]
        if self.late:
            lines.append(
                ("Nagekomen: ouder dan een dag bij aankomst.", "Late: over a day old on arrival.")[position]
            )
        for step in self.steps:
            where = f" ({step.receiver})" if step.receiver else ""
            lines.append(f"  {_local(step.at_ms)}  {step.text(language)}{where}")
        now, since = NOW[self.status][position], ("Sinds", "Since")[position]
        lines.append(f"{now} {since} {_local(self.since_ms)}.")
        for trouble in self.troubles:
            who = ("Wie moet iets doen", "Who must act")[position]
            lines.append(f"{_because(trouble.code, language)} {who}: {WHO[trouble.who][position]}.")
        return lines


def trace(connection: Connection, reading: str) -> Journey:
    """The journey of the reading with this measurement key: 12 hex digits or more of it. JourneyError."""
    row = find(connection, reading)
    steps = connection.execute(
        select(journey).where(journey.c.measurement == row.id).order_by(journey.c.at_ms, journey.c.id)
    )
    told = [Step(step.step, step.at_ms, step.code, step.receiver) for step in steps]
    troubles = _troubles(connection, row)
    ended = row.settled_ms or max((one.since_ms for one in troubles), default=None)
    since_ms = ended or max((step.at_ms for step in told), default=row.arrived_ms)
    place = (bytes(row.key), row.kind, row.hub, row.device)
    return Journey(*place, row.status, since_ms, row.late, told, troubles)


def held(connection: Connection, household: str | None = None) -> list[dict[str, object]]:
    """Everything that waits for somebody, the longest wait first; of one household if named.

    reading: the short measurement key, or the envelope's place for what is no measurement yet.
    """
    rows = [*_held_measurements(connection), *_held_items(connection), *_parked(connection)]
    mine = [row for row in rows if household in (None, row["household"])]
    return sorted(mine, key=lambda row: str(row["since"]))


def follow(database: Database, since_ms: int | None = None) -> Iterator[dict[str, object]]:
    """Each step of each reading as it happens, from this moment on (None: now); ends only with the caller."""
    before = journey.c.at_ms < since_ms if since_ms is not None else true()
    with database.reading() as connection:
        newest = select(journey.c.id).where(before).order_by(journey.c.id.desc()).limit(1)
        seen = connection.execute(newest).scalar() or 0
    while True:
        with database.reading() as connection:
            steps = news(connection, seen)
        for number, step in steps:
            seen = number
            yield step
        time.sleep(FOLLOW_S)


def news(connection: Connection, after: int) -> list[tuple[int, dict[str, object]]]:
    """The steps of readings that were written after this number, each with its own."""
    chosen = (
        select(journey, measurements.c.key, measurements.c.kind)
        .join_from(journey, measurements, measurements.c.id == journey.c.measurement)
        .where(journey.c.id > after)
        .order_by(journey.c.id)
    )
    told = []
    for row in connection.execute(chosen):
        step = Step(row.step, row.at_ms, row.code, row.receiver)
        words = {language: step.text(language) for language in LANGUAGES}
        named = {"reading": short(bytes(row.key)), "kind": row.kind or "unknown"}
        told.append((row.id, {**named, **step.json(), **words}))
    return told


def find(connection: Connection, reading: str) -> Row[Any]:
    """The measurement with this key: 12 hex digits or more of it. JourneyError when there is none."""
    try:
        start = bytes.fromhex(reading)
    except ValueError:
        raise JourneyError("reading-key-unfit") from None
    if len(start) < SHORT_SIZE:
        raise JourneyError("reading-key-unfit", "12 hex digits or more")
    # A range, so that the index on the key serves both databases.
    above = start + b"\xff" * 32
    chosen = select(measurements).where(and_(measurements.c.key >= start, measurements.c.key <= above))
    row = connection.execute(chosen.order_by(measurements.c.id).limit(1)).first()
    if row is None:
        raise JourneyError("reading-unknown")
    return row


def _troubles(connection: Connection, measured: Row[Any]) -> list[Trouble]:
    """What holds the measurement, what its receivers say, and what came later and waits beside it."""
    found = []
    row = holds.open_hold(connection, measured.id)
    if row is not None:
        question = None if row.question_id is None else bytes(row.question_id).hex()
        found.append(Trouble(row.code, explain(row.code)[0], row.since_ms, question=question))
    stuck = select(deliveries).where(
        deliveries.c.measurement == measured.id,
        deliveries.c.status.in_(("waiting", "claimed", "refused")),
        deliveries.c.code.is_not(None),
    )
    parked = connection.execute(stuck.order_by(deliveries.c.id))
    found += [Trouble(one.code, explain(one.code)[0], one.since_ms, one.receiver) for one in parked]
    later = holds.held_additions(connection, measured)
    return found + [Trouble(one.code, explain(one.code)[0], one.since_ms) for one in later]


def _held_measurements(connection: Connection) -> Iterator[dict[str, object]]:
    chosen = (
        select(held_rows, measurements.c.key)
        .join_from(held_rows, measurements, measurements.c.id == held_rows.c.measurement)
        .where(held_rows.c.ended_ms.is_(None))
    )
    for row in connection.execute(chosen):
        question = None if row.question_id is None else bytes(row.question_id).hex()
        yield _line(short(bytes(row.key)), row, question)


def _held_items(connection: Connection) -> Iterator[dict[str, object]]:
    chosen = (
        select(held_rows, hub_keys.c.hub, envelopes.c.sequence, disclosures.c.position)
        .join_from(held_rows, disclosures, disclosures.c.id == held_rows.c.disclosure)
        .join(envelopes, envelopes.c.id == disclosures.c.envelope)
        .join(hub_keys, hub_keys.c.kid == envelopes.c.kid)
        .where(held_rows.c.ended_ms.is_(None), held_rows.c.measurement.is_(None))
    )
    for row in connection.execute(chosen):
        yield _line(f"{row.hub}/{row.sequence}/{row.position}", row, None)


def _parked(connection: Connection) -> Iterator[dict[str, object]]:
    chosen = (
        select(deliveries, measurements.c.key, measurements.c.household)
        .join_from(deliveries, measurements)
        .where(deliveries.c.status == "refused", measurements.c.status == "due")
    )
    for row in connection.execute(chosen):
        yield _line(short(bytes(row.key)), row, None) | {"receiver": row.receiver}


def _line(reading: str, row: Row[Any], question: str | None) -> dict[str, object]:
    who, dutch, english = explain(row.code)
    said = {"code": row.code, "detail": row.detail, "who": who, "nl": dutch, "en": english}
    place = {"reading": reading, "household": row.household, "since": _utc(row.since_ms)}
    return {**place, **said, "question": question}


def _because(code: str, language: str) -> str:
    return explain(code)[1 + LANGUAGES.index(language)]


def _utc(ms: int) -> str:
    return _moment(ms).isoformat(timespec="seconds").replace("+00:00", "Z")


def _local(ms: int) -> str:
    return _moment(ms).astimezone(ZONE).strftime("%d-%m-%Y %H:%M:%S")


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(max(0, ms) // 1000, UTC)
