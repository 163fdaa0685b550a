"""Whether a hub really sent this: pure checks, no database, no clock, no network.

Two layers that can be called apart: `verify_sign1` is the plain COSE_Sign1 check that public test suites
and other implementations speak; `verify_envelope` adds our own profile on top. A failure says whether
something was checked and found wrong, or could not be checked, and whether trying again can help.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.wire import cose, shape
from gateway.wire.cbor import CborError, decode, decode_at
from gateway.wire.envelope import (
    FAMILY,
    Sealed,
    check_complete,
    digest,
    external_aad,
    open_message,
)
from gateway.wire.errors import MeethubError, WireError
from gateway.wire.state import AFTER_ACTION, AFTER_TIME, NEVER

# When the same bytes may be taken after all; every other code is final for them. Damaged or missing
# disclosures are not covered by the signature, so the next copy of the same envelope may be whole.
_RETRY = {
    "key-unknown": AFTER_TIME,  # the hub's key request may be under way, or this ledger restored
    "key-foreign": AFTER_ACTION,
    "disclosures-unreadable": AFTER_TIME,
    "envelope-incomplete": AFTER_TIME,
    "disclosure-mismatch": AFTER_TIME,
}
# Bytes that were looked at with the right key in hand and are wrong; all else could not be checked.
_CHECKED = frozenset(
    {
        "signature-invalid",
        "payload-invalid",
        "envelope-incomplete",
        "disclosure-mismatch",
        "disclosures-unreadable",
    }
)


class VerifyError(MeethubError):
    """An upward message is not taken.

    retry: never, after-action or after-time, as a state tells the hub. checked: True when the bytes were
    checked and are wrong, False when they could not be checked. place: (key id, sequence, hash of the
    signed bytes) as received, as far as they can be read; nothing of it is verified.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        place: tuple[bytes, int, bytes] | None = None,
        retry: str | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.retry = retry or _RETRY.get(code, NEVER)
        self.checked = code in _CHECKED
        self.place = place


@dataclass(frozen=True)
class KnownKey:
    """A registered key: 32 raw bytes, and the one hub that signs with it."""

    public_key: bytes
    hub: str


@dataclass(frozen=True)
class Verified:
    """An envelope that this hub signed, with one matching disclosure (or null) for each signed hash.

    For a version newer than ours `sealed.contents` is None and the disclosures are unchecked.
    """

    sealed: Sealed
    disclosures: list[bytes | None]


def verify_sign1(part: cose.Sign1, external: bytes, public_key: bytes) -> bool:
    """Whether the key signed exactly this (RFC 9052, section 4.4), Ed25519 only.

    VerifyError("algorithm-unknown") or ("key-invalid") when that cannot be checked at all. A second form
    of a signature (S not below the group order) is no signature: OpenSSL refuses it.
    """
    if _algorithm(part) != cose.EDDSA:
        raise VerifyError("algorithm-unknown")
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise VerifyError("key-invalid") from None
    try:
        key.verify(part.signature, part.to_be_signed(external))
    except InvalidSignature:
        return False
    return True


def verify_envelope(raw: bytes, hub: str, key_of: Callable[[bytes], KnownKey | None]) -> Verified:
    """The envelope in this upward message of this hub; VerifyError when it is not exactly that.

    raw: the message as it came; hub: who the broker says sent it; key_of: the registered key of a key id.
    """
    try:
        sealed, disclosures = open_message(raw)
    except WireError as error:
        raise _unreadable(raw, hub, key_of, error) from None
    place = (sealed.kid, sealed.sequence, sealed.hash)
    _check_signature(sealed.part, hub, key_of(sealed.kid), place)
    try:
        check_complete(sealed, disclosures)
    except WireError as error:
        raise VerifyError(error.code, error.detail, place) from None
    return Verified(sealed, disclosures)


def _check_signature(
    part: cose.Sign1, hub: str, known: KnownKey | None, place: tuple[bytes, int, bytes] | None
) -> None:
    if known is None:
        raise VerifyError("key-unknown", place=place)
    if known.hub != hub:
        raise VerifyError("key-foreign", place=place)
    if not verify_sign1(part, external_aad(hub), known.public_key):
        raise VerifyError("signature-invalid", place=place)


def _unreadable(
    raw: bytes, hub: str, key_of: Callable[[bytes], KnownKey | None], error: WireError
) -> VerifyError:
    """Why a message that does not parse is not taken.

    Its signed part may still be whole: then either the rest was damaged on the way, or the hub signed
    something that is no envelope (payload-invalid), which no repeat can mend.
    """
    try:
        part, end = _signed_part(raw)
        _, kid = cose.check_profile(part, FAMILY)
        _check_signature(part, hub, key_of(kid), None)
    except (CborError, WireError, VerifyError):
        return VerifyError(error.code, error.detail)
    place = _place(part.payload, kid, digest(raw[1:end]))
    if error.code == "envelope-size":
        return VerifyError(error.code, error.detail, place)
    try:
        open_message(raw[:end] + b"\x80")
    except WireError:
        return VerifyError("payload-invalid", error.detail, place)
    return VerifyError("disclosures-unreadable", error.detail, place)


def _signed_part(raw: bytes) -> tuple[cose.Sign1, int]:
    """The COSE_Sign1 at the start of a message, and where it ends."""
    if raw[:1] != b"\x82":
        raise WireError("envelope-cbor", "two parts expected")
    item, end = decode_at(raw, 1)
    return cose.sign1(item), end


def _place(payload: bytes, kid: bytes, signed_hash: bytes) -> tuple[bytes, int, bytes] | None:
    """Which envelope a payload claims to be, where at least its sequence can be read."""
    try:
        row = shape.array(decode(payload))
        return (kid, shape.integer(row[0], 1), signed_hash) if row else None
    except (CborError, WireError):
        return None


def _algorithm(part: cose.Sign1) -> object:
    """The algorithm of a plain COSE_Sign1: RFC 9052 allows it in either header, our profile does not."""
    if cose.ALGORITHM in part.header:
        return part.header[cose.ALGORITHM]
    return part.unprotected.get(cose.ALGORITHM) if isinstance(part.unprotected, dict) else None
