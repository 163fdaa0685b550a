"""BlueZ bonds inside the question that needs it: what the radio makes of it, from what the agent was asked."""

import asyncio
import contextlib

import pytest
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakError

from gateway.pairing.window import PairingWindow
from gateway.radio.base import Limits, RadioError
from gateway.radio.line import Backend, BleakLine
from gateway.simulator.virtual_bleak import VirtualClient, VirtualScanner

ADDRESS = "F0:5A:01:00:00:01"
QUICK = Limits(read_s=0.05, pair_s=1)


class Asked:
    """A line, and a device whose answer waits until BlueZ has bonded, or goes without."""

    def __init__(self, *, is_open):
        self.window = PairingWindow()
        if is_open:
            self.window.open_for(ADDRESS)
        backend = Backend(VirtualScanner, type("Client", (VirtualClient,), {"adapter": None}))
        found = BLEDevice(ADDRESS, None, {"props": {}})
        self.line = BleakLine(found, backend, QUICK, lambda within_s: self.window.answered(ADDRESS, within_s))
        self.waited = []
        self.line.on_pairing = lambda: self.waited.append(True)

    async def ask(self, answers_after_s=None, fails=None, asks_agent=True):
        async def answer():
            if asks_agent:
                self.window.answer(ADDRESS)
            await asyncio.sleep(60 if answers_after_s is None else answers_after_s)
            if fails is not None:
                raise fails
            return b"value"

        return await self.line._ask(answer())


async def test_a_person_gets_the_time_to_type_a_code():
    asked = Asked(is_open=True)
    assert not asked.line.bonded
    assert await asked.ask(answers_after_s=4 * QUICK.read_s) == b"value"
    assert asked.waited
    assert asked.line.bonded


@pytest.mark.parametrize(
    ("is_open", "code"), [(False, "pairing-needed"), (True, "pairing-failed")], ids=["closed", "open"]
)
@pytest.mark.parametrize("fails", [None, BleakError("gone")], ids=["silent", "gone"])
async def test_says_what_became_of_the_bond(is_open, code, fails):
    asked = Asked(is_open=is_open)
    with pytest.raises(RadioError) as failed:
        await asked.ask(None if fails is None else 0, fails)
    assert failed.value.code == code


async def test_a_device_that_wants_no_bond_and_says_nothing_is_silent():
    asked = Asked(is_open=True)
    with pytest.raises(RadioError) as silent:
        await asked.ask(asks_agent=False)
    assert silent.value.code == "device-silent"
    assert not asked.waited


async def test_a_question_that_is_given_up_goes_no_further():
    began, ended = asyncio.Event(), asyncio.Event()

    async def answer():
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    question = asyncio.ensure_future(Asked(is_open=True).line._ask(answer()))
    await began.wait()
    question.cancel()
    await asyncio.wait_for(ended.wait(), 10)


class RefusesTheBond(VirtualClient):
    """As BlueZ 5.66 connects to a device that has forgotten the bond."""

    async def connect(self, *_, **__):
        raise BleakDBusError("org.bluez.Error.Failed", ["br-connection-canceled"])

    async def disconnect(self):
        pass


@pytest.mark.parametrize(("bonded", "code"), [(True, "dropped-at-encryption"), (False, "connect-failed")])
async def test_a_refused_bond_is_told_from_other_failures_to_connect(bonded, code):
    found = BLEDevice(ADDRESS, None, {"props": {"Bonded": bonded}})
    with pytest.raises(RadioError) as refused:
        await BleakLine(found, Backend(VirtualScanner, RefusesTheBond), QUICK).connect()
    assert refused.value.code == code
    assert refused.value.detail


@pytest.mark.parametrize(("word", "bonded"), [("AlreadyExists", True), ("AuthenticationFailed", False)])
async def test_a_bond_that_bluez_made_by_itself_is_a_bond(word, bonded):
    class Bonds(VirtualClient):
        async def pair(self, *_, **__):
            raise BleakDBusError(f"org.bluez.Error.{word}", ["Already Paired"])

    line = BleakLine(BLEDevice(ADDRESS, None, {"props": {}}), Backend(VirtualScanner, Bonds), QUICK)
    with contextlib.suppress(RadioError):
        await line.pair()
    assert line.bonded is bonded


def test_an_answer_is_an_answer_for_a_while():
    now = [100.0]
    window = PairingWindow(lambda: now[0])
    assert window.answered(ADDRESS, 1000) is None
    assert window.answer(ADDRESS) is False
    window.open_for(ADDRESS)
    assert window.answer(ADDRESS.lower()) is True
    now[0] += 5
    assert window.answered(ADDRESS, 5) is True
    assert window.answered(ADDRESS, 4) is None
