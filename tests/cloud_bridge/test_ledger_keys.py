"""A hub's next signing key: named by the live one, or asked for over the hub's TLS identity."""

import pytest

from cloud_bridge.registry import Registry
from cloud_bridge.schema import disclosures, forks, hub_keys, quarantine
from gateway.wire.items import NextKey
from gateway.wire.state import KeyRequest
from tests.cloud_bridge.ledger_fixtures import HUB, NOW, Chain, Home, Sealed, Signing, next_key, status


def request(signing: Signing, hub: str = HUB) -> bytes:
    return KeyRequest(signing.public_key, signing.proof(hub)).encode()


def statuses(home: Home) -> dict[bytes, str]:
    return {bytes(row.kid): row.status for row in home.rows(hub_keys)}


def aside(home: Home) -> list[str]:
    return [row.code for row in home.rows(quarantine)]


def test_the_live_key_names_its_successor(home: Home, hub: Chain) -> None:
    successor = Chain(Signing(2))
    home.ledger.take(HUB, hub.seal(next_key(successor.signing)).raw, NOW)
    assert statuses(home) == {hub.kid: "retired", successor.kid: "live"}
    assert {row.household for row in home.rows(hub_keys) if bytes(row.kid) == successor.kid} == {"home-1"}
    assert home.ledger.take(HUB, successor.seal().raw, NOW).outcome == "accepted"


def test_a_key_request_does_the_same_and_again_changes_nothing(home: Home, hub: Chain) -> None:
    successor = Signing(2)
    for _ in range(2):
        taken = home.ledger.take_key(HUB, request(successor), NOW)
        assert (taken.outcome, taken.kid) == ("accepted", successor.kid)
    assert statuses(home) == {hub.kid: "retired", successor.kid: "live"}
    home.ledger.take(HUB, hub.seal(next_key(successor)).raw, NOW)  # the item that names it comes late
    assert statuses(home) == {hub.kid: "retired", successor.kid: "live"}
    assert aside(home) == []


@pytest.mark.parametrize("by", ["item", "request"])
def test_nobody_gets_a_key_in_without_holding_it(home: Home, hub: Chain, by: str) -> None:
    wanted, other = Signing(2), Signing(3)
    proofs = [other.proof(HUB), wanted.proof("hub-2"), bytes(64)]
    for proof in proofs:
        if by == "item":
            taken = home.ledger.take(HUB, hub.seal(NextKey(wanted.public_key, proof)).raw, NOW)
            assert taken.outcome == "accepted"
        else:
            raw = KeyRequest(wanted.public_key, proof).encode()
            assert home.ledger.take_key(HUB, raw, NOW).code == "next-key-proof"
    assert statuses(home) == {hub.kid: "live"}
    assert aside(home) == ["next-key-proof"] * 3


def mark(home: Home, kid: bytes, status_word: str) -> None:
    with home.database.transaction() as connection:
        Registry(connection).mark_key(kid, status_word, NOW)


@pytest.mark.parametrize("word", ["retired", "forked"])
def test_a_key_that_is_not_live_names_nobody(home: Home, hub: Chain, word: str) -> None:
    mark(home, hub.kid, word)
    assert home.ledger.take(HUB, hub.seal(next_key(Signing(2)), status()).raw, NOW).outcome == "accepted"
    assert statuses(home) == {hub.kid: word}
    assert aside(home) == ["next-key-not-live"]
    assert sorted(row.status for row in home.rows(disclosures)) == ["quarantined", "taken"]


def test_a_revoked_key_names_nobody_even_in_what_it_sealed_before(home: Home, hub: Chain) -> None:
    naming, after = hub.seal(next_key(Signing(2))), hub.seal()
    home.ledger.take(HUB, after.raw, NOW)
    mark(home, hub.kid, "revoked")
    assert home.ledger.take(HUB, naming.raw, NOW).outcome == "accepted"
    assert statuses(home) == {hub.kid: "revoked"}


def test_a_key_out_of_use_does_not_come_back(home: Home, hub: Chain) -> None:
    home.ledger.take_key(HUB, request(Signing(2)), NOW)
    assert home.ledger.take_key(HUB, request(hub.signing), NOW).code == "key-known"


def test_a_revoked_or_unknown_hub_gets_no_key(home: Home, hub: Chain) -> None:
    assert home.ledger.take_key("hub-9", request(Signing(2), "hub-9"), NOW).code == "hub-unknown"
    with home.database.transaction() as connection:
        Registry(connection).revoke(HUB, NOW)
    assert home.ledger.take_key(HUB, request(Signing(2)), NOW).code == "hub-revoked"


def test_any_bytes_on_the_key_topic_are_put_aside(home: Home, hub: Chain) -> None:
    for raw in (b"", b"noise", request(Signing(2))[:-1]):
        assert home.ledger.take_key(HUB, raw, NOW).outcome == "refused"
    assert {row.topic for row in home.rows(quarantine)} == {"hub/hub-1/up/key"}


def test_the_envelope_that_shows_the_fork_names_nobody(home: Home, hub: Chain) -> None:
    home.ledger.take(HUB, hub.seal().raw, NOW)
    clone = hub.copy()
    home.ledger.take(HUB, hub.seal().raw, NOW)
    home.ledger.take(HUB, clone.seal(next_key(Signing(2))).raw, NOW)
    assert statuses(home) == {hub.kid: "forked"}
    assert aside(home) == ["next-key-not-live"]


def test_a_key_that_a_fork_may_have_named_waits_for_a_person_too(home: Home, hub: Chain) -> None:
    """The clone's next key came first, and its envelopes with it; the true hub speaks an hour later."""
    hub.seal()
    clone, second, third = hub.copy(), Chain(Signing(2)), Chain(Signing(3))
    theirs = [clone.seal(next_key(second.signing)), second.seal(next_key(third.signing)), third.seal()]
    for sealed in (*hub.sealed, *theirs):
        assert home.ledger.take(HUB, sealed.raw, NOW).outcome == "accepted"
    home.ledger.take(HUB, hub.seal().raw, NOW)
    found = {bytes(row.kid): (row.sequence, row.kind) for row in home.rows(forks)}
    named = (1, "named-by-fork")
    assert found == {hub.kid: (2, "two-hashes"), second.kid: named, third.kid: named}
    assert set(statuses(home).values()) == {"forked"}
    assert home.held == [(hub.kid, 2), (second.kid, 1), (third.kid, 1)]


def test_a_key_that_was_named_before_the_fork_stands(home: Home, hub: Chain) -> None:
    successor = Chain(Signing(2))
    home.ledger.take(HUB, hub.seal(next_key(successor.signing)).raw, NOW)
    clone = hub.copy()
    for sealed in (hub.seal(), clone.seal(), successor.seal()):
        home.ledger.take(HUB, sealed.raw, NOW)
    assert statuses(home) == {hub.kid: "forked", successor.kid: "live"}


def restored(home: Home, count: int = 3) -> list[Chain]:
    """A bridge that was put back to before its hub's renewals; each key has sealed two envelopes."""
    chains = [Chain(Signing(10 + number)) for number in range(count)]
    for before, chain in zip([None, *chains], chains, strict=False):
        chain.last = None if before is None else before.last
        chain.seal()
        chain.seal()
    home.register(chains[0])
    take(home, *chains[0].sealed)
    return chains


def take(home: Home, *sealed: Sealed) -> None:
    for one in sealed:
        assert home.ledger.take(HUB, one.raw, NOW).outcome == "accepted"


def asked(home: Home, *chains: Chain) -> None:
    for chain in chains:
        assert home.ledger.take_key(HUB, request(chain.signing), NOW).outcome == "accepted"


def test_former_keys_asked_for_before_the_live_one_let_their_envelopes_in(home: Home) -> None:
    first, second, third = restored(home)
    asked(home, second, third)
    assert statuses(home) == {first.kid: "retired", second.kid: "retired", third.kid: "live"}
    take(home, *third.sealed, *second.sealed)
    assert statuses(home) == {first.kid: "retired", second.kid: "retired", third.kid: "live"}


def test_a_former_key_asked_for_later_does_not_touch_the_live_one(home: Home) -> None:
    """The live key is known and speaks already; its first envelope names a key that is not known here."""
    first, second, third, fourth = restored(home, 4)
    asked(home, fourth)
    take(home, *fourth.sealed)
    asked(home, second, third, fourth)
    retired = dict.fromkeys((first.kid, second.kid, third.kid), "retired")
    assert statuses(home) == {**retired, fourth.kid: "live"}
    take(home, *second.sealed, *third.sealed)
    assert statuses(home) == {**retired, fourth.kid: "live"}
    new = Chain(Signing(2), last=fourth.last)
    asked(home, new)  # the line is whole again: a key that is not known is a next one
    assert statuses(home) == {**retired, fourth.kid: "retired", new.kid: "live"}


@pytest.mark.parametrize("order", ["former", "next"])
def test_where_keys_were_asked_for_in_another_order_their_first_envelopes_tell(
    home: Home, order: str
) -> None:
    first, second, third = restored(home)
    asked(home, third, second)  # nothing of the third was there yet, so the second seemed a next one
    assert statuses(home) == {first.kid: "retired", second.kid: "live", third.kid: "retired"}
    pair = (second, third) if order == "former" else (third, second)
    take(home, *pair[0].sealed, *pair[1].sealed)
    assert statuses(home) == {first.kid: "retired", second.kid: "retired", third.kid: "live"}
    take(home, third.seal(next_key(Signing(2))))
    assert aside(home) == []
