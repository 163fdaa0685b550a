"""The callout service: fresh answers from the registry, refusal when in doubt, and a life of its own."""

import base64
import hashlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator

import pytest

from cloud_bridge.admission import Question
from cloud_bridge.broker import SEEDS, BrokerError, configuration, prepare, seed, service_url
from cloud_bridge.callout import Callout, reading_engine
from cloud_bridge.registry import Registry
from tests.cloud_bridge.broker_fixtures import Rig, now_ms, uplink, wait_until


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    """Nothing of it runs yet."""
    found = Rig(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def callout(rig) -> Callout:
    return Callout(rig.place.broker, rig.place.database)


def asking(rig: Rig, hub: str, client_id: str | None = None) -> Question:
    pem = rig.hub(hub).certificate.read_text().strip().splitlines()
    der = base64.b64decode("".join(pem[1:-1]))
    return Question("U", "N", "mqtt", client_id or hub, "127.0.0.1", der)


def told(raw: bytes) -> str:
    """ "admitted", or why not."""
    middle = raw.decode().split(".")[1]
    content = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))["nats"]
    return content.get("error") or ("admitted" if content["jwt"] else "nothing")


def test_each_answer_is_from_the_registry_as_it_is_now(rig, callout) -> None:
    question = asking(rig, "hub-1")
    assert told(callout.answer(question)) == "admitted"
    rig.revoke("hub-1")
    assert told(callout.answer(question)) == "certificate-not-admitted"


def test_the_reason_is_said(rig, callout) -> None:
    assert told(callout.answer(asking(rig, "hub-1", "hub-2"))) == "client-id-not-own"
    assert (
        told(callout.answer(Question("U", "N", "mqtt", "hub-1", "127.0.0.1", None))) == "certificate-missing"
    )
    native = asking(rig, "hub-1")
    assert (
        told(callout.answer(Question("U", "N", "nats", "hub-1", "", native.certificate))) == "not-over-mqtt"
    )


def test_a_registry_that_cannot_be_read_admits_nobody(rig, callout) -> None:
    question = asking(rig, "hub-1")
    rig.engine.dispose()
    file = rig.directory / "ledger.sqlite"
    file.rename(rig.directory / "away")
    assert told(callout.answer(question)) == "registry-unreadable"
    assert not file.exists()
    file.write_bytes(b"no database at all" * 100)
    assert told(callout.answer(question)) == "registry-unreadable"


def test_a_restored_copy_counts_at_once(rig, callout) -> None:
    question = asking(rig, "hub-1")
    rig.engine.dispose()
    shutil.copy(rig.directory / "ledger.sqlite", rig.directory / "copy")
    rig.revoke("hub-1")
    assert told(callout.answer(question)) == "certificate-not-admitted"
    rig.engine.dispose()
    (rig.directory / "copy").replace(rig.directory / "ledger.sqlite")
    assert told(callout.answer(question)) == "admitted"


def test_a_writer_at_work_does_not_keep_anybody_waiting(rig, callout) -> None:
    """As the bridge has it: WAL, and a transaction under way."""
    question = asking(rig, "hub-1")
    rig.engine.dispose()
    writer = sqlite3.connect(rig.directory / "ledger.sqlite", isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE hubs SET status = 'revoked'")
    assert told(callout.answer(question)) == "admitted"
    writer.execute("COMMIT")
    assert told(callout.answer(question)) == "certificate-not-admitted"
    writer.close()
    assert told(callout.answer(question)) == "certificate-not-admitted"


def test_the_registry_is_opened_for_reading_only(rig) -> None:
    engine = reading_engine(rig.place.database)
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        Registry(connection).enrol("hub-9", "home-9", now_ms())


def test_it_may_start_before_the_broker_and_stops_cleanly(rig) -> None:
    starting = threading.Thread(target=rig.callout.start)
    starting.start()
    wait_until(lambda: rig.callout.process is not None)
    rig.broker.start()
    starting.join(20)
    with uplink(rig.uplink_settings("hub-1")) as line:
        line.connected()
    process = rig.callout.process
    rig.callout.stop()
    assert process.returncode == 0
    assert "Traceback" not in rig.log()


def test_what_is_logged_names_hubs_and_codes_only(rig) -> None:
    rig.start()
    with uplink(rig.uplink_settings("hub-1")) as line:
        line.connected()
        rig.revoke("hub-1")
        line.events.wait(lambda seen: getattr(seen[-1], "code", "") == "uplink-refused")
    lines = [json.loads(line) for line in rig.log().splitlines()]
    assert {line["event"] for line in lines} >= {
        "connection-admitted",
        "connection-cut",
        "connection-refused",
    }
    assert all(
        set(line) <= {"event", "level", "timestamp", "client", "code", "error", "user", "hours"}
        for line in lines
    )
    assert "127.0.0.1" not in rig.log()


def test_the_brokers_directory_holds_no_secret_but_seeds_and_keys(rig) -> None:
    text = configuration(rig.place.broker, rig.ports)
    assert (rig.place.broker / "nats.conf").read_text() == text
    assert "password" not in text
    for name in SEEDS:
        assert seed(rig.place.broker, name) not in text
        assert seed(rig.place.broker, name).startswith("SA" if name == "issuer" else "SU")
    loose = [f.name for f in rig.place.broker.iterdir() if f.stat().st_mode & 0o077]
    assert sorted(loose) == ["ca.pem", "server.pem"]
    assert service_url(rig.place.broker) == f"nats://127.0.0.1:{rig.ports.service}"


def test_a_second_preparation_keeps_everything_that_is_good(rig) -> None:
    def digests() -> dict[str, str]:
        files = sorted(rig.place.broker.iterdir())
        return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    before = digests()
    prepare(rig.place.broker, rig.ports, rig.authority, ("localhost", "127.0.0.1"))
    assert digests() == before
    (rig.place.broker / "server.pem").write_text("damaged")
    prepare(rig.place.broker, rig.ports, rig.authority, ("localhost", "127.0.0.1"))
    assert {name for name, digest in digests().items() if before[name] != digest} == {"server.pem"}


def test_a_directory_that_was_not_prepared_is_an_error(tmp_path) -> None:
    with pytest.raises(BrokerError, match="broker-directory"):
        seed(tmp_path, "auth")
    with pytest.raises(BrokerError, match="broker-directory"):
        service_url(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="broker-directory"):
        prepare(tmp_path / "file", None, None, ())
