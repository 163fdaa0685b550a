"""The firmware's radio on the virtual radio: MicroPython, its `bluetooth` module, and virtual devices."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bumble import att

from firmware.workshop.build import ROOT, build
from firmware.workshop.image import romfs
from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from tests.firmware.bluetooth_fixtures import with_home

METER = "F0:5A:01:00:00:01"
DOSE = int(os.environ.get("MEETHUB_DOSE", "4"))  # bursts of 50; 20 are a thousand
AMSTERDAM = "CET-1CEST,M3.5.0,M10.5.0/3"
QUICK = {
    "connect_ms": 3000,
    "read_ms": 1000,
    "prepare_ms": 2000,
    "quiet_ms": 400,
    "settle_ms": 50,
    "rest_ms": 20,
    "idle_rest_ms": 50,
    "first_retry_ms": 50,
    "last_retry_ms": 200,
    "silence_ms": 1000,
}


def now_ms():
    return int(datetime.now(UTC).timestamp() * 1000)


async def radio_of(home, port, devices=None, limits=None, **facts):
    """Firmware with these devices: (address, driver, bond, identity). image: run in place."""
    image = facts.pop("image", None)
    started = {name: facts.pop(name) for name in ("heap", "MEETHUB_BLE_RING") if name in facts}
    usual = [(METER, "blood-pressure", False, "cuff")]
    told = {
        "devices": devices or usual,
        "limits": {**QUICK, **(limits or {})},
        "bonds": str(home.directory / "bonds"),
        "wall_ms": now_ms(),
        **facts,
    }
    path = home.directory / "facts.json"
    path.write_text(json.dumps(told))
    words = ("run_in_place.py", image, "run_radio") if image else ("run_radio.py",)
    return await home.run(port, *words, str(path), **started)


async def cuff_in(home, address=METER, **options):
    options = {"hang_up_after_s": 0.15, "idle_s": 1, **options}
    folder = home.directory / address
    return await home.add(BloodPressureMonitor(home.air, address, folder, MeterOptions(**options)))


async def measured(meter, count, start=100):
    return [(await meter.measure(start + number, 70, None, 60)).data.hex() for number in range(count)]


def heard(said, identity="cuff"):
    return [line[3] for line in said if line[:2] == ["received", identity]]


def forgotten(meter):
    """What the virtual meter took for confirmed after the line was gone: it then told nobody.

    (bumble's `indicate_subscriber` returns as if confirmed when there is no subscriber any more.)
    """
    hexes = {line["number"]: line["hex"] for line in meter.truth.of("measured")}
    here, found = False, set()
    for line in meter.truth.events:
        if line["event"] in ("connected", "disconnected"):
            here = line["event"] == "connected"
        elif line["event"] == "confirmed" and not here:
            found.add(hexes[line["number"]])
    return found


async def end(firmware):
    await firmware.tell("end")
    return await firmware.ended()


async def state_of(firmware, identity="cuff"):
    """Problem, visits, values and clock problem of this device; the radio's numbers; bytes of the heap."""
    await firmware.tell("state")
    _, numbers, devices, heap, problem = await firmware.until("state")
    facts = next((rest for name, *rest in devices if name == identity), None)
    return facts, numbers, heap, problem


def bonded(home):
    """Whether the hub's file holds more than its own identity (4 bytes of CRC, 3 + 3 + 16)."""
    return (home.directory / "bonds").stat().st_size != 26


def failures(said):
    return [line[3]["code"] for line in said if line[:3] == ["log", "warning", "visit-failed"]]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What a test of the radio needs as a ROMFS image, to be run in place as from a board's flash."""
    folder = tmp_path_factory.mktemp("mpy")
    rooms = ("firmware/radio", "gateway/wire", "gateway/drivers/shared")
    single = (
        "gateway/__init__",
        "firmware/__init__",
        "firmware/clock",
        "firmware/time_zone",
        "firmware/files",
    )
    single += ("gateway/hub/__init__", "gateway/hub/visit", "gateway/hub/events")
    single += tuple(f"gateway/drivers/{name}" for name in ("__init__", "base", "blood_pressure"))
    flat = (
        "firmware/virtual/bluetooth",
        *(f"tests/firmware/board/{name}" for name in ("radio_listener", "run_radio")),
    )
    sources = [path.relative_to(ROOT) for room in rooms for path in (ROOT / room).rglob("*.py")]
    sources += [Path(name + ".py") for name in (*single, *flat)]
    build("x64", folder, sources)
    files = []
    for source in sorted(sources):
        name = source.name if str(source.with_suffix("")) in flat else str(source)
        files.append((name.replace(".py", ".mpy"), (folder / source.with_suffix(".mpy")).read_bytes()))
    (folder / "image").write_bytes(romfs(files, 1 << 20))
    return str(folder / "image")


@pytest.mark.parametrize("ring", ["none", "yes"])
def test_a_cuff_is_bonded_with_and_read(tmp_path, ring):
    async def test(home):
        meter = await cuff_in(home, clock_offset_s=-600)
        sent = await measured(meter, 3)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), MEETHUB_BLE_RING=ring)
        await firmware.until("closed")
        sent += await measured(meter, 2, start=140)
        await firmware.until("closed")
        await firmware.tell("state")
        state = await firmware.until("state")
        said = await end(firmware)
        assert heard(said) == sent
        opened = [line for line in said if line[0] == "opened"]
        assert opened[0][2] == 80
        assert opened[0][4:] == [True, ["Meethub", "BP-SIM", "0001", "1.0", "010000feff015af0"]]
        assert [line[2] for line in said if line[0] == "closed"] == [True, False]
        assert len(meter.truth.of("paired")) == 1
        assert state[2] == [["cuff", "", 2, 5, ""]]
        assert state[1]["radio-hears"] == 1

    with_home(test, tmp_path)


def test_a_burst_and_a_slow_hub_lose_nothing_in_128_kilobytes(tmp_path, image):
    """50 stored readings, and 100 ms in which nothing else runs for each."""

    async def test(home):
        meter = await cuff_in(home)
        sent = await measured(meter, 50)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), heap="128k", image=image, work_ms=100)
        await firmware.until("received")
        await meter.truth.wait_for("confirmed", 50, timeout_s=2)  # long before the hub has them
        await firmware.until("closed")
        facts, _, heap, _ = await state_of(firmware)
        assert heard(await end(firmware)) == sent
        assert facts == ["", 1, 50, ""]
        assert heap < 110_000
        assert meter.memory.records == []

    with_home(test, tmp_path)


def test_a_full_queue_hangs_up_and_the_device_keeps_the_rest(tmp_path):
    async def test(home):
        meter = await cuff_in(home, pace_s=0.005)
        sent = await measured(meter, 140)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), work_ms=25, limits={"room": 6144})
        async with asyncio.timeout(30):
            while set(heard(firmware.said)) | forgotten(meter) != set(sent):
                await firmware.until("closed")
        said = await end(firmware)
        assert len(forgotten(meter)) <= len(failures(said))
        assert set(failures(said)) == {"radio-queue-full"}
        assert {line[3]["detail"] for line in said if line[2:3] == ["visit-failed"]} == {"0 lost"}

    with_home(test, tmp_path)


def test_a_bond_outlives_the_firmware_and_a_lost_one_is_told(tmp_path):
    async def test(home):
        meter, port = await cuff_in(home), await home.board()
        sent = await measured(meter, 1)
        await meter.pairing_mode()
        first = await radio_of(home, port)
        await first.until("closed")
        await first.kill()  # as when the plug is pulled
        sent += await measured(meter, 1, start=140)
        bound = [(METER, "blood-pressure", True, "cuff")]
        second = await radio_of(home, port, bound, pairing=False)
        await second.until("closed")
        assert heard([*first.said, *(await end(second))]) == sent
        assert len(meter.truth.of("paired")) == 1
        await meter.forget_bonds()
        await measured(meter, 1, start=150)
        third = await radio_of(home, port, bound)
        async with asyncio.timeout(10):
            while "bond-lost" not in failures(third.said):
                await third.until("log")
        assert heard(await end(third)) == []
        (home.directory / "bonds").write_bytes(b"nonsense")
        fourth = await radio_of(home, port, bound, pairing=False)
        async with asyncio.timeout(10):
            while "bond-lost" not in failures(fourth.said):
                await fourth.until("log")
        said = await end(fourth)
        assert ["log", "error", "bonds-damaged", {"code": "bonds-damaged"}] in said
        assert heard(said) == []
        assert len(meter.memory.records) == 1

    with_home(test, tmp_path)


def test_nobody_pairs_while_nobody_opened_pairing(tmp_path):
    async def test(home):
        meter = await cuff_in(home)
        await measured(meter, 1)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), pairing=False)
        async with asyncio.timeout(10):
            while len(failures(firmware.said)) < 2:
                await firmware.until("log")
        facts, numbers, _, _ = await state_of(firmware)
        said = await end(firmware)
        assert facts[0] == "pairing-needed"
        assert numbers["devices-unbonded"] == 1
        assert heard(said) == []
        assert meter.truth.of("paired") == []
        assert not bonded(home)

    with_home(test, tmp_path)


def test_a_device_that_leaves_with_its_last_value_is_heard_to_the_end(tmp_path):
    async def test(home):
        meter = await cuff_in(home, hang_up_after_s=0)
        sent = await measured(meter, 5)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), work_ms=60)
        await meter.truth.wait_for("disconnected")
        await firmware.until("closed")
        said = await end(firmware)
        assert heard(said) == sent
        assert failures(said) == []

    with_home(test, tmp_path)


def test_an_a_and_d_is_left_as_soon_as_it_has_bonded(tmp_path):
    async def test(home):
        meter = await cuff_in(home, manufacturer="A&D Medical", only_bonds_at_first=True)
        sent = await measured(meter, 2)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board())
        await firmware.until("closed")
        assert heard(await end(firmware)) == sent
        assert len(meter.truth.of("connected")) == 2

    with_home(test, tmp_path)


@pytest.mark.parametrize(
    ("offset_s", "zone", "sets"), [(-600, AMSTERDAM, 1), (20, "UTC0", 0), (-600, None, 0)]
)
def test_a_clock_that_is_wrong_is_set_after_the_values(tmp_path, offset_s, zone, sets):
    async def test(home):
        meter = await cuff_in(home, clock_offset_s=offset_s)
        await measured(meter, 1)
        await meter.pairing_mode()
        firmware = await radio_of(
            home, await home.board(), wall_ms=now_ms() if zone else None, zone=zone or "UTC0"
        )
        await firmware.until("closed")
        opened = next(line for line in await end(firmware) if line[0] == "opened")
        assert opened[3][1] is False
        assert len(meter.truth.of("clock-set")) == sets
        order = [line["event"] for line in meter.truth.events if line["event"] in ("confirmed", "clock-set")]
        assert order == ["confirmed"] + ["clock-set"] * sets
        if sets:
            amsterdam = datetime.now(UTC).astimezone(ZoneInfo("Europe/Amsterdam")).replace(tzinfo=None)
            assert abs(meter.clock() - amsterdam) < timedelta(seconds=5)

    with_home(test, tmp_path)


def test_what_cannot_be_stored_ends_the_visit(tmp_path):
    async def test(home):
        meter = await cuff_in(home, pace_s=0.05)
        sent = await measured(meter, 4)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), fault_at=2)
        await firmware.until("closed")
        assert failures(firmware.said) in ([], ["frame-not-stored"])
        await firmware.until("closed")
        said = await end(firmware)
        assert failures(said) == ["frame-not-stored"]
        assert heard(said) == [sent[0], *sent[2:]]

    with_home(test, tmp_path)


def test_a_radio_that_hears_nothing_is_started_anew_and_then_hears_again(tmp_path):
    async def test(home):
        firmware = await radio_of(home, await home.board(), limits={"silence_ms": 150})
        async with asyncio.timeout(20):
            numbers = {}
            while numbers.get("radio-power-cycles", 0) < 2:
                _, numbers, _, problem = await state_of(firmware)
        assert numbers["radio-restarts"] == 1
        assert numbers["radio-hears"] == 0
        assert problem == "radio-silent"
        meter = await cuff_in(home)
        sent = await measured(meter, 1)
        await meter.pairing_mode()
        await firmware.until("closed")
        _, numbers, _, problem = await state_of(firmware)
        assert (numbers["radio-hears"], problem) == (1, "")
        assert heard(await end(firmware)) == sent

    with_home(test, tmp_path)


def test_a_radio_that_is_gone_is_a_fact_and_no_end(tmp_path):
    async def test(home):
        board = await home.board()
        await home.adapters[0].close()
        firmware = await radio_of(home, board)
        async with asyncio.timeout(20):
            numbers = {"radio-faults": 0}
            while numbers["radio-faults"] < 2:
                _, numbers, _, problem = await state_of(firmware)
        assert problem == "adapter-missing"
        await home.adapters[0].open(home.adapters[0].port)
        meter = await cuff_in(home)
        sent = await measured(meter, 1)
        await meter.pairing_mode()
        await firmware.until("closed")
        assert heard(await end(firmware)) == sent

    with_home(test, tmp_path)


def test_an_old_device_that_refuses_a_larger_mtu_is_read(tmp_path):
    async def test(home):
        meter = await cuff_in(home)
        server = meter._device.gatt_server

        def refuse(bearer, _):
            wrong = att.ATT_Error_Response(
                request_opcode_in_error=att.Opcode.ATT_EXCHANGE_MTU_REQUEST,
                attribute_handle_in_error=0,
                error_code=att.ATT_REQUEST_NOT_SUPPORTED_ERROR,
            )
            server.send_response(bearer, wrong)

        server.on_att_exchange_mtu_request = refuse
        sent = await measured(meter, 2)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), limits={"read_ms": 300})
        await firmware.until("closed")
        assert heard(await end(firmware)) == sent

    with_home(test, tmp_path)


def test_a_device_that_remembers_its_subscriber_may_tell_at_once(tmp_path):
    """A bond keeps the subscription too, so that such a device tells as soon as the line is encrypted."""

    async def test(home):
        meter, port = await cuff_in(home), await home.board()
        await meter.pairing_mode()
        first = await radio_of(home, port)
        await first.until("closed")
        await end(first)
        told = meter.told["2a35"]
        early = b"\x00" + bytes.fromhex("780050005d00")

        def came(link):
            link.on("connection_encryption_change", lambda: tasks.append(asyncio.ensure_future(tell(link))))

        async def tell(link):
            await meter._device.gatt_server.indicate_subscriber(link, told, early, force=True)

        tasks = []
        meter._device.on("connection", came)
        await meter.open_window()
        second = await radio_of(home, port, pairing=False)
        await second.until("closed")
        assert early.hex() in heard(await end(second))
        assert tasks

    with_home(test, tmp_path)


def test_a_radio_that_ends_closes_its_visits(tmp_path):
    async def test(home):
        meter = await cuff_in(home, idle_s=30)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), limits={"quiet_ms": 60_000})
        await firmware.until("opened")
        await meter.truth.wait_for("subscribed")
        said = await end(firmware)
        assert [line[0] for line in said if line[0] in ("opened", "closed")] == ["opened", "closed"]
        await meter.truth.wait_for("disconnected")

    with_home(test, tmp_path)


def test_a_radio_that_was_lent_goes_on(tmp_path):
    async def test(home):
        meter = await cuff_in(home, hang_up_after_s=9)
        sent = await measured(meter, 3)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), limits={"quiet_ms": 60_000})
        await firmware.until("received", count=3)
        for number in (1, 2):  # in the middle of a visit
            await firmware.tell("lend")
            await firmware.until("closed")
            await meter.truth.wait_for("disconnected", number)
            sent += await measured(meter, 2, start=130 + 10 * number)
            await firmware.until("received", count=2)
        said = await end(firmware)
        assert heard(said) == sent
        assert failures(said) == []
        assert len(meter.truth.of("paired")) == 1

    with_home(test, tmp_path)


def test_a_thousand_readings_leave_nothing_in_the_heap(tmp_path, image):
    async def test(home):
        meter = await cuff_in(home)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board(), heap="128k", image=image)
        heaps = []
        for number in range(DOSE + 2):
            sent = await measured(meter, 50)
            await meter.truth.wait_for("confirmed", 50 * (number + 1))
            while heard(firmware.said)[-50:] != sent:
                await firmware.until("received")
            await firmware.until("closed")
            heaps.append((await state_of(firmware))[2])
            firmware.said.clear()
        assert max(heaps[2:]) - heaps[1] < 2048, heaps
        await end(firmware)

    with_home(test, tmp_path)
