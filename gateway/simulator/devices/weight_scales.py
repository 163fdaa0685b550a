"""Virtual scales: as A&D builds them (weight), and as Beurer does (composition too, and users).

Layout: Weight Scale Service 1.0 (2A9D, 2A9E), Body Composition Service 1.0 (2A9C, 2A9B), User Data Service
1.1 (2A9F: consent of a user, by slot and code), Date Time 2A08, Current Time 2A2B.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.simulator.encoding import date_time, scaled
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.storing import Storing

FAILED = 0xFFFF
_IMPERIAL, _TIME, _USER, _BMI_AND_HEIGHT, _TWO_PACKETS = 0x01, 0x02, 0x04, 0x08, 0x1000
# Parts of a composition: flag, places of the digits that stand there, and how many of them one count is.
_PARTS = {
    "basal-metabolism": (0x0008, 0, 1),
    "muscle-percentage": (0x0010, 1, 1),
    "muscle-mass": (0x0020, 3, 5),
    "fat-free-mass": (0x0040, 3, 5),
    "soft-lean-mass": (0x0080, 3, 5),
    "body-water-mass": (0x0100, 3, 5),
    "impedance": (0x0200, 1, 1),
    "body-weight": (0x0400, 3, 5),
    "body-height": (0x0800, 3, 1),
}
_FIRST_PACKET = 3  # so many parts beside fat, time and user fit into 20 bytes
_CONSENT, _RESPONSE, _SUCCESS, _NOT_AUTHORISED, _NOT_SUPPORTED = 0x02, 0x20, 1, 5, 2


@dataclass
class ScaleOptions(PeripheralOptions):
    """imperial: pounds. tells_time: each record has a time."""

    model: str = "SCALE-SIM"
    only_bonds_at_first: bool = True
    imperial: bool = False
    tells_time: bool = True


class WeightScale(Storing):
    """A scale that only weighs; it hangs up after the bond, as A&D's do."""

    driver, called = "weight-scale", "SCALE"
    advertised: tuple[int | str, ...] = (0x181D,)
    options: ScaleOptions
    options_type = ScaleOptions

    def declare(self) -> None:
        weight = self.offers(0x2A9D, indicates=True)
        self.told = {"2a9d": weight}
        self.service(0x181D, weight, self.offers(0x2A9E, value=bytes(4)), self.date_time())

    async def weigh(
        self,
        counts: int,
        *,
        user: int | None = None,
        bmi: int | None = None,
        height: int | None = None,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """counts: 5 g or 0.01 lb each; FAILED: it did not succeed. bmi in tenths, height in mm or 0.1 in."""
        moment = self.clock() - ago if self.options.tells_time else None
        values: dict[str, str | list[str] | None] = {"body-weight": self._mass(counts)}
        if bmi is not None and height is not None:
            values |= {
                "bmi": scaled(bmi, 1),
                "body-height": scaled(height, 1 if self.options.imperial else 3),
            }
        return await self.store(
            "weight",
            values,
            (self._place("2a9d", user), self._weight(counts, moment, user, bmi, height)),
            device_time=moment,
            user=None if user == 255 else user,
            units={"body-weight": "[lb_av]" if self.options.imperial else "kg"},
        )

    def _mass(self, counts: int) -> str | None:
        if counts == FAILED:
            return None
        return scaled(counts, 2) if self.options.imperial else scaled(counts * 5, 3)

    def _place(self, name: str, user: int | None) -> str:  # noqa: ARG002 (for scales with users)
        return name

    def _weight(
        self, counts: int, moment: datetime | None, user: int | None, bmi: int | None, height: int | None
    ) -> bytes:
        flags = _IMPERIAL if self.options.imperial else 0
        fields = counts.to_bytes(2, "little")
        if moment is not None:
            flags |= _TIME
            fields += date_time(moment)
        if user is not None:
            flags |= _USER
            fields += bytes((user,))
        if bmi is not None and height is not None:
            flags |= _BMI_AND_HEIGHT
            fields += bmi.to_bytes(2, "little") + height.to_bytes(2, "little")
        return bytes((flags,)) + fields

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        await self.weigh(random.randint(11_000, 19_000), ago=ago)


@dataclass
class BodyScaleOptions(ScaleOptions):
    """users: consent code by slot; what is theirs is told only after it. two_packets: of a composition."""

    model: str = "BF-SIM"
    only_bonds_at_first: bool = False
    users: dict[int, int] = field(default_factory=dict)
    two_packets: bool = True


class BodyScale(WeightScale):
    """A scale that measures composition too: after each weight one composition, in two packets.

    active: the user whose code was given last; that stays so when the hub has left, until a wrong one is
    given. With users the hub ends the visit, else the scale does.
    """

    called, advertised = "BODY", (0x181D, 0x181B)
    options: BodyScaleOptions
    options_type = BodyScaleOptions

    def declare(self) -> None:
        weight, composition = self.offers(0x2A9D, indicates=True), self.offers(0x2A9C, indicates=True)
        self._control = self.offers(0x2A9F, indicates=True, written=self._controlled)
        self.active: int | None = None
        self.talking = bool(self.options.users)
        self.told = {"2a9d": weight, "2a9c": composition}
        for slot in self.options.users:
            self.told |= {f"2a9d/{slot}": weight, f"2a9c/{slot}": composition}
        self.service(0x181D, weight, self.offers(0x2A9E, value=bytes(4)))
        self.service(0x181B, composition, self.offers(0x2A9B, value=bytes(4)))
        self.service(0x181C, self._control)
        self.service(0x1805, self.current_time())

    async def compose(
        self,
        fat: int,
        parts: Mapping[str, int],
        *,
        user: int | None = None,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """Composition: fat in tenths of a per cent; parts: counts by name (of 5 g, 0.1 % or 0.1 ohm each).

        A fat of 0 says that nothing was measured that needs a current: the person wore shoes.
        """
        moment = self.clock() - ago if self.options.tells_time else None
        place = self._place("2a9c", user)
        packets = self._packets(fat, parts, moment, user)
        return await self.store(
            "body-composition",
            _composition(fat, parts),
            *((place, packet) for packet in packets),
            device_time=moment,
            user=user,
        )

    def _packets(
        self, fat: int, parts: Mapping[str, int], moment: datetime | None, user: int | None
    ) -> list[bytes]:
        names = [name for name in _PARTS if name in parts]
        if not self.options.two_packets:
            return [_packet(fat, {name: parts[name] for name in names}, moment, user, 0)]
        halves = names[:_FIRST_PACKET], names[_FIRST_PACKET:]
        first, second = ({name: parts[name] for name in half} for half in halves)
        return [
            _packet(fat, first, moment, user, _TWO_PACKETS),
            _packet(fat, second, None, None, _TWO_PACKETS),
        ]

    # Users.

    def _place(self, name: str, user: int | None) -> str:
        return f"{name}/{user}" if user in self.options.users else name

    def may_tell(self, link: HubLink, record: Record) -> bool:  # noqa: ARG002 (whoever asked last)
        slot = record.parts[0][0].partition("/")[2]
        return slot in ("", str(self.active))

    def _controlled(self, link: HubLink, data: bytes) -> Work:
        self.truth.write("controlled", hex=data.hex())
        return self._answer(link, data)

    async def _answer(self, link: HubLink, data: bytes) -> None:
        result = _NOT_SUPPORTED
        if len(data) == 4 and data[0] == _CONSENT:
            right = self.options.users.get(data[1]) == int.from_bytes(data[2:], "little")
            result = _SUCCESS if right else _NOT_AUTHORISED
            self.active = data[1] if right else None
        await link.indicate(self._control, bytes((_RESPONSE, data[0], result)))
        link.news.set()

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        weight, fat = random.randint(11_000, 19_000), random.randint(120, 380)
        await self.weigh(weight, ago=ago)
        parts = {
            "basal-metabolism": 6500,
            "muscle-percentage": 412,
            "body-water-mass": 7400,
            "impedance": 5012,
        }
        await self.compose(fat, {**parts, "body-weight": weight}, ago=ago)


def _packet(
    fat: int, parts: Mapping[str, int], moment: datetime | None, user: int | None, flags: int
) -> bytes:
    fields = fat.to_bytes(2, "little")
    if moment is not None:
        flags |= _TIME
        fields += date_time(moment)
    if user is not None:
        flags |= _USER
        fields += bytes((user,))
    for name, counts in parts.items():
        flags |= _PARTS[name][0]
        fields += counts.to_bytes(2, "little")
    return flags.to_bytes(2, "little") + fields


def _composition(fat: int, parts: Mapping[str, int]) -> dict[str, str | list[str] | None]:
    values: dict[str, str | list[str] | None] = {"body-fat": scaled(fat, 1) if fat else None}
    for name, counts in parts.items():
        _, places, each = _PARTS[name]
        measured = counts and (fat or name in ("body-weight", "body-height", "basal-metabolism"))
        values[name] = scaled(counts * each, places) if measured else None
    return values
