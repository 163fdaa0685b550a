"""The wire between hubs and bridge, as a test bends it: messages up, states down, in their order.

It stands for the broker: what a connected hub sends arrives, unless a bend loses, doubles, reorders, delays or
alters it. A bend takes what is carried in one turn and returns what arrives of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from gateway.wire import topics
from gateway.wire.envelope import open_message

Carried = tuple[str, bytes]  # topic, payload
Bend = Callable[[list[Carried]], list[Carried]]
Match = Callable[[Carried], bool]


def is_envelope(carried: Carried) -> bool:
    return carried[0].endswith("/up/" + topics.ENVELOPE)


def is_hello(carried: Carried) -> bool:
    return carried[0].endswith("/up/" + topics.HELLO)


def place(carried: Carried) -> tuple[bytes, int]:
    """(key id, sequence) of an envelope."""
    sealed, _ = open_message(carried[1])
    return sealed.kid, sealed.sequence


def sequence_is(*sequences: int) -> Match:
    return lambda carried: is_envelope(carried) and place(carried)[1] in sequences


@dataclass
class Drop:
    """Loses what matches, so many times."""

    match: Match
    times: int = 1_000_000

    def __call__(self, carried: list[Carried]) -> list[Carried]:
        arriving = []
        for one in carried:
            if self.times and self.match(one):
                self.times -= 1
            else:
                arriving.append(one)
        return arriving


@dataclass
class Delay:
    """Keeps what matches until `let_go`; everything else overtakes it."""

    match: Match
    kept: list[Carried] = field(default_factory=list)
    open: bool = False

    def __call__(self, carried: list[Carried]) -> list[Carried]:
        if self.open:
            late, self.kept = self.kept, []
            return carried + late
        self.kept += [one for one in carried if self.match(one)]
        return [one for one in carried if not self.match(one)]

    def let_go(self) -> None:
        self.open = True


@dataclass
class Alter:
    """Changes what matches, so many times."""

    match: Match
    change: Callable[[bytes], bytes]
    times: int = 1_000_000

    def __call__(self, carried: list[Carried]) -> list[Carried]:
        return [self._altered(one) for one in carried]

    def _altered(self, one: Carried) -> Carried:
        if not self.times or not self.match(one):
            return one
        self.times -= 1
        return one[0], self.change(one[1])


@dataclass
class Chaos:
    """Loses, doubles and reorders at random, and lets some of what was carried before arrive once more."""

    random: Random
    memory: list[Carried] = field(default_factory=list)

    def __call__(self, carried: list[Carried]) -> list[Carried]:
        self.memory = (self.memory + carried)[-200:]
        arriving = [one for one in carried if self.random.random() > 0.2]
        arriving += [one for one in carried if self.random.random() < 0.2]
        if self.memory and self.random.random() < 0.3:
            arriving.append(self.random.choice(self.memory))
        self.random.shuffle(arriving)
        return arriving


class Wire:
    """up and down: the bends, applied one after the other. seen_up, seen_down: all that arrived, in order."""

    def __init__(self) -> None:
        self.up: list[Bend] = []
        self.down: list[Bend] = []
        self.seen_up: list[Carried] = []
        self.seen_down: list[Carried] = []
        self._connected: set[str] = set()
        self._again: list[Carried] = []
        self._rising: list[Carried] = []
        self._falling: list[Carried] = []

    def connect(self, hub: str) -> None:
        self._connected.add(hub)

    def cut(self, hub: str) -> None:
        """The line of this hub is gone, and with it what was on its way."""
        self._connected.discard(hub)
        self._rising = [one for one in self._rising if not one[0].startswith(f"hub/{hub}/")]
        self._falling = [one for one in self._falling if one[0] != topics.down(hub)]

    def sender(self, hub: str) -> Callable[[str, bytes], bool]:
        """What the hub's dialogue is given for its uplink."""

        def send(topic: str, payload: bytes) -> bool:
            if hub in self._connected:
                self._rising.append((topic, bytes(payload)))
            return hub in self._connected

        return send

    def publish_state(self, hub: str, raw: bytes) -> None:
        """At most once: to a hub that is not there a state is lost."""
        if hub in self._connected:
            self._falling.append((topics.down(hub), raw))

    def rise(self) -> list[Carried]:
        """What arrives at the bridge now."""
        carried, self._rising = self._rising, []
        for bend in self.up:
            carried = bend(carried)
        carried, self._again = self._again + carried, []
        self.seen_up += carried
        return carried

    def hand_out_again(self, carried: list[Carried]) -> None:
        """The bridge did not acknowledge these: they arrive once more, before anything else."""
        self._again += carried

    def fall(self) -> list[Carried]:
        """What arrives at the hubs now; of a hub that was cut off meanwhile nothing does."""
        carried, self._falling = self._falling, []
        for bend in self.down:
            carried = bend(carried)
        carried = [one for one in carried if one[0].split("/")[1] in self._connected]
        self.seen_down += carried
        return carried
