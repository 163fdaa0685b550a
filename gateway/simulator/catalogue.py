"""Which virtual devices there are: one line each. Names are those of their drivers, or a short one.

The classes are loaded only when they are needed: whoever lists names needs no Bluetooth library.
"""

from argparse import ArgumentTypeError
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.simulator.virtual_device import VirtualDevice

BLUETOOTH, SERIAL = "bluetooth", "serial"  # how it is reached; what only advertises is Bluetooth too


@dataclass(frozen=True)
class Entry:
    """One virtual device.

    driver, alias: the names it answers to. by: how it is reached. place: module:class in `devices`. kinds:
    the readings that it makes when it is used, in the words of docs/vocabulary.md.
    """

    driver: str
    alias: str
    by: str
    place: str
    kinds: tuple[str, ...]

    def load(self) -> "type[VirtualDevice]":
        module, _, name = self.place.partition(":")
        made: type[VirtualDevice] = getattr(import_module("gateway.simulator.devices." + module), name)
        return made


CATALOGUE = (
    Entry(
        "blood-pressure",
        "cuff",
        BLUETOOTH,
        "blood_pressure_monitor:BloodPressureMonitor",
        ("blood-pressure",),
    ),
    Entry("thermometer", "", BLUETOOTH, "thermometer:Thermometer", ("temperature",)),
    Entry("heart-rate", "strap", BLUETOOTH, "heart_rate_strap:HeartRateStrap", ("heart-rate",)),
    Entry("pulse-oximeter", "plx", BLUETOOTH, "pulse_oximeter:PulseOximeter", ("oximetry",)),
    Entry("weight-scale", "scale", BLUETOOTH, "weight_scales:BodyScale", ("weight", "body-composition")),
    Entry("glucose-meter", "glucose", BLUETOOTH, "glucose_meter:GlucoseMeter", ("glucose",)),
    Entry("continuous-glucose", "cgm", BLUETOOTH, "glucose_sensor:GlucoseSensor", ("cgm-glucose",)),
    Entry("mi-scale", "", BLUETOOTH, "mi_scale:MiScale", ("weight", "body-composition")),
    Entry("contec-cms50", "contec", SERIAL, "contec_oximeters:NewContec", ("oximetry",)),
    Entry("freestyle-serial", "freestyle", SERIAL, "freestyle_meter:FreestyleMeter", ("glucose",)),
    Entry("ascii-scale", "", SERIAL, "ascii_scale:AsciiScale", ("weight",)),
    Entry("taidoc", "fora", SERIAL, "taidoc_meters:TaiDocCable", ("glucose",)),
    Entry("ascensia-contour", "contour", SERIAL, "contour_meter:ContourMeter", ("glucose",)),
    Entry("onetouch-verio", "verio", BLUETOOTH, "onetouch_verio:OnetouchVerio", ("glucose",)),
    Entry("lifescan-serial", "lifescan", SERIAL, "lifescan_meters:UltraEasy", ("glucose",)),
    Entry("omron-blood-pressure", "omron", BLUETOOTH, "omron_monitor:OmronMonitor", ("blood-pressure",)),
    Entry("nonin-3230", "", BLUETOOTH, "nonin_3230:Nonin3230", ("oximetry",)),
    Entry("viatom-oximeter", "o2ring", BLUETOOTH, "viatom_ring:ViatomRing", ("oximetry",)),
    Entry("nonin-serial", "oximeter", SERIAL, "oximeter:Oximeter", ("oximetry",)),
)
USUAL = ("blood-pressure", "nonin-serial")


class UnknownDeviceError(ArgumentTypeError):
    """A name that no virtual device has; the message lists those that there are."""


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list like "cuff,glucose-meter", or in "all"."""
    return tuple(entry.driver for entry in entries(tuple(name.strip() for name in text.split(","))))


def entries(names: Collection[str]) -> tuple[Entry, ...]:
    """The devices of these names, in the order of the catalogue."""
    wanted = [_entry(name) for name in names if name != "all"]
    return CATALOGUE if "all" in names else tuple(entry for entry in CATALOGUE if entry in wanted)


def _entry(name: str) -> Entry:
    for entry in CATALOGUE:
        if name and name in (entry.driver, entry.alias):
            return entry
    known = ", ".join(entry.driver + (f" ({entry.alias})" if entry.alias else "") for entry in CATALOGUE)
    raise UnknownDeviceError(f"unknown device {name!r}; known: all, {known}")
