"""The radio: the only place that knows bleak.

clock ← conduct (one visit), broadcast (no connection) ← listening (all of them) → line (one connection)
listening → scanning (the one scan) → watchdog, machine (the adapter); listening → bonding (on request)
"""

from gateway.radio.base import BluetoothDevice, Limits, RadioError
from gateway.radio.bonding import Paired
from gateway.radio.facts import DeviceFacts, RadioFacts
from gateway.radio.line import Backend
from gateway.radio.listening import Radio
from gateway.radio.machine import BluezAdapter, Machine
from gateway.radio.recognise import Candidate

__all__ = [
    "Backend",
    "BluetoothDevice",
    "BluezAdapter",
    "Candidate",
    "DeviceFacts",
    "Limits",
    "Machine",
    "Paired",
    "Radio",
    "RadioError",
    "RadioFacts",
]
