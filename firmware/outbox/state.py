"""What a state of the bridge does to the keys: it replaces what was accepted, settled and refused. Pure."""

from firmware.outbox.keys import amount
from gateway.hub.stored import Effect, common, join, subtract
from gateway.wire.state import MAX_KEYS, NEVER

KEY_FORKED = "key-forked"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.outbox.keys import Key
    from gateway.hub.given import Ranges
    from gateway.wire.state import KeyState, Refusal, State

    # The hash of an envelope that is here, None of one that is not.
    HashOf = Callable[[Key, int], bytes | None]


def apply_state(
    keys: "list[Key]", state: "State", sent: set[tuple[bytes, int]], hash_of: "HashOf"
) -> tuple[Effect, "list[Key]"]:
    """The effect, and the keys as they are then; `keys` stay as they are."""
    after = [key.copy() for key in keys]
    ahead = is_ahead(after, state, hash_of)
    for key in after:
        if key.burnt:
            _keep_unproven(key, state.key(key.kid), hash_of)
        _mark_sent(key, sent)
    if ahead and after and not after[-1].burnt:
        after[-1].burnt = True
        # what the bridge holds may be another branch: ours goes once more
        after[-1].sent = common(after[-1].sent, after[-1].accepted)
    accepted = 0
    for key in after:
        if len(state.keys) < MAX_KEYS or state.key(key.kid) is not None:
            accepted += _accept(key, state.key(key.kid), hash_of)
    lost = any([bool(subtract(old.freed, new.freed)) for old, new in zip(keys, after)])
    return Effect(accepted, lost, ahead, _refuse(after, state.refused, hash_of)), after


def is_ahead(keys: "list[Key]", state: "State", hash_of: "HashOf") -> bool:
    """The bridge knows more of the live key than this hub does, or something else: its head went back.

    Without any key here, the hub's own store is gone: then whatever the bridge holds is more.
    """
    if not keys:
        return any([bool(key.contiguous or key.ranges) for key in state.keys])
    live = keys[-1]
    held = state.key(live.kid)
    if held is None:
        return False
    covered = _covered(held)
    if covered and covered[-1][1] > live.sequence:
        return True
    known = live.hash if held.contiguous == live.sequence else hash_of(live, held.contiguous)
    return held.last is not None and known is not None and known != held.last


def _covered(held: "KeyState | None") -> "Ranges":
    """The sequences of a key that the bridge holds."""
    if held is None:
        return ()
    return join(((1, held.contiguous),) if held.contiguous else (), tuple(held.ranges))


def _mark_sent(key: "Key", sent: set[tuple[bytes, int]]) -> None:
    places = [(sequence, sequence) for kid, sequence in sent if kid == key.kid]
    if places:
        key.sent = join(key.sent, common(key.here(), tuple(sorted(places))))


def _accept(key: "Key", held: "KeyState | None", hash_of: "HashOf") -> int:
    """What is listed is accepted, what is not listed (any more) is to be sent again; how many are new.

    Of a burnt key the bridge may hold other envelopes under the same numbers: only what the hash in the state
    proves is newly accepted. Of what is not here any more, freed is what the bridge holds.
    """
    covered = _covered(held)
    stays = common(key.accepted, covered)
    may = _proven(key, held, hash_of) if key.burnt else covered
    fresh = common(subtract(key.here(), stays), may)
    key.accepted = join(stays, fresh)
    key.unrefuse(fresh)
    key.freed = common(key.absent, covered)
    key.reported = common(key.reported, subtract(key.absent, key.freed))
    key.settled = 0 if held is None else held.settled
    return amount(fresh)


def _proven(key: "Key", held: "KeyState | None", hash_of: "HashOf") -> "Ranges":
    """What the bridge surely holds of this chain: its last hash is ours, and each names the one before."""
    if held is None or held.last is None:
        return ()
    at_head = (held.contiguous, held.last) == (key.sequence, key.hash)
    return ((1, held.contiguous),) if at_head or hash_of(key, held.contiguous) == held.last else ()


def _keep_unproven(key: "Key", held: "KeyState | None", hash_of: "HashOf") -> None:
    """A burnt key's envelope that was sent since and is listed, perhaps for another: kept, out of the way.

    Sending it for ever would prove no more; freeing it could lose the only copy.
    """
    unproven = subtract(_covered(held), _proven(key, held, hash_of))
    for low, high in common(common(key.sent, key.unaccepted()), unproven):
        for free_low, free_high in subtract(((low, high),), tuple([run[:2] for run in key.refused])):
            key.refuse(free_low, free_high, KEY_FORKED, NEVER, None)


def _refuse(keys: "list[Key]", refused: "list[Refusal]", hash_of: "HashOf") -> int:
    """Mark what is refused, let go of what is refused no longer; how many went into quarantine.

    A refusal counts only for the very bytes held here. Refused for good stays so until it is accepted or
    refused otherwise: a state names few refusals.
    """
    quarantined = 0
    for key in keys:
        before = key.refused
        key.refused = [run for run in before if run[3] == NEVER]
        for refusal in refused:
            if refusal.kid == key.kid and _is_ours(key, refusal, hash_of):
                quarantined += _refuse_one(key, refusal)
    return quarantined


def _refuse_one(key: "Key", refusal: "Refusal") -> int:
    old = key.refusal(refusal.sequence)
    key.refuse(refusal.sequence, refusal.sequence, refusal.code, refusal.retry, refusal.after_ms)
    return int(refusal.retry == NEVER and old is None)


def _is_ours(key: "Key", refusal: "Refusal", hash_of: "HashOf") -> bool:
    place = ((refusal.sequence, refusal.sequence),)
    return bool(common(key.unaccepted(), place)) and hash_of(key, refusal.sequence) == refusal.envelope
