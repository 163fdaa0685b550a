"""The serial port on pseudo-terminals, with the virtual oximeter and with hand-made devices."""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
import serial

from gateway import serial_port
from gateway.drivers.base import Driver
from gateway.drivers.nonin_serial import NoninSerial
from gateway.serial_port import SerialError, SerialLimits, SerialPort, open_port, problem_of
from gateway.simulator.devices.oximeter import Oximeter, packet
from gateway.wire.errors import MeethubError
from gateway.wire.items import Frame
from gateway.wire.measurement import Device

QUICK = SerialLimits(quiet_s=5, gather_s=0, first_retry_s=0.005, last_retry_s=0.01)


class Heard:
    """A hub that keeps what it hears and lets a test wait for it."""

    def __init__(self, answer=None):
        self.opened_visits = []
        self.closed_visits = []
        self.data = bytearray()
        self.answer = answer
        self.changed = asyncio.Event()

    def _news(self):
        self.changed.set()
        self.changed = asyncio.Event()

    def opened(self, visit):
        self.opened_visits.append(visit)
        self._news()

    def received(self, visit, source, data):
        assert source == "serial"
        assert visit is self.opened_visits[-1]
        self.data += data
        self._news()
        answer = self.answer(data) if self.answer else None
        return [Frame(source, 0, answer)] if answer else []

    def closed(self, visit):
        self.closed_visits.append(visit)
        self._news()

    async def until(self, true, timeout_s=10):
        async with asyncio.timeout(timeout_s):
            while not true():
                await self.changed.wait()


class Stop(Driver):
    """A device that waits for each answer."""

    name = "stop-and-wait"
    serial = (9600, 8, "N", 1)


@pytest.fixture
async def oximeter(tmp_path):
    made = Oximeter(tmp_path / "port", tmp_path, speed=1000, seed=1)
    made.plug_in()
    yield made
    if made.plugged_in:
        made.unplug()


@pytest.fixture
async def running():
    """Ports that run until the test ends."""
    tasks = []

    def run(port):
        tasks.append(asyncio.ensure_future(port.run()))
        return port

    yield run
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def port_on(path, listener, driver=NoninSerial, limits=QUICK, **options):
    return SerialPort(path, driver, Device("random-identity"), listener, limits=limits, **options)


def descriptors_open():
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(true, timeout_s=10):
    """Lets the loop go round until it is so."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 (facts are plain numbers)
            await asyncio.sleep(0)


def readings(data):
    driver = NoninSerial()
    records = driver.received(Frame("serial", 0, bytes(data))) + driver.finish()
    return [record.reading for record in records if record.reading]


async def test_every_byte_of_a_session_arrives(oximeter, running):
    listener = Heard()
    running(port_on(oximeter.path, listener))
    await oximeter.wait_for_listener(10)
    oximeter.noise(9)
    assert await oximeter.session([(97, 72), (96, 300)], first_skipped=3)
    await listener.until(lambda: len(listener.data) == 9 + 4 * 125 - 3 * 5)
    oximeter.unplug()
    await listener.until(lambda: listener.closed_visits)
    values = [{value.name: value.digits for value in reading.values} for reading in readings(listener.data)]
    (demanded,) = oximeter.truth.of("measured")
    assert values == [{"spo2": 96, "pulse-rate": 300}]
    assert demanded["values"] == {"spo2": "96", "pulse-rate": "300"}
    assert bytes.fromhex(demanded["hex"]) in bytes(listener.data)
    assert listener.opened_visits[0].device.identity == "random-identity"


async def test_bytes_before_the_end_are_not_lost(oximeter, running):
    """The cable is pulled out in the middle of a frame: what came before is heard, then the visit closes."""
    listener = Heard()
    running(port_on(oximeter.path, listener))
    await oximeter.wait_for_listener(10)
    sent = packet(95, 60)[:63]
    assert oximeter.send(sent)
    await listener.until(lambda: bytes(listener.data) == sent)
    oximeter.unplug()
    await listener.until(lambda: listener.closed_visits)
    assert bytes(listener.data) == sent


async def test_a_hundred_unplugs_leak_nothing(oximeter, running):
    listener = Heard()
    port = running(port_on(oximeter.path, listener))
    pieces = random.Random(5)
    sizes = [pieces.randrange(1, 125) for _ in range(100)]
    descriptors = None
    for count, size in enumerate(sizes, start=1):
        await oximeter.wait_for_listener(10)
        had = len(listener.data)
        oximeter.send(packet(95, 60)[:size])
        await listener.until(lambda had=had, size=size: len(listener.data) == had + size)
        if descriptors is None:
            descriptors = descriptors_open()
        oximeter.unplug()
        await listener.until(lambda count=count: len(listener.closed_visits) == count)
        oximeter.plug_in()
    await oximeter.wait_for_listener(10)
    assert descriptors_open() == descriptors
    assert len(listener.opened_visits) == 100
    assert len({visit.number for visit in listener.opened_visits}) == 100
    assert len(listener.data) == sum(sizes)
    assert port.facts.opened_times == 101


async def test_a_port_that_appears_later(tmp_path, running):
    listener = Heard()
    port = running(port_on(tmp_path / "port", listener))
    await until(lambda: port.facts.problem is not None)
    assert port.facts.problem.code == "port-missing"
    oximeter = Oximeter(tmp_path / "port", tmp_path, speed=1000)
    oximeter.plug_in()
    await oximeter.wait_for_listener(10)
    oximeter.send(b"\x01")
    await listener.until(lambda: listener.data)
    assert port.facts.problem is None
    oximeter.unplug()
    await listener.until(lambda: listener.closed_visits)


async def test_what_came_while_the_hub_was_held_up_is_no_silence(oximeter, running):
    """A disk that is slow to sync stops the event loop; the device went on talking meanwhile."""
    listener = Heard()
    limits = SerialLimits(quiet_s=0.2, gather_s=0)
    running(port_on(oximeter.path, listener, limits=limits))
    await oximeter.wait_for_listener(10)
    for count in range(1, 4):
        oximeter.send(packet(97, 72))
        await listener.until(lambda count=count: len(listener.data) >= count * 250 - 125)
        for _ in range(5):  # the port goes round and waits again
            await asyncio.sleep(0)
        oximeter.send(packet(96, 73))
        time.sleep(0.3)  # noqa: ASYNC251 (that is the point)
        await listener.until(lambda count=count: len(listener.data) == count * 250)
    assert listener.closed_visits == []


async def test_quiet_ends_the_visit_and_the_next_byte_begins_another(oximeter, running):
    listener = Heard()
    limits = SerialLimits(quiet_s=0.02, gather_s=0)
    running(port_on(oximeter.path, listener, limits=limits))
    await oximeter.wait_for_listener(10)
    for count in (1, 2):
        oximeter.send(packet(95, 60))
        await listener.until(lambda count=count: len(listener.closed_visits) == count)
    assert listener.opened_visits[0].number != listener.opened_visits[1].number


async def test_answers_are_written_back(oximeter, running):
    listener = Heard(answer=lambda data: b"\x06" if data.endswith(b"\x03") else None)
    running(port_on(oximeter.path, listener, driver=Stop))
    await oximeter.wait_for_listener(10)
    answered = asyncio.get_running_loop().create_future()
    master = oximeter._master
    asyncio.get_running_loop().add_reader(
        master, lambda: answered.done() or answered.set_result(os.read(master, 16))
    )
    oximeter.send(b"\x02abc\x03")
    assert await asyncio.wait_for(answered, 10) == b"\x06"
    asyncio.get_running_loop().remove_reader(master)


async def test_a_hub_that_cannot_store_closes_the_port_and_is_tried_again(oximeter, running):
    class FullError(MeethubError):
        pass

    class Full(Heard):
        def received(self, visit, source, data):
            if len(self.opened_visits) == 1:
                raise FullError("outbox-full")
            return super().received(visit, source, data)

    listener = Full()
    port = running(port_on(oximeter.path, listener))
    await oximeter.wait_for_listener(10)
    oximeter.send(b"\x01")
    await listener.until(lambda: listener.closed_visits)
    await until(lambda: port.facts.opened_times == 2)
    oximeter.send(b"\x02")
    await listener.until(lambda: listener.data == b"\x02")


async def test_a_forbidden_device_is_left_alone(oximeter, running):
    permitted = []
    listener = Heard()
    port = running(port_on(oximeter.path, listener, allowed=lambda: bool(permitted)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert port.facts.opened_times == 0
    permitted.append(True)
    await oximeter.wait_for_listener(10)


@pytest.mark.parametrize("driver", [NoninSerial, Stop])
async def test_a_full_hub_lets_go_of_a_port_that_is_open(oximeter, running, driver):
    """Unread bytes stay with the device or are gone with it; read ones would be drained into nothing."""
    permitted = [True]
    listener = Heard()
    port = running(port_on(oximeter.path, listener, driver=driver, allowed=lambda: bool(permitted)))
    await oximeter.wait_for_listener(10)
    oximeter.send(b"\x01")
    await listener.until(lambda: listener.data)
    permitted.clear()
    oximeter.send(b"\x02")
    await listener.until(lambda: listener.closed_visits)
    await until(lambda: not port.facts.open)
    assert listener.data == b"\x01"
    permitted.append(True)
    await until(lambda: port.facts.opened_times == 2)


async def test_a_full_hub_lets_go_of_a_port_that_is_silent(oximeter, running):
    permitted = [True]
    limits = SerialLimits(quiet_s=0.02, gather_s=0)
    port = running(port_on(oximeter.path, Heard(), limits=limits, allowed=lambda: bool(permitted)))
    await oximeter.wait_for_listener(10)
    permitted.clear()
    await until(lambda: not port.facts.open)


async def test_a_cable_pulled_out_during_the_answer_ends_only_the_visit(oximeter, running):
    """The device sends its packet and is gone before our answer: that is an EIO of the write."""

    def unplugged(data):
        if data == b"\x01":
            oximeter.unplug()
            oximeter.plug_in()
        return b"\x06"

    listener = Heard(answer=unplugged)
    port = running(port_on(oximeter.path, listener, driver=Stop))
    await oximeter.wait_for_listener(10)
    oximeter.send(b"\x01")
    await listener.until(lambda: listener.closed_visits)
    await until(lambda: port.facts.opened_times == 2)
    oximeter.send(b"\x02")
    await listener.until(lambda: listener.data == b"\x01\x02")


async def test_the_port_is_ours_alone(oximeter, running):
    listener = Heard()
    running(port_on(oximeter.path, listener))
    await oximeter.wait_for_listener(10)
    with pytest.raises(serial.SerialException) as taken:
        open_port(str(oximeter.path), NoninSerial)
    assert problem_of(taken.value).code == "port-taken"


def test_settings_come_from_the_driver(monkeypatch):
    """A pty ignores them, so the arguments are looked at."""
    given = {}

    class Recorder:
        def __init__(self, path, **settings):
            given.update(settings, path=path)

    monkeypatch.setattr(serial_port.serial, "Serial", Recorder)

    class Scale(Driver):
        name = "scale"
        serial = (2400, 7, "E", 2)

    open_port("/dev/x", Scale)
    assert (given["baudrate"], given["bytesize"], given["parity"], given["stopbits"]) == (2400, 7, "E", 2)
    assert given["timeout"] == 0
    assert given["exclusive"] is True


def test_a_driver_without_a_cable_is_refused():
    with pytest.raises(SerialError, match="driver-not-serial"):
        SerialPort("/dev/x", Driver, Device("x"), Heard())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(), "port-missing"),
        (serial.SerialException(2, "no such file"), "port-missing"),
        (PermissionError(), "port-forbidden"),
        (serial.SerialException(13, "denied"), "port-forbidden"),
        (serial.SerialException(16, "busy"), "port-taken"),
        (OSError(5, "I/O"), "port-failed"),
        (ValueError("rate"), "port-failed"),
    ],
)
def test_problems_have_codes(error, code):
    assert problem_of(error).code == code


# --- a device that speaks only when it is asked ---


class Meter(Driver):
    """Asks, asks once more, and gives up; what comes is understood when it begins with "ok"."""

    name = "meter"
    serial = (9600, 8, "N", 1)
    serial_others = ((38400, 8, "E", 2),)
    asks = True


class Asking(Heard):
    """A hub whose driver owes three questions a visit."""

    def __init__(self):
        super().__init__()
        self.turns = []

    def _ask(self, visit, what):
        self.turns.append(what)
        asked = sum(turn != "received" for turn in self.turns[self._since :])
        visit.patience_s = 0.02 if asked < 3 else None
        self._news()
        return [Frame("serial", 0, b"?")] if visit.patience_s else []

    def begun(self, visit):
        self._since = len(self.turns)
        return self._ask(visit, "begun")

    def silent(self, visit):
        return self._ask(visit, "silent")

    def received(self, visit, source, data):
        self.turns.append("received")
        visit.patience_s, visit.understood = None, data.startswith(b"ok")
        return super().received(visit, source, data)


@pytest.fixture
def plugged(running):
    master, slave = os.openpty()
    listener = Asking()
    limits = SerialLimits(poll_s=0.02, rest_s=60, settle_s=0.02, gather_s=0, first_retry_s=0.005)
    port = SerialPort(os.ttyname(slave), Meter, Device("port-x"), listener, limits=limits)
    running(port)
    yield master, listener
    os.close(master)
    os.close(slave)


async def test_a_device_that_is_asked_is_asked_until_it_is_there(plugged):
    master, listener = plugged
    await listener.until(lambda: len(listener.closed_visits) == 2)
    assert listener.turns[:6] == ["begun", "silent", "silent"] * 2
    assert os.read(master, 100)[:4] == b"????"
    os.write(master, b"ok")
    await listener.until(lambda: any(visit.understood for visit in listener.closed_visits))
    visits = len(listener.opened_visits)
    os.write(master, b"more")  # what comes unasked begins a visit all the same
    await listener.until(lambda: len(listener.opened_visits) == visits + 1)


async def test_a_device_that_is_not_understood_is_tried_at_its_other_speed(plugged, monkeypatch):
    tried = []
    monkeypatch.setattr(serial.Serial, "apply_settings", lambda _, chosen: tried.append(chosen["baudrate"]))
    _, listener = plugged
    await listener.until(lambda: len(listener.closed_visits) == 3)
    assert tried[:3] == [38400, 9600, 38400]


class Chatter(Meter):
    """Talks by itself, and tells values that its driver chooses of."""

    asks = False
    cuts = True


async def test_a_device_that_talks_without_being_understood_is_heard_at_its_other_speed(running, monkeypatch):
    tried = []
    monkeypatch.setattr(serial.Serial, "apply_settings", lambda _, chosen: tried.append(chosen["baudrate"]))
    master, slave = os.openpty()
    listener = Heard()
    limits = SerialLimits(quiet_s=60, strange_s=0, gather_s=0, first_retry_s=0.005)
    port = SerialPort(os.ttyname(slave), Chatter, Device("port-x"), listener, limits=limits)
    running(port)
    await until(lambda: port.facts.open)
    for visits in (1, 2):
        os.write(master, b"what?")
        await listener.until(lambda visits=visits: len(listener.closed_visits) == visits)
    assert tried == [38400, 9600]
    os.close(master)
    os.close(slave)


def test_the_settings_of_a_driver():
    first, second = serial_port.settings(Meter)
    assert (first["baudrate"], first["parity"], first["stopbits"]) == (9600, serial.PARITY_NONE, 1)
    assert (second["baudrate"], second["parity"], second["stopbits"]) == (38400, serial.PARITY_EVEN, 2)
