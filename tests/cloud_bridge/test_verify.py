"""What a hub did not send is never taken for its word, and every failure says what kind it is."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_bridge.verify import KnownKey, Verified, VerifyError, verify_envelope, verify_sign1
from gateway.wire import cose
from gateway.wire.cbor import encode, head
from gateway.wire.envelope import external_aad, message
from tests.cloud_bridge.ledger_fixtures import HUB, Chain, Sealed, Signing, sign, status

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SIGNING = Signing(1)
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group, RFC 8032 section 5.1


def key_of(kid: bytes) -> KnownKey | None:
    return KnownKey(SIGNING.public_key, HUB) if kid == SIGNING.kid else None


def sealed(*items: object) -> Sealed:
    chain = Chain(SIGNING)
    chain.seal()
    return chain.seal(*(items or (status(1), status(2))))


def refused(raw: bytes, hub: str = HUB) -> VerifyError:
    with pytest.raises(VerifyError) as caught:
        verify_envelope(raw, hub, key_of)
    return caught.value


def test_an_envelope_verifies_and_gives_what_was_sealed() -> None:
    made = sealed()
    verified = verify_envelope(made.raw, HUB, key_of)
    assert (verified.sealed.kid, verified.sealed.sequence, verified.sealed.hash) == (
        made.kid,
        2,
        made.hash,
    )
    assert verified.disclosures == made.disclosures


def test_every_single_bit_flip_is_refused() -> None:
    raw = sealed().raw
    assert len(raw) * 8 >= 1344
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        refused(bytes(flipped))


def test_every_cut_and_every_byte_more_is_refused() -> None:
    raw = sealed().raw
    for size in range(len(raw)):
        refused(raw[:size])
    refused(raw + b"\x00")


def test_a_hub_cannot_speak_for_another() -> None:
    assert refused(sealed().raw, "hub-2").code == "key-foreign"
    both = Chain(SIGNING, hub="hub-2").seal()
    error = refused(both.raw)  # signed for the other hub's topic with a key that is this hub's
    assert (error.code, error.checked, error.retry) == ("signature-invalid", True, "never")


def test_could_not_check_differs_from_checked_and_wrong() -> None:
    unknown = refused(Chain(Signing(2)).seal().raw)
    assert (unknown.code, unknown.checked, unknown.retry) == ("key-unknown", False, "after-time")
    garbage = refused(b"garbage")
    assert (garbage.code, garbage.checked, garbage.place) == ("envelope-cbor", False, None)


def test_a_second_form_of_the_signature_is_refused() -> None:
    made = sealed()
    part = cose.unpack(made.signed)
    number = int.from_bytes(part.signature[32:], "little") + ORDER
    forged = part.signature[:32] + number.to_bytes(32, "little")
    raw = message(cose.pack(part.protected, part.payload, forged), made.disclosures)
    assert refused(raw).code == "signature-invalid"
    low_order = bytes([1]) + bytes(31)  # R and A of order one: a signature over anything, were it taken
    raw = message(cose.pack(part.protected, part.payload, low_order + bytes(32)), made.disclosures)
    assert refused(raw).code == "signature-invalid"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda parts: parts[:1], "envelope-incomplete"),
        (lambda parts: [*parts, None], "envelope-incomplete"),
        (lambda parts: parts[::-1], "disclosure-mismatch"),
        (lambda parts: [parts[0], b"other"], "disclosure-mismatch"),
        (lambda parts: [parts[0], 1], "disclosures-unreadable"),
    ],
)
def test_damaged_disclosures_come_again(change: object, code: str) -> None:
    made = sealed()
    raw = head(4, 2) + made.signed + encode(change(made.disclosures))
    error = refused(raw)
    assert (error.code, error.retry, error.checked) == (code, "after-time", True)
    assert error.place == (made.kid, 2, made.hash)


def test_null_stands_for_what_cannot_be_supplied() -> None:
    made = sealed()
    assert verify_envelope(made.without(0), HUB, key_of).disclosures == [None, made.disclosures[1]]


@pytest.mark.parametrize("payload", [[7, None], [7], "text", 7, []])
def test_a_signed_payload_that_is_no_envelope_is_refused_for_good(payload: object) -> None:
    signed = sign(SIGNING, HUB, encode(payload))
    error = refused(message(signed, []))
    assert (error.code, error.retry, error.checked) == ("payload-invalid", "never", True)
    assert (error.place is not None) == (isinstance(payload, list) and payload != [])


def test_too_much_is_refused() -> None:
    made = sealed()
    assert refused(made.raw + bytes(48 * 1024)).code == "envelope-size"
    error = refused(message(made.signed, [b"x"] * 65))
    assert (error.code, error.retry, error.place) == ("envelope-size", "never", (made.kid, 2, made.hash))


def test_an_unknown_newer_version_that_verifies_is_taken_whole() -> None:
    payload = encode([9, "whatever", [1, 2]])
    signed = sign(SIGNING, HUB, payload, "application/meethub-envelope;v=2")
    verified = verify_envelope(message(signed, [b"anything"]), HUB, key_of)
    assert (verified.sealed.version, verified.sealed.sequence, verified.sealed.contents) == (2, 9, None)
    assert verified.disclosures == [b"anything"]
    other = sign(Signing(2), HUB, payload, "application/meethub-envelope;v=2")
    assert refused(message(other, [])).code == "key-unknown"


def test_a_signed_message_of_another_kind_is_no_envelope() -> None:
    payload = cose.unpack(sealed().signed).payload
    for content_type in ("application/meethub-state;v=1", "application/meethub-envelope;v=01"):
        assert refused(message(sign(SIGNING, HUB, payload, content_type), [])).code == "cose-header"


def plain(header: dict[int, object], unprotected: dict[int, object], aad: bytes = b"") -> cose.Sign1:
    protected = head(5, len(header)) + b"".join(encode(k) + encode(v) for k, v in header.items())
    protected = protected if header else b""
    signature = SIGNING.sign(cose.sig_structure(protected, aad, b"payload"))
    return cose.Sign1(protected, header, unprotected, b"payload", signature)


def test_the_plain_check_takes_what_others_make() -> None:
    assert verify_sign1(plain({1: cose.EDDSA}, {4: b"11"}), b"", SIGNING.public_key)
    assert verify_sign1(plain({}, {1: cose.EDDSA}), b"", SIGNING.public_key)
    assert verify_sign1(plain({1: cose.EDDSA}, {}, b"more"), b"more", SIGNING.public_key)
    assert not verify_sign1(plain({1: cose.EDDSA}, {}), b"other", SIGNING.public_key)
    assert not verify_sign1(plain({1: cose.EDDSA}, {}), b"", Signing(2).public_key)


def test_the_plain_check_says_what_it_cannot_check() -> None:
    for part in (plain({1: -7}, {}), plain({}, {})):
        with pytest.raises(VerifyError, match="algorithm-unknown"):
            verify_sign1(part, b"", SIGNING.public_key)
    with pytest.raises(VerifyError, match="key-invalid"):
        verify_sign1(plain({1: cose.EDDSA}, {}), b"", b"short")


def test_the_plain_check_agrees_with_ours() -> None:
    part = cose.unpack(sealed().signed)
    assert verify_sign1(part, external_aad(HUB), SIGNING.public_key)
    assert not verify_sign1(part, external_aad("hub-2"), SIGNING.public_key)


# RFC 8032 section 7.1, tests 1 and 2: public key, message, signature.
RFC_8032 = [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
]


@pytest.mark.parametrize("test", [0, 3])
def test_the_signature_check_is_the_one_of_rfc_8032(test: int) -> None:
    public, text, signature = (bytes.fromhex(line) for line in RFC_8032[test : test + 3])

    class Part(cose.Sign1):
        def to_be_signed(self, _external_aad: bytes) -> bytes:
            return text

    part = Part(b"", {1: cose.EDDSA}, {}, b"", signature)
    assert verify_sign1(part, b"", public)
    part.signature = signature[:-1] + bytes([signature[-1] ^ 1])
    assert not verify_sign1(part, b"", public)


def taken_or_refused(raw: bytes) -> Verified | VerifyError:
    try:
        return verify_envelope(raw, HUB, key_of)
    except VerifyError as error:
        return error


@settings(max_examples=300 * DOSE)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_code(raw: bytes) -> None:
    error = taken_or_refused(raw)
    assert isinstance(error, VerifyError)
    assert error.retry in ("never", "after-action", "after-time")


TREE = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**63) | st.binary(max_size=40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=7),
    max_leaves=12,
)


@settings(max_examples=300 * DOSE)
@given(TREE, st.lists(st.none() | st.binary(max_size=40) | TREE, max_size=4), st.sampled_from([1, 2, 9]))
def test_any_signed_payload_is_taken_or_refused(payload: object, rest: list[object], version: int) -> None:
    signed = sign(SIGNING, HUB, encode(payload), f"application/meethub-envelope;v={version}")
    verified = taken_or_refused(head(4, 2) + signed + encode(rest))
    if isinstance(verified, Verified):
        assert version > 1
        assert verified.sealed.sequence > 0
