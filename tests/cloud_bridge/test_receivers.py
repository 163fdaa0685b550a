"""Deliveries to an independent FHIR server: exactly once, only to the right person, whatever happens between."""

import gzip
import itertools
import json
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import simplejson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_bridge.fhir import RENDERINGS
from cloud_bridge.fhir.answers import Delivered, Outcome, Refused, TryLater
from cloud_bridge.fhir.quantity import exact_text
from cloud_bridge.measured import Measured
from cloud_bridge.receivers import MAX_BODY, DeliveryError, FhirReceiver
from gateway.simulator.fault_proxy import FAULTS, FaultProxy
from gateway.simulator.fhir_server import FhirServer
from gateway.wire.reading import Reading
from tests.cloud_bridge.fhir_fixtures import RawServer, measured, oximetry, pressure, value

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SHORT_S = 0.6
"""Time-out where a test waits for it."""
FHIR_JSON = b"Content-Type: application/fhir+json\r\n"
Resource = dict[str, Any]
_keys = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    server = FhirServer(tmp_path_factory.mktemp("fhir"))
    server.start()
    for name in ("p1", "p2"):
        assert server.patient(name) == f"Patient/{name}"
    yield server
    server.stop()


@pytest.fixture
def receiver(server: FhirServer) -> Iterator[FhirReceiver]:
    with FhirReceiver(server.base_url) as receiver:
        yield receiver


@pytest.fixture
def proxy(server: FhirServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.base_url) as proxy:
        yield proxy


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Callable[[bytes], str]]:
    """Starts an HTTPS server whose certificate nobody signed; gives its address."""
    with ExitStack() as stack:

        def start(answer: bytes) -> str:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self_signed(tmp_path))
            return stack.enter_context(RawServer(lambda _: answer, context)).base_url

        yield start


def self_signed(directory: Path) -> Path:
    """A file with a private key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "tls.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    return path


def fresh(**changes: Any) -> Measured:
    """A measurement that no test used before."""
    return pressure(key=next(_keys).to_bytes(32), **changes)


def resources(what: Measured) -> list[Resource]:
    return [part.resource for part in RENDERINGS["r4"](what)]


def panel(what: Measured) -> Resource:
    return resources(what)[0]


def stored(server: FhirServer, resource: Resource) -> list[Resource]:
    """What the server holds under this identifier, whoever's it is, told by the server itself."""
    found = resource["identifier"][0]
    status, body = server.request("GET", f"Observation?identifier={found['system']}|{found['value']}")
    assert status == 200
    bundle = simplejson.loads(body, use_decimal=True)
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_delivered_is_read_back_to_the_digit(server: FhirServer, receiver: FhirReceiver) -> None:
    for resource in [*resources(fresh()), *resources(oximetry(key=b"o" * 32))]:
        outcome = receiver.deliver(resource)
        assert isinstance(outcome, Delivered)
        assert outcome.version == "1"
        (found,) = stored(server, resource)
        assert found["id"] == outcome.resource_id
        assert texts(found) == texts(resource)


def texts(resource: Resource) -> list[str | None]:
    places = resource.get("component", [resource])
    return [exact_text(place["valueQuantity"]) for place in places]


@pytest.mark.parametrize("text", ["120", "120.0", "36.60", "0.10", "70.000", "0.0000", "99.999", "16777215"])
def test_each_form_of_number_comes_back_exactly(
    server: FhirServer, receiver: FhirReceiver, text: str
) -> None:
    reading = Reading("oximetry", "spot", [value("spo2", text, "%")])
    resource = panel(measured(reading, key=next(_keys).to_bytes(32)))
    assert isinstance(receiver.deliver(resource), Delivered)
    assert texts(stored(server, resource)[0]) == [text]


def test_delivering_again_changes_nothing(server: FhirServer, receiver: FhirReceiver) -> None:
    resource = panel(fresh())
    first, second = receiver.deliver(resource), receiver.deliver(resource)
    assert isinstance(first, Delivered)
    assert first == second
    assert len(stored(server, resource)) == 1


def test_sixteen_at_once_store_one(server: FhirServer, receiver: FhirReceiver) -> None:
    resource = panel(fresh())
    ready = threading.Barrier(16)

    def deliver(_: int) -> Outcome:
        ready.wait(10)
        return receiver.deliver(resource)

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(deliver, range(16)))
    assert len(stored(server, resource)) == 1
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert len(set(outcomes)) == 1


def test_two_patients_are_never_mixed(server: FhirServer, receiver: FhirReceiver) -> None:
    """The same identifier under another subject is not a match, neither to create nor to read."""
    mine = panel(fresh(subject="Patient/p1"))
    theirs = {**mine, "subject": {"reference": "Patient/p2"}}
    first, second = receiver.deliver(mine), receiver.deliver(theirs)
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert first.resource_id != second.resource_id
    assert {found["subject"]["reference"] for found in stored(server, mine)} == {"Patient/p1", "Patient/p2"}


@pytest.mark.parametrize("ignores", ["create", "search"])
def test_a_receiver_that_ignores_the_subject_gets_no_delivered(ignores: str) -> None:
    """It answers with another person's resource under our identifier."""
    resource = panel(fresh())
    other = {**resource, "id": "7", "subject": {"reference": "Patient/p2"}}

    def answer(request: bytes) -> bytes:
        if request.startswith(b"POST"):
            return http(200, b"Location: Observation/7\r\n") if ignores == "create" else http(500)
        return http(200, FHIR_JSON, bundle(other) if b"?" in request.split(b"\r\n")[0] else text_of(other))

    with RawServer(answer) as raw, FhirReceiver(raw.base_url, SHORT_S) as receiver:
        outcome = receiver.deliver(resource)
    expected = Refused("content-differs", "subject") if ignores == "create" else TryLater("receiver-failed")
    assert outcome == expected


def test_content_that_was_changed_there_is_refused(server: FhirServer, receiver: FhirReceiver) -> None:
    resource = panel(fresh())
    first = receiver.deliver(resource)
    assert isinstance(first, Delivered)
    (found,) = stored(server, resource)
    found["component"][0]["valueQuantity"]["value"] = 121
    status, _ = server.request("PUT", f"Observation/{first.resource_id}", json.loads(simplejson.dumps(found)))
    assert status == 200
    assert receiver.deliver(resource) == Refused("content-differs", "component")


def test_what_the_citizen_deleted_there_is_not_seen_as_delivered(
    server: FhirServer, receiver: FhirReceiver
) -> None:
    resource = panel(fresh())
    first = receiver.deliver(resource)
    assert isinstance(first, Delivered)
    status, _ = server.request("DELETE", f"Observation/{first.resource_id}")
    assert status in (200, 204)
    second = receiver.deliver(resource)
    assert isinstance(second, Delivered)
    assert second.resource_id != first.resource_id


def test_absolute_references_are_the_same_patient(tmp_path: Path) -> None:
    other = FhirServer(tmp_path, absolute_references=True)
    other.start()
    try:
        other.patient("p1")
        with FhirReceiver(other.base_url) as receiver:
            assert isinstance(receiver.deliver(panel(fresh())), Delivered)
    finally:
        other.stop()


# What each fault gives when the POST meets it and everything after it goes well.
PROVEN = {name for name, fault in FAULTS.items() if fault.forward}
"""The real server has it: asking for the identifier or reading back proves it in the same delivery."""
LATER = {
    "silence": ("receiver-silent", 0.0),
    "reset": ("receiver-silent", 0.0),
    "error-500": ("receiver-failed", 0.0),
    "error-502": ("receiver-failed", 0.0),
    "busy-503-date": ("receiver-busy", 86_400.0),
    "busy-429": ("receiver-busy", 7.0),
    "html-200": ("receiver-unclear", 0.0),
    "conflict-409": ("receiver-conflict", 0.0),
    "conflict-412": ("receiver-conflict", 0.0),
    "unauthorised-401": ("receiver-unauthorised", 3600.0),
    "forbidden-403": ("receiver-forbidden", 3600.0),
    "gone-404": ("receiver-gone", 3600.0),
    "gone-410": ("receiver-gone", 3600.0),
    "redirect": ("receiver-moved", 3600.0),
}
REFUSALS = {
    "invalid-400": Refused("receiver-refused", "400 structure", "unknown element"),
    "invalid-422": Refused("receiver-refused", "422 business-rule", "no blood pressure here"),
}


def test_every_fault_has_its_row() -> None:
    assert PROVEN | LATER.keys() | REFUSALS.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_the_create(server: FhirServer, proxy: FaultProxy, fault: str) -> None:
    resource = panel(fresh())
    proxy.script(fault)
    with FhirReceiver(proxy.base_url, SHORT_S) as receiver:
        outcome = receiver.deliver(resource)
        if fault in PROVEN:
            assert isinstance(outcome, Delivered)
        elif fault in LATER:
            assert outcome == TryLater(*LATER[fault])
        else:
            assert outcome == REFUSALS[fault]
        assert isinstance(receiver.deliver(resource), Delivered)  # the fault has passed
    assert len(stored(server, resource)) == 1


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"pass"}))
def test_a_fault_on_the_read_back(server: FhirServer, proxy: FaultProxy, fault: str) -> None:
    """It was stored, but nothing is delivered until it was seen."""
    resource = panel(fresh())
    proxy.script("pass", fault)
    with FhirReceiver(proxy.base_url, SHORT_S) as receiver:
        outcome = receiver.deliver(resource)
        assert proxy.seen[1][0] == "GET"
        assert isinstance(outcome, TryLater)
        assert outcome.code in {"receiver-not-read-back", "receiver-busy"}
        assert isinstance(receiver.deliver(resource), Delivered)
    assert len(stored(server, resource)) == 1


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"pass"}))
def test_a_fault_on_the_question(server: FhirServer, proxy: FaultProxy, fault: str) -> None:
    """Stored, the answer lost, and then the question for the identifier fails as well."""
    resource = panel(fresh())
    proxy.script("reset-after-commit", fault)
    with FhirReceiver(proxy.base_url, SHORT_S) as receiver:
        outcome = receiver.deliver(resource)
        assert proxy.seen[1][1].startswith("/fhir/Observation?identifier=urn")
        assert isinstance(outcome, TryLater)
        assert isinstance(receiver.deliver(resource), Delivered)
    assert len(stored(server, resource)) == 1


def test_the_question_names_the_subject(proxy: FaultProxy) -> None:
    proxy.script("reset-after-commit")
    with FhirReceiver(proxy.base_url) as receiver:
        assert isinstance(receiver.deliver(panel(fresh())), Delivered)
    assert "subject=Patient%2Fp1" in proxy.seen[1][1]


def test_busy_is_left_alone(proxy: FaultProxy) -> None:
    """429 and 503 stored nothing: asking would only add to the load."""
    proxy.script("busy-429")
    with FhirReceiver(proxy.base_url) as receiver:
        receiver.deliver(panel(fresh()))
    assert len(proxy.seen) == 1


def test_a_redirect_is_not_followed(proxy: FaultProxy) -> None:
    proxy.script("redirect")
    with FhirReceiver(proxy.base_url) as receiver:
        receiver.deliver(panel(fresh()))
    assert [method for method, _ in proxy.seen] == ["POST"]


@given(faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=6))
@settings(max_examples=15 * DOSE, deadline=None)
def test_any_row_of_faults_ends_in_exactly_one(server: FhirServer, faults: list[str]) -> None:
    resource = panel(fresh())
    with FaultProxy(server.base_url) as proxy, FhirReceiver(proxy.base_url, SHORT_S) as receiver:
        proxy.script(*faults)
        outcomes = [receiver.deliver(resource) for _ in range(len(faults) + 1)]
    assert isinstance(outcomes[-1], Delivered)
    assert len(stored(server, resource)) == 1


def test_two_under_one_identifier_are_told() -> None:
    resource = panel(fresh())
    both = bundle({**resource, "id": "1"}, {**resource, "id": "2"})

    def answer(request: bytes) -> bytes:
        return http(412) if request.startswith(b"POST") else http(200, FHIR_JSON, both)

    with RawServer(answer) as raw, FhirReceiver(raw.base_url, SHORT_S) as receiver:
        assert receiver.deliver(resource) == Refused("receiver-doubled", "2 with one identifier")


def http(status: int, headers: bytes = b"", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %d Raw\r\nConnection: close\r\n" % status + headers + length + b"\r\n" + body


def text_of(resource: Resource) -> bytes:
    return simplejson.dumps(resource, use_decimal=True).encode()


def bundle(*found: Resource) -> bytes:
    return text_of({"resourceType": "Bundle", "entry": [{"resource": resource} for resource in found]})


def answered(post: bytes, get: bytes, resource: Resource) -> Outcome:
    """The outcome at a receiver that gives these two answers."""
    with (
        RawServer(lambda request: post if request.startswith(b"POST") else get) as raw,
        FhirReceiver(raw.base_url, SHORT_S) as receiver,
    ):
        return receiver.deliver(resource)


CREATED = http(201, b"Location: http://elsewhere.example/x/Observation/7/_history/3\r\n")


def test_the_location_names_only_an_id() -> None:
    """What is read back comes from the receiver's own address, wherever Location points."""
    resource = panel(fresh())
    back = text_of({**resource, "id": "7", "meta": {"versionId": "3"}})
    assert answered(CREATED, http(200, FHIR_JSON, back), resource) == Delivered("7", "3")


@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip"])
def test_a_compressed_answer_is_read(coding: bytes) -> None:
    resource = panel(fresh())
    packed = gzip.compress(text_of({**resource, "id": "7"}))
    headers = FHIR_JSON + b"Content-Encoding: " + coding + b"\r\n"
    assert answered(CREATED, http(200, headers, packed), resource) == Delivered("7", None)


def test_an_answer_without_end_is_given_up() -> None:
    """The right resource, but in more bytes than any of ours has."""
    resource = panel(fresh())
    body = text_of({**resource, "id": "7", "text": {"div": "x" * MAX_BODY}})
    packed = http(200, FHIR_JSON + b"Content-Encoding: gzip\r\n", gzip.compress(body))
    for get in (http(200, FHIR_JSON, body), packed):
        assert answered(CREATED, get, resource) == TryLater("receiver-not-read-back")


@pytest.mark.parametrize(
    "get",
    [
        http(200, FHIR_JSON, b""),
        http(200, FHIR_JSON, b"[]"),
        http(200, FHIR_JSON, b"\xff\xfe"),
        http(200, FHIR_JSON, b"[" * 100_000),
        http(200, FHIR_JSON, b"9" * 100_000),
        http(200, FHIR_JSON, b'{"id": "8"}'),
        http(200, FHIR_JSON, b" " * (MAX_BODY + 1)),
        http(200, FHIR_JSON + b"Content-Encoding: br\r\n", b"x"),
        http(200, FHIR_JSON + b"Content-Encoding: gzip\r\n", b"x"),
        http(200, FHIR_JSON + b"Content-Encoding: gzip\r\n", gzip.compress(b" " * (MAX_BODY + 1))),
        http(200, FHIR_JSON + b"Content-Encoding: gzip\r\n", gzip.compress(b"{}")[:-4]),
        http(200, b"Content-Type: text/html\r\n", b"{}"),
        http(204),
        http(304),
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nxx",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    ],
)
def test_an_unreadable_read_back_is_tried_later(get: bytes) -> None:
    outcome = answered(CREATED, get, panel(fresh()))
    assert outcome == TryLater("receiver-not-read-back")


@pytest.mark.parametrize(
    "post",
    [
        http(201),
        http(201, b"Location: Patient/7\r\n"),
        http(201, b"Location: Observation/7\r\nContent-Type: text/html\r\n", b"<html>"),
        http(201, b"Location: Observation/\xff\r\n"),
        http(200, FHIR_JSON, b'{"resourceType": "Patient", "id": "7"}'),
        http(200, FHIR_JSON, b'{"resourceType": "Observation", "id": "../7"}'),
        http(202),
        http(204),
        http(299),
        http(425),
    ],
)
def test_a_claim_without_a_name_is_asked_for(post: bytes) -> None:
    assert answered(post, http(200, FHIR_JSON, bundle()), panel(fresh())) == TryLater("receiver-unclear")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"120", 120.0),
        (b"999999999999", 86_400.0),
        (b"-5", 0.0),
        (b"soon", 0.0),
        (b"Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        (b"Fri, 31 Dec 2199 23:59:59 GMT", 86_400.0),
        (b"Fri, 99 Xyz 9999999 99:99:99 GMT", 0.0),
        (b"\xb2\xb3", 0.0),
        (b"", 0.0),
    ],
)
def test_retry_after(header: bytes, seconds: float) -> None:
    answer = http(503, b"Retry-After: " + header + b"\r\n")
    assert answered(answer, answer, panel(fresh())) == TryLater("receiver-busy", seconds)


@pytest.mark.parametrize(
    ("issue", "detail", "said"),
    [
        ([{"code": "invalid", "diagnostics": "a\x00b"}], "422 invalid", "a b"),
        ([{"code": "Not A Code", "details": {"text": "x" * 900}}], "422", "x" * 400),
        ([None, {"code": 5, "details": 7}], "422", ""),
        ("none", "422", ""),
    ],
)
def test_the_reason_of_a_refusal(issue: object, detail: str, said: str) -> None:
    body = json.dumps({"resourceType": "OperationOutcome", "issue": issue}).encode()
    answer = http(422, FHIR_JSON, body)
    assert answered(answer, answer, panel(fresh())) == Refused("receiver-refused", detail, said)


heads = st.builds(
    lambda status, lines: b"HTTP/1.1 %d X\r\n" % status + b"".join(lines),
    st.integers(0, 999),
    st.lists(
        st.sampled_from(
            [
                FHIR_JSON,
                b"Content-Type: text/html\r\n",
                b"Location: Observation/7\r\n",
                b"Location: http://[::1\r\n",
                b"Content-Length: 3\r\n",
                b"Content-Length: -1\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Content-Encoding: gzip\r\n",
                b"Retry-After: \xff\r\n",
                b"Set-Cookie: a=b; Expires=\xff\r\n",
                b"Connection: upgrade\r\n",
            ]
        )
        | st.binary(max_size=20).map(lambda raw: b"X: " + raw + b"\r\n"),
        max_size=5,
    ),
)
bodies = st.sampled_from(
    [b"{}", b"[]", b'{"resourceType":"Bundle","entry":[null,{"resource":1}]}']
) | st.binary(max_size=60)
raw_answers = st.binary(max_size=200) | st.builds(lambda head, body: head + b"\r\n" + body, heads, bodies)


def test_any_bytes_give_an_outcome_that_is_not_delivered() -> None:
    resource = panel(fresh())
    answers: list[bytes] = [b"", b""]
    with (
        RawServer(lambda request: answers[0 if request.startswith(b"POST") else 1]) as raw,
        FhirReceiver(raw.base_url, SHORT_S) as receiver,
    ):

        @given(post=raw_answers, get=raw_answers)
        @settings(max_examples=250 * DOSE, deadline=None)
        def check(post: bytes, get: bytes) -> None:
            answers[:] = [post, get]
            assert isinstance(receiver.deliver(resource), TryLater | Refused)

        check()


def test_a_slow_receiver_is_given_up_in_time(proxy: FaultProxy) -> None:
    """A byte now and then keeps every read alive; the request as a whole still ends."""
    proxy.script("trickle-after-commit", "trickle-after-commit")
    with FhirReceiver(proxy.base_url, SHORT_S) as receiver:
        start = time.monotonic()
        assert receiver.deliver(panel(fresh())) == TryLater("receiver-silent")
        assert time.monotonic() - start < receiver.longest_s


def test_a_receiver_that_is_away() -> None:
    with RawServer(lambda _: b"") as raw:
        address = raw.base_url
    with FhirReceiver(address) as receiver:
        assert receiver.deliver(panel(fresh())) == TryLater("receiver-unreachable")


def test_a_certificate_of_nobody_is_not_trusted(tls: Callable[[bytes], str]) -> None:
    with FhirReceiver(tls(CREATED)) as receiver:
        assert receiver.deliver(panel(fresh())) == TryLater("receiver-untrusted")


def test_cookies_are_not_kept_and_the_token_is_sent() -> None:
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request.lower())
        return http(500, b"Set-Cookie: session=1\r\n")

    with RawServer(answer) as raw, FhirReceiver(raw.base_url, token="abc") as receiver:
        receiver.deliver(panel(fresh()))
        receiver.deliver(panel(fresh()))
    assert len(seen) == 4
    assert not [request for request in seen if b"cookie" in request]
    assert all(b"authorization: bearer abc" in request for request in seen)


def test_nothing_of_a_delivery_is_logged(receiver: FhirReceiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert isinstance(receiver.deliver(panel(fresh())), Delivered)
    assert not caplog.records


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": []},
        {"identifier": None},
        {"identifier": [{"system": "urn:x"}]},
        {"identifier": [{"system": "urn:x", "value": "1&subject=Patient/p2"}]},
        {"identifier": [{"system": "urn:x", "value": "1\r\nX: y"}]},
        {"subject": {"reference": "Patient/p1,Patient/p2"}},
        {"subject": {"reference": ""}},
        {"subject": {"reference": None}},
        {"subject": None},
    ],
)
def test_a_resource_that_could_not_be_found_again_is_not_sent(
    receiver: FhirReceiver, change: Resource
) -> None:
    outcome = receiver.deliver({**panel(fresh()), **change})
    assert isinstance(outcome, Refused)
    assert outcome.code == "resource-unfit"


@pytest.mark.parametrize(
    "address",
    [
        "http://pgo.example/fhir",
        "ftp://pgo.example",
        "https://user:secret@pgo.example",
        "https://pgo.example/fhir?x=1",
        "pgo.example",
        "http://[::1",
        "",
    ],
)
def test_an_address_that_no_reading_may_go_to(address: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        FhirReceiver(address)
    assert caught.value.code == "receiver-address"


def test_the_server_goes_on_where_it_stopped(tmp_path: Path) -> None:
    resource = panel(fresh(subject="Patient/demo-citizen"))
    outcomes = []
    for _ in range(2):
        server = FhirServer(tmp_path)
        server.start()
        try:
            assert server.patient() == "Patient/demo-citizen"
            with FhirReceiver(server.base_url) as receiver:
                outcomes.append(receiver.deliver(resource))
        finally:
            server.stop()
    assert isinstance(outcomes[0], Delivered)
    assert outcomes[0] == outcomes[1]
