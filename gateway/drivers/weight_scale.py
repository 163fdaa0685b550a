"""Scales of the Bluetooth Weight Scale Profile (A&D UC-352BLE, Beurer BF720 and BF105, Sanitas SBF72).

Source: Weight Scale Service 1.0 (0x181D): 2A9D; Body Composition Service 1.0 (0x181B): 2A9C, which may take
two packets. Of the scale's user list (2A9F) only consent is given (user_control.py): nobody is registered,
changed or deleted. Its features (2A9E, 2A9B) tell how finely it measures, which changes no number.
"""

from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.families.scale_packets import COMPOSITION, WEIGHT, Packet
from gateway.drivers.shared.clocks import CURRENT_TIME, DATE_TIME
from gateway.drivers.shared.fields import DeviceTime, between
from gateway.drivers.shared.user_control import ANSWER_S, CONTROL_POINT, MAY_SEND, MEASUREMENTS_S, Consents
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

_WITHOUT_CURRENT = ("body-weight", "body-height", "basal-metabolism")  # told also of who wears shoes
# What no scale can measure on a person: a fault of the device, not a medical judgement.
_LIMITS = {"body-weight kg": (1, 327), "body-weight [lb_av]": (2, 655), "body-fat %": (1, 90)}


class WeightScale(Driver):
    """One visit of a scale: weights, and compositions of one packet or two."""

    name = "weight-scale"
    services = ("181d", "181b", "181c")
    subscribe = (WEIGHT, COMPOSITION, CONTROL_POINT)
    clocks = (CURRENT_TIME, DATE_TIME)
    repeats_within_s = 10  # stepping off and on again takes longer
    joins = True
    may_send = MAY_SEND

    def __init__(self) -> None:
        self._consents: Consents | None = None
        self._first: Packet | None = None  # waits for its second packet
        self._second = b""  # of the last measurement that was joined

    def received(self, frame: Frame) -> list[Record]:
        """One record for a weight, one for a composition as soon as it is whole."""
        if frame.source == CONTROL_POINT:
            self._answered(frame.data)
        if frame.source not in (WEIGHT, COMPOSITION):
            return []
        try:
            packet = Packet(frame)
        except DecodeError as error:
            return [Record([frame], None, None, error)]
        return [_record([packet])] if frame.source == WEIGHT else self._composed(packet)

    def start(self, known: Known) -> None:
        """Where people gave consent at the scale, it tells nothing before it has their codes."""
        if known.users:
            self._consents = Consents(known.users, known.mark)
            self._ask_next()

    def silent(self) -> list[Record]:
        """That user's measurements are over, or the scale does not answer: the next one's turn."""
        self._ask_next()
        return []

    def _ask_next(self) -> None:
        consent = self._consents.next() if self._consents else None
        if consent is not None:
            self.send(CONTROL_POINT, consent)
        self.patience_s = None if consent is None else ANSWER_S

    def _answered(self, data: bytes) -> None:
        taken = self._consents.answered(data) if self._consents else None
        if taken is None or self._consents is None:
            return
        self.mark = self._consents.refused
        if taken:
            self.patience_s = MEASUREMENTS_S
        else:
            self._ask_next()

    def finish(self) -> list[Record]:
        """A first packet whose second never came, as far as it goes."""
        first, self._first = self._first, None
        return [] if first is None else [_record([first])]

    def _composed(self, packet: Packet) -> list[Record]:
        first, data = self._first, packet.frame.data
        if data == (self._second if first is None else first.frame.data):
            return []  # told again, because our confirmation was lost
        if first is not None and first.goes_on_in(packet):
            self._first, self._second = None, data
            return [_record([first, packet])]
        records = self.finish()
        if not packet.in_packets:
            return records + [_record([packet])]
        self._first = packet
        return records


def _record(packets: list[Packet]) -> Record:
    """The key holds what every packet of a measurement says and no change of a user's profile alters."""
    first, last = packets[0], packets[-1]
    time = first.time or last.time
    key_time = time.key() if time else None
    values = _values(packets)
    reading = Reading(
        "weight" if first.frame.source == WEIGHT else "body-composition",
        # With a time of its own it may come from the memory, and that time places it; else it is new.
        "spot" if key_time is None else "stored",
        values,
        _notes(values, time),
        last.user if first.user is None else first.user,
        None,
        time.text if time else None,
        None,
        not first.in_packets or len(packets) > 1,
    )
    key = RecordKey(first.frame.source, None, key_time, first.raw_value)
    return Record([packet.frame for packet in packets], reading, key)


def _values(packets: list[Packet]) -> list[Value]:
    """The values of all packets. Where the fat is 0 no current flowed: what rests on it is no measurement."""
    main = packets[0].values[0]
    values = [packets[-1].values[0] if main.digits is None else main]
    for packet in packets:
        values += packet.values[1:]
    if values[0].name == "body-fat" and values[0].absent == "unknown":
        return [
            v if v.name in _WITHOUT_CURRENT else Value(v.name, None, 0, v.unit, "unknown") for v in values
        ]
    return values


def _notes(values: list[Value], time: DeviceTime | None) -> list[str]:
    notes = []
    if time and not time.clock_set():
        notes.append("clock-not-set")
    for value in values:
        low, high = _LIMITS.get(value.name + " " + value.unit, (0, 65535))
        if not between(value, low, high) and "implausible" not in notes:
            notes.append("implausible")
    return notes
