"""How a virtual Bluetooth device behaves that a hub connects to."""

from dataclasses import dataclass

from bumble import att

from gateway.simulator.advertiser import AdvertiserOptions


@dataclass
class PeripheralOptions(AdvertiserOptions):
    """Times in seconds; all may be changed while it runs.

    keeps_memory: sends everything at each connection and forgets nothing. window_s: how long it advertises
    after a measurement; None: always. hang_up_after_s: after the last confirmation. idle_s: without anything
    to send. pace_s: pause between notifications and indications, as on a slow link. bonds: it answers over an
    encrypted bond only. refusal: ATT error without one (0F or 05). only_bonds_at_first: in the connection in
    which the bond is made it sends nothing, as A&D builds it. lose_confirmations: so many of the next
    confirmations never reach the device, the link drops instead. mtu: bytes of its radio; 23 is an old one.
    battery: per cent; None: it tells none.
    """

    keeps_memory: bool = False
    window_s: float | None = 30
    hang_up_after_s: float = 0.3
    idle_s: float = 5
    pace_s: float = 0
    bonds: bool = True
    refusal: int = att.ATT_INSUFFICIENT_ENCRYPTION_ERROR
    only_bonds_at_first: bool = False
    lose_confirmations: int = 0
    mtu: int = 247
    manufacturer: str = "Meethub"
    model: str = "SIM"
    firmware: str = "1.0"
    serial: str = "0001"
    battery: int | None = 80
