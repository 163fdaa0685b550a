"""A measurement goes to one person, whatever is said of whose it is while it is being delivered."""

import pytest

from cloud_bridge import people_desk
from cloud_bridge.deliver import Deliverer
from cloud_bridge.fhir.answers import Delivered, Refused, TryLater
from cloud_bridge.ledger import deciding
from cloud_bridge.ledger import deliveries as ledger
from cloud_bridge.schema import deliveries, measurements
from tests.cloud_bridge.people_fixtures import ANNA, BERT, DAY, HOUR, START, Meter, Street, cuff_frame, said

LATER = START + DAY
NEVER = LATER + 1000 * DAY
WITH_PULSE = 0x04


class Scripted:
    """A receiver that does these things one after the other, then takes everything."""

    longest_s = 30.0

    def __init__(self, *steps):
        self.steps = list(steps)
        self.subjects = []

    def deliver(self, resource):
        self.subjects.append(resource["subject"]["reference"])
        step = self.steps.pop(0) if self.steps else None
        outcome = step() if callable(step) else step
        return outcome or Delivered(f"o{len(self.subjects)}", "1")

    def close(self):
        pass


@pytest.fixture
def street(database):
    """Anna's cuff; Bert lives there too, with the same PGO."""
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    made.citizen(BERT)
    made.bind(ANNA)
    return made


def read(street):
    """A blood pressure with its pulse: two resources."""
    hub, own = street.hubs[0], Meter().clock(START)
    frame = bytearray(cuff_frame(120, own))
    frame[0] |= WITH_PULSE
    street.take(hub, START + 1000, hub.item(START, bytes(frame) + (66).to_bytes(2, "little"), (own, START)))


def run(street, receiver, *, times=5):
    made = Deliverer(street.database, connect=lambda _: receiver)
    for number in range(times):
        made.deliver_once(LATER + number * DAY)


def rebind(street):
    """It was Bert's all along."""
    street.bind(BERT, from_ms=START - HOUR, now_ms=LATER)


def whose(street):
    return [(row.part, row.citizen, row.status) for row in street.rows(deliveries)]


def test_half_delivered_and_then_somebody_elses_is_held_for_withdrawal(street):
    receiver = Scripted(None, TryLater("receiver-failed"))
    read(street)
    run(street, receiver, times=1)
    rebind(street)
    run(street, receiver)
    assert set(receiver.subjects) == {"Patient/" + ANNA}
    assert whose(street) == [("blood-pressure", ANNA, "delivered")]
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


@pytest.mark.parametrize("steps", [1, 2])
def test_somebody_elses_while_a_part_is_on_its_way_is_never_delivered(street, steps):
    receiver = Scripted(*[None] * (steps - 1), lambda: rebind(street))
    read(street)
    run(street, receiver)
    assert set(receiver.subjects) == {"Patient/" + ANNA}
    assert len(receiver.subjects) == steps
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


@pytest.mark.parametrize("by", ["question", "hub"])
def test_half_delivered_and_then_said_to_be_somebody_elses(street, by):
    receiver = Scripted(None, TryLater("receiver-failed"))
    read(street)
    run(street, receiver, times=1)
    street.bind(ANNA, from_ms=START - HOUR, now_ms=START, mode="shared")
    assert street.open_codes() == ["shared-device"]
    if by == "question":
        with street.within() as connection:
            people_desk.answer(connection, street.question(), "theirs", LATER, citizen=BERT, by="operator")
    else:
        hub, (row,) = street.hubs[0], street.rows(measurements)
        street.take(hub, LATER, said(hub, "mine", 1, LATER, citizen=BERT, refs=[bytes(row.key)]))
    run(street, receiver)
    assert set(receiver.subjects) == {"Patient/" + ANNA}
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


def test_half_delivered_and_then_said_to_be_the_same_persons_goes_on(street):
    receiver = Scripted(None, TryLater("receiver-failed"))
    read(street)
    run(street, receiver, times=1)
    street.bind(ANNA, from_ms=START - HOUR, now_ms=START, mode="shared")
    with street.within() as connection:
        people_desk.answer(connection, street.question(), "theirs", LATER, citizen=ANNA, by="operator")
    run(street, receiver)
    assert [status for _, _, status in whose(street)] == ["delivered", "delivered"]
    assert street.statuses() == ["delivered"]


UNANSWERED = TryLater("receiver-silent", may_stand=True)
AWAY = TryLater("receiver-unreachable")
DIFFERS = Refused("content-differs", may_stand=True)


@pytest.mark.parametrize("outcomes", [[UNANSWERED], [UNANSWERED, AWAY], [DIFFERS]])
def test_what_may_stand_with_one_person_goes_to_no_other(street, outcomes):
    """An answer that was lost proves nothing, and no later failure takes that back."""
    receiver = Scripted(*outcomes)
    read(street)
    made = Deliverer(street.database, connect=lambda _: receiver)
    for number in range(len(outcomes)):
        with street.within() as connection:  # the other part rests
            connection.execute(
                deliveries.update().where(deliveries.c.part == "pulse-rate").values(next_ms=NEVER)
            )
        made.deliver_once(LATER + number * DAY)
    rebind(street)
    run(street, receiver)
    assert "Patient/" + BERT not in receiver.subjects
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


def test_what_a_worker_that_died_had_in_hands_goes_to_no_other(street):
    read(street)
    with street.within() as connection:
        whole = ledger.claim(connection, LATER, lambda _: 60_000, [])
        ledger.expand(connection, whole, ["blood-pressure"], LATER)
        assert ledger.claim(connection, LATER, lambda _: 60_000, []) is not None
    run(street, Scripted(AWAY), times=1)  # its lease still runs
    made = Deliverer(street.database, connect=lambda _: Scripted(AWAY))
    assert made.deliver_once(LATER + HOUR) == 1
    rebind(street)
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


def test_what_surely_never_arrived_goes_to_the_other(street):
    receiver = Scripted(AWAY)
    read(street)
    run(street, receiver, times=1)
    rebind(street)
    run(street, receiver)
    assert receiver.subjects[1:] == ["Patient/" + BERT] * 2
    assert street.statuses() == ["delivered"]


@pytest.mark.parametrize("claimed", [False, True])
def test_somebody_elses_before_anything_went_out_goes_to_them_alone(street, claimed):
    receiver = Scripted()
    read(street)
    with street.within() as connection:
        if claimed:  # taken to be rendered: nothing is on its way yet
            assert ledger.claim(connection, LATER, lambda _: 60_000, []) is not None
    rebind(street)
    run(street, receiver)
    assert set(receiver.subjects) == {"Patient/" + BERT}
    assert (street.statuses(), street.open_codes()) == (["delivered"], [])


def test_what_was_assigned_to_another_takes_nothing_along(street):
    """Assigned, and then held for another reason: nothing waits for the first person any more."""
    read(street)
    with street.within() as connection:
        (row,) = street.rows(measurements)
        deciding.assign(connection, row.id, BERT, "answer operator")
    assert whose(street) == []
