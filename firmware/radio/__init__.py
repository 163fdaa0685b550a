"""Bluetooth devices, directly on `bluetooth.BLE`: heard, visited, read. As gateway/radio does it on a Pi."""

from firmware.radio.base import BluetoothDevice, Limits, RadioError
from firmware.radio.bonds import Bonds
from firmware.radio.listening import Radio

__all__ = ["BluetoothDevice", "Bonds", "Limits", "Radio", "RadioError"]
