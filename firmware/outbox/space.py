"""What leaves the outbox: accepted envelopes when space is short, and what a citizen has erased."""

from firmware.outbox.envelope import ERASED
from firmware.outbox.known import STAGES
from gateway.hub.stored import PARTIAL, WHOLE, common, holds, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.outbox.envelopes import Change, Place
    from firmware.outbox.keys import Key
    from firmware.outbox.known import Entry
    from firmware.outbox.outbox import Outbox
    from gateway.hub.given import Ranges

_WHOLE = STAGES.index(WHOLE, 1)
# Setting: the first bytes of each measurement that was erased, so that it is not looked for at every state.
_FORGOTTEN = ".forgotten"
_MARK, _REMEMBERED = 8, 64


def free_batch(outbox: "Outbox") -> int:
    """Free the accepted envelopes of one file, oldest settled first, then oldest accepted; how many."""
    for settled_only in (True, False):
        for key in outbox.facts.in_order():
            may = _may_go(key, settled_only)
            if may:
                return _free(outbox, key, may[0][0], settled_only)
    return 0


def _may_go(key: "Key", settled_only: bool) -> "Ranges":  # noqa: FBT001
    if not settled_only:
        return key.accepted
    return common(key.accepted, ((1, key.settled),)) if key.settled else ()


def _free(outbox: "Outbox", oldest: "Key", sequence: int, settled_only: bool) -> int:  # noqa: FBT001
    """What is still needed is durable elsewhere before anything goes: measurements, rows, facts."""
    place = outbox.envelopes.find(oldest.number, sequence)
    if place is None:  # rotten; the bridge has it
        _let_go(outbox, {oldest.number: [sequence]})
        return 1
    file = place[0]
    gone: dict[int, list[int]] = {}
    entries: list[Entry] = []
    left = [0]

    def sort(place: "Place") -> None:
        envelope = place[4]
        key = outbox.facts.keys[envelope.number]
        if holds(_may_go(key, settled_only), envelope.sequence):
            gone.setdefault(key.number, []).append(envelope.sequence)
            entries.extend([entry for entry in envelope.entries() if outbox.known.holds(entry[0])])
        elif not holds(key.absent, envelope.sequence):
            left[0] += place[3] - place[1]

    outbox.envelopes.in_file(file, sort)
    outbox.envelopes.close_file(file, outbox.facts.in_order())
    outbox.note_top()
    outbox.known.keep(entries)
    outbox.captures.settle()
    _let_go(outbox, gone)
    _shrink(outbox, file, left[0])
    return sum([len(sequences) for sequences in gone.values()])


def _let_go(outbox: "Outbox", gone: dict[int, list[int]]) -> None:
    keys = []
    for number, sequences in gone.items():
        key = outbox.facts.keys[number].copy()
        ranges = join((), tuple([(sequence, sequence) for sequence in sequences]))
        key.lose(ranges)
        key.freed = join(key.freed, ranges)
        keys.append(key)
    outbox.facts.keep(keys)


def _shrink(outbox: "Outbox", file: int, left: int) -> None:
    """A file without what is absent, where that takes less room."""
    if left == 0:
        outbox.envelopes.remove(file)
    elif outbox.envelopes.is_smaller(file, left):
        keys = outbox.facts.keys

        def keep(place: "Place") -> bool:
            return not holds(keys[place[4].number].absent, place[4].sequence)

        outbox.envelopes.rewrite(file, keep)


def sweep(outbox: "Outbox") -> None:
    """Files that a cut kept from going."""
    if outbox.envelopes.dead:
        outbox.captures.settle()
    while outbox.envelopes.dead:
        outbox.envelopes.remove(outbox.envelopes.dead.pop())


# Erased by the citizen.


def erase(outbox: "Outbox", measurements: list[bytes]) -> None:
    """Salt, item and parts of these measurements; null stays in the message. Nothing is added to them."""
    done = _marks(outbox.facts.get(_FORGOTTEN))
    new = [key for key in measurements if key[:_MARK] not in done]
    if not new:
        return
    files: list[int] = []

    def look(place: "Place") -> None:
        if _mark(outbox, place, new) and place[0] not in files:
            files.append(place[0])

    outbox.envelopes.all(look)
    for key in new:
        if PARTIAL in outbox.sealed(key):
            outbox.known.keep([(outbox.known.next, _WHOLE, key)])
    if files:
        outbox.captures.purge()
    for file in files:
        outbox.envelopes.close_file(file, outbox.facts.in_order())
        outbox.note_top()
        outbox.envelopes.rewrite(file, _without(outbox, new))
    outbox.facts.set(_FORGOTTEN, b"".join(done + [key[:_MARK] for key in new])[-_MARK * _REMEMBERED :])


def expect_again(outbox: "Outbox", measurements: list[bytes]) -> None:
    """Something of these is sealed: should a state say to forget one of them, it is looked for again."""
    done = _marks(outbox.facts.get(_FORGOTTEN))
    left = [mark for mark in done if not any([key.startswith(mark) for key in measurements])]
    if len(left) < len(done):
        outbox.facts.set(_FORGOTTEN, b"".join(left))


def _marks(data: bytes | None) -> list[bytes]:
    return [data[at : at + _MARK] for at in range(0, len(data), _MARK)] if data else []


def _mark(outbox: "Outbox", place: "Place", measurements: list[bytes]) -> bool:
    """Whether this envelope has something of them; what it is, is noted as gone first."""
    envelope = place[4]
    found = envelope.erase(measurements)
    key = outbox.facts.keys[envelope.number]
    noted = [part[1] for part in key.gone if part[0] == envelope.sequence]
    new = [index for index in found if index not in noted]
    if new and not holds(key.absent, envelope.sequence):
        outbox.mark_gone(key, envelope.sequence, [(index, "erased") for index in new])
    return bool(found)


def _without(outbox: "Outbox", measurements: list[bytes]) -> "Change":
    def change(place: "Place") -> bytes | bool:
        envelope = place[4]
        if not envelope.erase(measurements):
            return True
        if holds(outbox.facts.keys[envelope.number].absent, envelope.sequence):
            return False
        opened = envelope.opened(outbox.envelopes.data(place))
        if opened is None:
            return False  # it cannot be read: it is missed when it is asked for
        raw, spots, bad = opened
        for index in bad:
            size, stage, key = envelope.parts[index]
            envelope.parts[index] = (size, stage | ERASED, key)
        return envelope.squeezed(envelope.message(raw, spots), envelope.signed)

    return change
