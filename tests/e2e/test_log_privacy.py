"""No line that gateway or bridge writes to its log holds a value, a device's bytes, a name or an address.

What happens here is every way a reading can go, good and bad, on the real parts, with planted words and numbers that
occur nowhere else. The log is the daemons' own, as it stands in their configuration.
"""

import base64
import io
import json
import logging
import re
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
import structlog

import cloud_bridge.notify
import gateway.logs
from cloud_bridge import administration, deliver
from gateway.drivers.blood_pressure import BloodPressure
from gateway.drivers.nonin_serial import NoninSerial
from gateway.hub.visit import Visit
from gateway.outbox import OutboxError
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Device
from gateway.wire.topics import ENVELOPE, HELLO, KEY, up
from tests.e2e.air import House, until
from tests.e2e.village import Person
from tests.e2e.wire import Alter, is_envelope
from tests.gateway.hub_fixtures import spot_packet

ADDRESS = "F0:5A:C0:FF:EE:0C"
SERIAL, MODEL, MAKER = "SN-7731-CANARY", "CANARY-9000", "Canary Instruments"
CUFF = Device(
    "bluetooth-" + ADDRESS.replace(":", ""), MAKER, MODEL, "9.7.3-canary", SERIAL, "c0ffee-canary", ADDRESS
)
OTHER = Device("bluetooth-F05AC0FFEE0D", MAKER, MODEL, serial=SERIAL, address=ADDRESS[:-1] + "D")
THIRD = Device("bluetooth-F05AC0FFEE0E", MAKER, MODEL, serial=SERIAL, address=ADDRESS[:-1] + "E")
OXIMETER = Device("port-ca9a41ca9a41ca9a", serial=SERIAL)
# In kPa, so that the numbers have so many digits that they occur nowhere by chance.
SYSTOLIC, DIASTOLIC, MEAN, PULSE = 2173, 1439, 1741, 1987
DEVICE_TIME = "2026-02-02T03:37:59"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")  # the log's own: its digits are any digits
WORDS = b"CANARY-NAME-OF-A-PERSON"


def sfloat(digits: int, exponent: int) -> bytes:
    return (digits | (exponent & 15) << 12).to_bytes(2, "little")


def record(minute: int = 37, systolic: int = SYSTOLIC) -> bytes:
    """Blood Pressure Service 1.1.1, 2A35: kPa, time, pulse, user."""
    data = b"\x0f" + sfloat(systolic, -2) + sfloat(DIASTOLIC, -2) + sfloat(MEAN, -2)
    data += (2026).to_bytes(2, "little") + bytes([2, 2, 3, minute, 59])
    return data + sfloat(PULSE, -1) + b"\xff"


def numbers() -> list[str]:
    shown = [f"{number / 100:.2f}" for number in (SYSTOLIC, DIASTOLIC, MEAN)]
    return [*shown, f"{PULSE / 10:.1f}", DEVICE_TIME, DEVICE_TIME.replace("T", " ")]


def planted(person: Person, refused: Person, away: Person) -> set[str]:
    """Every form in which something personal could stand in a log."""
    plain = {
        ADDRESS,
        ADDRESS.replace(":", "_"),
        ADDRESS.replace(":", ""),
        SERIAL,
        MODEL,
        MAKER,
        WORDS.decode(),
    }
    plain |= {
        CUFF.identity,
        OXIMETER.identity,
        OTHER.identity,
        OTHER.address,
        "9.7.3-canary",
        "c0ffee-canary",
        *numbers(),
    }
    for one in (person, refused, away):
        plain |= {one.citizen, one.patient, one.patient.partition("/")[2]}
    raw = [record(), record()[1:7], WORDS, spot_packet(199, 87)]
    coded = {data.hex() for data in raw} | {base64.b64encode(data).decode() for data in raw}
    coded |= {repr(data)[2:-1] for data in raw} | {json.dumps(repr(data)[2:-1])[1:-1] for data in raw}
    return {form for word in plain for form in (word, word.lower(), quote(word, safe=""))} | coded


class Refusing(BaseHTTPRequestHandler):
    """A PGO that refuses everything, and quotes it back as some do."""

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["content-length"])).decode()
        issue = {"severity": "error", "code": "invalid", "diagnostics": said, "details": {"text": said}}
        body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
        self.send_response(422)
        self.send_header("content-type", "application/fhir+json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Its own log is not ours."""


@pytest.fixture
def refusing():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/fhir"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["text", "json", "bridge"])
def log(request, monkeypatch):
    """The daemons' own log in each of its forms, as text."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    kept = logging.root.handlers[:], logging.root.level
    if request.param == "bridge":
        cloud_bridge.notify.log_to_stderr()
    else:
        gateway.logs.log_to_stderr(request.param)
    yield written
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = kept[0], kept[1]


def words_of(log: io.StringIO) -> set[str]:
    """The words of all events, in either form."""
    found = re.findall(r'"event": "([\w-]+)"|\]\s+([\w-]+)', log.getvalue())
    return {one or other for one, other in found}


def assert_nothing_personal(log: io.StringIO, words: set[str]) -> None:
    lines = [TIMESTAMP.sub("", line) for line in log.getvalue().splitlines()]
    hits = [(word, line) for line in lines for word in words if word in line]
    assert not hits


def person(village, url: str) -> Person:
    """A citizen whose receiver is at this address."""
    patient = f"Patient/p-canary-{len(url)}"
    with village.bridge.database.transaction() as connection:
        citizen = administration.add_citizen(connection, village.household)
        administration.link(connection, citizen, administration.add_receiver(connection, url), patient)
    return Person(citizen, None, patient)


def visit(hub, device: Device, driver, source: str, *frames: bytes) -> None:
    clock = DeviceClock(DEVICE_TIME, hub.clock.mono_ms(), written=False) if source == "2a35" else None
    there = Visit(device, driver, clock, battery=71)
    hub.hub.visits.opened(there)
    with suppress(OutboxError):  # not stored: the radio hangs up
        for data in frames:
            hub.hub.visits.received(there, source, data)
    hub.hub.visits.closed(there)


def _disk_full(*_: object, **__: object) -> None:
    raise OutboxError("disk-full")


def _quotes(*_: object, **__: object) -> None:
    raise ValueError(f"cannot do {SYSTOLIC / 100} of {WORDS.decode()} at {ADDRESS}")


def test_the_canaries_are_seen_where_they_stand(log):
    """The search itself: a log that did write them would be noticed, in each form."""
    anyone = Person("citizen-canary", None, "Patient/p-canary")
    for form in (ADDRESS, record().hex(), repr(record()), "21.73", "patient/p-canary"):
        structlog.get_logger().info("slip", said=form)
        with pytest.raises(AssertionError):
            assert_nothing_personal(log, planted(anyone, anyone, anyone))
        log.truncate(0)
        log.seek(0)


def test_what_libraries_say_is_not_written_word_by_word(log):
    library = logging.getLogger("bleak.backends.bluezdbus")
    library.warning("no reply of %s", ADDRESS)
    library.debug("heard %s", record().hex())
    try:
        _quotes()
    except ValueError:
        library.exception("trouble with %s", ADDRESS)
    assert words_of(log) == {"library-warning"}
    assert log.getvalue().count("\n") == 2
    assert "ValueError" in log.getvalue()
    anyone = Person("citizen-canary", None, "Patient/p-canary")
    assert_nothing_personal(log, planted(anyone, anyone, anyone))


def go_every_way(village, hub, anna, refused, away):
    """Held, then bound and delivered; refused; out of reach."""
    visit(hub, CUFF, BloodPressure, "2a35", record(), record())
    village.settle()
    village.bind(anna, CUFF.identity)
    village.settle()
    assert anna.found(), "a reading with these numbers arrived"
    for one, device in ((refused, OTHER), (away, THIRD)):
        village.bind(one, device.identity)
        visit(hub, device, BloodPressure, "2a35", record(36))
        village.run(5)
    visit(hub, OXIMETER, NoninSerial, "serial", spot_packet(199, 87))
    village.run(5)


def be_spoiled(village, hub):
    """Bytes that are none, envelopes altered on the way, messages of nobody."""
    visit(hub, CUFF, BloodPressure, "2a35", b"\x0f" + WORDS[:5], WORDS)
    village.wire.up.append(Alter(is_envelope, lambda raw: raw[:-9] + WORDS, times=2))
    village.run(3)
    village.wire.up.clear()
    village.run(70)
    for payload in (WORDS, b"\x82" + WORDS, record()):
        for topic in (up(hub.name, ENVELOPE), up(hub.name, HELLO), up("x", KEY), up(hub.name, KEY)):
            village.bridge.hear([(topic, payload)])
    village.bridge.hear([("hub/" + WORDS.decode() + "/" + ADDRESS, WORDS)])
    hub.hub.state_arrived(WORDS)


def be_told(village, hub, anna):
    """What people say, and what cannot be."""
    hub.say("mine", citizen="citizen-" + WORDS.decode(), refs=[bytes(32)])
    hub.say("answer", citizen=anna.citizen, refs=[bytes(16)], answer=WORDS.decode())
    pause = hub.say("pause", citizen=anna.citizen)
    hub.say("resume", citizen=anna.citizen, refs=[pause])
    village.run(5)


def fail(village, hub, monkeypatch):
    """Faults of ours, with texts that quote what was at hand."""
    with monkeypatch.context() as broken:
        broken.setattr(hub.outbox, "capture", _disk_full)
        visit(hub, CUFF, BloodPressure, "2a35", record(35))
    village.bridge.take_with(_quotes)
    visit(hub, CUFF, BloodPressure, "2a35", record(34))
    village.run(5)
    village.restart_bridge()
    village.run(70)
    with monkeypatch.context() as broken:
        broken.setitem(deliver.RENDERINGS, "r4", _quotes)
        visit(hub, CUFF, BloodPressure, "2a35", record(33))
        village.run(5)
    with monkeypatch.context() as broken:
        broken.setattr(deliver.FhirReceiver, "deliver", _quotes)
        visit(hub, CUFF, BloodPressure, "2a35", record(32))
        village.run(5)


def test_no_way_of_a_reading_leaves_anything_personal_in_a_log(log, village, pgo, refusing, monkeypatch):
    anna, refused, away = (
        village.person(pgo),
        person(village, refusing),
        person(village, "http://127.0.0.1:9/r4"),
    )
    hub = village.gateway()
    village.run(2)
    go_every_way(village, hub, anna, refused, away)
    be_spoiled(village, hub)
    be_told(village, hub, anna)
    fail(village, hub, monkeypatch)
    codes = {code for code, _ in village.held()}
    assert {"rendering-failed", "receiver-refused", "undecoded"} <= codes
    expected = {"visit-opened", "visit-closed", "record", "state", "state-refused", "not-stored"}
    expected |= {"envelope-refused", "envelope-failed", "topic-refused", "message-refused"}
    expected |= {"delivered", "delivery-refused", "not-delivered-yet", "connector-failed"}
    assert expected <= words_of(log)
    assert len(log.getvalue().splitlines()) > 40
    assert_nothing_personal(log, planted(anna, refused, away))


async def test_the_radio_leaves_no_address_in_a_log(log, live_village, pgo, tmp_path):
    anna = live_village.person(pgo)
    live_village.bind(anna, ADDRESS)
    hub = live_village.gateway()
    house = House(tmp_path / "house")
    meter = await house.meter(ADDRESS)
    radio = await house.listen(hub, ADDRESS)
    await meter.measure(131, 84, 99, 66)
    await until(lambda: radio.facts.devices[ADDRESS].failures > 0, 20)
    await meter.pairing_mode()
    await meter.truth.wait_for("confirmed", 1)
    await until(lambda: not radio.facts.devices[ADDRESS].busy)
    await house.close()
    live_village.settle()
    assert {"visit-failed", "visit-opened", "visit-ended", "paired", "delivered"} <= words_of(log)
    assert_nothing_personal(log, planted(anna, anna, anna))
