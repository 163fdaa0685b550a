"""Connectors to receivers: the only place of the bridge that speaks HTTP.

A delivery is a conditional create that names identifier and subject, and then reads back what stands there;
at a receiver that has no conditional create it is a search for the same, and a create where nothing is found.
Only what was read back and is equal counts as delivered. Whatever a receiver answers, however slowly or
however much, `deliver` returns an outcome within a bounded time and memory.
"""

import logging
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, Self

import httpcore2
import httpx2
import simplejson

from cloud_bridge.fhir import answers
from cloud_bridge.fhir.answers import Answer, Claimed, Delivered, Outcome, Refused, TryLater, Unclear
from cloud_bridge.fhir.compare import differences
from cloud_bridge.fhir.ticket import Ticket, only_match
from gateway.wire.errors import MeethubError

MAX_BODY = 1 << 20
"""Bytes of an answer, before and after decompression. An Observation of ours is under 4 KiB."""
MEDIA_TYPE = "application/fhir+json"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
REQUESTS = 3
"""At most: create, search, read back; one search more without conditional create."""

# Both log every address they ask, which holds the citizen's id at the receiver.
for _logger in ("httpx2", "httpcore2"):
    logging.getLogger(_logger).setLevel(logging.WARNING)


class DeliveryError(MeethubError):
    """A receiver that is set up in a way that no reading may be sent to."""


class FhirReceiver:
    """One FHIR R4 endpoint. Safe for several threads; connections are kept.

    Calls for one and the same resource wait for each other: servers may look and store in two steps, and two
    conditional creates at one moment then store two. Between processes the lease on a delivery sees to that.

    timeout_s: the longest that one request may take, from the first byte sent to the last received.
    token: sent as a bearer token. ca: file with the certificate authorities to trust, else the system's.
    conditional_create: False where the receiver does not heed If-None-Exist (FHIR R4 http.html#ccreate). Then
    the caller lets only one delivery at a time go there.
    """

    def __init__(
        self,
        base_url: str,
        timeout_s: float = 10.0,
        token: str | None = None,
        ca: Path | None = None,
        *,
        conditional_create: bool = True,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._conditional = conditional_create
        self._timeout_s = timeout_s
        self._at_work: set[Ticket] = set()
        self._freed = threading.Condition()
        _check_address(self.base_url)
        headers = {"accept": MEDIA_TYPE, "accept-encoding": "identity", "user-agent": "meethub-bridge"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx2.Client(
            transport=_Transport(ssl.create_default_context(cafile=str(ca) if ca else None)),
            headers=headers,
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    @property
    def longest_s(self) -> float:
        """The longest that one `deliver` can take, but for waiting for another of the same resource.

        A lease on a delivery is longer than this.
        """
        return (REQUESTS + (not self._conditional)) * self._timeout_s

    def deliver(self, resource: dict[str, Any]) -> Outcome:
        """Write an Observation exactly once and read it back; safe to repeat as often as needed.

        Never raises for what a receiver does. The codes of TryLater and Refused stand in the catalogue.
        """
        ticket = Ticket.of(resource)
        if ticket is None:
            return Refused("resource-unfit", "no identifier or subject")
        with self._alone(ticket):
            there = None if self._conditional else self._look_up(resource, ticket, "receiver-unclear")
            step = there or self._create(resource, ticket)
            return (
                _standing(self._read_back(resource, step.resource_id)) if isinstance(step, Claimed) else step
            )

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _alone(self, ticket: Ticket) -> Iterator[None]:
        with self._freed:
            self._freed.wait_for(lambda: ticket not in self._at_work)
            self._at_work.add(ticket)
        try:
            yield
        finally:
            with self._freed:
                self._at_work.remove(ticket)
                self._freed.notify_all()

    def _create(self, resource: dict[str, Any], ticket: Ticket) -> Claimed | Outcome:
        condition = {"if-none-exist": ticket.condition()} if self._conditional else {}
        answer = self._ask("POST", "Observation", condition, resource)
        step = answers.of_create(answer) if isinstance(answer, Answer) else answer
        if isinstance(step, Unclear):
            found = self._look_up(resource, ticket, step.code) or TryLater(step.code)
            return found if isinstance(found, Claimed) else _standing(found)
        return step

    def _look_up(
        self, resource: dict[str, Any], ticket: Ticket, code: str
    ) -> Claimed | TryLater | Refused | None:
        """Is it there already? Only a resource of this very subject with this identifier is a match.

        None when it surely is not; TryLater with this code when the receiver does not say.
        """
        answer = self._ask("GET", "Observation?" + ticket.query())
        if not isinstance(answer, Answer):
            return answer if isinstance(answer, TryLater) else TryLater(code)
        bundle = answers.resource(answer) if answer.status == httpx2.codes.OK else None
        if bundle is None or bundle.get("resourceType") != "Bundle":
            return answers.of_problem(answer) or TryLater(code)
        found = answers.matches(bundle)
        # Others than were asked for: this receiver does not heed the question, its answer says nothing.
        return only_match(resource, found, self.base_url) or (TryLater(code) if found else None)

    def _read_back(self, resource: dict[str, Any], resource_id: str) -> Outcome:
        """Delivered only when the receiver shows the same content under this id."""
        answer = self._ask("GET", "Observation/" + resource_id)
        if not isinstance(answer, Answer):
            return answer if isinstance(answer, TryLater) else TryLater("receiver-not-read-back")
        found = answers.resource(answer) if answer.status == httpx2.codes.OK else None
        if found is None or answers.resource_id(found) != resource_id:
            busy = answers.of_problem(answer)
            return busy if busy and busy.code == "receiver-busy" else TryLater("receiver-not-read-back")
        differ = differences(resource, found, self.base_url)
        if differ:
            return Refused("content-differs", " ".join(differ))
        return Delivered(resource_id, answers.version(found))

    def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        resource: dict[str, Any] | None = None,
    ) -> Answer | Unclear | TryLater:
        """One request. TryLater when it surely never arrived, Unclear when the answer was not whole."""
        content = None
        sending = dict(headers or {})
        if resource is not None:
            content = simplejson.dumps(resource, use_decimal=True, separators=(",", ":")).encode()
            sending |= {"content-type": MEDIA_TYPE, "prefer": "return=minimal"}
        _deadline.at = time.monotonic() + self._timeout_s
        try:
            with self._client.stream(
                method, f"{self.base_url}/{path}", headers=sending, content=content
            ) as response:
                return Answer(response.status_code, _lowered(response), _body(response))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return TryLater("receiver-untrusted" if _is_certificate(error) else "receiver-unreachable")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError):
            return Unclear("receiver-silent")


def _standing(outcome: Outcome) -> Outcome:
    """The same outcome, of what the receiver may hold by now."""
    return outcome if isinstance(outcome, Delivered) else replace(outcome, may_stand=True)


def _check_address(base_url: str) -> None:
    """Readings travel encrypted, except on this very machine."""
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise DeliveryError("receiver-address", "not an address") from error
    if url.scheme != "https" and not (url.scheme == "http" and url.host in LOOPBACK):
        raise DeliveryError("receiver-address", "not https")
    if url.query or url.fragment or url.userinfo:
        raise DeliveryError("receiver-address", "more than scheme, host, port and path")


def _lowered(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _body(response: httpx2.Response) -> bytes | None:
    """The whole body, or None when it is longer than MAX_BODY, unreadable or in an unknown coding."""
    raw = bytearray()
    for piece in response.iter_raw():
        raw += piece
        if len(raw) > MAX_BODY:
            return None
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding == "identity":
        return bytes(raw)
    return _inflated(bytes(raw)) if coding in ("gzip", "x-gzip", "deflate") else None


def _inflated(raw: bytes) -> bytes | None:
    """Decompressed to at most MAX_BODY: a small answer that would unfold to gigabytes is given up."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        body = unpacker.decompress(raw, MAX_BODY + 1)
    except zlib.error:
        return None
    return body if unpacker.eof and len(body) <= MAX_BODY else None


def _is_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


class _Deadline(threading.local):
    """When the request that this thread is doing must be over (monotonic seconds)."""

    at = 0.0

    def left(self, timeout: float | None) -> float:
        return min(self.at - time.monotonic(), float("inf") if timeout is None else timeout)


_deadline = _Deadline()


class _Transport(httpx2.HTTPTransport):
    """httpx2's own, with a bound on a whole request: its time-outs are per read, and a receiver that sends a
    byte now and then would hold a delivery for ever.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, keepalive_expiry=30.0, network_backend=_Backend()
        )


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _deadline.left(timeout)
        if left <= 0:
            raise httpcore2.ConnectTimeout
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = _deadline.left(timeout)
        if left <= 0:
            raise httpcore2.ReadTimeout
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = _deadline.left(timeout)
        if left <= 0:
            raise httpcore2.WriteTimeout
        self._stream.write(buffer, left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _deadline.left(timeout)
        if left <= 0:
            raise httpcore2.ConnectTimeout
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 (httpcore2's own signature)
        return self._stream.get_extra_info(info)
