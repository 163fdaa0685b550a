"""Pairing as a person goes through it: the desk's rows, a virtual meter in the air, the agent on a real D-Bus."""

import asyncio
import contextlib

import pytest
from dbus_fast import DBusError

from gateway.control import inside
from gateway.drivers.blood_pressure import BloodPressure
from gateway.pairing import desk as pairing_desk
from gateway.pairing.agent import PATH, SILENT, SPEAKING, PairingAgent
from gateway.pairing.desk import Desk
from gateway.pairing.window import PairingWindow
from gateway.radio import BluetoothDevice
from tests.gateway.bluez_fixtures import BlueZ, needs_bus
from tests.gateway.radio_fixtures import METER, House, Hub, measured, until

DEVICE = "/org/bluez/hci0/dev_" + METER.replace(":", "_")
OTHER = "F0:5A:01:00:00:09"
PAIR = {"do": "pair", "address": METER, "driver": "blood-pressure"}


class Room:
    """A hub with its desk; `channel` is the person's side."""

    def __init__(self, house, hub, radio, window, desk, channel):
        self.house, self.hub, self.radio, self.window = house, hub, radio, window
        self.desk, self.channel = desk, channel

    async def told(self, event, channel=None):
        """The next row of this event; others are passed over."""
        async with asyncio.timeout(20):
            while (row := await (channel or self.channel).hear())["event"] != event:
                assert row["event"] not in ("failed", "paired"), row
        return row


@contextlib.asynccontextmanager
async def room(tmp_path, agent=None, *, takes=True, window=None):
    house, hub, window = House(tmp_path), Hub(), window or PairingWindow()
    try:
        radio = await house.radio(hub, pairing_open=window.is_open, devices=[])
        desk = Desk(radio, window, agent, takes=takes)
        async with inside(desk.serve) as channel:
            yield Room(house, hub, radio, window, desk, channel)
    finally:
        await house.close()


async def test_finds_a_device_that_a_driver_knows(tmp_path):
    async with room(tmp_path) as here:
        meter = await here.house.meter()
        await meter.pairing_mode()
        here.channel.say({"do": "find"})
        row = await here.told("found")
        assert row["rssi"] < 0
        del row["rssi"]
        assert row == {
            "event": "found",
            "address": METER,
            "name": meter.name,
            "drivers": ["blood-pressure"],
            "bonded": False,
        }


async def test_pairs_and_from_then_on_the_hub_reads_it(tmp_path):
    async with room(tmp_path) as here:
        meter = await here.house.meter()
        await meter.pairing_mode()
        here.channel.say({"do": "find"})
        await here.told("found")
        here.channel.say(PAIR)
        assert (await here.told("pairing"))["driver"] == "blood-pressure"
        row = await here.told("paired")
        assert row == {
            "event": "paired",
            "address": METER,
            "driver": "blood-pressure",
            "bond": True,
            "identity": "bluetooth-" + METER.replace(":", ""),
            "name": meter.name,
            "manufacturer": "Meethub",
            "model": "BP-SIM",
            "listening": True,
        }
        assert not here.window.is_open(METER)
        sent = await measured(meter, 2)
        await here.hub.until(lambda: len(here.hub.values()) == 2)
        assert here.hub.values() == sent
        assert here.radio.device(METER).bond
        assert len(meter.truth.of("paired")) == 1


async def test_what_a_device_says_of_itself_is_fit_for_a_terminal(tmp_path):
    async with room(tmp_path) as here:
        meter = await here.house.meter(manufacturer="\x1b[2JMake\r\nr", model="M" * 60)
        await meter.pairing_mode()
        here.channel.say(PAIR)
        row = await here.told("paired")
        assert (row["manufacturer"], row["model"]) == ("[2JMaker", "M" * 32)


async def test_a_device_that_the_hub_has_keeps_its_users(tmp_path):
    async with room(tmp_path) as here:
        here.radio.add(BluetoothDevice(METER, BloodPressure, "mine", users=((1, 1234),)))
        meter = await here.house.meter()
        await meter.pairing_mode()
        here.channel.say(PAIR)
        assert (await here.told("paired"))["identity"] == "mine"
        assert here.radio.device(METER) == BluetoothDevice(
            METER, BloodPressure, "mine", ((1, 1234),), bond=True
        )


async def test_without_a_hub_nothing_is_read(tmp_path):
    async with room(tmp_path, takes=False) as here:
        meter = await here.house.meter()
        await meter.pairing_mode()
        here.channel.say(PAIR)
        assert not (await here.told("paired"))["listening"]
        assert here.radio.devices == []


async def test_a_meter_that_is_not_in_pairing_mode(tmp_path):
    async with room(tmp_path) as here:
        meter = await here.house.meter()
        await measured(meter, 1)
        here.channel.say(PAIR)
        assert (await here.told("failed"))["code"] == "pairing-failed"
        assert not here.window.is_open(METER)


async def test_a_meter_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(pairing_desk, "PAIR_WITHIN_S", 0.3)
    async with room(tmp_path) as here:
        here.channel.say(PAIR)
        assert (await here.told("failed"))["code"] == "device-not-found"


@pytest.mark.parametrize("driver", ["no-such", "nonin-serial", None])
async def test_a_driver_that_is_none_for_bluetooth(tmp_path, driver):
    async with room(tmp_path) as here:
        here.channel.say({**PAIR, "driver": driver})
        assert (await here.told("failed"))["code"] == "driver-unknown"


async def test_one_person_at_a_time(tmp_path):
    async with room(tmp_path) as here:
        here.channel.say({"do": "find"})
        await until(here.desk.busy.locked)
        async with inside(here.desk.serve) as second:
            second.say(PAIR)
            assert (await here.told("failed", second))["code"] == "pairing-taken"
            second.say({"do": "status"})
            assert (await here.told("status", second))["devices"] == []
        await here.channel.close()
        await until(lambda: not here.desk.busy.locked())
        async with inside(here.desk.serve) as third:
            meter = await here.house.meter()
            await meter.pairing_mode()
            third.say({"do": "find"})
            await here.told("found", third)


async def stubborn(house):
    """A meter that hangs up each time, so that its pairing goes on until somebody ends it."""
    meter = await house.meter()
    meter._device.on("connection", lambda link: asyncio.ensure_future(link.disconnect()))
    await meter.pairing_mode()


async def test_pairing_opens_for_a_device_that_is_there_and_closes_when_the_person_goes(tmp_path):
    async with room(tmp_path) as here:
        here.channel.say(PAIR)
        await here.told("pairing")
        assert not here.window.is_open(METER)
        await stubborn(here.house)
        await until(lambda: here.window.is_open(METER))
        await here.channel.close()
        await until(lambda: not here.window.is_open(METER))


async def test_pairing_closes_when_something_else_is_wished(tmp_path):
    async with room(tmp_path) as here:
        await stubborn(here.house)
        here.channel.say(PAIR)
        await here.told("pairing")
        await until(lambda: here.window.is_open(METER))
        here.channel.say({"do": "find"})
        await until(lambda: not here.window.is_open(METER))
        await here.told("found")


async def test_what_is_no_wish_is_not_heard(tmp_path):
    async with room(tmp_path) as here:
        for row in ({"answer": "123456"}, {"do": "erase"}, {}):
            here.channel.say(row)
        here.channel.say({"do": "status"})
        status = await here.told("status")
        assert (status["devices"], status["code"]) == ([], None)


async def test_a_device_that_never_bonds_is_only_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(BloodPressure, "adverts", True)
    async with room(tmp_path, takes=False) as here:
        meter = await here.house.meter()
        await measured(meter, 1)
        here.channel.say(PAIR)
        assert (await here.told("paired"))["bond"] is False
        assert meter.truth.of("connected") == []


async def test_a_device_that_gets_a_key_of_the_hub_is_paired_in_a_visit(tmp_path, monkeypatch):
    monkeypatch.setattr(BloodPressure, "keeps_secret", True)
    async with room(tmp_path) as here:
        meter = await here.house.meter()
        await meter.pairing_mode()
        here.channel.say(PAIR)
        row = await here.told("paired")
        assert (row["bond"], row["model"]) == (True, "BP-SIM")
        assert here.hub.visits[0].pairing
        assert len(meter.truth.of("connected")) == 1
        await meter.forget_bonds()
        await meter.pairing_mode()
        here.channel.say(PAIR)
        await here.told("paired")
        assert len(meter.truth.of("paired")) == 2


async def test_such_a_device_needs_the_running_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(BloodPressure, "keeps_secret", True)
    async with room(tmp_path, takes=False) as here:
        here.channel.say(PAIR)
        assert (await here.told("failed"))["code"] == "daemon-needed"


async def test_such_a_visit_may_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(BloodPressure, "keeps_secret", True)
    async with room(tmp_path) as here:
        meter = await here.house.meter()
        await measured(meter, 1)
        here.channel.say(PAIR)
        assert (await here.told("failed"))["code"] == "pairing-failed"


async def test_the_status_tells_each_device_and_what_is_wrong(tmp_path):
    async with room(tmp_path) as here:
        here.radio.add(BluetoothDevice(METER, BloodPressure, "mine"))
        meter = await here.house.meter()
        await meter.pairing_mode()
        await until(lambda: here.radio.facts.devices["mine"].problem is not None)
        here.channel.say({"do": "status"})
        status = await here.told("status")
        assert status["proof"] == "hears"
        assert status["devices"] == [
            {
                "identity": "mine",
                "driver": "blood-pressure",
                "told": [meter.name, "", ""],
                "seen": True,
                "bonded": None,
                "code": "pairing-needed",
                "detail": "",
            }
        ]


# --- what BlueZ asks ---


@contextlib.asynccontextmanager
async def asked(tmp_path, bus_address):
    """A room in which a device is being paired, and BlueZ that asks about it."""
    window = PairingWindow()
    async with BlueZ(bus_address) as bluez, PairingAgent(window, bus_address) as agent:
        await asyncio.wait_for(agent.registered.wait(), 10)
        async with room(tmp_path, agent, window=window) as here:
            await stubborn(here.house)
            here.channel.say(PAIR)
            await here.told("pairing")
            await until(lambda: window.is_open(METER))
            assert bluez.manager.registered == [(PATH, SPEAKING)]
            (name,) = await bluez.others()

            def ask(member, signature, *body):
                return asyncio.ensure_future(bluez.asks(name, PATH, member, signature, list(body)))

            yield here, ask, bluez
            await here.channel.close()
            await until(lambda: bluez.manager.registered == [(PATH, SILENT)])


@needs_bus
class TestAsked:
    @pytest.mark.parametrize(
        ("typed", "passkey"), [("123456", 123456), ("012 345", 12345), (" 7", 7), ("000000", 0)]
    )
    async def test_the_code_that_the_device_shows(self, tmp_path, bus_address, typed, passkey):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            reply = ask("RequestPasskey", "o", DEVICE)
            assert (await here.told("asks"))["question"] == "passkey"
            here.channel.say({"answer": typed})
            assert await reply == [passkey]

    @pytest.mark.parametrize("typed", ["", "1234567", "12a456", "-1", "١٢٣٤٥٦", None, True])
    async def test_what_is_no_code(self, tmp_path, bus_address, typed):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            reply = ask("RequestPasskey", "o", DEVICE)
            await here.told("asks")
            here.channel.say({"answer": typed})
            with pytest.raises(DBusError) as canceled:
                await reply
            assert canceled.value.type == "org.bluez.Error.Canceled"

    @pytest.mark.parametrize("answer", [True, False, "true", None])
    async def test_the_same_number_on_both(self, tmp_path, bus_address, answer):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            reply = ask("RequestConfirmation", "ou", DEVICE, 1234)
            assert await here.told("asks") == {"event": "asks", "question": "same", "passkey": "001234"}
            here.channel.say({"answer": answer})
            if answer is True:
                assert await reply == []
            else:
                with pytest.raises(DBusError):
                    await reply

    async def test_a_code_to_type_on_the_device(self, tmp_path, bus_address):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            assert await ask("DisplayPasskey", "ouq", DEVICE, 42, 0) == []
            assert (await here.told("shows"))["passkey"] == "000042"

    async def test_a_question_that_bluez_gives_up(self, tmp_path, bus_address):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            reply = ask("RequestPasskey", "o", DEVICE)
            await here.told("asks")
            await ask("Cancel", "")
            await here.told("unasked")
            with pytest.raises(DBusError):
                await reply
            here.channel.say({"answer": "123456"})
            again = ask("RequestPasskey", "o", DEVICE)
            await here.told("asks")
            here.channel.say({"answer": "654321"})
            assert await again == [654321]

    async def test_another_device_that_pairs_at_the_same_time_gets_no_answer_of_this_person(
        self, tmp_path, bus_address
    ):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            here.window.open_for(OTHER)
            other = DEVICE.rpartition("/")[0] + "/dev_" + OTHER.replace(":", "_")
            for member, signature, more in (("RequestPasskey", "o", ()), ("RequestConfirmation", "ou", (5,))):
                with pytest.raises(DBusError):
                    await ask(member, signature, other, *more)
            await ask("DisplayPasskey", "ouq", other, 42, 0)
            here.channel.say({"do": "status"})
            await here.told("status")  # and nothing was asked or shown before

    async def test_the_person_goes_in_the_middle(self, tmp_path, bus_address):
        async with asked(tmp_path, bus_address) as (here, ask, _):
            reply = ask("RequestPasskey", "o", DEVICE)
            await here.told("asks")
            await here.channel.close()
            with pytest.raises(DBusError):
                await reply

    async def test_without_bluez_nobody_can_be_asked(self, tmp_path, bus_address, monkeypatch):
        monkeypatch.setattr("gateway.pairing.agent.REGISTERED_S", 0.2)
        async with PairingAgent(PairingWindow(), bus_address) as agent, room(tmp_path, agent) as here:
            await stubborn(here.house)
            here.channel.say(PAIR)
            assert (await here.told("failed"))["code"] == "agent-not-registered"
