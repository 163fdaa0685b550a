"""All drivers, by name. A driver is one file here and one line in DRIVERS."""

from gateway.drivers.ascensia_contour import AscensiaContour
from gateway.drivers.ascii_scale import AsciiScale
from gateway.drivers.base import Driver, Record
from gateway.drivers.blood_pressure import BloodPressure
from gateway.drivers.contec_cms50 import ContecCms50
from gateway.drivers.continuous_glucose import ContinuousGlucose
from gateway.drivers.freestyle_serial import FreestyleSerial
from gateway.drivers.glucose_meter import GlucoseMeter
from gateway.drivers.heart_rate import HeartRate
from gateway.drivers.lifescan_serial import LifescanSerial
from gateway.drivers.mi_scale import MiScale
from gateway.drivers.nonin_3230 import Nonin3230
from gateway.drivers.nonin_serial import NoninSerial
from gateway.drivers.omron_blood_pressure import OmronBloodPressure
from gateway.drivers.onetouch_verio import OnetouchVerio
from gateway.drivers.pulse_oximeter import PulseOximeter
from gateway.drivers.taidoc import TaiDoc
from gateway.drivers.thermometer import Thermometer
from gateway.drivers.viatom_oximeter import ViatomOximeter
from gateway.drivers.weight_scale import WeightScale
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

DRIVERS: tuple[type[Driver], ...] = (
    AscensiaContour,
    AsciiScale,
    BloodPressure,
    ContecCms50,
    ContinuousGlucose,
    FreestyleSerial,
    GlucoseMeter,
    HeartRate,
    LifescanSerial,
    MiScale,
    Nonin3230,
    NoninSerial,
    OmronBloodPressure,
    OnetouchVerio,
    PulseOximeter,
    TaiDoc,
    Thermometer,
    ViatomOximeter,
    WeightScale,
)


def driver_named(name: str) -> type[Driver] | None:
    """The driver of that name, or None."""
    for driver in DRIVERS:
        if driver.name == name:
            return driver
    return None


def decode_record(name: str, frames: list[Frame]) -> list[Record]:
    """What a driver makes of a record's own frames; the bridge decodes every record again with it.

    DecodeError("driver-unknown") when there is no driver of that name.
    """
    kind = driver_named(name)
    if kind is None:
        raise DecodeError("driver-unknown", name)
    driver = kind()
    records = []
    for frame in frames:
        records += driver.received(frame)
    return records + driver.finish()
