"""Pieces of the radio that read bytes from outside: any bytes give a result and nothing is raised."""

import os
import random

from firmware.radio.base import Budget
from firmware.radio.bonds import Bonds
from firmware.radio.broadcast import frames_of

PATH = "/tmp/bonds-%d" % random.getrandbits(30)
ADDRESS = bytes.fromhex("f05a01000001")
KEY = b"\x01" + bytes(reversed(ADDRESS))
ROUNDS = int(os.getenv("MEETHUB_DOSE") or "1") * 300


def kept():
    bonds = Bonds(PATH)
    bonds.may_change = [ADDRESS]
    return bonds


def gone():
    for name in (PATH, PATH + ".new"):
        try:
            os.remove(name)
        except OSError:
            pass


def test_bonds_are_kept_and_given_as_nimble_asks():
    gone()
    bonds = kept()
    assert not bonds.holds(ADDRESS)
    assert bonds.set(1, KEY, b"ours")
    assert bonds.set(2, KEY, b"theirs")
    bonds.save()
    again = Bonds(PATH)
    assert again.holds(ADDRESS)
    assert not again.holds(bytes(6))
    assert again.get(2, 0, KEY) == again.get(2, 0, None) == b"theirs"
    assert again.get(1, 0, KEY) == b"ours"
    assert again.get(2, 1, None) is None
    assert again.get(2, 0, b"\x00" + KEY[1:]) is None
    again.forget(ADDRESS)
    assert not Bonds(PATH).holds(ADDRESS)


def test_a_key_is_replaced_and_forgotten():
    gone()
    bonds = kept()
    assert bonds.set(2, KEY, b"one")
    assert bonds.set(2, KEY, b"two")
    assert bonds.get(2, 0, None) == b"two"
    assert bonds.get(2, 1, None) is None
    assert bonds.set(2, KEY, None)
    assert not bonds.holds(ADDRESS)
    assert not bonds.set(2, KEY, None)  # NimBLE forgets until there is nothing left


def test_nobody_else_can_leave_keys():
    gone()
    bonds = Bonds(PATH)
    assert bonds.set(2, KEY, b"a stranger's")  # or NimBLE asks for ever
    bonds.may_change = [ADDRESS]
    assert bonds.set(2, b"\x01" + bytes(6), b"a stranger's")
    assert bonds.set(2, KEY, bytes(256))
    assert bonds.get(2, 0, None) is None
    bonds.save()
    assert not Bonds(PATH).holds(ADDRESS)


def test_the_hub_keeps_an_identity():
    gone()
    bonds = Bonds(PATH)
    assert bonds.get(10, 0, b"irk") is None
    assert bonds.set(10, b"irk", bytes(range(16)))
    bonds.save()
    assert Bonds(PATH).get(10, 0, b"irk") == bytes(range(16))


def test_no_more_keys_than_fit():
    gone()
    bonds = Bonds(PATH)
    for number in range(70):
        address = bytes((number, 1, 2, 3, 4, 5))
        bonds.may_change = [address]
        assert bonds.set(2, b"\x01" + bytes(reversed(address)), bytes(80))
        assert bonds.holds(address) == (number < 64)
    bonds.save()
    assert len([number for number in range(70) if Bonds(PATH).holds(bytes((number, 1, 2, 3, 4, 5)))]) == 64


def test_a_damaged_file_is_no_bond():
    gone()
    bonds = kept()
    bonds.set(1, KEY, bytes(range(80)))
    bonds.set(2, KEY, bytes(range(80)))
    bonds.save()
    with open(PATH, "rb") as file:
        whole = file.read()
    damaged = [whole[:length] for length in range(len(whole))]
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << random.getrandbits(3) % 8
        damaged.append(bytes(flipped))
    damaged += [os.urandom(random.getrandbits(7)) for _ in range(ROUNDS)]
    for data in damaged:
        with open(PATH, "wb") as file:
            file.write(data)
        assert not Bonds(PATH).holds(ADDRESS)
    gone()


def test_a_file_with_a_right_sum_and_wrong_rows():
    import binascii

    for _ in range(ROUNDS):
        rows = os.urandom(random.getrandbits(6))
        with open(PATH, "wb") as file:
            file.write(binascii.crc32(rows).to_bytes(4, "big") + rows)
        assert not Bonds(PATH).holds(ADDRESS)
    gone()


def test_what_an_advertisement_holds():
    weight = bytes.fromhex("1d18a2e03be4070b170d0f2a")
    advert = b"\x02\x01\x06" + bytes((len(weight) + 1, 0x16)) + weight + b"\x05\xff\x6b\x00\x01\x02"
    assert frames_of(advert) == [("advert:181d", weight[2:]), ("maker:006b", b"\x01\x02")]
    uuid = bytes(range(16))
    assert frames_of(b"\x12\x21" + uuid + b"\x07") == [
        ("advert:0f0e0d0c-0b0a-0908-0706-050403020100", b"\x07")
    ]
    assert frames_of(b"\x02\x16\x1d") == frames_of(b"\x02\xff\x6b") == frames_of(b"") == []
    assert frames_of(b"\x04\xff\x6b\x00\x01\x00\x03\xff\x01\x02") == [("maker:006b", b"\x01")]


def test_any_bytes_are_an_advertisement():
    for _ in range(10 * ROUNDS):
        advert = os.urandom(random.getrandbits(5))
        for source, data in frames_of(advert):
            assert source[:6] in ("advert", "maker:")
            assert data in advert


def test_a_budget_fills_again():
    budget = Budget(2, 1)
    assert [budget.take(10_000) for _ in range(3)] == [True, True, False]
    assert not budget.take(10_500)
    assert budget.take(15_000)
