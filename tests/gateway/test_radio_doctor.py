"""What the doctor says of radio and bonds: from the running daemon, or from BlueZ where none runs."""

import asyncio
import contextlib
import json

import pytest

from gateway import radio_doctor
from gateway.__main__ import main
from gateway.config import load
from gateway.control import serve
from gateway.drivers.blood_pressure import BloodPressure
from gateway.pairing.desk import Desk
from gateway.pairing.steps import FREE_EN, steps_for
from gateway.pairing.window import PairingWindow
from gateway.radio import BluetoothDevice, RadioError
from gateway.radio_doctor import examine_radio
from tests.gateway.bluez_fixtures import BlueZ, needs_bus
from tests.gateway.config_fixtures import TEXT, write
from tests.gateway.radio_fixtures import METER, House, Hub, until

OLD = "C0:FF:EE:00:00:01"  # stands in TEXT
IDENTITY = "device bluetooth-C0FFEE000001"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    return configured(tmp_path)


def configured(tmp_path, *, bond=False):
    text = TEXT.replace('adapter = "none"', 'adapter = "hci0"')
    more = f'address = "{OLD}"\nbond = {str(bond).lower()}'
    return load(write(tmp_path, text.replace(f'address = "{OLD}"', more)))


async def looked(config):
    """As the doctor does: from a thread, for it has an event loop of its own."""
    rows = await asyncio.to_thread(examine_radio, config)
    return {row.point: row for row in rows}


@contextlib.asynccontextmanager
async def daemon(tmp_path):
    house = House(tmp_path / "house")
    (tmp_path / "house").mkdir()
    radio = await house.radio(Hub(), devices=[BluetoothDevice(METER, BloodPressure, "mine")])
    desk = Desk(radio, PairingWindow(), None, takes=True)
    serving = asyncio.ensure_future(serve(tmp_path / "data", desk.serve))
    try:
        await until(lambda: radio.facts.scanning and (tmp_path / "data" / "control.sock").exists())
        yield radio
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await house.close()


async def test_a_running_hub_says_how_it_is(tmp_path, config):
    async with daemon(tmp_path) as radio:
        rows = await looked(config)
        assert {point: row.code for point, row in rows.items()} == {"radio": None, "device mine": None}
        assert rows["radio"].detail == "unproven"
        assert rows["device mine"].detail == "not heard yet"
        radio.facts.devices["mine"].seen_at = 1.0
        assert (await looked(config))["device mine"].detail == "heard"


@pytest.mark.parametrize("code", ["bond-lost", "bond-elsewhere", "pairing-needed", "connect-failed"])
async def test_a_bond_that_is_gone_comes_with_the_steps_of_that_make(tmp_path, config, code):
    async with daemon(tmp_path) as radio:
        facts = radio.facts.devices["mine"]
        facts.problem, facts.manufacturer = RadioError(code, "why"), "A&D Medical"
        row = (await looked(config))["device mine"]
        assert (row.code, row.detail) == (code, "why")
        assert row.steps == steps_for("blood-pressure", "A&D Medical")
        assert any("Doe daarna één meting" in step for step in row.steps.nl)


async def test_what_pairing_does_not_mend_comes_without_steps(tmp_path, config):
    async with daemon(tmp_path) as radio:
        radio.facts.devices["mine"].problem = RadioError("frame-flood")
        assert (await looked(config))["device mine"].steps is None
        radio.facts.problem = RadioError("radio-silent", "obeys")
        assert (await looked(config))["radio"].code == "radio-silent"


@pytest.mark.parametrize("says", ["nothing", "goodbye"])
async def test_a_daemon_that_does_not_answer(tmp_path, config, monkeypatch, says):
    monkeypatch.setattr(radio_doctor, "ANSWER_S", 0.2)

    async def answers(channel):
        await channel.hear()
        if says == "nothing":
            await channel.hear()

    serving = asyncio.ensure_future(serve(tmp_path / "data", answers))
    await until((tmp_path / "data" / "control.sock").exists)
    assert (await looked(config))["radio"].code == "daemon-unreachable"
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@needs_bus
class TestWithoutDaemon:
    @pytest.fixture(autouse=True)
    def _system_bus(self, bus_address, monkeypatch):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_address)

    async def test_an_adapter_that_is_on(self, bus_address, config):
        async with BlueZ(bus_address):
            rows = await looked(config)
        assert {point: (row.code, row.detail) for point, row in rows.items()} == {
            "radio": (None, "hci0 on"),
            IDENTITY: (None, ""),
        }

    async def test_an_adapter_that_is_off(self, bus_address, config):
        async with BlueZ(bus_address) as bluez:
            bluez.adapter.powered = False
            assert (await looked(config))["radio"].code == "adapter-off"

    async def test_no_bluetoothd(self, config):
        assert (await looked(config))["radio"].code == "adapter-missing"

    @pytest.mark.parametrize(
        ("adapters", "code"),
        [(["hci0"], None), (["hci0", "hci1"], None), (["hci1"], "bond-other-adapter"), ([], "bond-lost")],
    )
    async def test_where_the_bonds_are(self, tmp_path, bus_address, adapters, code):
        async with BlueZ(bus_address) as bluez:
            for adapter in adapters:
                bluez.remember(OLD, adapter=f"/org/bluez/{adapter}")
            row = (await looked(configured(tmp_path, bond=True)))[IDENTITY]
        assert row.code == code
        assert row.detail == ", ".join(adapters)
        assert (row.steps is None) == (code is None)


def test_the_doctor_shows_the_steps(tmp_path, config, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    path = tmp_path / "gateway.toml"
    lost = radio_doctor.Trouble(IDENTITY, "bond-lost", "", steps_for("blood-pressure"))
    main(["doctor", "--config", str(path)])
    assert "PROBLEM radio: " in capsys.readouterr().out
    monkeypatch.setattr("gateway.doctor.examine_radio", lambda _: [lost])
    main(["doctor", "--config", str(path)])
    said = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(said) if line.startswith(f"PROBLEM {IDENTITY}"))
    assert said[place + 1] == "  - " + FREE_EN
    main(["doctor", "--json", "--config", str(path)])
    row = json.loads(capsys.readouterr().out)[-1]
    assert row["point"] == IDENTITY
    assert FREE_EN in row["steps"]["en"]
