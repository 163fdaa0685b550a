"""What the outbox knows of one signing key: how far it sealed, and how it stands with each of its envelopes.

Everything about single envelopes is kept in ranges, so that it stays small however many there are.
"""

from gateway.hub.stored import Head, common, join, subtract
from gateway.wire import shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Ranges

    # First and last sequence, code, retry, bridge time from which on.
    Run = tuple[int, int, str, str, int | None]
    # Sequence, index, why, whether the bridge was told.
    Gone = tuple[int, int, str, bool]


def amount(ranges: "Ranges") -> int:
    """How many numbers these are."""
    return sum([high - low + 1 for low, high in ranges])


class Key:
    """number: in order of first use, the highest is the live one. settled: delivered or decided up to here.

    absent: sequences that this hub sealed and holds no longer; of these the bridge had accepted `freed`,
    and `reported` were told to it as lost. accepted, sent, refused: of those that are here. gone:
    disclosures that are not. burnt: the true head is not certain, or not ours; never seal with it again.
    """

    def __init__(self, number: int, kid: bytes) -> None:
        self.number = number
        self.kid = kid
        self.sequence = self.statements = self.settled = 0
        self.hash = b""
        self.burnt = False
        self.absent: Ranges = ()
        self.freed: Ranges = ()
        self.reported: Ranges = ()
        self.accepted: Ranges = ()
        self.sent: Ranges = ()
        self.refused: list[Run] = []
        self.gone: list[Gone] = []

    def copy(self) -> "Key":
        """A key to change, until that is durable."""
        other = Key(self.number, self.kid)
        other.moved_to(self.sequence, self.hash, self.statements)
        other.settled, other.burnt = self.settled, self.burnt
        other.absent, other.freed, other.reported = self.absent, self.freed, self.reported
        other.accepted, other.sent = self.accepted, self.sent
        other.refused, other.gone = self.refused, self.gone
        return other

    def moved_to(self, sequence: int, proof: bytes, statements: int) -> None:
        """The head is this envelope."""
        self.sequence, self.hash, self.statements = sequence, proof, statements

    def here(self) -> "Ranges":
        """The envelopes that this hub holds."""
        return subtract(((1, self.sequence),), self.absent) if self.sequence else ()

    def unaccepted(self) -> "Ranges":
        return subtract(self.here(), self.accepted)

    def missing(self) -> "Ranges":
        """Sequences that nobody holds and nobody was told of yet."""
        return subtract(subtract(self.absent, self.freed), self.reported)

    def lose(self, ranges: "Ranges") -> None:
        """These envelopes are here no longer."""
        self.absent = join(self.absent, ranges)
        self.accepted = subtract(self.accepted, ranges)
        self.sent = subtract(self.sent, ranges)
        self.unrefuse(ranges)
        here = self.here()
        self.gone = [part for part in self.gone if common(here, ((part[0], part[0]),))]

    # Refused.

    def refusal(self, sequence: int) -> "Run | None":
        for run in self.refused:
            if run[0] <= sequence <= run[1]:
                return run
        return None

    def unrefuse(self, ranges: "Ranges") -> None:
        """These are refused no longer."""
        if self.refused:
            left = [(subtract(((run[0], run[1]),), ranges), run) for run in self.refused]
            self.refused = [(low, high) + run[2:] for parts, run in left for low, high in parts]

    def refuse(self, low: int, high: int, code: str, retry: str, after_ms: int | None) -> None:
        """From here on these are refused so; runs that touch become one."""
        self.unrefuse(((low, high),))
        runs: list[Run] = []
        for run in sorted(self.refused + [(low, high, code, retry, after_ms)], key=_first):
            joins = runs and runs[-1][1] + 1 == run[0] and runs[-1][2:] == run[2:]
            runs.append((runs.pop()[0],) + run[1:] if joins else run)
        self.refused = runs

    # As bytes.

    def body(self) -> bytes:
        ranges = (self.absent, self.freed, self.reported, self.accepted, self.sent)
        numbers = [self.number, self.sequence, self.statements, self.settled]
        return encode([self.kid, self.hash, numbers, ranges, self.refused, self.gone, self.burnt])


def _first(run: "Run") -> int:
    return run[0]


def key_from_body(body: bytes) -> Key:
    """The key that `Key.body` wrote; WireError when the bytes are no such row."""
    try:
        row = decode(body)
    except CborError as error:
        raise WireError("wire-cbor", str(error)) from None
    kid, proof, numbers, ranges, refused, gone, burnt = shape.array(row, 7)
    number, sequence, statements, settled = [shape.integer(part) for part in shape.array(numbers, 4)]
    key = Key(number, shape.octets(kid))
    key.moved_to(sequence, shape.octets(proof), statements)
    key.settled, key.burnt = settled, shape.flag(burnt)
    absent, freed, reported, accepted, sent = [_ranges(part) for part in shape.array(ranges, 5)]
    key.absent, key.freed, key.reported, key.accepted, key.sent = absent, freed, reported, accepted, sent
    key.refused = [_run(shape.array(run, 5)) for run in shape.array(refused)]
    key.gone = [_gone(shape.array(part, 4)) for part in shape.array(gone)]
    return key


def _ranges(item: object) -> "Ranges":
    pairs = [shape.array(pair, 2) for pair in shape.array(item)]
    return tuple([(shape.integer(low), shape.integer(high)) for low, high in pairs])


def _run(row: list[object]) -> "Run":
    low, high, code, retry, after_ms = row
    return (
        shape.integer(low),
        shape.integer(high),
        shape.text(code),
        shape.text(retry),
        shape.maybe_integer(after_ms),
    )


def _gone(row: list[object]) -> "Gone":
    sequence, index, why, told = row
    return shape.integer(sequence), shape.integer(index), shape.text(why), shape.flag(told)


def head_of(key: Key) -> Head:
    """Where the key's chain stands."""
    return Head(key.kid, key.sequence, key.hash, key.statements)
