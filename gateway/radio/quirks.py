"""What the radio must know of some makes that no specification says."""

# A&D UA-651BLE, UC-352BLE, UT-201BLE: names of devices, and how Device Information names the maker.
_LEAVE_AFTER_BOND = ("A&D", "UA-651", "UC-352", "UT-201")


def leaves_after_bond(name: str, manufacturer: str = "") -> bool:
    """Whether the hub must hang up as soon as it has bonded, for the device to leave its pairing mode.

    Source: A&D UA-651BLE, UC-352BLE and UT-201BLE (blessed, BluetoothHandler, disconnects right there). The
    values come at the next connection.
    """
    return name.startswith(_LEAVE_AFTER_BOND) or manufacturer.startswith("A&D")
