"""The hub's keys: Ed25519 to sign what it seals, P-256 for TLS. Private keys never leave this file.

What only enrolment needs (x509) is loaded there: the daemon does without its 6 MB.
"""

import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.hub.errors import SignerError
from gateway.wire.measurement import key_id
from gateway.wire.topics import is_hub_id

SIGNING_KEY, TLS_KEY = "signing.key", "tls.key"
RETIRED = "signing-"
SEED_SIZE = 32


class Signer:
    """One signing key. `Signer.open` gives the hub's own, made on first use."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()
        self.kid = key_id(self.public_key)

    @classmethod
    def open(cls, directory: Path) -> "Signer":
        """The signing key of this hub: 32 bytes in a file of mode 0600, in a directory of mode 0700.

        SignerError("key-unreadable") for a file that is no key: never replaced by a new one in silence,
        the bridge would not know it. SignerError("key-not-written") when the disk does not take it.
        """
        _prepare(directory)
        path = directory / SIGNING_KEY
        if not path.exists():
            _write(path, Ed25519PrivateKey.generate().private_bytes_raw())
        return cls(_ed25519(path))

    @classmethod
    def renew(cls, directory: Path) -> "Signer":
        """A new signing key in the place of the old; the old one is kept beside it until it is retired."""
        _prepare(directory)
        path = directory / SIGNING_KEY
        if path.exists():
            kept = directory / f"{RETIRED}{_name(path)}.key"
            with suppress(FileExistsError):  # cut between here and the new key: it is kept already
                os.link(path, kept)
        new = Ed25519PrivateKey.generate()
        _write(path, new.private_bytes_raw())
        return cls(new)

    @classmethod
    def former(cls, directory: Path) -> list["Signer"]:
        """Keys that were renewed and are not retired yet. One that cannot be read is passed over."""
        found = []
        for path in sorted(directory.glob(RETIRED + "*.key")):
            with suppress(SignerError):
                found.append(cls(_ed25519(path)))
        return found

    @staticmethod
    def retire(directory: Path, kid: bytes) -> None:
        """Delete a former key: nothing more is to be signed or sent under it."""
        (directory / f"{RETIRED}{kid.hex()}.key").unlink(missing_ok=True)

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature (RFC 8032)."""
        return self._private.sign(data)


def verify(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether this signature over these bytes is of this key; False for anything that is no key either."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def tls_key(directory: Path) -> Path:
    """The P-256 key of this hub's TLS connection, made here on first use: a PEM file of mode 0600."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    _prepare(directory)
    path = directory / TLS_KEY
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def certificate_request(directory: Path, hub: str) -> bytes:
    """The PEM request for this hub's certificate: its id as common name, signed by its TLS key.

    SignerError("hub-id") for what is no hub id, SignerError("key-unreadable") for a damaged key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    if not is_hub_id(hub):
        raise SignerError("hub-id", hub)
    try:
        key = load_pem_private_key(tls_key(directory).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SignerError("key-unreadable", TLS_KEY) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SignerError("key-unreadable", TLS_KEY)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hub)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def _ed25519(path: Path) -> Ed25519PrivateKey:
    try:
        seed = path.read_bytes()
    except OSError as error:
        raise SignerError("key-unreadable", path.name) from error
    if len(seed) != SEED_SIZE:
        raise SignerError("key-unreadable", path.name)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _name(path: Path) -> str:
    """What a key is kept under: its id, or for a damaged one what it is."""
    try:
        return Signer(_ed25519(path)).kid.hex()
    except SignerError:
        return "damaged"


def _prepare(directory: Path) -> None:
    """The directory, for this user alone. Leftovers of a cut write go."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (SIGNING_KEY, TLS_KEY):
            (directory / f".{name}.new").unlink(missing_ok=True)
    except OSError as error:
        raise SignerError("key-not-written", str(error)) from error


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, durable when it returns, readable by this user alone from the first byte."""
    new = path.with_name(f".{path.name}.new")
    try:
        handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        new.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SignerError("key-not-written", str(error)) from error
