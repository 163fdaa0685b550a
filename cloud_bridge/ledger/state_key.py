"""The key that signs states: in a file that only the bridge can read, and that is never half written."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.wire.errors import MeethubError
from gateway.wire.measurement import key_id

FILE = "state.key"
SEED_SIZE = 32


class StateKeyError(MeethubError):
    """The key file is there and is no key; code state-key-unreadable. Hubs know only this key: restore it."""


class StateKey:
    """Signs states; hubs know its public half."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.kid = key_id(self.public_key)

    @classmethod
    def open(cls, directory: Path) -> "StateKey":
        """The key in this directory; made on first use, durable before it is used."""
        path = directory / FILE
        if not path.exists():
            _make(directory)
        seed = path.read_bytes()
        if len(seed) != SEED_SIZE:
            raise StateKeyError("state-key-unreadable", f"{len(seed)} bytes")
        return cls(seed)

    def sign(self, data: bytes) -> bytes:
        """64 bytes: Ed25519 over these bytes."""
        return self._key.sign(data)


def _make(directory: Path) -> None:
    """Write to the side, sync, link: whoever is first wins, and no reader sees half a key."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = directory / f"{FILE}.{os.getpid()}"
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, Ed25519PrivateKey.generate().private_bytes_raw())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(aside, directory / FILE)
    except FileExistsError:
        pass  # another process of this bridge made it in between
    finally:
        aside.unlink()
    _sync(directory)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
