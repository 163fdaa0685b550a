"""The radio: the only place that knows bleak.

clock ← conduct (one visit), broadcast (no connection) ← listening (all of them) → line (one connection)
"""

from gateway.radio.base import BluetoothDevice, Limits, RadioError
from gateway.radio.line import Backend
from gateway.radio.listening import DeviceFacts, Radio, RadioFacts

__all__ = ["Backend", "BluetoothDevice", "DeviceFacts", "Limits", "Radio", "RadioError", "RadioFacts"]
