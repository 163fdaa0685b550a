"""`meethub-gateway pair` as an installer and as a program use it, with the daemon and without."""

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cloud_bridge.authority import Authority
from gateway.__main__ import OK, UNREACHABLE, USAGE, main
from gateway.config import BluetoothEntry, load
from gateway.control import Channel, serve
from gateway.outbox import Outbox
from gateway.pairing import command as pair_command
from gateway.pairing.command import Wish, pair
from gateway.pairing.desk import Desk
from gateway.pairing.window import PairingWindow
from gateway.simulator.process import Program, free_port, wait_until
from gateway.wire.catalogue import CODES
from gateway.wire.errors import MeethubError
from tests.gateway.config_fixtures import TEXT, write
from tests.gateway.hub_tls import Installed
from tests.gateway.radio_fixtures import METER, House, Hub, measured, until

CONFIG = TEXT.replace('adapter = "none"', 'adapter = "hci0"')
ENTRY = BluetoothEntry(METER, "blood-pressure", bond=True)


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def config(tmp_path):
    path = write(tmp_path, CONFIG)
    (tmp_path / "data").mkdir(mode=0o700)
    return path


@pytest.fixture
def keyboard(monkeypatch):
    """A terminal: what is written to it is typed."""
    ours, theirs = pty.openpty()
    stdin = os.fdopen(theirs, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    yield lambda text: os.write(ours, text.encode() + b"\n")
    os.close(ours)
    stdin.close()


@pytest.fixture
def pipe(monkeypatch):
    """Lines from a program."""
    read, write_end = os.pipe()
    stdin, typed = os.fdopen(read), os.fdopen(write_end, "w")
    monkeypatch.setattr(sys, "stdin", stdin)
    yield typed
    with contextlib.suppress(OSError):
        typed.close()
    stdin.close()


@contextlib.asynccontextmanager
async def daemon(tmp_path):
    """A hub's radio and desk behind the socket in the data directory, and the air."""
    house, hub, window = House(tmp_path / "house"), Hub(), PairingWindow()
    (tmp_path / "house").mkdir()
    radio = await house.radio(hub, pairing_open=window.is_open, devices=[])
    desk = Desk(radio, window, None, takes=True)
    serving = asyncio.ensure_future(serve(tmp_path / "data", desk.serve))
    try:
        await until((tmp_path / "data" / "control.sock").exists)
        yield house, hub, desk
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await house.close()


async def refused(wish):
    with pytest.raises(MeethubError) as error:
        await pair(wish)
    return error.value.code


def rows(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- for people ---


async def test_one_device_is_paired_and_configured(tmp_path, config, capsys):
    async with daemon(tmp_path) as (house, hub, _):
        meter = await house.meter()
        await meter.pairing_mode()
        await pair(Wish(config, address=METER.lower()))
        assert ENTRY in load(config).bluetooth
        sent = await measured(meter, 1)
        await hub.until(lambda: hub.values() == sent)
    said = capsys.readouterr().out
    assert f"Paired: Meethub BP-SIM {METER}" in said
    assert f"Put into the configuration: {config}" in said
    assert "The hub listens to it from now on." in said
    assert "--device bluetooth-F05A01000001" in said
    assert "Remove the device from the app" in said, "what to do now"
    assert "Start on the hub" not in said


@pytest.mark.parametrize("choice", ["1", METER.lower()])
async def test_a_person_chooses_from_the_list(tmp_path, config, capsys, keyboard, choice):
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await meter.pairing_mode()
        keyboard("7")
        running = asyncio.ensure_future(pair(Wish(config)))
        said = ""
        while "dBm" not in said:
            await asyncio.sleep(0.01)
            said += capsys.readouterr().out
        keyboard(choice)
        await running
    said += capsys.readouterr().out
    assert "That is not in the list: 7" in said
    assert f" 1  {METER}  {meter.name}" in said
    assert "Paired:" in said


async def test_in_dutch(tmp_path, config, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "nl_NL.UTF-8")
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await meter.pairing_mode()
        await pair(Wish(config, address=METER))
    said = capsys.readouterr().out
    assert "Gekoppeld: Meethub BP-SIM" in said
    assert "Doe nu dit:" in said


async def test_nobody_chooses_where_nobody_types(tmp_path, config, capsys, pipe):
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await meter.pairing_mode()
        await pair(Wish(config, seconds=1))
    assert f"meethub-gateway pair --address {METER}" in capsys.readouterr().out


async def test_a_refusal_tells_how_it_is_done(tmp_path, config, capsys):
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await measured(meter, 1)
        assert await refused(Wish(config, address=METER, driver="blood-pressure")) == "pairing-failed"
    assert "How to pair this device:" in capsys.readouterr().out
    assert ENTRY not in load(config).bluetooth


async def test_an_entry_that_cannot_be_written_is_shown(tmp_path, config, capsys):
    (tmp_path / "gateway.toml.new").mkdir()
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await meter.pairing_mode()
        await pair(Wish(config, address=METER))
    said = capsys.readouterr().out
    assert f"Put this into {config}:" in said
    assert f'address = "{METER}"' in said
    assert "bond = true" in said


async def test_it_says_how_long_it_still_looks(tmp_path, config, capsys, monkeypatch):
    monkeypatch.setattr(pair_command, "EVERY_S", 0.05)
    async with daemon(tmp_path):
        assert await refused(Wish(config, address=METER, seconds=0.3)) == "device-not-found"
    assert "seconds left" in capsys.readouterr().out


# --- for programs ---


async def test_as_json(tmp_path, config, capsys):
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await meter.pairing_mode()
        await pair(Wish(config, address=METER, json=True))
    events = {row["event"]: row for row in rows(capsys)}
    assert {"found", "pairing", "paired", "configured"} <= set(events)
    assert events["configured"]["written"] is True
    assert events["configured"]["entry"].startswith("[[bluetooth.device]]\n")
    assert events["paired"]["bond"] is True


async def test_the_list_as_json(tmp_path, config, capsys):
    async with daemon(tmp_path) as (house, _, _):
        meter = await house.meter()
        await meter.pairing_mode()
        await pair(Wish(config, seconds=1, json=True))
    found = rows(capsys)
    assert {row["event"] for row in found} == {"found"}
    assert found[0]["drivers"] == ["blood-pressure"]


@contextlib.asynccontextmanager
async def scripted(tmp_path, *said):
    """A daemon that says these rows after the wish to pair; what it was answered."""
    heard = []

    async def answers(channel: Channel) -> None:
        while (row := await channel.hear()) is not None:
            heard.append(row)
            if row.get("do") == "pair":
                for each in said:
                    channel.say(each)
                    if each["event"] == "asks":
                        heard.append(await channel.hear())

    serving = asyncio.ensure_future(serve(tmp_path / "data", answers))
    await until((tmp_path / "data" / "control.sock").exists)
    yield heard
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


PAIRED = {
    "event": "paired",
    "address": METER,
    "driver": "blood-pressure",
    "bond": False,
    "identity": "bluetooth-x",
    "name": "BPM",
    "manufacturer": "",
    "model": "",
    "listening": False,
}


@pytest.mark.parametrize(
    ("question", "typed", "answer"),
    [
        ({"question": "passkey"}, "123 456", "123 456"),
        ({"question": "passkey"}, None, None),
        ({"question": "same", "passkey": "000042"}, "Ja", True),
        ({"question": "same", "passkey": "000042"}, "nee", False),
        ({"question": "same", "passkey": "000042"}, None, False),
    ],
)
async def test_questions_are_put_to_whoever_types(tmp_path, config, capsys, pipe, question, typed, answer):
    shown = {"event": "shows", "passkey": "000077"}
    async with scripted(
        tmp_path, shown, {"event": "asks", **question}, {"event": "unasked"}, PAIRED
    ) as heard:
        if typed is not None:
            pipe.write(typed + "\n")
        pipe.close()
        await pair(Wish(config, address=METER, driver="blood-pressure"))
    assert heard[-1] == {"answer": answer}
    said = capsys.readouterr().out
    assert "Type this on the device: 000077" in said
    assert "That question has lapsed." in said
    assert ("six digits" in said) or ("000042" in said)
    assert "anybody near can pretend to be it" in said
    assert "Now start the hub" in said


@pytest.fixture(params=["file", "nowhere"])
def plain_file(request, tmp_path, monkeypatch):
    """Standard input that cannot be waited for; what is to be answered."""
    place = tmp_path / "answers" if request.param == "file" else Path(os.devnull)
    (tmp_path / "answers").write_text("123456\n")
    with place.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield "123456" if request.param == "file" else None


async def test_answers_from_a_file_and_from_nowhere(tmp_path, config, plain_file):
    async with scripted(tmp_path, {"event": "asks", "question": "passkey"}, PAIRED) as heard:
        await pair(Wish(config, address=METER, driver="blood-pressure"))
    assert heard[-1] == {"answer": plain_file}


async def test_a_daemon_that_hangs_up(tmp_path, config):
    async def answers(channel: Channel) -> None:
        await channel.hear()

    serving = asyncio.ensure_future(serve(tmp_path / "data", answers))
    await until((tmp_path / "data" / "control.sock").exists)
    assert await refused(Wish(config, address=METER)) == "daemon-unreachable"
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


# --- without the daemon ---


async def test_without_a_daemon_it_has_the_radio_itself(tmp_path, config, capsys):
    house = House(tmp_path / "house")
    (tmp_path / "house").mkdir()
    adapter = await house.adapter()
    meter = await house.meter()
    await meter.pairing_mode()
    await pair(Wish(config, address=METER, backend=adapter.backend()))
    await house.close()
    assert ENTRY in load(config).bluetooth
    assert "Now start the hub: systemctl start meethub-gateway" in capsys.readouterr().out
    assert len(meter.truth.of("paired")) == 1


async def test_a_hub_that_runs_without_answering(tmp_path, config):
    with closing(Outbox(tmp_path / "data" / "outbox.sqlite", 8 << 20)):
        assert await refused(Wish(config, address=METER)) == "daemon-unreachable"


async def test_a_data_directory_of_another_user(tmp_path, config, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert await refused(Wish(config, address=METER)) == "hub-of-another-user"
    assert list((tmp_path / "data").iterdir()) == [], "nothing was made there"


async def test_a_damaged_outbox_is_said(tmp_path, config, monkeypatch):
    (tmp_path / "data" / "outbox.sqlite").mkdir()
    assert await refused(Wish(config, address=METER)) not in ("daemon-unreachable", "")


async def test_a_hub_without_radio(tmp_path):
    assert await refused(Wish(write(tmp_path), address=METER)) == "radio-not-configured"


# --- the command line, and a daemon that is a process of its own ---


KINDS = {  # driver: whether it bonds
    "blood-pressure": True,  # as most do
    "omron-blood-pressure": True,  # and gets a key of the hub in the same connection
    "mi-scale": False,  # only advertises
    "viatom-oximeter": False,  # knows no bond
}


def test_a_hub_without_any_device_yet(tmp_path):
    """As an installer meets it: the daemon runs, nothing is configured; one command for each device does it."""
    street, hub = (
        tmp_path / "street",
        Installed(tmp_path, Authority.open(tmp_path / "authority"), free_port()),
    )
    text = hub.config.read_text().replace('adapter = "none"', 'adapter = "hci0"')
    before, _, after = text.partition("[[bluetooth.device]]")
    hub.config.write_text(before + "[[serial.device]]" + after.partition("[[serial.device]]")[2])
    words = ["-m", "gateway.simulator.street", "--directory", str(street), "--devices", ",".join(KINDS)]
    air = Program(
        "street",
        [sys.executable, *words, "--interval", "2"],
        tmp_path / "street.log",
        (street / "ready.json").exists,
    )
    words = ["-m", "gateway.simulator.virtual_gateway", "--config", str(hub.config), "--street", str(street)]
    gateway = Program("gateway", [sys.executable, *words], tmp_path / "gateway.log")
    air.start()
    try:
        gateway.start()
        devices = json.loads((street / "ready.json").read_text())["devices"]
        for device in devices:
            words = ["pair", "--config", str(hub.config), "--address", device["address"]]
            done = subprocess.run(
                [sys.executable, "-m", "gateway", *words],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (done.returncode, done.stderr) == (OK, ""), done.stdout
            assert "The hub listens to it from now on." in done.stdout
        written = {(one.address, one.driver, one.bond) for one in load(hub.config).bluetooth}
        assert written == {(one["address"], one["driver"], KINDS[one["driver"]]) for one in devices}
        with closing(Outbox.look(hub.data / "outbox.sqlite")) as look:
            assert wait_until(lambda: any(look.counts().values()), 30)
    finally:
        gateway.stop()
        air.stop()
    assert "Traceback" not in (tmp_path / "gateway.log").read_text()


@pytest.mark.parametrize(
    "words", [("--address", "nonsense"), ("--driver", "nonin-serial"), ("--driver", "x"), ("--seconds", "y")]
)
def test_wrong_usage(capsys, words):
    with pytest.raises(SystemExit) as stopped:
        main(["pair", *words])
    assert stopped.value.code == USAGE


def test_an_honest_exit_code(tmp_path, config, capsys, monkeypatch):
    async def away(_: Wish) -> None:
        raise MeethubError("device-not-found")

    monkeypatch.setattr(pair_command, "pair", away)
    assert main(["pair", "--config", str(config)]) == UNREACHABLE
    assert CODES["device-not-found"][2] in capsys.readouterr().err

    async def done(wish: Wish) -> None:
        assert (wish.address, wish.driver, wish.seconds, wish.json) == (METER, "blood-pressure", 5, True)

    monkeypatch.setattr(pair_command, "pair", done)
    words = ["--address", METER.lower(), "--driver", "blood-pressure", "--seconds", "5", "--json"]
    assert main(["pair", "--config", str(config), *words]) == OK
