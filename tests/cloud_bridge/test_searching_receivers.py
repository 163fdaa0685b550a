"""Receivers without conditional create: searched before each create, so that a repeat doubles nothing there."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import simplejson

from cloud_bridge import administration
from cloud_bridge.deliver import fhir_receiver
from cloud_bridge.fhir import RENDERINGS
from cloud_bridge.fhir.answers import Delivered, TryLater
from cloud_bridge.ledger.claims import Endpoint
from cloud_bridge.receivers import FhirReceiver
from cloud_bridge.schema import receivers
from tests.cloud_bridge.fhir_fixtures import RawServer, pressure


class Plain:
    """A FHIR server as small as can be: it creates whatever it gets, and finds by identifier."""

    def __init__(self) -> None:
        self.stored: list[dict] = []
        self.asked: list[str] = []
        self.silent: set[str] = set()

    def answer(self, raw: bytes) -> bytes:
        head, _, body = raw.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        what = "create" if method == "POST" else "search" if "?" in path else "read"
        self.asked.append(what)
        assert b"if-none-exist" not in head.lower()
        if what == "create":
            self.stored.append(simplejson.loads(body, use_decimal=True) | {"id": str(len(self.stored))})
        if what in self.silent:
            return b""
        if what == "create":
            return http(201, b"Location: Observation/%d\r\n" % (len(self.stored) - 1))
        if what == "read":
            return http(200, body=self.stored[int(path.rsplit("/", 1)[1])])
        entries = [{"resource": one} for one in self.stored]
        return http(200, body={"resourceType": "Bundle", "type": "searchset", "entry": entries})


def http(status: int, headers: bytes = b"", body: dict | None = None) -> bytes:
    text = b"" if body is None else simplejson.dumps(body, use_decimal=True).encode()
    lines = b"Content-Type: application/fhir+json\r\nConnection: close\r\n" + headers
    return b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, lines, len(text), text)


@pytest.fixture
def server() -> Plain:
    return Plain()


@pytest.fixture
def receiver(server: Plain) -> Iterator[object]:
    """The connector as the bridge makes it."""
    with RawServer(server.answer) as raw:
        endpoint = Endpoint("pgo-1", "fhir", raw.base_url, "r4", conditional_create=False)
        with closing(fhir_receiver(endpoint)) as made:
            yield made


def resource() -> dict:
    return RENDERINGS["r4"](pressure())[0].resource


def test_it_searches_first_and_creates_what_is_not_there(server, receiver):
    assert isinstance(receiver.deliver(resource()), Delivered)
    assert server.asked == ["search", "create", "read"]


def test_a_repeat_finds_the_first_and_creates_nothing(server, receiver):
    """A worker that died, or an answer that was lost: the next try must not double it."""
    server.silent = {"create", "read"}
    outcome = receiver.deliver(resource())
    assert isinstance(outcome, TryLater)
    assert outcome.may_stand
    server.silent = set()
    server.asked.clear()
    assert receiver.deliver(resource()) == Delivered("0", None)
    assert server.asked == ["search", "read"]
    assert len(server.stored) == 1


def test_nothing_is_created_when_the_search_gets_no_answer(server, receiver):
    server.silent = {"search"}
    outcome = receiver.deliver(resource())
    assert isinstance(outcome, TryLater)
    assert not outcome.may_stand
    assert set(server.asked) == {"search"}
    assert server.stored == []


def test_nothing_is_created_when_the_search_gives_others_than_were_asked_for(server, receiver):
    other = resource() | {"id": "0", "identifier": [{"system": "urn:other", "value": "1"}]}
    server.stored.append(other)
    assert isinstance(receiver.deliver(resource()), TryLater)
    assert server.stored == [other]


@pytest.mark.parametrize(
    ("post", "get", "may_stand"),
    [
        (http(201, b"Location: Observation/1\r\n"), http(503), True),
        (
            http(201, b"Location: Observation/1\r\n"),
            http(200, body={"resourceType": "Observation", "id": "1"}),
            True,
        ),
        (b"", b"", True),
        (http(500), http(200, body={"resourceType": "Bundle"}), True),
        (http(503), b"", False),
        (http(401), b"", False),
        (http(422), b"", False),
    ],
)
def test_whether_a_receiver_may_hold_what_was_not_confirmed(post, get, may_stand):
    server = RawServer(lambda raw: post if raw.startswith(b"POST") else get)
    with server, FhirReceiver(server.base_url) as conditional:
        assert conditional.deliver(resource()).may_stand is may_stand
    with FhirReceiver("http://127.0.0.1:1/fhir") as away:
        assert not away.deliver(resource()).may_stand


def test_its_lease_counts_the_search():
    endpoint = Endpoint("pgo-1", "fhir", "http://127.0.0.1:9/fhir", "r4", conditional_create=False)
    with closing(fhir_receiver(endpoint)) as searching:
        assert searching.longest_s == 40.0


@pytest.mark.parametrize(
    ("first", "then", "stands"), [(None, None, True), (False, None, False), (None, False, False)]
)
def test_how_a_receiver_is_set_up(database, first, then, stands):
    url = "https://pgo.example.org/fhir"
    with database.transaction() as connection:
        name = administration.add_receiver(connection, url, conditional_create=first)
        assert administration.add_receiver(connection, url + "/", conditional_create=then) == name
        (row,) = connection.execute(receivers.select())
    assert row.conditional_create is stands
