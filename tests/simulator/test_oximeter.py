"""The virtual oximeter: its frames against published ones, and what it does on a cable."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.devices.oximeter import Oximeter, demanded, packet
from gateway.simulator.truth import read_truth


def frames_of(data):
    return [data[at : at + 5] for at in range(0, len(data), 5)]


@given(st.integers(0, 100), st.integers(20, 400))
def test_a_packet_as_the_manufacturer_describes_it(spo2, pulse):
    frames = frames_of(packet(spo2, pulse))
    assert len(frames) == 25
    assert all(frame[0] == 1 and sum(frame[:4]) & 0xFF == frame[4] for frame in frames)
    assert [frame[1] & 1 for frame in frames] == [1] + [0] * 24
    assert all(frame[1] & 0x80 for frame in frames)
    values = [frame[3] for frame in frames]
    assert (values[0] & 3) << 7 | values[1] & 0x7F == pulse
    assert values[2] == spo2


def test_without_a_finger_it_says_511_and_127():
    """The status byte is that of a real recording: 01 98 63 00 fc (agricolab/app-nonin)."""
    frames = frames_of(packet(None, None))
    assert frames[3][1] == 0x98
    assert (frames[0][3] & 3) << 7 | frames[1][3] & 0x7F == 511
    assert frames[2][3] == 127


@pytest.mark.parametrize(
    ("packets", "expected"),
    [(1, [0]), (179, [178]), (180, [179]), (181, [179, 180]), (400, [179, 359, 399])],
)
def test_one_value_a_minute_and_the_last(packets, expected):
    assert demanded(packets) == expected


@pytest.fixture
async def oximeter(tmp_path):
    made = Oximeter(tmp_path / "port", tmp_path, speed=1000, seed=1)
    made.plug_in()
    yield made
    if made.plugged_in:
        made.unplug()


async def test_it_knows_whether_somebody_listens(oximeter):
    assert not oximeter.heard
    descriptor = os.open(oximeter.path, os.O_RDWR | os.O_NOCTTY)
    assert oximeter.heard
    os.close(descriptor)
    assert not oximeter.heard


async def test_a_session_that_was_heard_whole_is_demanded(oximeter):
    descriptor = os.open(oximeter.path, os.O_RDWR | os.O_NOCTTY)
    assert await oximeter.session([(97, 72), (96, 73)])
    assert os.read(descriptor, 4096) == packet(97, 72) + packet(96, 73, start=25) + 2 * packet(None, None)
    os.close(descriptor)
    measured, *told = read_truth(oximeter.truth.path)
    assert (measured["kind"], measured["values"]) == ("oximetry", {"spo2": "96", "pulse-rate": "73"})
    assert [(line["event"], line["number"]) for line in told] == [("sent", 1), ("confirmed", 1)]


async def test_a_session_that_nobody_heard_is_not_demanded(oximeter):
    assert not await oximeter.session([(97, 72)])
    assert [line["event"] for line in oximeter.truth.events] == ["measured", "sent"]


async def test_unplugging_ends_the_terminal_and_the_link_comes_back(oximeter):
    descriptor = os.open(oximeter.path, os.O_RDWR | os.O_NOCTTY)
    before = oximeter.path.readlink()
    oximeter.unplug()
    with pytest.raises(OSError, match="Input/output"):
        os.write(descriptor, b"x")
    oximeter.plug_in()
    assert oximeter.path.readlink() != before
    os.close(descriptor)
