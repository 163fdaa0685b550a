"""Virtual Contec oximeters on a cable beside a real hub: live, stored, deaf, damaged, silent, visited again."""

from datetime import timedelta

import pytest

from gateway.drivers.contec_cms50 import ContecCms50
from gateway.simulator.devices.contec_oximeters import A_MINUTE, NewContec, OldContec, demanded

# A plug that goes in cuts a packet; after such damage the driver believes three packets in a row.
BELIEVED = [(97, 71)] * 3
BOTH = pytest.mark.parametrize("kind", [OldContec, NewContec], ids=lambda kind: kind.__name__)


def night(seconds, start=60):
    """A value a second; in the second minute the finger slips out."""
    return [(0, 0) if 70 <= at < 100 else (93 + at % 6, start + at % 90) for at in range(seconds)]


async def plugged(bench, kind, *sessions, **options):
    """An oximeter with sessions of these lengths, the last one of an hour ago."""
    oximeter = await bench.on_cable(kind, ContecCms50, **options)
    for at, seconds in enumerate(sessions):
        await oximeter.night(night(seconds, 60 + at), ago=timedelta(hours=len(sessions) - at))
    return oximeter


async def again(oximeter):
    """Pulled out and plugged in; returns when it shows live values again."""
    oximeter.unplug()
    oximeter.plug_in()
    await oximeter.ready(20)


def test_the_packets_of_real_oximeters():
    """atbrask/CMS50Dplus unit tests; a CMS50F in SleepyHead's cms50f37_loader.cpp; tobac/cms50ew."""
    assert OldContec.packet(None, (98, 200))[2:] == bytes.fromhex("474862")
    assert NewContec.wrapped(7, bytes((0, 0, 20, 14, 8, 18))) == bytes.fromhex("07808080948e8892")
    assert NewContec.wrapped(8, bytes((0, 0, 0x24, 1, 0, 0))) == bytes.fromhex("08808080a4818080")
    assert NewContec.wrapped(0x0F, bytes((94, 66) * 3)) == bytes.fromhex("0f80dec2dec2dec2")
    assert NewContec.wrapped(0x0F, bytes((94, 200) * 3))[:2] == bytes.fromhex("0faa")


@pytest.mark.parametrize(("values", "places"), [(1, [0]), (60, [59]), (61, [59, 60]), (130, [59, 119, 129])])
def test_one_value_a_window_and_the_last(values, places):
    assert demanded([(97, 70)] * values, 60) == places
    assert demanded([(97, 70)] * 30 + [(0, 0)] * 60, 60) == [29]


@BOTH
async def test_live_values(bench, kind):
    oximeter = await plugged(bench, kind)
    await oximeter.ready(20)
    await oximeter.finger([(97, 70 + at % 60) for at in range(200)])
    await oximeter.finger([(96, 130)])
    await bench.reported(oximeter)
    assert bench.errors == []


@BOTH
async def test_a_value_a_minute_while_it_lasts(bench, kind):
    oximeter = await plugged(bench, kind, speed=2000)
    await oximeter.ready(20)
    await oximeter.finger([(90 + at % 10, 60 + at % 100) for at in range(A_MINUTE + 300)])
    await bench.reported(oximeter)
    assert len(bench.readings) == 2


@BOTH
async def test_a_stored_session(bench, kind):
    oximeter = await plugged(bench, kind, 200)
    await bench.reported(oximeter)
    assert len(bench.readings) == 4
    assert bench.errors == []


async def test_several_sessions_with_their_times(bench):
    oximeter = await plugged(bench, NewContec, 61, 130, 20)
    await bench.reported(oximeter)
    assert len({reading["device_time"] for reading in bench.readings}) == 2 + 3 + 1


@BOTH
async def test_a_second_visit_brings_nothing_new(bench, kind):
    oximeter = await plugged(bench, kind, 200)
    await bench.reported(oximeter)
    for _ in range(2):
        await again(oximeter)
        await oximeter.finger(BELIEVED)
    await bench.reported(oximeter)
    assert len(bench.readings) == 4 + 2
    told = len(oximeter.truth.of("confirmed")) - 2
    assert told == 4 if kind is NewContec else told >= 4  # the newer one's known sessions are not read again


@BOTH
async def test_a_new_session_beside_the_known_one(bench, kind):
    oximeter = await plugged(bench, kind, 130)
    await bench.reported(oximeter)
    await oximeter.night(night(70, 80), ago=timedelta(minutes=2))
    await bench.reported(oximeter)


async def test_a_clock_that_is_wrong_is_left_as_it_is(bench):
    oximeter = await plugged(bench, NewContec, 70, clock_offset_s=-86_400 * 300)
    await bench.reported(oximeter)
    assert not oximeter.truth.of("fault")


@BOTH
async def test_noise_and_commands_that_are_not_heard(bench, kind):
    oximeter = await bench.on_cable(kind, ContecCms50)
    await oximeter.night(night(130), ago=timedelta(hours=1))
    oximeter.ignores = 1
    oximeter.noise()
    await bench.reported(oximeter, within_s=40)


@BOTH
async def test_a_lost_byte_in_a_session_is_made_good(bench, kind):
    oximeter = await plugged(bench, kind)
    await oximeter.ready(20)
    await oximeter.night(night(200), ago=timedelta(hours=1))
    lost = {OldContec: b"\xf2", NewContec: b"\x0f"}[kind][0]
    say = oximeter.say

    async def losing(data):
        """The first piece of a session loses a byte in its middle, once."""
        if data[0] == lost and len(data) > 100:
            oximeter.say = say
            data = data[:70] + data[71:]
        return await say(data)

    oximeter.say = losing
    await bench.reported(oximeter, within_s=40)
    assert set(bench.errors) == {"frame-garbled"}


@BOTH
async def test_a_pause_in_the_middle_of_a_session(bench, kind):
    oximeter = await bench.on_cable(kind, ContecCms50)
    oximeter.pause_s = 1.5
    await oximeter.night(night(130), ago=timedelta(hours=1))
    await bench.reported(oximeter)
    assert bench.errors == []


@BOTH
async def test_a_plug_that_is_pulled_in_the_middle_of_a_session(bench, kind):
    oximeter = await bench.on_cable(kind, ContecCms50)
    await oximeter.night(night(400), ago=timedelta(hours=1))
    oximeter.bytes_a_second, oximeter.pulled_after = 100, 900
    await oximeter.truth.wait_for("unplugged", 2)
    assert 0 < len(bench.readings) < 7
    oximeter.plug_in()
    await bench.reported(oximeter)


async def test_nobody_asks_it_to_erase(bench):
    oximeter = await plugged(bench, NewContec, 70)
    await bench.reported(oximeter)
    await oximeter.asked(bytes.fromhex("7d81ae808080808080"))
    assert oximeter.truth.of("fault")
    oximeter.truth.events.clear()
