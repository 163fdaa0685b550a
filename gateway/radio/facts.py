"""How it stands with the radio and with each device, for the status, the doctor and the pairing command."""

import asyncio
from dataclasses import dataclass, field

from gateway.hub.visit import Visit
from gateway.radio.base import RadioError
from gateway.radio.watchdog import HEARS, UNPROVEN

# A bond that is gone, on either side or to somebody else: a person must pair again.
BOND_CODES = ("bond-lost", "bond-elsewhere", "bond-other-adapter", "pairing-needed")


@dataclass
class DeviceFacts:
    """How it stands with one device. Times are seconds of the event loop's clock.

    turned_away: visits in a row in which the device was heard well and did not let this hub in.
    visit_over: set whenever a visit has ended, well or not.
    name, manufacturer, model: as the device told them, to find the steps for it; never a reason to trust it.
    """

    seen_at: float | None = None
    visited_at: float | None = None
    rssi: int = -127
    battery: int | None = None
    bonded: bool | None = None
    visits: int = 0
    values: int = 0
    problem: RadioError | None = None
    clock_problem: RadioError | None = None
    failures: int = 0
    turned_away: int = 0
    busy: bool = False
    not_before: float = 0
    visit_over: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = ""
    manufacturer: str = ""
    model: str = ""

    def learn(self, visit: Visit) -> None:
        """What a visit told of the device."""
        self.battery, self.bonded = visit.battery, visit.bonded
        self.manufacturer = visit.device.manufacturer or ""
        self.model = visit.device.model or ""


@dataclass
class RadioFacts:
    """How it stands with the radio itself. proof: how the hub knows that it works (see `watchdog`)."""

    scanning: bool = False
    proof: str = UNPROVEN
    heard_at: float | None = None
    scanner_restarts: int = 0
    power_cycles: int = 0
    adapter_faults: int = 0
    problem: RadioError | None = None
    devices: dict[str, DeviceFacts] = field(default_factory=dict)

    def numbers(self) -> dict[str, int]:
        """For the hub's status; names and causes stay here."""
        problems = [device.problem.code for device in self.devices.values() if device.problem is not None]
        return {
            "radio-scanning": int(self.scanning),
            "radio-hears": int(self.scanning and self.proof == HEARS),
            "radio-faults": self.adapter_faults,
            "radio-restarts": self.scanner_restarts,
            "radio-power-cycles": self.power_cycles,
            "devices-failing": len(problems),
            "devices-unbonded": sum(code in BOND_CODES for code in problems),
        }
