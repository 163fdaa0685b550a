"""Manifests, rotations and state records on CPython: every byte flipped, and whatever a source may send.

The same modules run on MicroPython in board/test_update.py; the campaign with power cuts runs there too.
"""

import hashlib
import os
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import boot
from firmware.update_manifest import ROTATION, Keys, Manifest, UpdateError, each_file
from firmware.workshop.image import blocks, romfs
from firmware.workshop.release import file_list, manifest, public, rotation, sign, verify
from gateway.wire.cbor import encode
from gateway.wire.codes_firmware import FIRMWARE

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
ROOT = Ed25519PrivateKey.from_private_bytes(bytes(32))
RELEASE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FILES = [(f"firmware/part{number:02}.mpy", random.Random(number).randbytes(150)) for number in range(20)]
IMAGE = romfs(FILES)
RAW = manifest(IMAGE, FILES, RELEASE, sequence=7, floor=3, hardware="esp32s3")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    (tmp_path / "update-keys").write_bytes(public(ROOT) + public(RELEASE))
    return Keys(str(tmp_path), verify)


def refused(keys: Keys, raw: bytes) -> str:
    with pytest.raises(UpdateError) as caught:
        keys.manifest(raw)
    assert caught.value.code in FIRMWARE
    return caught.value.code


def test_what_was_signed_is_what_is_read(keys: Keys) -> None:
    found = keys.manifest(RAW)
    assert (found.sequence, found.floor, found.hardware, found.boot) == (7, 3, "esp32s3", boot.VERSION)
    assert found.blocks_digest == hashlib.sha256(blocks(IMAGE)).digest()
    seen: list[str] = []
    assert each_file(file_list(FILES), found.size, lambda path, _size, _digest: seen.append(path)) == len(
        FILES
    )
    assert seen == [path for path, _ in FILES]
    assert found.block_size(found.count - 1) == len(IMAGE) % 4096


def test_every_flipped_byte_of_a_manifest_is_refused(keys: Keys) -> None:
    flips = 0
    for at in range(len(RAW)):
        for bit in (1, 2, 4, 8, 16, 32, 64, 128, 255, 0x55, 0xAA, 0x0F):
            raw = bytearray(RAW)
            raw[at] ^= bit
            refused(keys, bytes(raw))
            flips += 1
    assert flips >= 2000


def test_every_cut_and_every_longer_manifest_is_refused(keys: Keys) -> None:
    for size in range(len(RAW)):
        refused(keys, RAW[:size])
    for more in (b"\0", b"\xff", RAW):
        refused(keys, RAW + more)


def test_every_flipped_byte_of_a_rotation_is_refused(keys: Keys) -> None:
    raw = rotation(ROOT, 1, bytes(32))
    for at in range(len(raw)):
        for bit in range(8):
            bent = bytearray(raw)
            bent[at] ^= 1 << bit
            with pytest.raises(UpdateError):
                keys.rotate(bytes(bent))
    assert keys.rotated == 0
    assert keys.manifest(RAW)


def test_root_rotates_the_release_key_and_nobody_else(keys: Keys, tmp_path: Path) -> None:
    new = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    by_new = manifest(IMAGE, FILES, new, sequence=8, floor=3, hardware="esp32s3")
    for stranger in (RELEASE, new):
        with pytest.raises(UpdateError, match="update-key"):
            keys.rotate(rotation(stranger, 1, public(new)))
    assert keys.rotate(rotation(ROOT, 2, public(new)))
    assert not keys.rotate(rotation(ROOT, 2, public(RELEASE)))
    assert not keys.rotate(rotation(ROOT, 1, public(RELEASE)))  # the old key comes back by no replay
    for known in (keys, Keys(str(tmp_path), verify)):
        assert refused(known, RAW) == "update-key"
        assert known.manifest(by_new).sequence == 8


def test_no_signature_counts_for_another_kind(keys: Keys) -> None:
    payload = encode([1, 5, public(RELEASE)])
    assert refused(keys, sign(RELEASE, ROTATION, payload)) == "update-signature"
    for aad in (b"meethub/up|hub-0001", b"meethub/state|hub-0001", b""):
        assert refused(keys, sign(RELEASE, aad, RAW)) == "update-signature"
        with pytest.raises(UpdateError, match="update-signature"):
            keys.rotate(sign(ROOT, aad, payload))


def test_keys_that_are_missing_or_short_trust_nobody(tmp_path: Path) -> None:
    for pinned in (None, b"", bytes(63), bytes(65)):
        if pinned is not None:
            (tmp_path / "update-keys").write_bytes(pinned)
        with pytest.raises(UpdateError, match="update-key"):
            Keys(str(tmp_path), verify)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=10),
    max_leaves=30,
)


def assert_judged(payload: bytes) -> Manifest | None:
    """A manifest that fits, or None for the boundary's own error; anything else fails the test."""
    code = None
    try:
        made = Manifest(payload)
    except UpdateError as error:
        code = error.code
    assert code is None or code in FIRMWARE
    return made if code is None else None


@settings(max_examples=250 * DOSE, deadline=None)
@given(st.lists(PLAIN, max_size=10) | PLAIN)
def test_any_payload_gives_a_manifest_or_its_error(payload: object) -> None:
    assert_judged(encode(payload))


@settings(max_examples=250 * DOSE, deadline=None)
@given(st.integers(0, 8), PLAIN)
def test_any_field_gives_a_manifest_or_its_error(place: int, value: object) -> None:
    row: list[object] = [1, 2, 0, "esp32", 1, 5000, bytes(32), bytes(32), bytes(32)]
    row[place] = value
    made = assert_judged(encode(row))
    assert made is None or made.floor <= made.sequence


@settings(max_examples=200 * DOSE, deadline=None)
@given(
    st.lists(PLAIN, max_size=4)
    | st.lists(
        st.tuples(st.text(max_size=9), st.integers(0, 99), st.binary(min_size=32, max_size=32)), max_size=4
    ),
    st.binary(max_size=3),
)
def test_any_list_of_files_is_judged(entries: list[object], more: bytes) -> None:
    listed, code, seen = b"".join(encode(entry) for entry in entries) + more, None, []
    try:
        each_file(listed, 99, lambda path, _size, _digest: seen.append(path))
    except UpdateError as error:
        code = error.code
    assert code in {None, "update-form", "update-path"}
    assert seen == sorted(set(seen))
    assert not any(part in {"", ".", ".."} for path in seen for part in path.split("/"))


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_no_signed_manifest(raw: bytes) -> None:
    keys = Keys.__new__(Keys)
    keys.release, keys._verify = public(RELEASE), verify
    refused(keys, raw)


# State records.

STATE = boot.State([(1, 0, 5000, bytes(range(32))), (2, 1, 6000, bytes(32))], 1)


def test_state_record_is_read_as_written() -> None:
    STATE.counter, STATE.active, STATE.pending, STATE.tries, STATE.failed = 1 << 31, 1, 1, 2, 9
    found = boot.unpack(boot.pack(STATE))
    assert found is not None
    assert vars(found) == vars(STATE)


def test_every_flipped_bit_and_cut_of_a_state_record_is_none() -> None:
    data = boot.pack(STATE)
    for at in range(len(data)):
        for bit in range(8):
            bent = bytearray(data)
            bent[at] ^= 1 << bit
            assert boot.unpack(bytes(bent)) is None
        assert boot.unpack(data[:at]) is None
    assert boot.unpack(data + b"\0") is None


def test_newest_state_record_wins_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    state = boot.State([boot.EMPTY, boot.EMPTY])
    assert boot.load(str(tmp_path)) is None
    for counter in range(1, 6):
        state.failed = counter
        boot.store(str(tmp_path), state)
        found = boot.load(str(tmp_path))
        assert found is not None
        assert (found.counter, found.failed) == (counter, counter)
    (tmp_path / "st1").write_bytes(b"torn")
    found = boot.load(str(tmp_path))
    assert found is not None
    assert found.counter == 4


def test_power_cut_campaign(on_board) -> None:
    said = on_board("tests/firmware/board/run_update_powercut.py", timeout=100 * DOSE)
    assert "right," in said
    assert "NOT RIGHT" not in said
