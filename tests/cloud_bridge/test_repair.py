"""What goes on after an update of the bridge or of a driver, when the bridge starts."""

import pytest

from cloud_bridge import repair
from cloud_bridge.ledger import again, measurements
from cloud_bridge.ledger import records as reading_records
from gateway.wire.errors import DecodeError
from tests.cloud_bridge.people_fixtures import ANNA, DAY, HOUR, START, Meter, Street, cuff_frame


@pytest.fixture
def street(database):
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    made.bind(ANNA)
    return made


def misread(street, monkeypatch):
    """A reading whose driver the bridge did not have."""

    def nothing(*_):
        raise DecodeError("driver-unknown")

    with monkeypatch.context() as older:
        older.setattr(reading_records, "decode_record", nothing)
        hub, own = street.hubs[0], Meter().clock(START)
        street.take(hub, START + 1000, hub.item(START, cuff_frame(120, own), (own, START)))
    assert street.open_codes() == ["decoded-differently"]


def test_what_gave_no_reading_is_read_again_at_the_start(street, monkeypatch):
    misread(street, monkeypatch)
    repair.read_again(street.database, START + HOUR)
    assert (street.open_codes(), street.statuses()) == ([], ["due"])
    repair.read_again(street.database, START + DAY)
    assert street.statuses() == ["due"]


def test_envelopes_that_were_too_new_are_taken_in_at_the_start(street, monkeypatch):
    asked = []
    monkeypatch.setattr(again, "take_unread", lambda *words: asked.append(words) or [])
    repair.read_again(street.database, START)
    assert len(asked) == 1


@pytest.mark.parametrize("broken", [(again, "take_unread"), (measurements, "decode_again")])
def test_a_fault_in_what_is_old_stops_no_start(street, monkeypatch, broken):
    misread(street, monkeypatch)

    def fails(*_):
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as faulty:
        faulty.setattr(*broken, fails)
        repair.read_again(street.database, START)
    assert street.open_codes() == ["decoded-differently"]
    repair.read_again(street.database, START)
    assert street.open_codes() == []
