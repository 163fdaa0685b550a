"""All drivers, by name; each is loaded when asked for. A driver is one file here and one line in DRIVERS."""

from gateway.drivers.base import Driver, Record
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

# Name, module and class. One text, because a table of texts would stand in an ESP32's memory.
DRIVERS = """\
ascensia-contour gateway.drivers.ascensia_contour AscensiaContour
ascii-scale gateway.drivers.ascii_scale AsciiScale
blood-pressure gateway.drivers.blood_pressure BloodPressure
contec-cms50 gateway.drivers.contec_cms50 ContecCms50
continuous-glucose gateway.drivers.continuous_glucose ContinuousGlucose
freestyle-serial gateway.drivers.freestyle_serial FreestyleSerial
glucose-meter gateway.drivers.glucose_meter GlucoseMeter
heart-rate gateway.drivers.heart_rate HeartRate
lifescan-serial gateway.drivers.lifescan_serial LifescanSerial
mi-scale gateway.drivers.mi_scale MiScale
nonin-3230 gateway.drivers.nonin_3230 Nonin3230
nonin-serial gateway.drivers.nonin_serial NoninSerial
omron-blood-pressure gateway.drivers.omron_blood_pressure OmronBloodPressure
onetouch-verio gateway.drivers.onetouch_verio OnetouchVerio
pulse-oximeter gateway.drivers.pulse_oximeter PulseOximeter
taidoc gateway.drivers.taidoc TaiDoc
thermometer gateway.drivers.thermometer Thermometer
viatom-oximeter gateway.drivers.viatom_oximeter ViatomOximeter
weight-scale gateway.drivers.weight_scale WeightScale
"""
_loaded: dict[str, type[Driver]] = {}


def driver_names() -> list[str]:
    """The names of all drivers."""
    return [line.split(" ")[0] for line in _lines()]


def driver_named(name: str) -> type[Driver] | None:
    """The driver of that name, or None."""
    if name not in _loaded:
        for line in _lines():
            if line.split(" ")[0] == name:
                _loaded[name] = _driver(line)
    return _loaded.get(name)


def all_drivers() -> tuple[type[Driver], ...]:
    """Every driver; loads them all."""
    return tuple([_driver(line) for line in _lines()])


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


def _lines() -> list[str]:
    return DRIVERS.split("\n")[:-1]


def _driver(line: str) -> type[Driver]:
    _, module, kind = line.split(" ")
    driver: type[Driver] = getattr(__import__(module, None, None, (kind,)), kind)
    return driver
