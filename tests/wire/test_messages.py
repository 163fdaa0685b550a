"""Every boundary of the wire room: a result or WireError, nothing else; and what was taken is written back alike."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import envelope, shape, state
from gateway.wire.cbor import CborError, encode
from gateway.wire.errors import WireError
from gateway.wire.items import item_from_wire
from gateway.wire.reading import Value, decimal_text, parse_decimal
from gateway.wire.records import frames_of
from gateway.wire.topics import hub_and_message

from .strategies import DOSE, exchanged, good_messages, item, spoiled, trees, vectors

OPENERS = {
    "message": envelope.open_message,
    "signed": envelope.open_signed,
    "disclosure": envelope.open_disclosure,
    "state": state.open_state,
    "hello": state.open_hello,
    "key-request": state.open_key_request,
    "evidence": frames_of,
}
WITH_CODES = {
    "cose-shape", "cose-header", "disclosure-cbor", "envelope-cbor", "envelope-size", "item-unknown", "state-version",
    "wire-cbor", "wire-shape", "wire-size",
}  # fmt: skip


def result_or_wire_error(opener, raw):
    try:
        return OPENERS[opener](raw)
    except WireError as error:
        if error.code not in WITH_CODES:
            raise
        return None


@pytest.mark.parametrize("opener", OPENERS)
@settings(max_examples=150 * DOSE, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes(opener, raw):
    result_or_wire_error(opener, raw)


@pytest.mark.parametrize("opener", OPENERS)
@settings(max_examples=100 * DOSE, deadline=None)
@given(tree=trees)
def test_any_cbor(opener, tree):
    result_or_wire_error(opener, encode(tree))


@settings(max_examples=1000 * DOSE, deadline=None)
@given(spoiled(good_messages()))
def test_spoiled_messages(pair):
    opener, raw = pair
    opened = result_or_wire_error(opener, raw)
    if opened is None:
        return
    if opener == "message":
        sealed, disclosures = opened
        assert envelope.message(sealed.signed, disclosures) == raw
    elif opener in ("hello", "key-request"):
        assert opened.encode() == raw
    elif opener == "state":
        part, _, said = opened
        assert said.encode() == part.payload


ITEMS = [item(row["value"]) for row in vectors("items")]


@settings(max_examples=1500 * DOSE, deadline=None)
@given(exchanged(ITEMS))
def test_an_item_is_refused_or_written_back_as_it_was(row):
    try:
        encoded = encode(row)
        made = item_from_wire(row)
    except (WireError, CborError):
        return
    assert encode(made.wire()) == encoded


STATES = [state.open_state(bytes.fromhex(row["signed"])) for row in vectors("states")]


def state_tree(said):
    return [
        said.nonce, said.counter, [key.wire() for key in said.keys], [one.wire() for one in said.refused], said.bridge_ms,
        [one.wire() for one in said.commands], said.forget, said.not_before_ms,
    ]  # fmt: skip


@settings(max_examples=500 * DOSE, deadline=None)
@given(exchanged([state_tree(said) for _, _, said in STATES]))
def test_a_state_is_refused_or_written_back_as_it_was(row):
    from gateway.wire import cose

    header = cose.protected_header(state.CONTENT_TYPE, bytes(8))
    try:
        payload = encode(row)
        _, _, said = state.open_state(cose.pack(header, payload, bytes(64)))
    except (WireError, CborError):
        return
    assert said.encode() == payload
    for key in said.keys:
        assert key.accepts(key.contiguous) or not key.contiguous
        assert not key.accepts(key.contiguous + 1)


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"\Ahub/[^/]*/up/(envelope|hello|key)\Z"))
def test_any_topic(text):
    try:
        hub, message = hub_and_message(text)
    except WireError as error:
        if error.code != "topic-unknown":
            raise
        return
    assert f"hub/{hub}/up/{message}" == text
    assert hub.isascii()
    assert not set(hub) & set("/+#.*> \0")


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.integers(-shape.MAX_INTEGER, shape.MAX_INTEGER), st.integers(-18, 18))
def test_decimal_text_says_the_same_number(digits, exponent):
    from decimal import Decimal

    text = decimal_text(digits, exponent)
    assert Decimal(text) == Decimal(digits).scaleb(exponent)
    assert Value("x", digits, exponent, "1").text() == text
    if exponent <= 0 and digits:
        assert parse_decimal(text) == (digits, exponent)


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.text(max_size=50) | st.from_regex(r"\A-?[0-9]{1,45}(\.[0-9]{1,45})?\Z"))
def test_any_text_is_a_decimal_or_refused(text):
    try:
        digits, exponent = parse_decimal(text)
    except WireError:
        return
    assert decimal_text(digits, exponent).lstrip("-").lstrip("0") in (
        text.lstrip("-").lstrip("0"),
        "." + text.partition(".")[2],
    )


def genuine(raw, row):
    """True where this message would be taken as that hub's: profile, signature and every disclosure."""
    try:
        sealed, disclosures = envelope.open_message(raw)
        envelope.check_complete(sealed, disclosures)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(row["public_key"]))
        key.verify(sealed.part.signature, sealed.part.to_be_signed(envelope.external_aad(row["hub"])))
    except (WireError, InvalidSignature):
        return False
    return sealed.kid.hex() == row["kid"]


def test_every_single_bit_of_a_message_counts():
    row = vectors("envelopes")[0]
    whole = bytes.fromhex(row["message"])
    assert genuine(whole, row)
    taken = []
    for bit in range(len(whole) * 8):
        raw = bytearray(whole)
        raw[bit // 8] ^= 1 << (bit % 8)
        if genuine(bytes(raw), row):
            taken.append(bit)
    assert taken == []


def test_signatures_of_the_vectors_and_their_domains():
    for row in vectors("envelopes"):
        assert genuine(bytes.fromhex(row["message"]), row)
        assert not genuine(bytes.fromhex(row["message"]), row | {"hub": "kitchen-2"})
    for row in vectors("states"):
        part, _, _ = state.open_state(bytes.fromhex(row["signed"]))
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(row["public_key"]))
        key.verify(part.signature, part.to_be_signed(state.external_aad(row["hub"])))
        with pytest.raises(InvalidSignature):
            key.verify(part.signature, part.to_be_signed(envelope.external_aad(row["hub"])))


def test_key_requests_prove_their_key_for_this_hub_only():
    from gateway.wire.items import next_key_proof

    for row in vectors("others")["key_requests"]:
        request = state.open_key_request(bytes.fromhex(row["hex"]))
        key = Ed25519PublicKey.from_public_bytes(request.public_key)
        key.verify(request.proof, next_key_proof(row["hub"], request.public_key))
        with pytest.raises(InvalidSignature):
            key.verify(request.proof, next_key_proof("other", request.public_key))
