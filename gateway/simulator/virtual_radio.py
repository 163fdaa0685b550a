"""The air between virtual Bluetooth controllers, and adapters that a gateway reaches over loopback TCP.

The devices and the air live in one process ("the street"). Each gateway has its own adapter here, offered
as HCI packets (H4 framing, Core specification volume 4, part A) on a TCP port, so that gateway and devices
can be killed apart. When a gateway's socket ends its connections drop, as if its adapter lost power.
"""

import asyncio
import logging
from typing import cast

from bumble import core, hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport.common import PacketParser

log = logging.getLogger(__name__)


class Air(LocalLink):
    """A link whose connections behave as on the air where bumble 0.0.236 does not."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: core.PhysicalTransport,
        data: bytes,
    ) -> None:
        """Data bears the address its connection was made with, not the sender's current random address.

        bumble uses the latter, and loses everything of a host that scans with a random address and
        connects with its public one, as Linux does.
        """
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is None or receiver is None:
            return  # what is sent to somebody who has left is lost
        loop = asyncio.get_running_loop()
        loop.call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """A request to connect that nobody answers ends as "failed to be established" (error 3E).

        Two gateways answer the same advertisement: the device takes one of them.
        """
        super().send_advertising_pdu(sender_controller, packet)
        if isinstance(packet, ll.ConnectInd):
            asyncio.get_running_loop().call_soon(self._established, sender_controller, packet)

    def _established(self, central: Controller, request: ll.ConnectInd) -> None:
        for controller in self.controllers:
            connection = controller.le_connections.get(request.initiator_address)
            if connection is not None and connection.self_address == request.advertiser_address:
                return
        ghost = central.le_connections.get(request.advertiser_address)
        if ghost is not None:
            central.on_le_disconnected(ghost, hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """To somebody who has left: lost, where bumble raises."""
        receiver = self.find_le_controller(receiver_address)
        if receiver is not None and sender_address in receiver.le_connections:
            asyncio.get_running_loop().call_soon(self._control, receiver, sender_address, packet)

    @staticmethod
    def _control(receiver: Controller, sender: hci.Address, packet: ll.ControlPdu) -> None:
        if sender in receiver.le_connections:  # it may have hung up in the meantime
            receiver.on_ll_control_pdu(sender, packet)


class AirController(Controller):
    """A controller that can give up a connection that does not come about, where bumble 0.0.236 cannot.

    There a cancelled connection stays pending: no later one is ever made, as if the adapter were dead.
    """

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Core specification, volume 4, part E, 7.8.13: complete, and then a connection that failed (02)."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        failed = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, failed)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def lose_power(self) -> None:
        """All connections drop (the peers see a supervision timeout), nothing is scanned or advertised."""
        self.host = None
        for connection in list(self.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
        self.le_connections.clear()
        self.le_scan_enable = False
        self.pending_le_connection = None
        self.le_legacy_advertiser.stop()
        for advertising in self.advertising_sets.values():
            advertising.stop()
        self.advertising_sets.clear()


class AdapterPort:
    """One gateway's adapter: a controller on the air, its host on the other side of a TCP port.

    One host at a time; a second one is turned away, as a second program is by a real adapter.
    """

    def __init__(self, air: LocalLink, address: str) -> None:
        self.address = address
        self.port = 0
        self._controller = AirController("adapter", link=air, public_address=address)
        self._server: asyncio.Server | None = None
        self._host: asyncio.WriteTransport | None = None

    @property
    def in_use(self) -> bool:
        return self._host is not None

    async def open(self, port: int = 0) -> int:
        """Listens on this loopback port (0: any free one; taken: any other) and returns it."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Host(self), "127.0.0.1", port)
        except OSError:
            self._server = await loop.create_server(lambda: _Host(self), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._host is not None:
            self._host.abort()
        self.host_left(self._host)

    def host_came(self, transport: asyncio.WriteTransport) -> Controller | None:
        """The controller for this host; None while another one has it."""
        if self._host is not None:
            return None
        self._host = transport
        return self._controller

    def host_left(self, transport: asyncio.WriteTransport | None) -> None:
        if transport is not None and transport is self._host:
            self._host = None
            self._controller.lose_power()


class _Host(asyncio.Protocol):
    """The TCP side of an adapter: HCI packets in and out."""

    def __init__(self, adapter: AdapterPort) -> None:
        self._adapter = adapter
        self._parser = PacketParser()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        controller = self._adapter.host_came(self._transport)
        if controller is None:
            self._transport.abort()
            return
        self._parser.set_packet_sink(controller)
        controller.host = self

    def on_packet(self, packet: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except core.InvalidPacketError:
            log.warning("host sent no HCI packet")
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._adapter.host_left(self._transport)
