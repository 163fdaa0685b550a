"""The service that answers the broker, for every connection: may this one come in, and what may it do?

A process of its own, because it must outlive a restart of the bridge: without it no hub can connect. It
reads the registry afresh for each answer and refuses when it cannot read it. It also watches for
revocations and cuts off the live sessions of certificates that no longer count, within seconds.

What is asked, the rules and the answers: `admission`. What the broker reports and does on request: its
system services CONNZ and KICK.
"""

import asyncio
import json
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from sqlalchemy import Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from cloud_bridge import broker
from cloud_bridge.admission import Answers, CalloutError, Logins, Question, check, read_question
from cloud_bridge.notify import log_to_stderr, notify
from cloud_bridge.registry import Admission, Registry

QUESTIONS = "$SYS.REQ.USER.AUTH"
WATCHED_EVERY_S = 1.0
# A hub may have been let in just before its revocation was committed and show up just after a look.
LOOKED_AFTER_S = 5
LOOKED_AT_LEAST_EVERY_S = 60
KEPT_AT_MOST_S = 24 * 3600
ANSWERED_WITHIN_S = 2.0
PAGE = 1024
CANCELLED_AGAIN_AFTER_S = 0.5

log = structlog.get_logger()


class Callout:
    """Answers the broker's questions and cuts off the revoked, until cancelled."""

    def __init__(self, directory: Path, database: str) -> None:
        self._directory = directory
        self._engine = reading_engine(database)
        self._answers = Answers(broker.seed(directory, broker.ISSUER))
        self._logins = Logins()
        self._url = broker.service_url(directory)

    async def run(self, ready: asyncio.Event) -> None:
        """Serve until cancelled; outlives every restart of the broker. `ready` is set when first serving."""
        async with AsyncExitStack() as stack:
            auth = await self._connect(stack, broker.AUTH)
            system = await self._connect(stack, broker.SYS)
            keeper = await self._connect(stack, broker.KEEPER)
            await auth.subscribe(QUESTIONS, queue="callout", cb=self._asked)
            await auth.flush()
            ready.set()
            await self._watch(system, keeper)

    async def _connect(self, stack: AsyncExitStack, name: str) -> Client:
        async def failed(error: Exception) -> None:
            log.info("broker-connection-trouble", user=name, error=type(error).__name__)

        client = await nats.connect(
            self._url,
            nkeys_seed_str=broker.seed(self._directory, name),
            name=f"meethub-{name}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=failed,
        )
        stack.push_async_callback(client.close)
        return client

    async def _asked(self, message: Msg) -> None:
        """One question, one answer; a question that cannot be read stays without one, and so outside."""
        try:
            question = read_question(message.data)
        except CalloutError as error:
            log.warning("connection-refused", code=error.code)
            return
        await message.respond(self.answer(question))

    def answer(self, question: Question) -> bytes:
        """The signed answer, from the registry as it is now; refused when that is unreadable."""
        try:
            admission = check(question, self._admission(question.fingerprint))
        except CalloutError as error:
            log.warning("connection-refused", code=error.code, client=question.client_id[:64])
            return self._answers.refuse(question, error.code)
        except SQLAlchemyError as error:
            log.error("registry-unreadable", error=type(error).__name__)
            return self._answers.refuse(question, "registry-unreadable")
        if self._logins.suspicious(admission.subject, time.monotonic()):
            log.warning("clone-suspected", client=admission.subject)
        log.info("connection-admitted", client=admission.subject)
        return self._answers.admit(question, admission)

    def _admission(self, fingerprint: bytes) -> Admission | None:
        with self._engine.connect() as connection:
            return Registry(connection).admission(fingerprint, _now_ms())

    async def _watch(self, system: Client, keeper: Client) -> None:
        """Each second: did anybody lose the right to be connected? Then look at who is connected, and cut."""
        known: tuple[int, int] | None = None
        bounded: int | None = None
        look_until, looked = 0.0, 0.0
        while True:
            now = time.monotonic()
            try:
                current = self._revocations()
                if current != known:
                    known, look_until = current, now + LOOKED_AFTER_S
                if now <= look_until or now - looked > LOOKED_AT_LEAST_EVERY_S:
                    await self._cut_off(system)
                    looked = now
                bounded = await _bound(keeper, bounded)
            except (nats.errors.Error, TimeoutError) as error:
                log.info("broker-not-answering", error=type(error).__name__)
                look_until = time.monotonic() + LOOKED_AFTER_S
            except SQLAlchemyError as error:
                log.error("registry-unreadable", error=type(error).__name__)
            await asyncio.sleep(WATCHED_EVERY_S)

    def _revocations(self) -> tuple[int, int]:
        with self._engine.connect() as connection:
            return Registry(connection).revocations()

    async def _cut_off(self, system: Client) -> None:
        """End every session whose certificate does not count any more."""
        async for server, session in _sessions(system):
            peer = (session.get("tls_peer_certs") or [{}])[0]
            fingerprint = bytes.fromhex(peer.get("cert_sha256", ""))
            if self._admission(fingerprint) is None:
                kick = json.dumps({"cid": session["cid"]}).encode()
                await system.request(f"$SYS.REQ.SERVER.{server}.KICK", kick, timeout=ANSWERED_WITHIN_S)
                log.warning("connection-cut", client=str(session.get("mqtt_client", ""))[:64])


def reading_engine(database: str) -> Engine:
    """The registry's database for reading only, opened anew for each look.

    A restored copy is then seen at once, and a missing SQLite file is an error instead of an empty registry.
    """
    url = make_url(database)
    if url.get_backend_name() == "sqlite":
        url = make_url(f"sqlite:///file:{url.database}?mode=rw&uri=true")
    engine = create_engine(url, poolclass=NullPool)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _read_only)
    return engine


def _read_only(connection: Any, _record: object) -> None:  # noqa: ANN401 (sqlite3's connection)
    connection.execute("PRAGMA query_only = ON")


async def _sessions(system: Client) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """(server id, session) of every MQTT connection, of all servers when the broker is a cluster."""
    for server in await _servers(system):
        offset, total = 0, 1
        while offset < total:
            page = json.dumps({"auth": True, "offset": offset, "limit": PAGE}).encode()
            answer = await system.request(f"$SYS.REQ.SERVER.{server}.CONNZ", page, timeout=ANSWERED_WITHIN_S)
            data = json.loads(answer.data)["data"]
            total, offset = data["total"], offset + PAGE
            for session in data["connections"]:
                if session.get("type") == "mqtt":
                    yield server, session


async def _servers(system: Client) -> list[str]:
    """The ids of all servers that answer within a moment; one, unless the broker is a cluster."""
    inbox = system.new_inbox()
    found: list[str] = []
    subscription = await system.subscribe(inbox)
    try:
        await system.publish("$SYS.REQ.SERVER.PING.CONNZ", b'{"limit": 1}', reply=inbox)
        waits_s = ANSWERED_WITHIN_S
        while True:
            try:
                answer = await subscription.next_msg(waits_s)
            except TimeoutError:
                break
            found.append(json.loads(answer.data)["server"]["id"])
            waits_s = 0.2
    finally:
        await subscription.unsubscribe()
    if not found:
        raise TimeoutError
    return found


async def _bound(keeper: Client, done: int | None) -> int | None:
    """Let no message wait in the broker for more than a day (docs/decisions/0003-broker.md).

    done: the number of the connection on which the server was told already; returns that of now. The server
    makes the stream when the first MQTT client connects, and makes it anew when its store was lost.
    """
    number = keeper.stats["reconnects"]
    if number == done:
        return done
    streams = keeper.jetstream(timeout=ANSWERED_WITHIN_S)
    try:
        found = await streams.stream_info("$MQTT_msgs")
    except nats.js.errors.NotFoundError:
        return done
    found.config.max_age = KEPT_AT_MOST_S
    await streams.update_stream(found.config)
    log.info("waiting-bounded", hours=KEPT_AT_MOST_S // 3600)
    return number


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def serve(directory: Path, database: str) -> None:
    """Answer the broker of this directory from the registry in this database, until SIGTERM or SIGINT."""
    log_to_stderr()
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # it logs what `error_cb` tells us in our own words
    asyncio.run(_serve(Callout(directory, database)))


async def _serve(callout: Callout) -> None:
    ready, told_to_stop = asyncio.Event(), asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, told_to_stop.set)
    serving = asyncio.create_task(callout.run(ready))
    announcing = asyncio.create_task(_announce(ready))
    serving.add_done_callback(lambda _: told_to_stop.set())
    await told_to_stop.wait()
    # More than once: wait_for of Python 3.11 can swallow a cancellation that comes as its result does.
    while not serving.done():
        serving.cancel()
        await asyncio.wait({serving}, timeout=CANCELLED_AGAIN_AFTER_S)
    announcing.cancel()
    if not serving.cancelled():
        serving.result()
    log.info("callout-stopped")


async def _announce(ready: asyncio.Event) -> None:
    """Whoever started this process hears when the broker is answered."""
    await ready.wait()
    notify("READY=1")
