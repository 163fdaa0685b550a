"""A request for a certificate (PKCS#10, RFC 2986), signed by the key it is for: proof of possession."""

from binascii import b2a_base64

from firmware.crypto.p256 import public_key, sign

_COMMON_NAME = b"\x06\x03\x55\x04\x03"
# SubjectPublicKeyInfo up to the 65 bytes of the key itself: id-ecPublicKey, prime256v1.
_KEY_INFO = (
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
)
_ECDSA_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
_SEQUENCE, _SET, _INTEGER, _BITS, _UTF8 = 0x30, 0x31, 0x02, 0x03, 0x0C


def certificate_request(key: int, name: str) -> bytes:
    """The PEM text of a request for the public half of `key` under this name of at most 64 characters."""
    subject = _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _COMMON_NAME, _der(_UTF8, name.encode()))))
    info = _der(_SEQUENCE, b"\x02\x01\x00", subject, _KEY_INFO, public_key(key), b"\xa0\x00")
    r, s = sign(key, info)
    signature = _der(_BITS, b"\x00", _der(_SEQUENCE, _integer(r), _integer(s)))
    return _pem(_der(_SEQUENCE, info, _ECDSA_SHA256, signature))


def _integer(number: int) -> bytes:
    """A number of at most 256 bits, in the fewest bytes that begin with a 0 bit."""
    data = number.to_bytes(33, "big")
    at = 0
    while at < 32 and not data[at] and data[at + 1] < 0x80:
        at += 1
    return _der(_INTEGER, data[at:])


def _der(tag: int, *parts: bytes) -> bytes:
    """Tag, length (below 65536), content."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        head = bytes([tag, size])
    elif size < 0x100:
        head = bytes([tag, 0x81, size])
    else:
        head = bytes([tag, 0x82]) + size.to_bytes(2, "big")
    return head + content


def _pem(der: bytes) -> bytes:
    lines = [b2a_base64(der[at : at + 48]) for at in range(0, len(der), 48)]
    return b"".join(
        [b"-----BEGIN CERTIFICATE REQUEST-----\n"] + lines + [b"-----END CERTIFICATE REQUEST-----\n"]
    )
