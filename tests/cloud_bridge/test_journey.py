"""Where is my reading: the same plain answer for everyone, and never a value in it."""

import json
import re

import pytest

from cloud_bridge import journey
from cloud_bridge.deliver import Deliverer
from cloud_bridge.fhir.answers import Delivered, Refused
from cloud_bridge.journey import NOW, WHO, JourneyError, Step
from cloud_bridge.ledger import deciding, journey_log
from cloud_bridge.ledger.journey_log import STEPS
from gateway.wire.catalogue import PARTIES
from gateway.wire.measurement import short
from tests.cloud_bridge.people_fixtures import ANNA, CUFF, DAY, HOUR, START, Meter, Street, cuff_frame, key_of

LATER = START + DAY


class Takes:
    longest_s = 1.0

    def __init__(self, outcome=None):
        self.outcome = outcome or Delivered("o1", "1")

    def deliver(self, _resource):
        return self.outcome

    def close(self):
        pass


@pytest.fixture
def street(database):
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    return made


def reading(street, value=177):
    hub, own = street.hubs[0], Meter().clock(START)
    item = hub.item(START, cuff_frame(value, own), (own, START))
    street.take(hub, START + 3000, item)
    return item


def told(street, item):
    with street.database.reading() as connection:
        return journey.trace(connection, short(key_of(item)))


def test_a_reading_that_waits_says_for_whom_and_since_when(street):
    item = reading(street)
    found = told(street, item)
    assert not found.well
    assert found.lines("nl") == [
        f"Meting {short(key_of(item))}",
        "  15-01-2027 09:00:00  ontvangen door de hub",
        "  15-01-2027 09:00:00  verzegeld door de hub",
        "  15-01-2027 09:00:03  veilig bewaard op de server",
        "  15-01-2027 09:00:03  wacht: Wij weten niet van wie deze meting is. Zeg van wie dit meetapparaat is.",
        "De meting wacht. Sinds 15-01-2027 09:00:03.",
        "Wij weten niet van wie deze meting is. Zeg van wie dit meetapparaat is. Wie moet iets doen: de patiënt.",
    ]
    assert found.lines("en")[-2:] == [
        "The reading waits. Since 15-01-2027 09:00:03.",
        "We do not know whose reading this is. Say whose device this is. Who must act: the patient.",
    ]
    body = found.json()
    assert body["status"] == "held"
    (trouble,) = body["troubles"]
    assert (trouble["code"], trouble["who"], trouble["since"]) == (
        "no-binding",
        "patient",
        "2027-01-15T08:00:03Z",
    )
    assert re.fullmatch("[0-9a-f]{32}", trouble["question"])


def test_the_way_to_the_end_and_a_late_one(street):
    hub, own = street.hubs[0], Meter().clock(START)
    item = hub.item(START, cuff_frame(120, own), (own, START))
    street.take(hub, START + 2 * DAY, item)
    street.bind(now_ms=START + 2 * DAY + HOUR)
    Deliverer(street.database, connect=lambda _: Takes()).deliver_once(START + 3 * DAY)
    found = told(street, item)
    assert [step.step for step in found.steps] == [
        "captured", "sealed", "accepted", "held", "released", "whose", "waiting", "delivered", "settled",
    ]  # fmt: skip
    assert found.lines("en")[1] == "Late: over a day old on arrival."
    assert found.lines("nl")[-1] == "De meting staat in de PGO. Sinds 18-01-2027 09:00:00."
    assert "in de PGO gezet en daar teruggelezen (pgo-1)" in found.lines("nl")[-3]
    assert found.well
    with street.database.reading() as connection:
        assert journey.held(connection) == []


def test_what_a_receiver_refused_names_the_receiver(street):
    street.bind()
    item = reading(street)
    refused = Refused("receiver-refused", "422")
    Deliverer(street.database, connect=lambda _: Takes(refused)).deliver_once(LATER)
    found = told(street, item)
    (trouble,) = found.troubles
    assert (trouble.code, trouble.receiver, trouble.who) == ("receiver-refused", "pgo-1", trouble.who)
    assert found.status == "due"


def test_the_list_of_all_that_waits(street):
    reading(street)
    hub = street.hubs[0]
    unread = hub.item(START + 1000, cuff_frame(121, Meter().clock(START + 1000)))
    unread.driver = "unknown-driver"
    street.take(hub, START + HOUR, unread)
    with street.database.reading() as connection:
        rows = journey.held(connection)
        assert journey.held(connection, "home-9") == []
    assert [(row["code"], row["since"]) for row in rows] == [
        ("no-binding", "2027-01-15T08:00:03Z"),
        ("undecoded", "2027-01-15T09:00:00Z"),
    ]
    assert rows[1]["reading"] == "hub-1/2/0"
    assert json.dumps(rows)


def test_following_gives_each_step_once_as_it_happens(street):
    street.bind()
    with street.database.reading() as connection:
        assert journey.news(connection, 0) == []
    item = reading(street)
    with street.database.reading() as connection:
        news = journey.news(connection, 0)
        assert [step["step"] for _, step in news] == ["captured", "sealed", "accepted", "whose", "waiting"]
        assert journey.news(connection, news[-1][0]) == []
    assert {step["reading"] for _, step in news} == {short(key_of(item))}
    follower = journey.follow(street.database)
    follower.close()


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "reading-key-unfit"), ("zz", "reading-key-unfit"), ("00ff", "reading-key-unfit"),
     ("00" * 6, "reading-unknown"), ("00" * 32, "reading-unknown"), ("ff" * 40, "reading-unknown")],
)  # fmt: skip
def test_names_of_no_reading(street, name, code):
    reading(street)
    with street.database.reading() as connection, pytest.raises(JourneyError) as raised:
        journey.trace(connection, name)
    assert raised.value.code == code


def test_no_value_device_or_citizen_is_in_any_answer(street):
    street.bind()
    item = reading(street, 177)
    Deliverer(street.database, connect=lambda _: Takes()).deliver_once(LATER)
    found = told(street, item)
    key = key_of(item).hex()
    text = json.dumps(found.json()) + "".join(found.lines("nl") + found.lines("en"))
    text = text.replace(key, "").replace(short(key_of(item)), "")
    for secret in ("177", CUFF, ANNA, "Patient"):
        assert secret not in text


def test_every_step_and_status_has_its_words_in_both_languages():
    steps = {value for name, value in vars(journey_log).items() if name.isupper() and name != "STEPS"}
    assert steps == set(STEPS)
    assert set(NOW) == {deciding.HELD, deciding.DUE, *deciding.SETTLED}
    assert set(WHO) == set(PARTIES)
    for words in (*STEPS.values(), *NOW.values(), *WHO.values()):
        assert len(words) == 2
        assert all(words)
    assert Step("held", 0, "no-binding", None).text("en").startswith("waits: ")
