"""The GATT client under the virtual backend: confirms before it tells, and discovers in bleak's words."""

from collections.abc import Callable
from typing import Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.uuids import normalize_uuid_str
from bumble import att
from bumble.core import UUID
from bumble.device import Peer
from bumble.gatt_client import CharacteristicProxy, Client


class ConfirmsFirst(Client):
    """A GATT client that confirms an indication before the application sees it, as BlueZ and NimBLE do.

    bumble confirms afterwards, which would make tests kinder than reality: a kill between the two then
    loses nothing here and a reading at home.
    """

    def on_gatt_pdu(self, att_pdu: att.ATT_PDU) -> None:
        """An answer that nobody waits for any more is dropped, where bumble raises."""
        waiting = self.pending_response
        if waiting is None or not waiting.done() or att_pdu.op_code not in att.ATT_RESPONSES:
            super().on_gatt_pdu(att_pdu)

    def on_att_handle_value_indication(self, indication: att.ATT_Handle_Value_Indication) -> None:
        self.send_confirmation(att.ATT_Handle_Value_Confirmation())
        for subscriber in self.indication_subscribers.get(indication.attribute_handle, set()):
            if callable(subscriber):
                subscriber(indication.attribute_value)


async def discovered(peer: Peer, longest: Callable[[], int]) -> BleakGATTServiceCollection:
    """All services, characteristics and descriptors, in bleak's words."""
    collection = BleakGATTServiceCollection()
    for found in await peer.discover_services():
        service = BleakGATTService(found, found.handle, _text(found.uuid))
        collection.add_service(service)
        for proxy in await found.discover_characteristics():
            characteristic = BleakGATTCharacteristic(
                proxy, proxy.handle, _text(proxy.uuid), _properties(proxy), longest, service
            )
            collection.add_characteristic(characteristic)
            for part in await proxy.discover_descriptors():
                descriptor = BleakGATTDescriptor(part, part.handle, _text(part.type), characteristic)
                collection.add_descriptor(descriptor)
    return collection


def _properties(proxy: CharacteristicProxy[bytes]) -> list[Any]:
    """The names that bleak gives the property bits (it types them as literals)."""
    bits = type(proxy.properties)
    return [str(bit.name).lower().replace("_", "-") for bit in bits if proxy.properties & bit]


def _text(uuid: UUID) -> str:
    return normalize_uuid_str(uuid.to_hex_str("-"))
