"""Taking envelopes in: once, whole, in any order, and nothing of one in the way of another."""

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from cloud_bridge.ledger.again import AgainError, replay, take_unread
from cloud_bridge.ledger.chain import accepted_ranges
from cloud_bridge.ledger.envelopes import Ledger
from cloud_bridge.registry import Registry
from cloud_bridge.schema import attempts, disclosures, envelopes, hub_keys, losses, quarantine, refusals
from gateway.wire import cbor, envelope
from gateway.wire.envelope import disclosure
from gateway.wire.errors import DecodeError
from gateway.wire.items import Lost
from tests.cloud_bridge.ledger_fixtures import (
    HUB,
    NOW,
    Chain,
    Home,
    Signing,
    lost,
    pause,
    sign,
    status,
)


def outcomes(home: Home, *raws: bytes) -> list[str]:
    return [home.ledger.take(HUB, raw, NOW + n).outcome for n, raw in enumerate(raws)]


def test_an_envelope_is_kept_whole_and_its_items_are_handed_on(home: Home, hub: Chain) -> None:
    sealed = hub.seal(status(1), pause())
    taken = home.ledger.take(HUB, sealed.raw, NOW)
    assert (taken.outcome, taken.kid, taken.sequence) == ("accepted", hub.kid, 1)
    assert taken.statements
    (row,) = home.rows(envelopes)
    assert (bytes(row.signed), bytes(row.hash), row.arrived_ms) == (sealed.signed, sealed.hash, NOW)
    assert [bytes(part.data) for part in home.rows(disclosures)] == sealed.disclosures
    assert home.kept() == [(row.id, "1 Statement", None), (row.id, "0 Status", None)]
    assert home.rows(attempts) == []


def test_the_same_envelope_again_adds_nothing(home: Home, hub: Chain) -> None:
    sealed = hub.seal()
    assert outcomes(home, sealed.raw, sealed.raw, sealed.raw) == ["accepted", "seen-again", "seen-again"]
    assert len(home.rows(envelopes)) == len(home.rows(disclosures)) == len(home.kept()) == 1


def test_one_batch_takes_several_hubs_and_the_same_bytes_twice(home: Home, hub: Chain) -> None:
    other = home.register(Chain(Signing(2), hub="hub-2"), "home-2")
    first, second, foreign = hub.seal(), hub.seal(), other.seal()
    taken = home.ledger.take_many(
        [
            (HUB, second.raw, NOW),
            ("hub-2", foreign.raw, NOW),
            (HUB, b"\x00", NOW),
            (HUB, first.raw, NOW),
            (HUB, first.raw, NOW),
        ]
    )
    assert [t.outcome for t in taken] == ["accepted", "accepted", "refused", "accepted", "seen-again"]
    assert len(home.kept()) == 3


def test_order_does_not_matter(home: Home, hub: Chain) -> None:
    sealed = [hub.seal() for _ in range(5)]
    assert outcomes(home, *(sealed[n].raw for n in (4, 0, 2, 1, 3))) == ["accepted"] * 5
    with home.database.reading() as connection:
        assert accepted_ranges(connection, hub.kid, 9) == [(1, 5)]


@pytest.mark.parametrize("change", ["missing", "altered", "extra"])
def test_what_was_damaged_on_the_way_is_refused_for_now_and_taken_when_whole(
    home: Home, hub: Chain, change: str
) -> None:
    sealed = hub.seal(status(1), status(2))
    first, second = sealed.disclosures
    assert first is not None
    assert second is not None
    damaged = {
        "missing": [first],
        "altered": [first, second[:-1] + bytes([second[-1] ^ 1])],
        "extra": [first, second, second],
    }
    taken = home.ledger.take(HUB, envelope.message(sealed.signed, list(damaged[change])), NOW)
    assert (taken.outcome, taken.retry, taken.sequence) == ("refused", "after-time", 1)
    assert (home.rows(envelopes), home.rows(quarantine)) == ([], [])
    (refusal,) = home.rows(refusals)
    assert bytes(refusal.hash) == sealed.hash
    assert outcomes(home, sealed.raw) == ["accepted"]
    assert home.rows(refusals) == []


def test_a_null_is_taken_only_when_a_lost_item_names_it(home: Home, hub: Chain) -> None:
    rotten = hub.seal(status(1), status(2))
    naming = hub.seal(lost(hub.kid, 1, 1))
    assert home.ledger.take(HUB, rotten.without(1), NOW).code == "disclosure-not-lost"
    assert outcomes(home, naming.raw, rotten.without(1)) == ["accepted", "accepted"]
    assert [step for _, step, _ in home.kept()] == ["0 Lost", "0 Status"]
    absent = next(row for row in home.rows(disclosures) if row.data is None)
    assert (absent.position, absent.status) == (1, "absent")


def test_an_envelope_may_name_its_own_loss(home: Home, hub: Chain) -> None:
    sealed = hub.seal(status(1), lost(hub.kid, 1, 0))
    assert outcomes(home, sealed.without(0)) == ["accepted"]


def test_what_was_named_lost_and_turns_up_is_taken_as_usual(home: Home, hub: Chain) -> None:
    sealed = hub.seal(status(1), lost(hub.kid, 1, 0))
    assert outcomes(home, sealed.without(0), sealed.raw, sealed.raw) == [
        "accepted",
        "seen-again",
        "seen-again",
    ]
    assert [step for _, step, _ in home.kept()] == ["1 Lost", "0 Status"]
    assert {row.status for row in home.rows(disclosures)} == {"taken"}


def test_nobody_names_the_losses_of_another_hub(home: Home, hub: Chain) -> None:
    other = home.register(Chain(Signing(2), hub="hub-2"), "home-2")
    assert home.ledger.take("hub-2", other.seal(lost(hub.kid, 1, 0), status()).raw, NOW).outcome == "accepted"
    assert home.rows(losses) == []
    assert home.rows(quarantine)[0].code == "lost-foreign"
    assert home.ledger.take(HUB, hub.seal(status()).without(0), NOW).code == "disclosure-not-lost"


def test_one_item_that_does_not_parse_is_put_aside_and_the_others_go_on(home: Home, hub: Chain) -> None:
    poison = cbor.encode([bytes(16), [1, "no reading"]])
    sealed = hub.seal(status(1), poison, status(2))
    assert outcomes(home, sealed.raw) == ["accepted"]
    assert [step for _, step, _ in home.kept()] == ["0 Status", "2 Status"]
    (aside,) = home.rows(quarantine)
    assert (aside.code, aside.raw) == ("wire-shape", None)
    (row,) = [row for row in home.rows(disclosures) if row.status == "quarantined"]
    assert (row.id, bytes(row.data), row.error) == (aside.disclosure, poison, "wire-shape")


def test_one_item_that_cannot_be_kept_leaves_nothing_behind(home: Home, hub: Chain) -> None:
    home.fails = [DecodeError("frame-too-short")]
    assert outcomes(home, hub.seal(status(1), status(2)).raw) == ["accepted"]
    assert [step for _, step, _ in home.kept()] == ["1 Status"]
    assert home.rows(quarantine)[0].code == "frame-too-short"


def test_an_item_put_aside_is_read_again_when_its_fault_is_mended(home: Home, hub: Chain) -> None:
    home.fails = [DecodeError("frame-too-short")]
    outcomes(home, hub.seal(status(1)).raw)
    (aside,) = home.rows(quarantine)
    assert replay(home.database, home.ledger, aside.id, NOW + 1).outcome == "seen-again"
    assert [step for _, step, _ in home.kept()] == ["0 Status"]
    (aside,) = home.rows(quarantine)
    assert (aside.ended_ms, aside.ended_by) == (NOW + 1, "taken")
    with pytest.raises(AgainError, match="quarantine-unknown"):
        replay(home.database, home.ledger, 99, NOW)


def test_a_newer_version_is_kept_whole_and_read_after_an_upgrade(
    home: Home, hub: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hub.seal(status(1))
    newer = hub.seal(status(2))
    payload = envelope.open_signed(newer.signed).part.payload
    signed = sign(hub.signing, HUB, payload, "application/meethub-envelope;v=2")
    raw = envelope.message(signed, newer.disclosures)
    assert outcomes(home, first.raw, raw) == ["accepted", "accepted"]
    assert [step for _, step, _ in home.kept()] == ["0 Status"]
    assert take_unread(home.database, home.ledger, NOW) == []
    monkeypatch.setattr(envelope, "VERSION", 2)
    monkeypatch.setattr("cloud_bridge.ledger.again.VERSION", 2)
    assert [t.outcome for t in take_unread(home.database, home.ledger, NOW)] == ["seen-again"]
    assert len(home.kept()) == 2
    row = max(home.rows(envelopes), key=lambda row: row.sequence)
    assert (row.version, row.statements, bytes(row.previous)) == (2, 0, first.hash)


def test_a_fault_of_ours_does_not_stop_the_others_and_is_counted(home: Home, hub: Chain) -> None:
    bad, good = hub.seal(), hub.seal()
    home.fails = [ZeroDivisionError("120 over 80")]
    taken = home.ledger.take_many([(HUB, bad.raw, NOW), (HUB, good.raw, NOW)])
    assert [t.outcome for t in taken] == ["failed", "accepted"]
    assert [row.times for row in home.rows(attempts)] == [1]
    assert outcomes(home, bad.raw) == ["accepted"]
    assert home.rows(attempts) == []


def test_bytes_that_crash_three_times_are_put_aside_and_refused_for_good(home: Home, hub: Chain) -> None:
    bad = hub.seal()
    home.fails = [ZeroDivisionError(), ZeroDivisionError(), ZeroDivisionError()]
    assert outcomes(home, *[bad.raw] * 5) == ["failed", "failed", "failed", "refused", "refused"]
    (aside,) = home.rows(quarantine)
    assert (aside.code, bytes(aside.raw), aside.times) == ("envelope-crashes", bad.raw, 2)
    (refusal,) = home.rows(refusals)
    assert (bytes(refusal.hash), refusal.retry) == (bad.hash, "never")
    assert replay(home.database, home.ledger, aside.id, NOW).outcome == "accepted"
    assert (home.rows(refusals), home.rows(attempts)) == ([], [])


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def test_a_crash_of_the_process_blames_only_the_bytes_that_did_it(home: Home, hub: Chain) -> None:
    guilty, innocent = hub.seal(pause()), hub.seal(status(1))
    batch = [(HUB, guilty.raw, NOW), (HUB, innocent.raw, NOW)]

    def kills(connection: object, taken: object) -> None:
        if taken.sequence == 1:
            raise Killed

    ledger = Ledger(home.database, kills)
    for _ in range(3):
        with pytest.raises(Killed):
            ledger.take_many(batch)
    assert [t.outcome for t in ledger.take_many(batch)] == ["refused", "accepted"]


def test_trouble_of_the_database_blames_no_bytes(home: Home, hub: Chain) -> None:
    sealed = hub.seal()
    home.fails = [OperationalError("INSERT", {}, Exception("disk full")) for _ in range(5)]
    for _ in range(5):
        with pytest.raises(OperationalError):
            home.ledger.take(HUB, sealed.raw, NOW)
    assert outcomes(home, sealed.raw) == ["accepted"]


def test_unknown_and_foreign_keys_are_refused_and_kept(home: Home, hub: Chain) -> None:
    stranger = Chain(Signing(7))
    home.register(Chain(Signing(2), hub="hub-2"), "home-2")
    assert home.ledger.take(HUB, stranger.seal().raw, NOW).code == "key-unknown"
    assert home.ledger.take("hub-2", hub.seal().raw, NOW).code == "key-foreign"
    assert sorted(row.code for row in home.rows(quarantine)) == ["key-foreign", "key-unknown"]


def test_what_was_refused_for_its_key_is_taken_when_the_key_is_known(home: Home, hub: Chain) -> None:
    newcomer = Chain(Signing(7))
    sealed = newcomer.seal()
    assert outcomes(home, sealed.raw) == ["refused"]
    home.register(newcomer)
    assert outcomes(home, sealed.raw) == ["accepted"]
    (aside,) = home.rows(quarantine)
    assert (aside.ended_by, aside.raw) == ("accepted", None)


def test_a_key_keeps_the_household_it_was_registered_for(home: Home, hub: Chain) -> None:
    successor = Chain(Signing(2))
    home.ledger.take_key(HUB, envelope_key_request(successor), NOW)
    with home.database.transaction() as connection:
        registry = Registry(connection)
        registry.enrol("hub-9", "home-9", NOW)
        connection.execute(update(hub_keys).where(hub_keys.c.kid == hub.kid).values(household="home-9"))
    home.ledger.take(HUB, hub.seal().raw, NOW)
    home.ledger.take(HUB, successor.seal().raw, NOW)
    with home.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT household FROM journey ORDER BY id").all()
    assert [row[0] for row in rows] == ["home-9", "home-1"]


def envelope_key_request(chain: Chain) -> bytes:
    from gateway.wire.state import KeyRequest

    return KeyRequest(chain.signing.public_key, chain.signing.proof(chain.hub)).encode()


def revoke(home: Home, kid: bytes) -> None:
    with home.database.transaction() as connection:
        Registry(connection).mark_key(kid, "revoked", NOW)


def test_a_revoked_key_delivers_only_what_it_provably_sealed_before(home: Home, hub: Chain) -> None:
    early = [hub.seal() for _ in range(4)]
    assert outcomes(home, early[3].raw) == ["accepted"]
    revoke(home, hub.kid)
    late = hub.seal()
    assert home.ledger.take(HUB, late.raw, NOW).code == "key-revoked"
    assert outcomes(home, early[3].raw) == ["seen-again"]
    assert outcomes(home, early[2].raw, early[1].raw, early[0].raw) == ["accepted"] * 3
    (aside,) = home.rows(quarantine)
    assert (bytes(aside.raw), aside.code) == (late.raw, "key-revoked")


def test_a_retired_key_delivers_what_it_sealed(home: Home, hub: Chain) -> None:
    queued = [hub.seal(), hub.seal()]
    successor = home.register(Chain(Signing(2), last=queued[1].hash))
    assert home.key_status(hub.kid) == "retired"
    assert outcomes(home, successor.seal().raw, queued[0].raw, queued[1].raw) == ["accepted"] * 3
    assert [code for _, _, code in home.kept()] == [None] * 3


def test_text_that_a_database_cannot_hold_is_put_aside_everywhere(home: Home, hub: Chain) -> None:
    data = disclosure(bytes(16), Lost(None, "a\0b", 1, "bit-rot"))
    assert outcomes(home, hub.seal(data, status()).raw) == ["accepted"]
    stored = {row.status for row in home.rows(disclosures)}
    assert stored in ({"taken"}, {"taken", "quarantined"})  # SQLite holds it, PostgreSQL does not
