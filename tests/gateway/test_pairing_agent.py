"""The agent against a real D-Bus daemon and a small stand-in for BlueZ's AgentManager1."""

import asyncio
import contextlib

import pytest
from dbus_fast import DBusError
from dbus_fast.aio import MessageBus

from gateway.bluez import address_of
from gateway.pairing import agent as pairing_agent
from gateway.pairing.agent import SILENT, SPEAKING, AgentError, PairingAgent
from gateway.pairing.window import PairingWindow
from tests.gateway.bluez_fixtures import BlueZ, needs_bus, private_bus

DEVICE = "/org/bluez/hci0/dev_F0_5A_01_00_00_01"
ADDRESS = "F0:5A:01:00:00:01"
PATH = pairing_agent.PATH


class Voice:
    def __init__(self, passkey=123456, same=True):
        self.answer = passkey
        self.says_same = same
        self.shown = []
        self.hesitates = False
        self.asked = asyncio.Event()
        self.given_up = asyncio.Event()

    async def passkey(self, _address):
        self.asked.set()
        if self.hesitates:
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.set()
        return self.answer

    async def same(self, _address, _passkey):
        return self.says_same

    def show(self, address, passkey):
        self.shown.append((address, passkey))


@contextlib.asynccontextmanager
async def desk(bus_address, voice=None):
    """BlueZ, a registered agent that speaks with this voice, its window, and how BlueZ asks it."""
    window = PairingWindow()
    async with (
        BlueZ(bus_address) as bluez,
        PairingAgent(window, bus_address) as agent,
        contextlib.AsyncExitStack() as stack,
    ):
        if voice is not None:
            await stack.enter_async_context(agent.speaking(voice))
        await asyncio.wait_for(agent.registered.wait(), 10)
        (name,) = await bluez.others()

        async def ask(member, signature, *body):
            return await bluez.asks(name, PATH, member, signature, list(body))

        yield bluez, window, ask, agent


@needs_bus
class TestOnABus:
    async def test_registers_without_input_and_output(self, bus_address):
        async with desk(bus_address) as (bluez, _, _, _):
            assert bluez.manager.registered == [(PATH, SILENT)]
            assert bluez.manager.default.is_set()

    async def test_tells_when_somebody_can_be_asked_and_when_not_any_more(self, bus_address):
        async with desk(bus_address) as (bluez, _, _, agent):
            async with agent.speaking(Voice()):
                assert bluez.manager.registered == [(PATH, SPEAKING)]
                assert bluez.manager.default.is_set()
            await asyncio.wait_for(agent.registered.wait(), 10)
            assert bluez.manager.registered == [(PATH, SILENT)]

    async def test_nobody_can_be_asked_without_bluez(self, bus_address, monkeypatch):
        monkeypatch.setattr(pairing_agent, "REGISTERED_S", 0.2)
        async with PairingAgent(PairingWindow(), bus_address) as agent:
            with pytest.raises(AgentError, match="agent-not-registered"):
                async with agent.speaking(Voice()):
                    pytest.fail("there is no BlueZ")

    async def test_registers_again_when_bluez_comes_back(self, bus_address):
        async with PairingAgent(PairingWindow(), bus_address) as agent:
            for _ in range(3):
                async with BlueZ(bus_address) as bluez:
                    await asyncio.wait_for(bluez.manager.default.wait(), 10)
                    assert bluez.manager.registered == [(PATH, SILENT)]
                    await asyncio.wait_for(agent.registered.wait(), 10)

    async def test_registers_again_when_the_bus_itself_was_restarted(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pairing_agent, "RETRY_S", 0.05)
        place = f"unix:path={tmp_path}/bus"
        async with PairingAgent(PairingWindow(), place) as agent:
            for _ in range(2):
                async with private_bus(tmp_path):
                    bluez = BlueZ(place)
                    await bluez.__aenter__()
                    await asyncio.wait_for(agent.registered.wait(), 10)
                    assert bluez.manager.registered == [(PATH, SILENT)]
                    with contextlib.suppress(EOFError, OSError):
                        await bluez.__aexit__()

    async def test_a_bluez_that_comes_back_is_told_of_the_voice(self, bus_address):
        async with PairingAgent(PairingWindow(), bus_address) as agent, contextlib.AsyncExitStack() as stack:
            async with BlueZ(bus_address):
                await stack.enter_async_context(agent.speaking(Voice()))
            async with BlueZ(bus_address) as bluez:
                await asyncio.wait_for(bluez.manager.default.wait(), 10)
                assert bluez.manager.registered == [(PATH, SPEAKING)]

    @pytest.mark.parametrize(
        ("member", "signature", "body"),
        [
            ("RequestAuthorization", "o", [DEVICE]),
            ("RequestConfirmation", "ou", [DEVICE, 123456]),
            ("AuthorizeService", "os", [DEVICE, "00001810-0000-1000-8000-00805f9b34fb"]),
        ],
    )
    async def test_admits_only_the_device_whose_pairing_is_open(self, bus_address, member, signature, body):
        async with desk(bus_address) as (_, window, ask, _):
            window.open_for("F0:5A:01:00:00:02")
            with pytest.raises(DBusError) as refused:
                await ask(member, signature, *body)
            assert refused.value.type == "org.bluez.Error.Rejected"
            window.open_for(ADDRESS.lower())
            assert await ask(member, signature, *body) == []
            window.close(ADDRESS)
            with pytest.raises(DBusError):
                await ask(member, signature, *body)

    async def test_nobody_but_bluez_may_ask(self, bus_address):
        voice = Voice()
        async with desk(bus_address, voice) as (bluez, window, _, _):
            window.open_for(ADDRESS)
            (agent,) = await bluez.others()
            stranger = BlueZ(bus_address)
            stranger.bus = await MessageBus(bus_address=bus_address).connect()
            with pytest.raises(DBusError) as refused:
                await stranger.asks(agent, PATH, "RequestPasskey", "o", [DEVICE])
            assert refused.value.type == "org.bluez.Error.Rejected"
            assert not voice.asked.is_set()
            stranger.bus.disconnect()

    async def test_asks_a_person_for_the_code(self, bus_address):
        voice = Voice(passkey=1234)
        async with desk(bus_address, voice) as (_, window, ask, _):
            window.open_for(ADDRESS)
            assert await ask("RequestPasskey", "o", DEVICE) == [1234]
            assert await ask("RequestPinCode", "o", DEVICE) == ["001234"]
            for entered in range(7):
                await ask("DisplayPasskey", "ouq", DEVICE, 77, entered)
            await ask("DisplayPinCode", "os", DEVICE, "000078")
            assert voice.shown == [(ADDRESS, 77), (ADDRESS, 78)]
            assert await ask("RequestConfirmation", "ou", DEVICE, 5) == []
            voice.answer, voice.says_same = None, False
            with pytest.raises(DBusError) as nobody:
                await ask("RequestPasskey", "o", DEVICE)
            assert nobody.value.type == "org.bluez.Error.Canceled"
            with pytest.raises(DBusError) as differs:
                await ask("RequestConfirmation", "ou", DEVICE, 5)
            assert differs.value.type == "org.bluez.Error.Rejected"

    @pytest.mark.parametrize("how", ["Cancel", "Release"])
    async def test_a_question_that_bluez_gives_up_is_given_up(self, bus_address, how):
        voice = Voice()
        voice.hesitates = True
        async with desk(bus_address, voice) as (_, window, ask, _):
            window.open_for(ADDRESS)
            question = asyncio.ensure_future(ask("RequestPasskey", "o", DEVICE))
            await asyncio.wait_for(voice.asked.wait(), 10)
            await ask(how, "")
            await asyncio.wait_for(voice.given_up.wait(), 10)
            with pytest.raises(DBusError) as canceled:
                await question
            assert canceled.value.type == "org.bluez.Error.Canceled"

    async def test_a_person_who_does_not_answer(self, bus_address, monkeypatch):
        monkeypatch.setattr(pairing_agent, "ANSWER_S", 0.1)
        voice = Voice()
        voice.hesitates = True
        async with desk(bus_address, voice) as (_, window, ask, _):
            window.open_for(ADDRESS)
            with pytest.raises(DBusError) as canceled:
                await ask("RequestPasskey", "o", DEVICE)
            assert canceled.value.type == "org.bluez.Error.Canceled"
            assert voice.given_up.is_set()

    async def test_an_answer_after_pairing_was_closed_is_not_given(self, bus_address):
        async with desk(bus_address, voice := Voice()) as (_, window, ask, _):
            window.open_for(ADDRESS)
            voice.passkey = lambda address: asyncio.sleep(0, window.close(address))
            with pytest.raises(DBusError) as refused:
                await ask("RequestPasskey", "o", DEVICE)
            assert refused.value.type == "org.bluez.Error.Rejected"

    @pytest.mark.parametrize(
        ("member", "signature", "body"),
        [
            ("RequestPasskey", "o", [DEVICE]),
            ("DisplayPasskey", "ouq", [DEVICE, 77, 0]),
            ("DisplayPinCode", "os", [DEVICE, "77"]),
        ],
    )
    async def test_without_a_voice_no_code_can_be_given(self, bus_address, member, signature, body):
        async with desk(bus_address) as (_, window, ask, _):
            window.open_for(ADDRESS)
            with pytest.raises(DBusError) as refused:
                await ask(member, signature, *body)
            assert refused.value.type == "org.bluez.Error.Rejected"


async def test_a_missing_bus_ends_nothing(tmp_path):
    async with PairingAgent(PairingWindow(), f"unix:path={tmp_path}/nobody") as agent:
        assert not agent.registered.is_set()


def test_addresses_in_paths():
    assert address_of(DEVICE) == ADDRESS
    assert address_of(DEVICE + "/service0001") == ADDRESS
    assert not address_of("/org/bluez/hci0")


def test_a_window_closes_by_itself():
    now = [100.0]
    window = PairingWindow(lambda: now[0])
    window.open_for(ADDRESS, 120)
    assert window.is_open(ADDRESS.lower())
    now[0] += 120
    assert not window.is_open(ADDRESS)
