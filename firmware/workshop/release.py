"""Makes releases: keys, images, signed manifests, rotations. `python -m firmware.workshop.release --help`.

Exit codes: 0 done, 1 a check found a problem, 2 wrong usage or input, 3 a file cannot be read or written.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from firmware import boot
from firmware.update import BLOCKS, IMAGE, LIST, MANIFEST, ROTATION
from firmware.update_manifest import FAMILY, FORMAT, Keys, Manifest, UpdateError, each_file
from firmware.update_manifest import RELEASE as RELEASE_AAD
from firmware.update_manifest import ROTATION as ROTATION_AAD
from firmware.workshop.image import SLOT_SIZE, ImageError, blocks, first_state, listing, romfs
from gateway.wire import cose
from gateway.wire.cbor import encode
from gateway.wire.measurement import key_id

DONE, PROBLEM, WRONG, UNREADABLE = range(4)
Command = Callable[[argparse.Namespace], dict[str, object]]
ROOT_KEY, RELEASE_KEY, PINNED = "root.key", "release.key", "update-keys"


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def sign(key: Ed25519PrivateKey, kind: bytes, payload: bytes) -> bytes:
    """The COSE_Sign1 of a manifest or a rotation."""
    protected = cose.protected_header(f"{FAMILY};v={FORMAT}", key_id(public(key)))
    return cose.pack(protected, payload, key.sign(cose.sig_structure(protected, kind, payload)))


def manifest(  # the fields of docs/updates.md
    image: bytes,
    files: list[tuple[str, bytes]],
    key: Ed25519PrivateKey,
    *,
    sequence: int,
    floor: int,
    hardware: str,
    needs_boot: int = boot.VERSION,
) -> bytes:
    """The signed manifest of an image; UpdateError when a hub would not take its form."""
    digests = [hashlib.sha256(part).digest() for part in (image, blocks(image), file_list(files))]
    fields = [FORMAT, sequence, floor, hardware, needs_boot, len(image), *digests]
    payload = encode(fields)
    Manifest(payload)
    return sign(key, RELEASE_AAD, payload)


def file_list(files: list[tuple[str, bytes]]) -> bytes:
    """What a hub checks the files of an image by; UpdateError for a path that it would refuse."""
    rows = (encode([path, len(data), hashlib.sha256(data).digest()]) for path, data in files)
    listed = b"".join(rows)
    each_file(listed, sum(len(data) for _, data in files), None)
    return listed


def rotation(root: Ed25519PrivateKey, number: int, release: bytes) -> bytes:
    """The record that makes another key the release key."""
    return sign(root, ROTATION_AAD, encode([FORMAT, number, release]))


def verify(public_key: bytes, signature: bytes, data: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


# The commands; each returns what it says, as a dict.


def new_keys(folder: Path) -> list[Ed25519PrivateKey]:
    """A root and a release key in this folder, and the file of both for a board. OSError over keys there."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [_new_key(folder / name) for name in (ROOT_KEY, RELEASE_KEY)]
    (folder / PINNED).write_bytes(b"".join(public(key) for key in made))
    return made


def make_keys(args: argparse.Namespace) -> dict[str, object]:
    made = new_keys(args.folder)
    return {"folder": str(args.folder), "root": public(made[0]).hex(), "release": public(made[1]).hex()}


def _new_key(path: Path) -> Ed25519PrivateKey:
    """A key in a file that only its owner reads; never over one that is there."""
    key = Ed25519PrivateKey.generate()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def signing_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}: no Ed25519 key")
    return key


def make_release(args: argparse.Namespace) -> dict[str, object]:
    files = listing(args.source)
    image = romfs(files, args.slot)
    fields = {
        "sequence": args.sequence,
        "floor": args.floor,
        "hardware": args.hardware,
        "needs_boot": args.boot,
    }
    raw = manifest(image, files, signing_key(args.key), **fields)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, data in ((IMAGE, image), (BLOCKS, blocks(image)), (LIST, file_list(files)), (MANIFEST, raw)):
        (args.out / name).write_bytes(data)
    return {
        **fields,
        "image": len(image),
        "manifest": len(raw),
        "files": len(files),
        "free": args.slot - len(image),
    }


def make_rotation(args: argparse.Namespace) -> dict[str, object]:
    release = public(signing_key(args.release))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / ROTATION).write_bytes(rotation(signing_key(args.root), args.number, release))
    return {"number": args.number, "release": release.hex()}


def check(args: argparse.Namespace) -> dict[str, object]:
    """What a hub with these pinned keys would say of the folder; UpdateError as it would."""
    found = _manifest(args)
    if found.size > args.slot:
        raise UpdateError("update-too-large", f"{found.size} bytes")
    image, listed = ((args.folder / name).read_bytes() for name in (IMAGE, LIST))
    parts = (image, blocks(image), (args.folder / BLOCKS).read_bytes(), listed)
    digests = tuple(hashlib.sha256(part).digest() for part in parts)
    if digests != (found.digest, found.blocks_digest, found.blocks_digest, found.list_digest):
        raise UpdateError("update-damaged", "image, blocks or files")
    each_file(listed, found.size, None)
    return {name: getattr(found, name) for name in ("sequence", "floor", "hardware", "size")}


def _manifest(args: argparse.Namespace) -> Manifest:
    keys = Keys(str(args.keys.parent), verify, args.keys.name)
    rotated = args.folder / ROTATION
    if rotated.exists():
        keys.see(rotated.read_bytes())
    return keys.manifest((args.folder / MANIFEST).read_bytes())


def make_state(args: argparse.Namespace) -> dict[str, object]:
    found = Keys(str(args.keys.parent), verify, args.keys.name).manifest(
        (args.folder / MANIFEST).read_bytes()
    )
    args.out.write_bytes(first_state(found))
    return {"state": str(args.out), "sequence": found.sequence}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="release", description="Make releases of the hub's firmware.")
    made.add_argument("--json", action="store_true", help="say the result as one line of JSON")
    commands = made.add_subparsers(dest="command", required=True)

    def command(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    keys = command("keys", make_keys, "make a root and a release key, and the file of both for a board")
    keys.add_argument("folder", type=Path)
    made_release = command("make", make_release, "image and signed manifest of a folder of .mpy files")
    made_release.add_argument("source", type=Path)
    made_release.add_argument("--sequence", type=int, required=True, help="above every release before it")
    made_release.add_argument("--floor", type=int, default=0, help="no release below this ever comes back")
    made_release.add_argument("--hardware", required=True, help="such as esp32 or esp32s3")
    made_release.add_argument("--boot", type=int, default=boot.VERSION, help="lowest version of boot.py")
    made_release.add_argument("--key", type=Path, required=True)
    made_release.add_argument("--out", type=Path, required=True)
    rotate = command("rotate", make_rotation, "let the root key name another release key")
    rotate.add_argument("--root", type=Path, required=True)
    rotate.add_argument("--release", type=Path, required=True, help="the new release key")
    rotate.add_argument("--number", type=int, required=True, help="above every rotation before it")
    rotate.add_argument("--out", type=Path, required=True)
    checked = command("check", check, "what a hub would say of a release")
    state = command("state", make_state, "the state record of a new board with this release")
    state.add_argument("--out", type=Path, required=True)
    for one in (checked, state):
        one.add_argument("folder", type=Path)
        one.add_argument("--keys", type=Path, required=True, help="the file of pinned keys")
    for one in (made_release, checked):
        one.add_argument("--slot", type=int, default=SLOT_SIZE, help="bytes of a slot (default: %(default)s)")
    return made


def main(words: list[str] | None = None) -> int:
    args = parser().parse_args(words)
    try:
        said = args.run(args)
    except UpdateError as error:
        return _failed(args, PROBLEM if args.command == "check" else WRONG, str(error), error.code)
    except ImageError as error:
        return _failed(args, WRONG, str(error), "image")
    except OSError as error:
        return _failed(args, UNREADABLE, f"{error.filename}: {error.strerror}", "file")
    except ValueError as error:
        return _failed(args, WRONG, str(error), "key")
    print(json.dumps(said) if args.json else "\n".join(f"{name}: {value}" for name, value in said.items()))
    return DONE


def _failed(args: argparse.Namespace, code: int, text: str, what: str) -> int:
    if args.json:
        print(json.dumps({"error": what, "detail": text}))
    else:
        print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
