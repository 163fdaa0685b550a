"""The registry: one live key per hub, and what a certificate is worth now."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, select

from cloud_bridge.registry import (
    ACTIVE,
    BRIDGE,
    FORKED,
    HUB,
    LIVE,
    RETIRED,
    REVOKED,
    SUSPENDED,
    Admission,
    Registry,
    RegistryError,
)
from cloud_bridge.schema import households, metadata

KID, OTHER_KID = b"k" * 8, b"o" * 8
PUBLIC, OTHER_PUBLIC = b"p" * 32, b"q" * 32
PRINT = b"f" * 32


@pytest.fixture
def registry() -> Iterator[Registry]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        found = Registry(connection)
        found.enrol("hub-1", "home-1", 1000)
        yield found
    engine.dispose()


def refused(code: str) -> pytest.RaisesExc[RegistryError]:
    return pytest.raises(RegistryError, match=f"^{code}")


def test_hubs_of_one_household_share_it(registry) -> None:
    registry.enrol("hub-2", "home-1", 2000)
    rows = registry._connection.execute(select(households)).all()
    assert [(row.id, row.created_ms) for row in rows] == [("home-1", 1000)]
    assert registry.hub("hub-2").household == "home-1"
    assert registry.hub("hub-2").status == ACTIVE
    assert registry.hub("hub-3") is None


def test_a_hub_is_enrolled_once_and_has_a_proper_name(registry) -> None:
    with refused("hub-known"):
        registry.enrol("hub-1", "home-2", 3000)
    with refused("hub-id-invalid"):
        registry.enrol("hub/+/up", "home-2", 3000)


def test_a_new_key_retires_the_one_before(registry) -> None:
    registry.add_key(KID, "hub-1", PUBLIC, 2000)
    registry.add_key(OTHER_KID, "hub-1", OTHER_PUBLIC, 3000)
    assert {(key.kid, key.status) for key in registry.keys("hub-1")} == {(KID, RETIRED), (OTHER_KID, LIVE)}


def test_the_same_key_again_changes_nothing(registry) -> None:
    registry.add_key(KID, "hub-1", PUBLIC, 2000)
    registry.add_key(KID, "hub-1", PUBLIC, 9000)
    assert [(key.status, key.since_ms) for key in registry.keys("hub-1")] == [(LIVE, 2000)]


def test_a_key_cannot_change_hands_or_come_back(registry) -> None:
    registry.enrol("hub-2", "home-2", 1000)
    registry.add_key(KID, "hub-1", PUBLIC, 2000)
    with refused("key-known"):
        registry.add_key(KID, "hub-2", PUBLIC, 3000)
    with refused("key-known"):
        registry.add_key(KID, "hub-1", OTHER_PUBLIC, 3000)
    for status in (RETIRED, REVOKED):
        registry.mark_key(KID, status, 4000)
        with refused("key-known"):
            registry.add_key(KID, "hub-1", PUBLIC, 5000)
        assert registry.key(KID).status == status
    assert registry.key(OTHER_KID) is None


def test_a_forked_key_stays_so_when_its_hub_is_enrolled_again(registry) -> None:
    registry.add_key(KID, "hub-1", PUBLIC, 2000)
    registry.mark_key(KID, FORKED, 4000)
    registry.add_key(KID, "hub-1", PUBLIC, 5000)
    assert [(key.status, key.since_ms) for key in registry.keys("hub-1")] == [(FORKED, 4000)]


def test_what_a_certificate_is_worth(registry) -> None:
    registry.add_certificate(PRINT, "hub-1", HUB, 9000)
    assert registry.admission(PRINT, 8999) == Admission("hub-1", HUB, 9000)
    assert registry.admission(PRINT, 9000) is None
    assert registry.admission(b"x" * 32, 1) is None
    registry.add_certificate(PRINT, "hub-1", HUB, 9000)


def test_a_bridge_needs_no_hub(registry) -> None:
    registry.add_certificate(PRINT, "bridge", BRIDGE, 9000)
    assert registry.admission(PRINT, 1) == Admission("bridge", BRIDGE, 9000)


def test_a_certificate_for_a_hub_that_is_not_there(registry) -> None:
    with refused("hub-unknown"):
        registry.add_certificate(PRINT, "hub-9", HUB, 9000)


def test_revocation_takes_everything_of_one_hub(registry) -> None:
    registry.enrol("hub-2", "home-2", 1000)
    for hub, kid, public, fingerprint in (
        ("hub-1", KID, PUBLIC, PRINT),
        ("hub-2", OTHER_KID, OTHER_PUBLIC, b"g" * 32),
    ):
        registry.add_key(kid, hub, public, 2000)
        registry.add_certificate(fingerprint, hub, HUB, 9000)
    before = registry.revocations()
    registry.revoke("hub-1", 5000)
    assert registry.revocations() != before
    assert registry.hub("hub-1").status == REVOKED
    assert registry.key(KID).status == REVOKED
    assert registry.key(KID).since_ms == 5000
    assert registry.admission(PRINT, 5001) is None
    assert registry.admission(b"g" * 32, 5001) is not None
    assert registry.key(OTHER_KID).status == LIVE
    with refused("hub-revoked"):
        registry.add_key(b"n" * 8, "hub-1", PUBLIC, 6000)
    with refused("hub-revoked"):
        registry.add_certificate(b"h" * 32, "hub-1", HUB, 9000)
    with refused("hub-revoked"):
        registry.suspend("hub-1")
    registry.confirm("hub-1")
    assert registry.hub("hub-1").status == REVOKED


def test_revoking_a_hub_that_is_not_there(registry) -> None:
    with refused("hub-unknown"):
        registry.revoke("hub-9", 5000)


def test_every_revocation_shows_even_in_the_same_millisecond(registry) -> None:
    registry.enrol("hub-2", "home-2", 1000)
    registry.add_certificate(PRINT, "hub-1", HUB, 9000)
    registry.add_certificate(b"g" * 32, "hub-2", HUB, 9000)
    seen = [registry.revocations()]
    for hub in ("hub-1", "hub-2"):
        registry.revoke(hub, 5000)
        seen.append(registry.revocations())
    assert len(set(seen)) == 3


def test_one_certificate_can_be_revoked_and_the_hub_goes_on_with_another(registry) -> None:
    registry.add_certificate(PRINT, "hub-1", HUB, 9000)
    registry.add_certificate(b"g" * 32, "hub-1", HUB, 9000)
    registry.revoke_certificate(PRINT, 5000)
    registry.revoke_certificate(PRINT, 6000)
    assert registry.revocations() == (1, 5000)
    assert registry.admission(PRINT, 5001) is None
    assert registry.admission(b"g" * 32, 5001) is not None


def test_a_suspended_hub_still_speaks_until_a_person_decides(registry) -> None:
    registry.add_certificate(PRINT, "hub-1", HUB, 9000)
    registry.suspend("hub-1")
    assert registry.hub("hub-1").status == SUSPENDED
    assert registry.admission(PRINT, 1) is not None
    registry.confirm("hub-1")
    assert registry.hub("hub-1").status == ACTIVE
