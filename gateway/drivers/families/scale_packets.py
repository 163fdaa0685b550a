"""What stands in one packet of a scale: Weight Measurement 2A9D or Body Composition Measurement 2A9C.

Source: Weight Scale Service 1.0, Body Composition Service 1.0, GATT Specification Supplement (factors).
That Beurer scales send 0 for what they could not measure: chalimov/ha-beurer-bf600, PROTOCOL.md.
"""

from gateway.drivers.shared.fields import DeviceTime, Fields
from gateway.wire.items import Frame
from gateway.wire.reading import Value

WEIGHT, COMPOSITION = "2a9d", "2a9c"
# Flags that both share, then those of a weight and of a composition.
_IMPERIAL, _HAS_TIME, _HAS_USER = 0x01, 0x02, 0x04
_HAS_BMI_AND_HEIGHT = 0x08
_IN_PACKETS = 0x1000

_UNKNOWN_USER = 255
_UNSUCCESSFUL = 0xFFFF
# (unit, factor, exponent), metric and imperial: 14000 x 0.005 kg is 70.000 kg.
_MASS = (("kg", 5, -3), ("[lb_av]", 1, -2))
_LENGTH = (("m", 1, -3), ("[in_i]", 1, -1))
_BMI, _PERCENT = (("kg/m2", 1, -1),) * 2, (("%", 1, -1),) * 2
_ENERGY, _RESISTANCE = (("kJ", 1, 0),) * 2, (("Ohm", 1, -1),) * 2
# What may follow the fat in a composition: (flag, name, measure), in this order.
_PARTS = (
    (0x0008, "basal-metabolism", _ENERGY),
    (0x0010, "muscle-percentage", _PERCENT),
    (0x0020, "muscle-mass", _MASS),
    (0x0040, "fat-free-mass", _MASS),
    (0x0080, "soft-lean-mass", _MASS),
    (0x0100, "body-water-mass", _MASS),
    (0x0200, "impedance", _RESISTANCE),
    (0x0400, "body-weight", _MASS),
    (0x0800, "body-height", _LENGTH),
)


class Packet:
    """The fields of one packet. The first value is the weight or the fat; raw_value its bytes.

    in_packets: two packets make this measurement. DecodeError when bytes are missing.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        fields = Fields(frame.data)
        composition = frame.source == COMPOSITION
        flags = fields.uint16() if composition else fields.uint8()
        self.in_packets = composition and flags & _IN_PACKETS != 0
        imperial = flags & _IMPERIAL
        name, measure = ("body-fat", _PERCENT) if composition else ("body-weight", _MASS)
        self.values = [_value(fields, name, measure[imperial])]
        self.raw_value = fields.since(fields.at - 2)
        self.time: DeviceTime | None = fields.date_time() if flags & _HAS_TIME else None
        user = fields.uint8() if flags & _HAS_USER else _UNKNOWN_USER
        self.user = None if user == _UNKNOWN_USER else user
        if composition:
            rest = [(name, measure) for bit, name, measure in _PARTS if flags & bit]
        else:
            rest = [("bmi", _BMI), ("body-height", _LENGTH)] if flags & _HAS_BMI_AND_HEIGHT else []
        self.values += [_value(fields, name, measure[imperial]) for name, measure in rest]

    def goes_on_in(self, other: "Packet") -> bool:
        """True when the other packet says more of the same measurement and contradicts nothing."""
        names = [value.name for value in self.values[1:]]
        return (
            not any(value.name in names for value in other.values[1:])
            and _agree(self.values[0].digits, other.values[0].digits)
            and _agree(self.time and self.time.raw, other.time and other.time.raw)
            and _agree(self.user, other.user)
        )


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _value(fields: Fields, name: str, measure: tuple[str, int, int]) -> Value:
    """A number in the scale's resolution; 0 is what a scale sends for what it has not measured."""
    raw, (unit, factor, exponent) = fields.uint16(), measure
    if raw == _UNSUCCESSFUL:
        return Value(name, None, 0, unit, "error")
    return Value(name, raw * factor, exponent, unit) if raw else Value(name, None, 0, unit, "unknown")
