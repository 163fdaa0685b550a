"""Two people, one cuff, one envelope, two PGOs: neither server ever stores a byte of the other's reading."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_bridge.fhir.moments import moment
from cloud_bridge.schema import citizen_receivers, disclosures, envelopes, hub_keys, measurements
from gateway.simulator.compare import read_observations
from gateway.simulator.fhir_server import FhirServer
from gateway.wire.cbor import decode
from gateway.wire.envelope import digest, open_disclosure
from gateway.wire.measurement import short
from tests.e2e.cuff import Cuff

ANNA, BERT = 1, 2


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A PGO for each; nothing but this story is ever written to them."""
    directories = [tmp_path_factory.mktemp(name) for name in ("pgo-a", "pgo-b")]
    made = [FhirServer(directory) for directory in directories]
    for server in made:
        server.start()
    yield list(zip(made, directories, strict=True))
    for server in made:
        server.stop()


def forms(needle: bytes) -> list[bytes]:
    """How bytes may stand in a store: as they are, in hex, in either base64 at any of three offsets."""
    found = [needle, needle.hex().encode(), needle.hex().upper().encode()]
    for code in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            text = code(b"\0" * shift + needle).rstrip(b"=")
            whole = len(needle) * 8 // 6
            start = -(-shift * 8 // 6)
            found.append(text[start : start + whole - 1])
    return found


def stored(server: FhirServer, directory: Path) -> bytes:
    """Everything this server keeps, and everything it tells when asked."""
    told = [server.request("GET", f"{kind}?_count=200")[1] for kind in ("Observation", "Patient", "Device")]
    names = [entry["resource"]["id"] for entry in json.loads(told[0])["entry"]]
    told += [server.request("GET", f"Observation/{name}/_history")[1] for name in names]
    files = [path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()]
    return b"\n".join(told + files)


def holds(haystack: bytes, needle: bytes) -> bool:
    return any(form in haystack for form in forms(needle))


def values(server: FhirServer, patient: str) -> set[str]:
    """Every number that stands in a value of this patient's resources."""
    text = json.dumps(read_observations(server, patient))
    return set(re.findall(r'"value": "(\d+(?:\.\d+)?)"', text))


def secret_parts(village, whose: list[bytes]) -> dict[str, bytes]:
    """All bytes of these readings' disclosures that could prove or name them: key, item, hash, salt."""
    found: dict[str, bytes] = {}
    for row in village.rows(measurements):
        disclosed = bytes(village.rows(disclosures, disclosures.c.id == row.first_disclosure)[0].data)
        item = open_disclosure(disclosed)
        frame = item.frames[0].data
        if frame not in whose:
            continue
        salt = decode(disclosed)[0]
        for name, part in (
            ("frame", frame),
            ("value bytes", frame[1:7]),
            ("key", bytes(row.key)),
            ("record key", bytes(row.record_key)),
            ("short key", short(bytes(row.key)).encode()),
            ("disclosure", disclosed),
            ("hash", digest(disclosed)),
            ("salt", salt),
        ):
            found[f"{name} {row.id}"] = part
    return found


def of_the_house(village) -> dict[str, bytes]:
    """What belongs to both and to no PGO: envelopes, keys, pseudonyms, the device's address, secrets."""
    found = {f"envelope {row.id}": bytes(row.hash) for row in village.rows(envelopes)}
    found |= {f"signed {row.id}": bytes(row.signed)[-64:] for row in village.rows(envelopes)}
    found |= {f"kid {row.hub}": bytes(row.kid) for row in village.rows(hub_keys)}
    for row in village.rows(citizen_receivers):
        found |= {
            f"secret {row.citizen}": bytes(row.secret),
            f"pseudonym {row.citizen}": row.citizen.encode(),
        }
    return found | {"household": village.household.encode(), "hub": b"hub-of-both"}


@pytest.mark.parametrize("way", ["delivered", "held first"])
def test_neither_server_holds_a_byte_of_the_other(village, servers, way):
    people = [village.person(server) for server, _ in servers]
    cuff = Cuff(village.time, identity="F0:5A:01:AB:CD:EF", keeps_memory=False)
    if way == "delivered":
        for person, slot in zip(people, (ANNA, BERT), strict=True):
            village.bind(person, cuff, slot=slot)
    hub = village.gateway("hub-of-both")
    village.settle()
    hub.offline()
    shift = 0 if way == "delivered" else 40
    for number in range(3):
        for slot in (ANNA, BERT):
            at = 200 + shift + 2 * number + slot
            cuff.measure((at, at - 70, at - 40), pulse=at - 100, user=slot)
            village.time.pass_s(61)
    cuff.visit(hub)
    hub.seal_now()
    assert {row["items"] for row in hub.outbox.rows(1)} == {6}  # all of both in one envelope
    hub.connect()
    village.settle()
    if way != "delivered":
        assert village.held() == [("no-binding", "patient")] * 6
        for person, slot in zip(people, (ANNA, BERT), strict=True):
            village.bind(person, cuff, slot=slot)
        village.settle()

    truths = [[truth for truth in cuff.truth if truth.user == slot] for slot in (ANNA, BERT)]
    haystacks = [stored(server, directory) for server, directory in servers]
    for mine, (person, truth) in enumerate(zip(people, truths, strict=True)):
        village.assert_delivered(person, truth)
        other, haystack = truths[1 - mine], haystacks[mine]
        assert person.patient.encode() in haystack  # what is there is found
        assert moment(truth[0].true_ms).encode() in haystack
        own = {str(number) for one in truth for number in (*one.pressures, one.pulse)}
        theirs = {str(number) for one in other for number in (*one.pressures, one.pulse)}
        assert values(person.server, person.patient) == own
        for number in theirs - own:
            assert not re.search(rb'"value"\s*:\s*"?%s\b' % number.encode(), haystack), number
        for one in other:
            assert moment(one.true_ms).encode() not in haystack
            assert datetime.fromtimestamp(one.true_ms / 1000, UTC).isoformat().encode() not in haystack
        needles = secret_parts(village, [one.data for one in cuff.truth]) | of_the_house(village)
        needles["other patient"] = people[1 - mine].patient.encode()
        needles["address"] = cuff.identity.encode()
        assert len(needles) > 6 * 8
        assert [name for name, needle in needles.items() if holds(haystack, needle)] == []


def test_the_search_finds_what_is_there():
    """The search itself: every form, at every offset, and nothing where there is nothing."""
    needle = bytes(range(100, 120))
    for shift in range(3):
        around = b"x" * shift + needle + b"yz"
        for hidden in (around, around.hex().encode(), b64encode(around), urlsafe_b64encode(around)):
            assert holds(b"before" + hidden + b"after", needle)
    assert not holds(b64encode(needle[::-1]) + needle[:-1], needle)
