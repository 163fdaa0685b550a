"""What a signed manifest of a release says, and who may sign it. All is checked before any download.

A manifest is a COSE_Sign1 by the release key, external_aad "meethub/update|release", of the array
[1, sequence, floor, hardware, boot, size, SHA-256 of the image, of its blocks file, of its list of files].
The blocks file is the SHA-256 of each 4096-byte block of the image, one after the other; the list of files is
a CBOR sequence (RFC 8742) of [path, size, SHA-256] in ascending order of paths. A rotation is a COSE_Sign1 by
the root key, external_aad "meethub/update|rotation", of [1, number, the new release key].
"""

import hashlib

from firmware import files
from firmware.slots import BLOCK
from gateway.wire import cose, shape
from gateway.wire.cbor import CborError, decode, decode_at
from gateway.wire.errors import MeethubError, WireError
from gateway.wire.measurement import key_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Verify = Callable[[bytes, bytes, bytes], bool]

RELEASE, ROTATION = b"meethub/update|release", b"meethub/update|rotation"
FAMILY = "application/meethub-update"
FORMAT = 1
MAX_MANIFEST = 512
MAX_LIST = 48 * 1024
MAX_FILES = 300
MAX_SEQUENCE = 0xFFFFFFFF
DIGEST = 32
KEYS_FILE, ROTATION_FILE = "update-keys", "/rotation"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."


class UpdateError(MeethubError):
    """An update that this hub does not take; nothing of what runs has changed.

    Codes: update-form, update-key, update-signature, update-hardware, update-boot, update-old,
    update-too-large, update-path, update-source, update-damaged, update-not-stored.
    """


class Manifest:
    """A release as its signed manifest tells it; UpdateError for what the form does not allow."""

    def __init__(self, payload: bytes) -> None:
        try:
            row = shape.array(decode(payload), 9)
            shape.integer(row[0], FORMAT, FORMAT)
            self.sequence = shape.integer(row[1], 1, MAX_SEQUENCE)
            self.floor = shape.integer(row[2], 0, self.sequence)
            self.hardware = shape.word(row[3])
            self.boot = shape.integer(row[4], 1, 255)
            self.size = shape.integer(row[5], 1)
            self.digest = shape.octets(row[6], DIGEST)
            self.blocks_digest = shape.octets(row[7], DIGEST)
            self.list_digest = shape.octets(row[8], DIGEST)
        except (CborError, WireError) as error:
            raise UpdateError("update-form", str(error)) from None

    @property
    def count(self) -> int:
        """Of its blocks."""
        count: int = -(-self.size // BLOCK)
        return count

    def block_size(self, number: int) -> int:
        size: int = min(BLOCK, self.size - number * BLOCK)
        return size


def each_file(listed: bytes, size: int, visit: "Callable[[str, int, bytes], None] | None") -> int:
    """How many files the list of an image of this size names; each is shown to `visit`. UpdateError."""
    at = count = total = 0
    before = ""
    while at < len(listed):
        try:
            entry, at = decode_at(listed, at)
            name, length, digest = shape.array(entry, 3)
            path = shape.text(name)
            taken = shape.integer(length, 0, size)
            found = shape.octets(digest, DIGEST)
        except (CborError, WireError) as error:
            raise UpdateError("update-form", str(error)) from None
        if not _is_path(path) or path <= before:
            raise UpdateError("update-path")
        before, count, total = path, count + 1, total + taken
        if count > MAX_FILES or total > size:
            raise UpdateError("update-form", "too many files, or too large")
        if visit is not None:
            visit(path, taken, found)
    return count


def _is_path(path: str) -> bool:
    """Relative, without "." or "..", of plain letters."""
    parts = path.split("/")
    return len(path) <= 128 and all([part not in ("", ".", "..") and _plain(part) for part in parts])


def _plain(part: str) -> bool:
    return all([letter in _LETTERS for letter in part])


class Keys:
    """The pinned keys of a hub: 32 bytes of root and 32 of release in /update-keys, and the last rotation."""

    def __init__(self, folder: str, verify: "Verify", name: str = KEYS_FILE) -> None:
        self._folder = folder
        self._verify = verify
        pinned = files.read(folder + "/" + name) or b""
        if len(pinned) != 64:
            raise UpdateError("update-key", "none pinned")
        self._root, self.release, self.rotated = pinned[:32], pinned[32:], 0
        stored = files.read(folder + ROTATION_FILE)
        if stored is not None:
            self.see(stored)

    def rotate(self, raw: bytes) -> bool:
        """Take a rotation newer than the last; whether it was. UpdateError when root did not sign it."""
        if self._rotation(raw)[0] <= self.rotated:
            return False
        try:
            files.write_whole(self._folder + ROTATION_FILE, raw)
        except OSError:
            raise UpdateError("update-not-stored", "rotation") from None
        self.see(raw)
        return True

    def see(self, raw: bytes) -> None:
        """The release key as a rotation makes it, without keeping that."""
        self.rotated, self.release = self._rotation(raw)

    def manifest(self, raw: bytes) -> Manifest:
        """What the release key signed; UpdateError otherwise."""
        return Manifest(self._opened(raw, self.release, RELEASE))

    def _rotation(self, raw: bytes) -> tuple[int, bytes]:
        payload = self._opened(raw, self._root, ROTATION)
        try:
            row = shape.array(decode(payload), 3)
            shape.integer(row[0], FORMAT, FORMAT)
            return shape.integer(row[1], 1, MAX_SEQUENCE), shape.octets(row[2], 32)
        except (CborError, WireError) as error:
            raise UpdateError("update-form", str(error)) from None

    def _opened(self, raw: bytes, key: bytes, kind: bytes) -> bytes:
        try:
            part = cose.unpack(raw)
            version, kid = cose.check_profile(part, FAMILY)
        except WireError as error:
            raise UpdateError("update-form", error.code) from None
        if version != FORMAT:
            raise UpdateError("update-form", "version %d" % version)
        if kid != key_id(key):
            raise UpdateError("update-key", "another key")
        if not self._verify(key, part.signature, part.to_be_signed(kind)):
            raise UpdateError("update-signature")
        return part.payload


def check_files(rom: object, listed: bytes, size: int) -> None:
    """The image holds the files of its list and no other; UpdateError("update-damaged") otherwise.

    rom: the image as `vfs.VfsRom`. OSError(ENOENT) for a file that is not there.
    """

    def visit(path: str, length: int, digest: bytes) -> None:
        with rom.open("/" + path, "rb") as file:  # type: ignore[attr-defined]
            data = memoryview(file)
            if len(data) != length or hashlib.sha256(data).digest() != digest:
                raise UpdateError("update-damaged", "file")

    if each_file(listed, size, visit) != _count(rom, ""):
        raise UpdateError("update-damaged", "files")


def _count(rom: object, folder: str) -> int:
    count = 0
    for entry in rom.ilistdir(folder or "/"):  # type: ignore[attr-defined]
        count += _count(rom, folder + "/" + entry[0]) if entry[1] & 0x4000 else 1
    return count
