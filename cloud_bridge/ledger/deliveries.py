"""What must still go to which receiver. A delivery is claimed by a lease, so that workers never share one.

A row with part "" is a measurement that was not rendered yet; `expand` puts one row for each of its resources
in its place. A claim whose worker died runs out with its lease, and the next try finds at the receiver what
the first one may have written: conditional create and read back make that harmless.

A delivery belongs to the citizen it was queued for, to its end: whatever is decided meanwhile about whose the
measurement is, its parts never go to two people.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from cloud_bridge.ledger import journey_log
from cloud_bridge.ledger.claims import Claim, Endpoint, measured
from cloud_bridge.schema import citizen_receivers, deliveries, measurements, receivers

WAITING, CLAIMED, DELIVERED, REFUSED = "waiting", "claimed", "delivered", "refused"
UNRENDERED = ""
_LOOK_AT = 50


def receivers_of(connection: Connection, citizen: str) -> list[str]:
    """To whom this citizen's readings go."""
    chosen = select(citizen_receivers.c.receiver).where(citizen_receivers.c.citizen == citizen)
    return [str(name) for name in connection.execute(chosen.order_by(citizen_receivers.c.receiver)).scalars()]


def queue(connection: Connection, measurement: int, citizen: str, now_ms: int) -> None:
    """One delivery for each of the citizen's receivers that has none of this measurement yet."""
    there = select(deliveries.c.receiver).where(deliveries.c.measurement == measurement)
    known = set(connection.execute(there).scalars())
    for receiver in receivers_of(connection, citizen):
        if receiver not in known:
            _add(connection, (measurement, citizen, receiver), UNRENDERED, now_ms)
            household = _household(connection, measurement)
            waiting = journey_log.WAITING
            journey_log.note(connection, household, measurement, waiting, now_ms, receiver=receiver)


def withdraw(connection: Connection, measurement: int, but_of: str | None = None) -> None:
    """What did not go out yet will not; but_of: leave what is for this citizen.

    What may stand at a receiver stays noted, and goes no further while the measurement is held.
    """
    not_begun = and_(deliveries.c.status == CLAIMED, deliveries.c.part == UNRENDERED)
    stays = or_(deliveries.c.status.in_((WAITING, REFUSED)), not_begun)
    chosen = delete(deliveries).where(deliveries.c.measurement == measurement, stays, ~deliveries.c.may_stand)
    if but_of is not None:
        chosen = chosen.where(deliveries.c.citizen != but_of)
    connection.execute(chosen)


def went_out(connection: Connection, measurement: int, but_to: str | None = None) -> bool:
    """Whether a receiver has, or at this moment may be getting, something of it.

    but_to: asked of everybody else than this citizen; what is only being rendered can be withdrawn.
    """
    out = or_(deliveries.c.status.in_((CLAIMED, DELIVERED)), deliveries.c.may_stand)
    chosen = select(deliveries.c.id).where(deliveries.c.measurement == measurement, out)
    if but_to is not None:
        chosen = chosen.where(deliveries.c.citizen != but_to, deliveries.c.part != UNRENDERED)
    return connection.execute(chosen.limit(1)).first() is not None


def recall(connection: Connection, measurement: int) -> bool:
    """Take back all of it that is queued, because there is more to tell; False where some of it went out.

    Its rows are held until the commit, so that no worker claims one meanwhile; in the order in which a worker
    holds them: first the receiver's.
    """
    mine = select(deliveries.c.receiver).where(deliveries.c.measurement == measurement)
    known = select(receivers.c.id).where(receivers.c.id.in_(mine)).order_by(receivers.c.id)
    connection.execute(known.with_for_update(read=True, key_share=True)).all()
    chosen = select(deliveries).where(deliveries.c.measurement == measurement).with_for_update()
    for row in connection.execute(chosen).all():
        begun = row.status == CLAIMED and row.part != UNRENDERED
        if begun or row.may_stand or row.status == DELIVERED:
            return False
    withdraw(connection, measurement)
    return True


def claim(
    connection: Connection, now_ms: int, lease_ms: Callable[[Endpoint], int], resting: list[str]
) -> Claim | None:
    """The delivery that has waited longest past its time, for this worker alone; None when nothing is due.

    lease_ms: how long a try at this receiver can last. resting: receivers that are left alone for now.
    Only measurements that are due go: one that was paused or held meanwhile stays.
    """
    for row in [row for due in _due(now_ms, resting) for row in connection.execute(due).all()]:
        endpoint = _endpoint(row)
        if not endpoint.conditional_create and _is_busy(connection, endpoint.id, now_ms):
            continue
        until = now_ms + lease_ms(endpoint)
        mine = update(deliveries).where(deliveries.c.id == row.id, _free(now_ms))
        taken = connection.execute(
            mine.values(
                status=CLAIMED,
                lease_ms=until,
                attempts=deliveries.c.attempts + 1,
                # What a worker left behind may have gone out just before it died.
                may_stand=or_(deliveries.c.may_stand, and_(row.status == CLAIMED, row.part != UNRENDERED)),
            )
        )
        if taken.rowcount == 1:
            what = (row.id, row.measurement, row.household, row.citizen, row.part, row.attempts)
            told = measured(connection, row.measurement, row.patient, bytes(row.secret))
            return Claim(*what, endpoint, told, until)
    return None


def is_due(connection: Connection, now_ms: int, resting: list[str]) -> bool:
    """Whether anything could be claimed now; asked without holding up any writer."""
    return any(connection.execute(due.limit(1)).first() for due in _due(now_ms, resting))


def next_due_ms(connection: Connection) -> int | None:
    """When the next delivery becomes due, or a lease runs out; None when nothing waits."""
    when = func.coalesce(deliveries.c.lease_ms, deliveries.c.next_ms)
    chosen = select(func.min(when)).join_from(deliveries, measurements)
    waiting = (deliveries.c.status.in_((WAITING, CLAIMED)), measurements.c.status == "due")
    return connection.execute(chosen.where(*waiting)).scalar()


def expand(connection: Connection, claim_: Claim, parts: list[str], now_ms: int) -> None:
    """Rendered: one delivery for each resource, in their order, in place of the measurement as a whole."""
    if not _mine(connection, claim_):
        return
    connection.execute(delete(deliveries).where(deliveries.c.id == claim_.id))
    for part in parts:
        _add(connection, (claim_.measurement, claim_.citizen, claim_.endpoint.id), part, now_ms)


def delivered(
    connection: Connection, claim_: Claim, resource_id: str, version: str | None, now_ms: int
) -> bool:
    """The receiver has shown it. True when nothing of the measurement is left to deliver.

    Counts even when the lease ran out meanwhile: it is proof of what stands at the receiver.
    """
    proof = {"resource_id": resource_id, "version": version, "code": None, "detail": None}
    done = (
        update(deliveries)
        .where(deliveries.c.id == claim_.id, deliveries.c.status != DELIVERED)
        .values(status=DELIVERED, lease_ms=None, since_ms=now_ms, **proof)
    )
    if connection.execute(done).rowcount:
        _note(connection, claim_, journey_log.DELIVERED, now_ms)
    left = select(deliveries.c.id).where(
        deliveries.c.measurement == claim_.measurement, deliveries.c.status != DELIVERED
    )
    return connection.execute(left.limit(1)).first() is None


def note_may_stand(connection: Connection, claim_: Claim) -> None:
    """The receiver may hold it although nothing proves that it does; no later failure takes that back."""
    connection.execute(update(deliveries).where(deliveries.c.id == claim_.id).values(may_stand=True))


def later(connection: Connection, claim_: Claim, code: str, next_ms: int, now_ms: int) -> None:
    """Not confirmed: again from next_ms on. The code says why; its first time is kept."""
    if not _mine(connection, claim_):
        return
    row = connection.execute(select(deliveries).where(deliveries.c.id == claim_.id)).one()
    since = row.since_ms if row.code == code else now_ms
    values = {"status": WAITING, "lease_ms": None, "next_ms": next_ms, "code": code, "since_ms": since}
    connection.execute(update(deliveries).where(deliveries.c.id == claim_.id).values(**values))
    if row.code != code:
        _note(connection, claim_, journey_log.RETRIED, now_ms, code)


def refused(connection: Connection, claim_: Claim, code: str, detail: str, now_ms: int) -> None:
    """Parked with the reason until someone acts; everything else goes on. detail holds no reading."""
    if not _mine(connection, claim_):
        return
    values = {"status": REFUSED, "lease_ms": None, "code": code, "detail": detail, "since_ms": now_ms}
    connection.execute(update(deliveries).where(deliveries.c.id == claim_.id).values(**values))
    _note(connection, claim_, journey_log.REFUSED, now_ms, code)


def retry(connection: Connection, measurement: int, now_ms: int) -> int:
    """Try again what was refused, after its cause is mended; how many."""
    parked = (deliveries.c.measurement == measurement, deliveries.c.status == REFUSED)
    again = update(deliveries).where(*parked).values(status=WAITING, next_ms=now_ms, since_ms=now_ms)
    return connection.execute(again).rowcount


def _due(now_ms: int, resting: list[str]) -> list[Select[Any]]:
    """First what a worker left behind, then what waits; each walks the index in order, however much waits.

    Without what is for a receiver that takes one at a time and is busy: that may be more than is looked at.
    """
    chosen = (
        select(
            deliveries.c.id,
            deliveries.c.part,
            deliveries.c.status,
            deliveries.c.attempts,
            deliveries.c.measurement,
            deliveries.c.citizen,
            measurements.c.household,
            receivers.c.id.label("receiver"),
            receivers.c.kind,
            receivers.c.base_url,
            receivers.c.rendering,
            receivers.c.conditional_create,
            citizen_receivers.c.patient,
            citizen_receivers.c.secret,
        )
        .join_from(deliveries, measurements)
        .join(receivers, receivers.c.id == deliveries.c.receiver)
        .join(
            citizen_receivers,
            and_(
                citizen_receivers.c.receiver == deliveries.c.receiver,
                citizen_receivers.c.citizen == deliveries.c.citizen,
            ),
        )
        .where(deliveries.c.next_ms <= now_ms, measurements.c.status == "due")
        .where(deliveries.c.citizen == measurements.c.citizen, deliveries.c.receiver.not_in(_busy(now_ms)))
        .order_by(deliveries.c.next_ms, deliveries.c.id)
        .limit(_LOOK_AT)
    )
    if resting:
        chosen = chosen.where(deliveries.c.receiver.not_in(resting))
    ran_out = and_(deliveries.c.status == CLAIMED, deliveries.c.lease_ms <= now_ms)
    return [chosen.where(ran_out), chosen.where(deliveries.c.status == WAITING)]


def _free(now_ms: int) -> ColumnElement[bool]:
    ran_out = and_(deliveries.c.status == CLAIMED, deliveries.c.lease_ms <= now_ms)
    return or_(deliveries.c.status == WAITING, ran_out)


def _busy(now_ms: int) -> Select[Any]:
    """The receivers without conditional create at which a try is under way."""
    tried, asked = deliveries.alias(), receivers.alias()
    running = (tried.c.status == CLAIMED, tried.c.lease_ms > now_ms, asked.c.conditional_create.is_(False))
    return select(asked.c.id).join_from(tried, asked, asked.c.id == tried.c.receiver).where(*running)


def _is_busy(connection: Connection, receiver: str, now_ms: int) -> bool:
    """Whether another try at this receiver is under way; its row is held until the claim is committed."""
    connection.execute(select(receivers.c.id).where(receivers.c.id == receiver).with_for_update())
    running = (deliveries.c.status == CLAIMED, deliveries.c.lease_ms > now_ms)
    chosen = select(deliveries.c.id).where(deliveries.c.receiver == receiver, *running)
    return connection.execute(chosen.limit(1)).first() is not None


def _mine(connection: Connection, claim_: Claim) -> bool:
    """Whether the claim still stands: no other worker got it after its lease ran out."""
    same = (deliveries.c.status == CLAIMED, deliveries.c.lease_ms == claim_.lease_ms)
    chosen = select(deliveries.c.id).where(deliveries.c.id == claim_.id, *same)
    return connection.execute(chosen).first() is not None


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(row.receiver, row.kind, row.base_url, row.rendering, row.conditional_create)


def _add(connection: Connection, what: tuple[int, str, str], part: str, now_ms: int) -> None:
    """what: the measurement, whose it is, and the receiver."""
    measurement, citizen, receiver = what
    values = {"measurement": measurement, "citizen": citizen, "receiver": receiver, "part": part}
    connection.execute(insert(deliveries).values(**values, status=WAITING, next_ms=now_ms, since_ms=now_ms))


def _note(connection: Connection, claim_: Claim, step: str, at_ms: int, code: str | None = None) -> None:
    household = _household(connection, claim_.measurement)
    receiver = claim_.endpoint.id
    journey_log.note(connection, household, claim_.measurement, step, at_ms, code=code, receiver=receiver)


def _household(connection: Connection, measurement: int) -> str:
    chosen = select(measurements.c.household).where(measurements.c.id == measurement)
    return str(connection.execute(chosen).scalar_one())
