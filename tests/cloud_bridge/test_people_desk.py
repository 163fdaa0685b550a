"""What people do about readings that wait: all that waited for just this goes on."""

import pytest
from sqlalchemy import delete

from cloud_bridge import people_desk
from cloud_bridge.administration import AdministrationError
from cloud_bridge.deliver import Deliverer
from cloud_bridge.fhir.answers import Delivered
from cloud_bridge.ledger.bindings import BindingError
from cloud_bridge.schema import citizen_receivers, deliveries
from tests.cloud_bridge.people_fixtures import (
    ANNA,
    BERT,
    CUFF,
    DAY,
    HOUR,
    MINUTE,
    PGO,
    START,
    Meter,
    Street,
    cuff_frame,
)

LATER = START + DAY


class Takes:
    """A receiver that takes everything."""

    longest_s = 30.0

    def deliver(self, _):
        return Delivered("o1", "1")

    def close(self):
        pass


@pytest.fixture
def street(database):
    """Anna and Bert with a PGO each, and Anna's cuff."""
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    made.citizen(BERT, "pgo-2")
    made.bind(ANNA)
    return made


def read(street, number=0):
    hub, at_ms = street.hubs[0], START + number * MINUTE
    own = Meter().clock(at_ms)
    street.take(hub, at_ms + 1000, hub.item(at_ms, cuff_frame(120 + number, own), (own, at_ms)))


def link(street, citizen, receiver, patient="Patient/somebody"):
    with street.within() as connection:
        return people_desk.link(connection, citizen, receiver, patient, LATER)


def test_readings_that_waited_for_a_receiver_go_when_there_is_one(street):
    with street.within() as connection:
        connection.execute(delete(citizen_receivers))
    read(street, 0)
    read(street, 1)
    assert street.open_codes() == ["no-receiver", "no-receiver"]
    assert link(street, ANNA, PGO) == 2
    assert (street.open_codes(), street.statuses()) == ([], ["due", "due"])
    Deliverer(street.database, connect=lambda _: Takes()).deliver_once(LATER)
    assert street.statuses() == ["delivered", "delivered"]


def test_what_is_due_goes_to_the_second_receiver_as_well(street):
    read(street)
    link(street, ANNA, "pgo-2")
    assert [row.receiver for row in street.rows(deliveries)] == [PGO, "pgo-2"]


def test_a_receiver_of_one_citizen_lets_nothing_of_another_go(street):
    with street.within() as connection:
        connection.execute(delete(citizen_receivers).where(citizen_receivers.c.citizen == ANNA))
    read(street)
    assert link(street, BERT, PGO) == 0
    assert street.open_codes() == ["no-receiver"]


def test_nobody_is_linked_who_does_not_exist(street):
    with pytest.raises(AdministrationError, match="unknown-name"):
        link(street, "citizen-carla", PGO)


def test_two_citizens_are_never_one_patient_at_a_receiver(street):
    with pytest.raises(AdministrationError, match="patient-taken"):
        link(street, BERT, PGO, "Patient/" + ANNA)
    (anna, bert) = street.rows(citizen_receivers)
    assert ((anna.receiver, anna.citizen), bert.receiver) == ((PGO, ANNA), "pgo-2")
    link(street, BERT, PGO, "Patient/" + BERT)
    link(street, ANNA, "pgo-2", "Patient/" + ANNA)


def unbind(street, citizen, at_ms):
    with street.within() as connection:
        return people_desk.unbind(connection, CUFF, citizen, at_ms, LATER)


def test_what_was_measured_after_an_unbinding_waits_and_what_came_before_goes(street):
    read(street, 0)
    read(street, 10)
    assert unbind(street, ANNA, START + 5 * MINUTE) == 1
    assert (street.statuses(), len(street.open_codes())) == (["due", "held"], 1)
    Deliverer(street.database, connect=lambda _: Takes()).deliver_once(LATER)
    assert street.statuses() == ["delivered", "held"]


def test_nothing_that_was_due_goes_after_an_unbinding_in_the_past(street):
    read(street)
    assert unbind(street, ANNA, START - HOUR) == 1
    assert Deliverer(street.database, connect=lambda _: Takes()).deliver_once(LATER) == 0


@pytest.mark.parametrize("citizen", [BERT, "citizen-carla"])
def test_only_what_is_bound_can_be_unbound(street, citizen):
    with pytest.raises(BindingError, match=r"binding-unknown|citizen-unknown"):
        unbind(street, citizen, START)
