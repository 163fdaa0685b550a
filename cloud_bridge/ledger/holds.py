"""Why something waits, since when, and who must act. A measurement has at most one open hold.

What cannot become a measurement yet (its key is forked, its bytes give no reading, its evidence is not
complete) is held as the disclosure it came in, so that it can be taken again when that is over.
"""

import secrets
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, insert, select, update

from cloud_bridge.ledger import journey_log
from cloud_bridge.schema import disclosures, envelopes, holds, measurements
from gateway.wire.catalogue import explain
from gateway.wire.measurement import KID_SIZE

QUESTION_SIZE = 16

UNDECODED = "undecoded"
DECODED_DIFFERENTLY = "decoded-differently"
EVIDENCE_MISSING = "evidence-missing"
KEY_FORKED = "key-forked"
STATEMENTS_MISSING = "statements-missing"
STATEMENTS_LOST = "statements-lost"
TIME_UNKNOWN = "time-unknown"
ADDITION_DIFFERS = "addition-differs"
ADDITION_EARLY = "addition-early"
ADDITION_LATE = "addition-late"
MINE_EARLY = "mine-early"
WITHDRAWAL_DUE = "withdrawal-due"
POSSIBLE_REPEAT, OTHER_SLOT = "possible-repeat", "other-slot"
NO_BINDING, BEFORE_BINDING = "no-binding", "before-binding"
AMBIGUOUS, SHARED_DEVICE = "ambiguous", "shared-device"

REPEAT_QUESTIONS = (POSSIBLE_REPEAT, OTHER_SLOT)
WHOSE_QUESTIONS = (NO_BINDING, BEFORE_BINDING, AMBIGUOUS, SHARED_DEVICE)
# What a person can answer: these holds carry a question id.
QUESTIONS = (*REPEAT_QUESTIONS, *WHOSE_QUESTIONS, TIME_UNKNOWN, STATEMENTS_LOST)


def hold(connection: Connection, measurement: int, code: str, now_ms: int, detail: str | None = None) -> None:
    """Hold a measurement for this reason; any other reason ends. The same reason keeps its beginning."""
    row = open_hold(connection, measurement)
    if row is not None and (row.code, row.detail) == (code, detail):
        return
    release(connection, measurement, now_ms, "superseded")
    household = _household(connection, measurement)
    connection.execute(
        insert(holds).values(
            household=household, measurement=measurement, **_reason(code, detail), since_ms=now_ms
        )
    )
    journey_log.note(connection, household, measurement, journey_log.HELD, now_ms, code=code)


def release(connection: Connection, measurement: int, now_ms: int, by: str) -> None:
    """End whatever holds this measurement. by: bridge, superseded, or the statement or person that did."""
    row = open_hold(connection, measurement)
    if row is None:
        return
    connection.execute(update(holds).where(holds.c.id == row.id).values(ended_ms=now_ms, ended_by=by))
    if by != "superseded":
        household = _household(connection, measurement)
        journey_log.note(connection, household, measurement, journey_log.RELEASED, now_ms, code=row.code)


def open_hold(connection: Connection, measurement: int) -> Row[Any] | None:
    """The row of what holds this measurement now, or None."""
    chosen = select(holds).where(holds.c.measurement == measurement, holds.c.ended_ms.is_(None))
    return connection.execute(chosen).first()


def was_answered(connection: Connection, measurement: int, code: str) -> bool:
    """Whether a person has already answered this question about this measurement."""
    chosen = select(holds.c.id).where(
        holds.c.measurement == measurement, holds.c.code == code, holds.c.ended_by.like("answer%")
    )
    return connection.execute(chosen.limit(1)).first() is not None


def hold_item(
    connection: Connection,
    household: str,
    disclosure: int,
    code: str,
    now_ms: int,
    detail: str | None = None,
) -> None:
    """Hold an item as it came; held once for one reason at a time."""
    mine = and_(holds.c.disclosure == disclosure, holds.c.ended_ms.is_(None))
    row = connection.execute(select(holds.c.id, holds.c.code, holds.c.detail).where(mine)).first()
    if row is not None and (row.code, row.detail) == (code, detail):
        return
    connection.execute(update(holds).where(mine).values(ended_ms=now_ms, ended_by="superseded"))
    connection.execute(
        insert(holds).values(
            household=household, disclosure=disclosure, **_reason(code, detail), since_ms=now_ms
        )
    )
    envelope = connection.execute(
        select(disclosures.c.envelope).where(disclosures.c.id == disclosure)
    ).scalar_one()
    journey_log.note(connection, household, None, journey_log.HELD, now_ms, code=code, envelope=int(envelope))


def hold_addition(
    connection: Connection, measured: Row[Any], disclosure: int, code: str, now_ms: int
) -> None:
    """Hold what would complete this measurement (its row), and say so on the measurement's journey."""
    household, key = measured.household, bytes(measured.key).hex()
    if disclosure in held_about(connection, code, key):
        return
    hold_item(connection, household, disclosure, code, now_ms, key)
    journey_log.note(connection, household, measured.id, journey_log.HELD, now_ms, code=code)


def held_additions(connection: Connection, measured: Row[Any]) -> list[Row[Any]]:
    """What would complete this measurement (its row) and waits for somebody, the oldest first."""
    codes, key = (ADDITION_DIFFERS, ADDITION_LATE), bytes(measured.key).hex()
    about = and_(holds.c.household == measured.household, holds.c.code.in_(codes), holds.c.detail == key)
    chosen = select(holds).where(holds.c.ended_ms.is_(None), holds.c.measurement.is_(None), about)
    return list(connection.execute(chosen.order_by(holds.c.id)))


def release_item(connection: Connection, disclosure: int, now_ms: int, by: str) -> None:
    """The item went on, or was decided about."""
    mine = and_(holds.c.disclosure == disclosure, holds.c.ended_ms.is_(None))
    connection.execute(update(holds).where(mine).values(ended_ms=now_ms, ended_by=by))


def held_items(connection: Connection, codes: tuple[str, ...], kid: bytes | None = None) -> list[int]:
    """Disclosures that are held for one of these reasons, oldest first; of one key if named."""
    chosen = (
        select(holds.c.disclosure)
        .join_from(holds, disclosures, disclosures.c.id == holds.c.disclosure)
        .join(envelopes, envelopes.c.id == disclosures.c.envelope)
        .where(holds.c.ended_ms.is_(None), holds.c.measurement.is_(None), holds.c.code.in_(codes))
        .order_by(envelopes.c.kid, envelopes.c.sequence, disclosures.c.position)
    )
    if kid is not None:
        chosen = chosen.where(envelopes.c.kid == kid)
    return [int(row[0]) for row in connection.execute(chosen)]


def held_about(connection: Connection, code: str, detail: str) -> list[int]:
    """Disclosures that are held for this reason and for just this."""
    chosen = select(holds.c.disclosure).where(
        holds.c.ended_ms.is_(None), holds.c.code == code, holds.c.detail == detail
    )
    return [int(row[0]) for row in connection.execute(chosen.order_by(holds.c.id))]


def held_measurements(connection: Connection, codes: tuple[str, ...], household: str | None) -> list[int]:
    """Measurements that are held for one of these reasons, oldest first; None: of all households."""
    chosen = (
        select(holds.c.measurement)
        .where(holds.c.ended_ms.is_(None), holds.c.measurement.is_not(None), holds.c.code.in_(codes))
        .order_by(holds.c.since_ms, holds.c.id)
    )
    if household is not None:
        chosen = chosen.where(holds.c.household == household)
    return [int(row[0]) for row in connection.execute(chosen)]


def held_for(code: str) -> Select[tuple[int | None]]:
    """The measurements that are held for this reason, as part of another question."""
    return select(holds.c.measurement).where(
        holds.c.ended_ms.is_(None), holds.c.code == code, holds.c.measurement.is_not(None)
    )


def place_in_line(kid: bytes, sequence: int) -> str:
    """What a reading that waits for statements is filed under: the lowest sequence of a key comes first."""
    return f"{kid.hex()}/{sequence:020}"


def first_in_line(connection: Connection, kid: bytes) -> int | None:
    """Of the measurements that wait for statements of this key, the one that was sealed first."""
    line = holds.c.detail.between(kid.hex() + "/", kid.hex() + "0")
    chosen = select(holds.c.measurement).where(
        holds.c.ended_ms.is_(None), holds.c.code == STATEMENTS_MISSING, line
    )
    return connection.execute(chosen.order_by(holds.c.detail, holds.c.id).limit(1)).scalar()


def lines(connection: Connection) -> dict[bytes, str]:
    """The keys for whose statements something waits, each with the household of what waits."""
    kid = func.substr(holds.c.detail, 1, 2 * KID_SIZE)
    chosen = select(kid, func.min(holds.c.household)).where(
        holds.c.ended_ms.is_(None), holds.c.code == STATEMENTS_MISSING
    )
    return {bytes.fromhex(row[0]): str(row[1]) for row in connection.execute(chosen.group_by(kid))}


def _reason(code: str, detail: str | None) -> dict[str, object]:
    question = secrets.token_bytes(QUESTION_SIZE) if code in QUESTIONS else None
    return {"code": code, "detail": detail, "who": explain(code)[0], "question_id": question}


def _household(connection: Connection, measurement: int) -> str:
    chosen = select(measurements.c.household).where(measurements.c.id == measurement)
    return str(connection.execute(chosen).scalar_one())
