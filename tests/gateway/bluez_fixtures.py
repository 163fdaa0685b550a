"""A private D-Bus daemon, and a small stand-in for bluetoothd on it: agents, one adapter, devices in the air."""

import asyncio
import contextlib
import shutil

import pytest
from dbus_fast import DBusError, Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusObjectPath, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

needs_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is missing (Debian package: dbus)"
)


@contextlib.asynccontextmanager
async def private_bus(folder):
    """The address of a bus of our own."""
    config = folder / "bus.conf"
    config.write_text(f"""<busconfig><type>session</type><listen>unix:path={folder}/bus</listen>
      <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
      <allow own="*"/></policy></busconfig>""")
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon",
        f"--config-file={config}",
        "--nofork",
        "--print-address",
        stdout=asyncio.subprocess.PIPE,
    )
    yield (await asyncio.wait_for(daemon.stdout.readline(), 10)).decode().strip()
    daemon.terminate()
    await daemon.wait()


class Manager(ServiceInterface):
    """org.bluez.AgentManager1, as far as an agent sees it."""

    def __init__(self):
        super().__init__("org.bluez.AgentManager1")
        self.registered = []
        self.default = asyncio.Event()

    @dbus_method(name="RegisterAgent")
    def register_agent(self, agent: DBusObjectPath, capability: DBusStr) -> None:
        self.registered.append((agent, capability))

    @dbus_method(name="UnregisterAgent")
    def unregister_agent(self, agent: DBusObjectPath) -> None:
        self.registered = [(path, capability) for path, capability in self.registered if path != agent]
        self.default.clear()

    @dbus_method(name="RequestDefaultAgent")
    def request_default_agent(self, _agent: DBusObjectPath) -> None:
        self.default.set()


class Adapter(ServiceInterface):
    """org.bluez.Adapter1. deaf: it says that it scans and hears nothing, until it was switched off and on."""

    def __init__(self, address):
        super().__init__("org.bluez.Adapter1")
        self.address = address
        self.powered = True
        self.blocked = False
        self.deaf = False
        self.scans = 0
        self.scan = asyncio.Event()
        self.power_cycles = 0

    @dbus_method(name="SetDiscoveryFilter")
    def set_discovery_filter(self, _filter: DBusDict) -> None:
        """Everything is told anyway."""

    @dbus_method(name="StartDiscovery")
    def start_discovery(self) -> None:
        if self.scan.is_set():
            raise DBusError("org.bluez.Error.InProgress", "Operation already in progress")
        self.scans += 1
        self.scan.set()
        self.emit_properties_changed({"Discovering": True})

    @dbus_method(name="StopDiscovery")
    def stop_discovery(self) -> None:
        if not self.scan.is_set():
            raise DBusError("org.bluez.Error.Failed", "No discovery started")
        self.end_scan()

    def end_scan(self):
        self.scan.clear()
        self.emit_properties_changed({"Discovering": False})

    @dbus_property(access=PropertyAccess.READ, name="Address")
    def told_address(self) -> DBusStr:
        return self.address

    @dbus_property(access=PropertyAccess.READ, name="Discovering")
    def discovering(self) -> DBusBool:
        return self.scan.is_set()

    @dbus_property(name="Powered")
    def told_powered(self) -> DBusBool:
        return self.powered

    @told_powered.setter
    def set_powered(self, value: DBusBool) -> None:
        if value and self.blocked:
            raise DBusError("org.bluez.Error.Blocked", "blocked by rfkill")
        self.power_cycles += value and not self.powered
        self.deaf = self.deaf and not value
        self.powered = value
        self.scan.clear()
        self.emit_properties_changed({"Powered": value, "Discovering": False})


class BlueZ:
    """A process on the bus that owns org.bluez, for as long as it is entered."""

    def __init__(self, address, name="hci0"):
        self.address = address
        self.path = f"/org/bluez/{name}"
        self.manager = Manager()
        self.adapter = Adapter("00:AA:01:00:00:01")
        self.devices = {}

    async def __aenter__(self):
        self.bus = await MessageBus(bus_address=self.address).connect()
        self.bus.export("/org/bluez", self.manager)
        self.bus.export(self.path, self.adapter)
        self.bus.add_message_handler(self._objects)
        await self.bus.request_name("org.bluez")
        return self

    async def __aexit__(self, *_):
        self.bus.disconnect()
        await self.bus.wait_for_disconnect()

    def _objects(self, message):
        """ObjectManager at /: what dbus-fast tells of itself lacks the devices, which are no objects here."""
        if message.member != "GetManagedObjects":
            return None
        adapter = {
            "Address": Variant("s", self.adapter.address),
            "Powered": Variant("b", self.adapter.powered),
            "Discovering": Variant("b", self.adapter.scan.is_set()),
            "Roles": Variant("as", ["central"]),
        }
        objects = {self.path: {"org.bluez.Adapter1": adapter}}
        objects |= {path: {"org.bluez.Device1": values} for path, values in self.devices.items()}
        return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])

    def remember(self, device, *, bonded=True, adapter=None, **more):
        """A device that BlueZ keeps, which need not be here."""
        adapter = adapter or self.path
        path = f"{adapter}/dev_{device.replace(':', '_')}"
        self.devices[path] = {
            "Address": Variant("s", device),
            "Alias": Variant("s", more.pop("name", device.replace(":", "-"))),
            "Adapter": Variant("o", adapter),
            "Bonded": Variant("b", bonded),
            "Paired": Variant("b", bonded),
            "Connected": Variant("b", False),
            "UUIDs": Variant("as", more.pop("services", [])),
        }
        return path

    async def adds(self, path, **more):
        """Tells of a device, as at a start for each one that it remembers."""
        values = self.devices[path] | more
        await self._signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}", [
            path, {"org.bluez.Device1": values},
        ])  # fmt: skip

    async def hears(self, device, rssi=-50, **more):
        """An advertisement comes in, if the adapter listens; whether it was told."""
        if not self.adapter.scan.is_set() or self.adapter.deaf:
            return False
        path = f"{self.path}/dev_{device.replace(':', '_')}"
        if path not in self.devices:
            self.remember(device, bonded=False, **more)
            await self.adds(path, RSSI=Variant("n", rssi))
        else:
            await self.changes(path, "org.bluez.Device1", {"RSSI": Variant("n", rssi)})
        return True

    async def changes(self, path, interface, values):
        body = [interface, values, []]
        await self._signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)

    async def pulls_out(self):
        """The adapter is gone."""
        self.bus.unexport(self.path, self.adapter)
        body = [self.path, ["org.bluez.Adapter1"]]
        await self._signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "oas", body)

    async def plugs_in(self):
        self.adapter = Adapter(self.adapter.address)
        self.adapter.powered = False
        self.bus.export(self.path, self.adapter)
        values = {"Address": Variant("s", self.adapter.address), "Powered": Variant("b", False)}
        body = [self.path, {"org.bluez.Adapter1": values}]
        await self._signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}", body)

    async def _signal(self, path, interface, member, signature, body):
        await self.bus.send(Message.new_signal(path, interface, member, signature, body))

    async def asks(self, agent_bus_name, path, member, signature, body):
        """Calls the agent, as bluetoothd does while a device pairs."""
        reply = await self.bus.call(
            Message(
                destination=agent_bus_name,
                path=path,
                interface="org.bluez.Agent1",
                member=member,
                signature=signature,
                body=body,
            )
        )
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name, "")
        return reply.body

    async def others(self):
        """The unique names of all others on this small bus."""
        reply = await self.bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="ListNames",
            )
        )
        return {name for name in reply.body[0] if name.startswith(":")} - {self.bus.unique_name}
