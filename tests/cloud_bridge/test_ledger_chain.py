"""The chain is evidence: gaps and forks are found, owned and ended, and hold no envelope up."""

import itertools

import pytest

from cloud_bridge.ledger import chain as evidence
from cloud_bridge.schema import chains, envelopes, forks, gaps
from tests.cloud_bridge.ledger_fixtures import HUB, NOW, Chain, Home, Sealed, Signing, lost, status


def take(home: Home, *sealed: Sealed) -> None:
    for number, one in enumerate(sealed):
        assert home.ledger.take(HUB, one.raw, NOW + number).outcome == "accepted"


def found(home: Home) -> list[tuple[object, ...]]:
    return [(row.low, row.high, row.missing, row.closed_by) for row in home.rows(gaps)]


def ranges(home: Home, hub: Chain) -> list[tuple[int, int]]:
    with home.database.reading() as connection:
        return evidence.accepted_ranges(connection, hub.kid, 99)


def test_a_gap_opens_shrinks_and_closes_with_an_owner(home: Home, hub: Chain) -> None:
    sealed = [hub.seal() for _ in range(6)]
    take(home, sealed[0], sealed[5])
    assert found(home) == [(2, 5, 4, None)]
    assert home.rows(gaps)[0].who
    assert ranges(home, hub) == [(1, 1), (6, 6)]
    take(home, sealed[2], sealed[4])
    assert ranges(home, hub) == [(1, 1), (3, 3), (5, 6)]
    assert found(home) == [(2, 5, 2, None)]
    take(home, sealed[3], sealed[1])
    assert found(home) == [(2, 5, 0, "filled")]
    assert ranges(home, hub) == [(1, 6)]


def test_what_is_named_lost_closes_a_gap_and_not_the_door(home: Home, hub: Chain) -> None:
    sealed = [hub.seal() for _ in range(3)]
    take(home, sealed[0], sealed[2], hub.seal(lost(hub.kid, 2)))
    assert found(home) == [(2, 2, 0, "lost")]
    assert ranges(home, hub) == [(1, 1), (3, 4)]  # named lost is not accepted
    take(home, hub.seal(lost(hub.kid, 2)), sealed[1])
    assert found(home) == [(2, 2, 0, "lost")]
    assert ranges(home, hub) == [(1, 5)]


def test_a_gap_does_not_wait_for_what_was_lost_before_it_opened(home: Home, hub: Chain) -> None:
    sealed = [hub.seal() for _ in range(4)]
    take(home, sealed[0])
    successor = home.register(Chain(Signing(2)))
    take(home, successor.seal(lost(hub.kid, 2), lost(hub.kid, 2), lost(hub.kid, 3)), sealed[3])
    assert found(home) == [(2, 3, 0, "lost")]


def test_a_loss_of_one_disclosure_fills_no_gap(home: Home, hub: Chain) -> None:
    sealed = [hub.seal() for _ in range(3)]
    take(home, sealed[0], sealed[2], hub.seal(lost(hub.kid, 2, 0)))
    assert found(home) == [(2, 2, 1, None)]


def test_two_envelopes_at_one_place_are_a_fork_and_both_are_kept(home: Home, hub: Chain) -> None:
    take(home, hub.seal(), hub.seal())
    clone = hub.copy()
    mine, theirs = hub.seal(status(7)), clone.seal(status(8))
    take(home, mine, theirs, hub.seal(), clone.seal())
    (fork,) = home.rows(forks)
    assert (fork.sequence, fork.kind, fork.conflicts, fork.ended_ms) == (3, "two-hashes", 2, None)
    assert home.key_status(hub.kid) == "forked"
    assert home.held == [(hub.kid, 3), (hub.kid, 4)]
    assert [(row.sequence, row.branch) for row in home.rows(envelopes)] == [
        (1, 0),
        (2, 0),
        (3, 0),
        (3, 1),
        (4, 0),
        (4, 1),
    ]
    assert [code for _, _, code in home.kept()] == [None, None, None, "forked", "forked", "forked"]
    assert ranges(home, hub) == [(1, 4)]


@pytest.mark.parametrize("first", ["lower", "upper"])
def test_a_link_that_contradicts_its_neighbour_is_a_fork(home: Home, hub: Chain, first: str) -> None:
    take(home, hub.seal())
    clone = hub.copy()
    mine = hub.seal(status(7))
    clone.seal(status(8))
    theirs = clone.seal()
    order = [mine, theirs] if first == "lower" else [theirs, mine]
    take(home, *order)
    (fork,) = home.rows(forks)
    assert (fork.sequence, fork.kind) == (2, "link")
    assert home.kept()[-1][2] == "forked"


@pytest.mark.parametrize("first", ["lower", "upper"])
def test_an_envelope_that_names_none_before_it_is_a_fork_too(home: Home, hub: Chain, first: str) -> None:
    mine = hub.seal()
    hub.last = None
    theirs = hub.seal()
    take(home, *([mine, theirs] if first == "lower" else [theirs, mine]))
    assert [(row.sequence, row.kind) for row in home.rows(forks)] == [(1, "link")]


def test_readings_below_a_fork_are_not_held(home: Home, hub: Chain) -> None:
    first, *_ = sealed = [hub.seal() for _ in range(3)]
    clone = hub.copy()
    take(home, sealed[1], sealed[2], hub.seal(), clone.seal(status(9)), first)
    assert home.kept()[-1][2] is None
    with home.database.reading() as connection:
        assert evidence.forked_from(connection, hub.kid) == 4


def test_a_person_ends_a_fork_and_the_key_counts_again(home: Home, hub: Chain) -> None:
    clone = hub.copy()
    take(home, hub.seal(status(1)), clone.seal(status(2)))
    with home.database.transaction() as connection:
        assert evidence.end_fork(connection, hub.kid, "installer", NOW + 5)
        assert not evidence.end_fork(connection, hub.kid, "installer", NOW + 6)
        assert evidence.forked_from(connection, hub.kid) is None
    assert home.key_status(hub.kid) == "live"
    assert home.rows(forks)[0].ended_by == "installer"
    take(home, hub.seal(), clone.seal())  # the clone is back: a new episode
    assert [row.sequence for row in home.rows(forks)] == [1, 2]
    assert home.key_status(hub.kid) == "forked"


def test_a_confirmed_key_never_becomes_a_second_live_one(home: Home, hub: Chain) -> None:
    clone = hub.copy()
    take(home, hub.seal(status(1)), clone.seal(status(2)))
    successor = home.register(Chain(Signing(2)))
    with home.database.transaction() as connection:
        evidence.end_fork(connection, hub.kid, "installer", NOW)
    assert (home.key_status(hub.kid), home.key_status(successor.kid)) == ("retired", "live")


@pytest.mark.parametrize("first", ["last", "successor"])
def test_a_key_that_seals_on_after_its_successor_began_is_forked(home: Home, hub: Chain, first: str) -> None:
    last = hub.seal()
    successor = home.register(Chain(Signing(2), last=last.hash))
    begin = successor.seal()
    take(home, *([last, begin] if first == "last" else [begin, last]))
    (row,) = [row for row in home.rows(chains) if bytes(row.kid) == hub.kid]
    assert row.ended_at == 1
    assert home.rows(forks) == []
    take(home, hub.seal())
    (fork,) = home.rows(forks)
    assert (bytes(fork.kid), fork.sequence, fork.kind) == (hub.kid, 2, "after-successor")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whatever_comes_first_a_key_that_sealed_on_is_forked_from_there(
    home: Home, hub: Chain, order: tuple[int, ...]
) -> None:
    """A hub that went on from an older head and its twin look the same: a person looks at it."""
    sealed = [hub.seal() for _ in range(3)]
    successor = home.register(Chain(Signing(2), last=sealed[0].hash))
    sealed.append(successor.seal())
    take(home, *(sealed[at] for at in order))
    (fork,) = home.rows(forks)
    assert (bytes(fork.kid), fork.sequence, fork.kind) == (hub.kid, 2, "after-successor")
    assert home.key_status(successor.kid) == "live"


def test_another_hubs_first_envelope_ends_no_key(home: Home, hub: Chain) -> None:
    last = hub.seal()
    take(home, last)
    other = home.register(Chain(Signing(2), hub="hub-2", last=last.hash), "home-2")
    home.ledger.take("hub-2", other.seal().raw, NOW)
    take(home, hub.seal())
    assert home.rows(forks) == []
