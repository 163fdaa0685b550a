"""The hub's keys: Ed25519 to sign what it seals, P-256 for TLS. Made here, and they never leave this file.

What only enrolment needs (P-256) is loaded there. Random numbers come from the chip's own source, which is a
true one while its radio is on: the radio is switched on before a key is made.
"""

import os

from firmware.crypto import ed25519
from firmware.files import make_folder, read, write_whole
from gateway.hub.errors import SignerError
from gateway.wire.measurement import key_id
from gateway.wire.topics import is_hub_id

SIGNING_KEY, TLS_KEY = "signing.key", "tls.key"
RETIRED = "signing-"
SEED_SIZE = 32


class Signer:
    """One signing key. `Signer.open` gives the hub's own, made on first use."""

    def __init__(self, key: tuple[int, bytes, bytes]) -> None:
        self._key = key
        self.public_key = key[2]
        self.kid = key_id(self.public_key)

    @staticmethod
    def open(folder: str) -> "Signer":
        """The signing key of this hub: its seed and, against rot, its public key; 64 bytes in a file.

        SignerError("key-unreadable") for a file that is no key: never replaced by a new one in silence,
        the bridge would not know it. SignerError("key-not-written") when the flash does not take it.
        """
        _prepare(folder)
        path = folder + "/" + SIGNING_KEY
        data = _read(path)
        return _made(path) if data is None else Signer(_checked(path, data))

    @staticmethod
    def renew(folder: str) -> "Signer":
        """A new signing key in the place of the old; the old one is kept beside it until it is retired."""
        _prepare(folder)
        path = folder + "/" + SIGNING_KEY
        _keep(folder, path)
        return _made(path)

    @staticmethod
    def former(folder: str) -> "list[Signer]":
        """Keys that were renewed and are not retired yet. One that cannot be read is passed over."""
        found = []
        for name in _kept(folder):
            path = folder + "/" + name
            try:
                found.append(Signer(_checked(path, _read(path))))
            except SignerError:
                pass
        return found

    @staticmethod
    def retire(folder: str, kid: bytes) -> None:
        """Delete a former key: nothing more is to be signed or sent under it."""
        name = RETIRED + kid.hex() + ".key"
        if name in _kept(folder):
            _removed(folder + "/" + name)

    def sign(self, data: bytes) -> bytes:
        """The 64-byte Ed25519 signature (RFC 8032)."""
        return ed25519.sign(self._key, data)


def verify(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether this signature over these bytes is of this key; False for anything that is no key either."""
    return ed25519.verify(public_key, signature, data)


def tls_key(folder: str) -> str:
    """Where the P-256 key of this hub's TLS connection is, made on first use: DER, as mbedTLS loads it."""
    from firmware.crypto import p256

    _prepare(folder)
    path = folder + "/" + TLS_KEY
    if _read(path) is None:
        _write(path, p256.encoded(p256.new_key()))
    return path


def certificate_request(folder: str, hub: str) -> bytes:
    """The PEM request for this hub's certificate: its id as common name, signed by its TLS key.

    SignerError("hub-id") for what is no hub id, SignerError("key-unreadable") for a damaged key.
    """
    from firmware.crypto import certificate_request as request
    from firmware.crypto import p256

    if not is_hub_id(hub):
        raise SignerError("hub-id", hub)
    key = p256.decoded(_read(tls_key(folder)) or b"")
    if key is None:
        raise SignerError("key-unreadable", TLS_KEY)
    return request.certificate_request(key, hub)


def _made(path: str) -> Signer:
    seed = os.urandom(SEED_SIZE)
    key = ed25519.secret(seed)
    _write(path, seed + key[2])
    return Signer(key)


def _keep(folder: str, path: str) -> None:
    """The key at `path`, if there is one, also under its own name; a damaged one is put aside."""
    try:
        data = _read(path)
        if data is not None:
            kid = key_id(_checked(path, data)[2])
            _write(folder + "/" + RETIRED + kid.hex() + ".key", data)
    except SignerError as error:
        if error.code != "key-unreadable":
            raise
        _renamed(path, folder + "/" + RETIRED + "damaged.key")


def _kept(folder: str) -> list[str]:
    """The names of former keys."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise SignerError("key-unreadable", str(error))
    return sorted([name for name in names if name.startswith(RETIRED) and name.endswith(".key")])


def _checked(path: str, data: bytes | None) -> tuple[int, bytes, bytes]:
    key = ed25519.secret((data or b"")[:SEED_SIZE])
    if data is None or data[SEED_SIZE:] != key[2]:
        raise SignerError("key-unreadable", path.rsplit("/", 1)[-1])
    return key


def _read(path: str) -> bytes | None:
    """What lies there; None only where nothing does."""
    try:
        return read(path)
    except OSError:
        raise SignerError("key-unreadable", path.rsplit("/", 1)[-1])


def _prepare(folder: str) -> None:
    """The folder. Leftovers of a cut write go: they hold keys that nobody uses."""
    try:
        make_folder(folder)
        for name in os.listdir(folder):
            if name.endswith(".key.new"):
                os.remove(folder + "/" + name)
    except OSError as error:
        raise SignerError("key-not-written", str(error))


def _removed(path: str) -> None:
    try:
        os.remove(path)
    except OSError as error:
        raise SignerError("key-not-written", str(error))


def _write(path: str, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise SignerError("key-not-written", str(error))


def _renamed(path: str, name: str) -> None:
    try:
        os.rename(path, name)
    except OSError as error:
        raise SignerError("key-not-written", str(error))
