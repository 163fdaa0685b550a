"""The agent against a real D-Bus daemon and a small stand-in for BlueZ's AgentManager1."""

import asyncio
import shutil

import pytest
from dbus_fast import DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusObjectPath, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method

from gateway import pairing_agent
from gateway.pairing import PairingWindow
from gateway.pairing_agent import PairingAgent, address_of

DEVICE = "/org/bluez/hci0/dev_F0_5A_01_00_00_01"
ADDRESS = "F0:5A:01:00:00:01"

needs_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is missing (Debian package: dbus)"
)


class Manager(ServiceInterface):
    """org.bluez.AgentManager1, as far as an agent sees it."""

    def __init__(self):
        super().__init__("org.bluez.AgentManager1")
        self.registered = []
        self.default = asyncio.Event()

    @dbus_method(name="RegisterAgent")
    def register_agent(self, agent: DBusObjectPath, capability: DBusStr) -> None:
        self.registered.append((agent, capability))

    @dbus_method(name="RequestDefaultAgent")
    def request_default_agent(self, _agent: DBusObjectPath) -> None:
        self.default.set()


class Voice:
    def __init__(self, passkey=123456, same=True):
        self.answer = passkey
        self.says_same = same
        self.shown = []

    async def passkey(self, _address):
        return self.answer

    async def same(self, _address, _passkey):
        return self.says_same

    def show(self, address, passkey):
        self.shown.append((address, passkey))


@pytest.fixture
async def bus_address(tmp_path):
    config = tmp_path / "bus.conf"
    config.write_text(f"""<busconfig><type>session</type><listen>unix:path={tmp_path}/bus</listen>
      <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
      <allow own="*"/></policy></busconfig>""")
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon",
        f"--config-file={config}",
        "--nofork",
        "--print-address",
        stdout=asyncio.subprocess.PIPE,
    )
    address = (await asyncio.wait_for(daemon.stdout.readline(), 10)).decode().strip()
    yield address
    daemon.terminate()
    await daemon.wait()


class BlueZ:
    """A process on the bus that owns org.bluez."""

    def __init__(self, address):
        self.address = address
        self.manager = Manager()

    async def __aenter__(self):
        self.bus = await MessageBus(bus_address=self.address).connect()
        self.bus.export("/org/bluez", self.manager)
        await self.bus.request_name("org.bluez")
        return self

    async def __aexit__(self, *_):
        self.bus.disconnect()

    async def asks(self, agent_bus_name, member, signature, body):
        reply = await self.bus.call(
            Message(
                destination=agent_bus_name,
                path=pairing_agent.PATH,
                interface="org.bluez.Agent1",
                member=member,
                signature=signature,
                body=body,
            )
        )
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name, "")
        return reply.body

    async def agent_name(self):
        """The unique name of who exports the agent: the highest on this small bus."""
        reply = await self.bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="ListNames",
            )
        )
        others = {name for name in reply.body[0] if name.startswith(":")} - {self.bus.unique_name}
        (name,) = others
        return name


@needs_bus
class TestOnABus:
    async def test_registers_without_input_and_output(self, bus_address):
        async with BlueZ(bus_address) as bluez, PairingAgent(PairingWindow(), None, bus_address) as agent:
            await asyncio.wait_for(agent.registered.wait(), 10)
            assert bluez.manager.registered == [(pairing_agent.PATH, "NoInputNoOutput")]
            assert bluez.manager.default.is_set()

    async def test_registers_again_when_bluez_comes_back(self, bus_address):
        async with PairingAgent(PairingWindow(), Voice(), bus_address) as agent:
            for _ in range(2):
                async with BlueZ(bus_address) as bluez:
                    await asyncio.wait_for(bluez.manager.default.wait(), 10)
                    assert bluez.manager.registered == [(pairing_agent.PATH, "KeyboardDisplay")]
                    await asyncio.wait_for(agent.registered.wait(), 10)

    @pytest.mark.parametrize(
        ("member", "signature", "body"),
        [
            ("RequestAuthorization", "o", [DEVICE]),
            ("RequestConfirmation", "ou", [DEVICE, 123456]),
            ("AuthorizeService", "os", [DEVICE, "00001810-0000-1000-8000-00805f9b34fb"]),
        ],
    )
    async def test_admits_only_the_device_whose_pairing_is_open(self, bus_address, member, signature, body):
        window = PairingWindow()
        async with BlueZ(bus_address) as bluez, PairingAgent(window, None, bus_address) as agent:
            await asyncio.wait_for(agent.registered.wait(), 10)
            name = await bluez.agent_name()
            window.open_for("F0:5A:01:00:00:02")
            with pytest.raises(DBusError) as refused:
                await bluez.asks(name, member, signature, body)
            assert refused.value.type == "org.bluez.Error.Rejected"
            window.open_for(ADDRESS.lower())
            assert await bluez.asks(name, member, signature, body) == []
            window.close(ADDRESS)
            with pytest.raises(DBusError):
                await bluez.asks(name, member, signature, body)

    async def test_asks_a_person_for_the_code(self, bus_address):
        window, voice = PairingWindow(), Voice(passkey=1234)
        window.open_for(ADDRESS)
        async with BlueZ(bus_address) as bluez, PairingAgent(window, voice, bus_address) as agent:
            await asyncio.wait_for(agent.registered.wait(), 10)
            name = await bluez.agent_name()
            assert await bluez.asks(name, "RequestPasskey", "o", [DEVICE]) == [1234]
            assert await bluez.asks(name, "RequestPinCode", "o", [DEVICE]) == ["001234"]
            await bluez.asks(name, "DisplayPasskey", "ouq", [DEVICE, 77, 0])
            assert voice.shown == [(ADDRESS, 77)]
            voice.answer, voice.says_same = None, False
            with pytest.raises(DBusError) as nobody:
                await bluez.asks(name, "RequestPasskey", "o", [DEVICE])
            assert nobody.value.type == "org.bluez.Error.Canceled"
            with pytest.raises(DBusError) as differs:
                await bluez.asks(name, "RequestConfirmation", "ou", [DEVICE, 5])
            assert differs.value.type == "org.bluez.Error.Rejected"

    async def test_without_a_voice_no_code_can_be_given(self, bus_address):
        window = PairingWindow()
        window.open_for(ADDRESS)
        async with BlueZ(bus_address) as bluez, PairingAgent(window, None, bus_address) as agent:
            await asyncio.wait_for(agent.registered.wait(), 10)
            with pytest.raises(DBusError) as refused:
                await bluez.asks(await bluez.agent_name(), "RequestPasskey", "o", [DEVICE])
            assert refused.value.type == "org.bluez.Error.Rejected"


async def test_a_missing_bus_ends_nothing(tmp_path):
    async with PairingAgent(PairingWindow(), None, f"unix:path={tmp_path}/nobody") as agent:
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
