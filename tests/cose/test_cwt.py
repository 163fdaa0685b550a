"""cwt verifies our envelopes and states, and our plain check verifies what cwt makes."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.wire import cose, envelope, state
from gateway.wire.errors import WireError
from gateway.wire.measurement import key_id

SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = KEY.public_key().public_bytes_raw()
KID = key_id(PUBLIC)


def rows_to_verify(vectors):
    rows = []
    for kind in ("envelopes", "states"):
        for row in vectors(kind):
            asked = {name: row[name] for name in ("public_key", "kid", "external_aad")}
            rows.append({"name": f"{kind} {row['name']}", "message": row["signed"], **asked})
    return rows


def test_cwt_verifies_our_envelopes_and_states(ask, vectors):
    rows = rows_to_verify(vectors)
    payloads = {
        f"{kind} {row['name']}": row["payload"] for kind in ("envelopes", "states") for row in vectors(kind)
    }
    answer = ask("check_with_cwt.py", {"verify": rows, "make": []})
    assert answer["verified"] == payloads


def test_cwt_refuses_them_altered_or_for_another_hub(ask, vectors):
    wrong = []
    for row in rows_to_verify(vectors):
        altered = row["message"][:-1] + ("0" if row["message"][-1] != "0" else "1")
        wrong.append(row | {"name": "altered " + row["name"], "message": altered})
        wrong.append(
            row | {"name": "other hub " + row["name"], "external_aad": envelope.external_aad("other").hex()}
        )
        swapped = envelope if "states" in row["name"] else state
        wrong.append(
            row
            | {"name": "other domain " + row["name"], "external_aad": swapped.external_aad("kitchen-1").hex()}
        )
    answer = ask("check_with_cwt.py", {"verify": wrong, "make": []})
    assert set(answer["verified"].values()) == {None}
    assert len(answer["verified"]) == len(wrong)


@pytest.fixture(scope="module")
def made(ask):
    """Messages by cwt: one in our profile, and some that are good COSE and not ours."""
    kind = envelope.CONTENT_TYPE
    headers = {
        "ours": {1: -8, 3: kind, 4: f"h'{KID.hex()}'"},
        "without-content-type": {1: -8, 4: f"h'{KID.hex()}'"},
        "other-content-type": {1: -8, 3: "text/plain", 4: f"h'{KID.hex()}'"},
        "long-kid": {1: -8, 3: kind, 4: "h'" + "11" * 9 + "'"},
        "extra-header": {1: -8, 3: kind, 4: f"h'{KID.hex()}'", 5: "h'00'"},
        "only-algorithm": {1: -8},
    }
    payload = envelope.Contents(1, None, "first", moment(), 0, [bytes(32)]).encode()
    rows = [
        {
            "name": name, "seed": SEED.hex(), "public_key": PUBLIC.hex(), "kid": KID.hex(), "protected": protected,
            "payload": payload.hex(), "external_aad": envelope.external_aad("kitchen-1").hex(),
        }
        for name, protected in headers.items()
    ]  # fmt: skip
    answer = ask("check_with_cwt.py", {"verify": [], "make": rows})
    return {name: bytes.fromhex(message) for name, message in answer["made"].items()}


def moment():
    from gateway.wire.measurement import Moment

    return Moment(bytes(8), 0, None, "none")


def test_our_plain_check_verifies_what_cwt_makes(made):
    for name, message in made.items():
        part = cose.unpack(message)
        Ed25519PublicKey.from_public_bytes(PUBLIC).verify(
            part.signature, part.to_be_signed(envelope.external_aad("kitchen-1"))
        )
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(PUBLIC).verify(part.signature, part.to_be_signed(b"")), name


def test_our_profile_takes_only_its_own(made):
    assert envelope.open_signed(made["ours"]).kid == KID
    for name in set(made) - {"ours"}:
        with pytest.raises(WireError) as caught:
            envelope.open_signed(made[name])
        assert caught.value.code == "cose-header", name


def test_both_write_the_same_bytes(made):
    ours = made["ours"]
    part = cose.unpack(ours)
    header = cose.protected_header(envelope.CONTENT_TYPE, KID)
    signature = KEY.sign(cose.sig_structure(header, envelope.external_aad("kitchen-1"), part.payload))
    assert cose.pack(header, part.payload, signature) == ours
