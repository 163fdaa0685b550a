"""How long an uplink waits between attempts, without a broker."""

import asyncio

from firmware import uplink as uplink_module
from firmware import uplink_line
from firmware.uplink import MAX_PAYLOAD_BYTES, Uplink, UplinkError, UplinkSettings
from gateway.hub.events import log

log.send_to(lambda *_: None)


class Drawn:
    """Takes the place of `random`: notes the range, and waits so long."""

    def __init__(self, waits):
        self.waits, self.ranges, self.enough = waits, [], asyncio.Event()

    def uniform(self, low, high):
        self.ranges.append((low, high))
        if len(self.ranges) == 7:
            self.enough.set()
        return self.waits


def offline_codes(waits, hurries=0, fault=None):
    """The codes and ranges of the first seven attempts, where opening a socket fails with this fault."""
    codes = []
    drawn = Drawn(waits)
    uplink_module.random = drawn

    async def no_network(_host, _port):
        raise fault

    settings = UplinkSettings("nowhere.invalid", 8883, "hub-1", "/dev/null", "/dev/null", "/dev/null")
    made = Uplink(settings, None, codes.append, None, open_socket=no_network)

    async def run():
        task = asyncio.create_task(made.run())
        for _ in range(hurries):
            await asyncio.sleep_ms(5)
            made.hurry()
        await asyncio.wait_for(drawn.enough.wait(), 5)
        while not task.done():
            task.cancel()
            await asyncio.sleep_ms(5)

    asyncio.run(run())
    return codes, drawn.ranges


def test_waits_are_drawn_evenly_from_a_range_that_doubles():
    _, ranges = offline_codes(0)
    assert ranges[:6] == [(0, 60), (0, 120), (0, 240), (0, 480), (0, 600), (0, 600)]


def test_whoever_knows_that_the_network_is_back_need_not_wait():
    codes, ranges = offline_codes(600, hurries=20)
    assert len(ranges) >= 7 and len(codes) >= 7


def test_files_that_are_none_are_said():
    codes, _ = offline_codes(0)
    assert codes[:3] == ["uplink-identity-unreadable"] * 3


def test_whatever_the_bearer_does_the_next_attempt_is_made():
    line_context = uplink_line.Line._context
    uplink_line.Line._context = lambda _self: None  # no files are needed to fail before them
    try:
        for fault in (MemoryError(), ZeroDivisionError(), KeyError(1)):
            codes, _ = offline_codes(0, fault=fault)
            assert codes[:7] == ["uplink-lost"] * 7
        codes, _ = offline_codes(0, fault=OSError(118))
        assert codes[:7] == ["uplink-unreachable"] * 7
    finally:
        uplink_line.Line._context = line_context


def test_too_large_for_ever():
    settings = UplinkSettings("nowhere.invalid", 8883, "hub-1", "", "", "")
    made = Uplink(settings, None, None, None)
    assert made.publish("hub/hub-1/up/hello", b"x") is False
    try:
        made.publish("hub/hub-1/up/envelope", bytes(MAX_PAYLOAD_BYTES + 1))
        raise AssertionError
    except UplinkError as error:
        assert error.code == "uplink-message-too-large"
