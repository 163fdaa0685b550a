"""What a state of the bridge does to the outbox."""

import os

from gateway.wire.state import AFTER_ACTION, AFTER_TIME, MAX_KEYS, NEVER, KeyState, Refusal, State

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))


# Refused.


def test_refused_for_good_goes_out_of_the_way_and_stays(bench):
    for _ in range(3):
        bench.seal()
    assert bench.outbox.apply(bench.state(0, refused=[bench.refusal(2, NEVER)]), set()).quarantined == 1
    assert bench.sendable() == [3, 1]
    assert bench.outbox.apply(bench.state(0), set()).quarantined == 0
    assert bench.reopen().counts()["quarantined"] == 1
    assert bench.sendable() == [3, 1]


def test_a_quarantined_one_that_is_accepted_after_all_leaves_quarantine(bench):
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, NEVER)]), set())
    bench.outbox.apply(bench.state(1), set())
    assert bench.outbox.counts() == dict.fromkeys(bench.outbox.counts(), 0) | {"accepted": 1}


def test_a_refusal_of_other_bytes_is_not_ours(bench):
    bench.seal()
    refusal = Refusal(bench.signer.kid, 1, b"x" * 32, "signature", NEVER)
    assert bench.outbox.apply(bench.state(0, refused=[refusal]), set()).quarantined == 0
    assert bench.sendable() == [1]


def test_refused_until_an_action_waits_for_a_state_that_refuses_it_no_longer(bench):
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, AFTER_ACTION)]), set())
    bench.time += 10**6
    assert bench.sendable() == []
    bench.reopen()
    assert bench.sendable() == []
    bench.outbox.apply(bench.state(0), set())
    assert bench.sendable() == [1]


def test_refused_until_a_time_waits_for_the_bridges_clock(bench):
    bench.seal()
    state = bench.state(0, refused=[bench.refusal(1, AFTER_TIME, 61_000)], bridge_ms=1000)
    bench.outbox.apply(state, set())
    bench.time += 59
    assert bench.sendable() == []
    bench.time += 2
    assert bench.sendable() == [1]


def test_a_time_that_is_not_known_after_a_restart_counts_as_not_passed(bench):
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, AFTER_TIME, 61_000)]), set())
    bench.reopen()
    assert bench.sendable() == []
    bench.outbox.apply(
        bench.state(0, refused=[bench.refusal(1, AFTER_TIME, 61_000)], bridge_ms=70_000), set()
    )
    assert bench.sendable() == [1]


# What the bridge knows more, or no longer.


def test_a_bridge_that_knows_more_is_ahead(bench):
    for _ in range(3):
        bench.seal()
    assert not bench.outbox.apply(bench.state(3), set()).ahead
    assert bench.outbox.apply(bench.state(4), set()).ahead
    assert bench.outbox.apply(bench.state(2, (4, 4)), set()).ahead


def test_another_hash_at_the_contiguous_end_is_ahead(bench):
    for _ in range(3):
        bench.seal()
    assert bench.outbox.apply(bench.state(2, last=b"x" * 32), set()).ahead
    assert bench.outbox.apply(bench.state(3, last=b"x" * 32), set()).ahead
    assert not bench.outbox.apply(bench.state(2), set()).ahead


def test_an_empty_outbox_is_behind_whatever_the_bridge_holds_until_a_new_key_seals(bench):
    old = KeyState(b"formerly", 7, b"h" * 32, [], 7)
    assert bench.outbox.apply(State(b"12345678", 1, [old], [], 0), set()).ahead
    bench.seal()
    assert not bench.outbox.apply(State(b"12345678", 2, [old], [], 0), set()).ahead


def test_a_state_that_names_as_many_keys_as_it_can_is_silent_of_the_others(bench):
    """A ninth key does not fit: that it is not named says nothing about its envelopes."""
    for _ in range(3):
        bench.seal()
    bench.outbox.apply(bench.state(3), set())
    others = [KeyState(bytes([n]) * 8, 0, None, [], 0) for n in range(MAX_KEYS)]
    assert not bench.outbox.apply(State(b"12345678", 1, others, [], 0), set()).lost_accepted
    assert bench.sendable() == []
    bench.outbox.apply(State(b"12345678", 1, others[1:], [], 0), set())
    assert bench.sendable() == [3, 1, 2], "a shorter one that does not name it holds nothing of it"


# A key whose head went back: the bridge may hold another envelope under the same number.


def burnt_bench(bench):
    """Sealed 1 to 3 and accepted, then the key is burnt: the bridge has four; then 4 of our own branch."""
    for _ in range(4):
        bench.seal()
    place = {(bench.signer.kid, 4)}
    assert bench.outbox.apply(bench.state(4, last=b"x" * 32), place).ahead
    return bench


def test_on_its_way_when_the_key_was_burnt_is_not_accepted_for_another_branch(bench):
    burnt_bench(bench)
    assert bench.outbox.counts()["accepted"] == 0
    assert bench.sendable() == [4, 1, 2, 3], "it goes as the other branch"


def test_another_branch_is_sent_again_and_then_kept_out_of_the_way(bench):
    burnt_bench(bench)
    sent = {(bench.signer.kid, sequence) for sequence in range(1, 5)}
    bench.outbox.apply(bench.state(4, last=b"x" * 32), sent)
    assert bench.sendable() == [4, 1, 2, 3]
    bench.outbox.apply(bench.state(4, last=b"x" * 32), sent)
    assert bench.sendable() == []
    counts = bench.reopen().counts()
    assert (counts["accepted"], counts["quarantined"]) == (0, 4)
    assert bench.outbox.make_room() == 0


def test_of_a_burnt_key_what_the_hash_proves_is_accepted(bench):
    burnt_bench(bench)
    assert bench.outbox.apply(bench.state(3), set()).accepted == 3
    assert bench.sendable() == [4]
    assert bench.outbox.apply(bench.state(4), set()).accepted == 1


def test_a_range_proves_nothing_of_a_burnt_key(bench):
    burnt_bench(bench)
    assert bench.outbox.apply(bench.state(2, (4, 4)), {(bench.signer.kid, 4)}).accepted == 2


# A state that says nothing new.


def test_the_same_state_again_writes_nothing(bench):
    for _ in range(5):
        bench.seal()
    state = bench.state(3, settled=2, refused=[bench.refusal(5, AFTER_ACTION)])
    bench.outbox.apply(state, {(bench.signer.kid, 4)})
    wal = bench.path.with_name("outbox.sqlite-wal")
    before = wal.read_bytes()
    effect = bench.outbox.apply(state, {(bench.signer.kid, 4)})
    assert tuple(vars(effect).values()) == (0, False, False, 0)
    assert wal.read_bytes() == before
