"""COSE_Sign1 (RFC 9052, section 4.2) without keys: taking it apart and building what is signed.

The plain layer only; what our own messages additionally demand stands in envelope.py and state.py.
"""

from gateway.wire.cbor import CborError, Tagged, decode, decode_at, encode, head
from gateway.wire.errors import WireError

SIGN1_TAG = 18
EDDSA = -8
SIGNATURE_SIZE = 64
ALGORITHM, CONTENT_TYPE, KID = 1, 3, 4


class Sign1:
    """The four parts of a COSE_Sign1, with the protected header decoded."""

    def __init__(
        self,
        protected: bytes,
        header: dict[int, object],
        unprotected: object,
        payload: bytes,
        signature: bytes,
    ) -> None:
        self.protected = protected
        self.header = header
        self.unprotected = unprotected
        self.payload = payload
        self.signature = signature

    def to_be_signed(self, external_aad: bytes) -> bytes:
        """What the signature covers; an empty protected header counts as no bytes, however it was written."""
        return sig_structure(self.protected if self.header else b"", external_aad, self.payload)


def sig_structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    """The bytes that the signature covers (RFC 9052, section 4.4)."""
    return encode(["Signature1", protected, external_aad, payload])


def pack(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The tagged COSE_Sign1 with an empty unprotected header."""
    return (
        head(6, SIGN1_TAG) + head(4, 4) + encode(protected) + head(5, 0) + encode(payload) + encode(signature)
    )


def unpack(data: bytes) -> Sign1:
    """A whole tagged COSE_Sign1; WireError("cose-shape") otherwise."""
    try:
        item = decode(data)
    except CborError as error:
        raise WireError("cose-shape", str(error)) from None
    return sign1(item)


def sign1(item: object) -> Sign1:
    """A decoded COSE_Sign1 with its tag; WireError("cose-shape") otherwise."""
    if not isinstance(item, Tagged) or item.tag != SIGN1_TAG:
        raise WireError("cose-shape", "not tagged as COSE_Sign1")
    return untagged(item.value)


def untagged(parts: object) -> Sign1:
    """A decoded COSE_Sign1 without its tag, which RFC 9052 allows and our messages do not."""
    if not isinstance(parts, list) or len(parts) != 4:
        raise WireError("cose-shape", "four parts expected")
    protected, unprotected, payload, signature = parts
    for part in (protected, payload, signature):
        if not isinstance(part, bytes):
            raise WireError("cose-shape", "byte string expected")
    if not isinstance(unprotected, dict):
        raise WireError("cose-shape", "unprotected header must be a map")
    return Sign1(protected, _header(protected), unprotected, payload, signature)


def _header(protected: bytes) -> dict[int, object]:
    if not protected:
        return {}  # RFC 9052, section 3: an empty map may be a zero-length string
    try:
        header, end = decode_at(protected, 0)
    except CborError as error:
        raise WireError("cose-header", str(error)) from None
    if end != len(protected) or not isinstance(header, dict):
        raise WireError("cose-header", "a map expected")
    return header


def protected_header(content_type: str, kid: bytes) -> bytes:
    """{1: -8, 3: content type, 4: kid}: the only map in what is signed, written in ascending order."""
    pairs = ((ALGORITHM, EDDSA), (CONTENT_TYPE, content_type), (KID, kid))
    return head(5, 3) + b"".join([encode(key) + encode(item) for key, item in pairs])


def check_profile(part: Sign1, family: str) -> tuple[int, bytes]:
    """(version, kid) of a message of ours; WireError when it is not exactly our profile.

    Our profile: Ed25519, headers 1, 3 and 4 and no other, all protected; content type is the family
    with its version; an 8-byte key id; a 64-byte signature.
    """
    header = part.header
    if part.unprotected != {} or len(header) != 3 or header.get(ALGORITHM) != EDDSA:
        raise WireError("cose-header", "exactly alg, content type and kid, protected")
    kid = header.get(KID)
    if not isinstance(kid, bytes) or len(kid) != 8 or len(part.signature) != SIGNATURE_SIZE:
        raise WireError("cose-header", "kid of 8 and signature of 64 bytes")
    return content_version(header.get(CONTENT_TYPE), family), kid


def content_version(content_type: object, family: str) -> int:
    """The version in a content type such as application/meethub-envelope;v=1."""
    prefix = family + ";v="
    if not isinstance(content_type, str) or not content_type.startswith(prefix):
        raise WireError("cose-header", "another content type")
    number = content_type[len(prefix) :]
    if len(number) not in (1, 2, 3) or number[0] == "0" or any(c not in "0123456789" for c in number):
        raise WireError("cose-header", "no version")
    return int(number)
