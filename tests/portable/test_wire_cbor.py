"""CBOR: one form per item, the same bytes and the same refusals on CPython and MicroPython."""

from wire_vectors import item, octets, vectors

from gateway.wire.cbor import MAX_DEPTH, CborError, Tagged, decode, encode


def refuses(call, argument):
    try:
        call(argument)
    except CborError:
        return True
    return False


def without_maps(decoded):
    """True where encode can write it again: maps are read and never written by it."""
    if isinstance(decoded, Tagged):
        return without_maps(decoded.value)
    if isinstance(decoded, list):
        return all([without_maps(part) for part in decoded])  # noqa: C419
    return not isinstance(decoded, dict)


def test_accepted_bytes_are_the_only_form():
    for row in vectors("cbor")["accepted"]:
        decoded = decode(octets(row["hex"]))
        if without_maps(decoded):
            assert encode(decoded).hex() == row["hex"], row["name"]


def test_refused_bytes_give_a_cbor_error_and_nothing_else():
    for row in vectors("cbor")["refused"]:
        assert refuses(decode, octets(row["hex"])), row["name"]


def test_every_cut_of_an_item_is_refused():
    whole = octets(vectors("items")[0]["hex"])
    for size in range(len(whole)):
        assert refuses(decode, whole[:size]), size
        assert refuses(decode, memoryview(whole)[:size]), size


def test_encode_refuses_what_decode_would():
    deep = 0
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    for wrong in (
        deep,
        1 << 64,
        -(1 << 64) - 1,
        1.5,
        {},
        Tagged(-1, 0),
        Tagged(1 << 64, 0),
        object(),
        "\ud800",
    ):
        assert refuses(encode, wrong), wrong
    assert decode(encode(deep[0])) == deep[0]


def test_integers_at_every_length_of_head():
    for edge in (
        0,
        23,
        24,
        255,
        256,
        65535,
        65536,
        (1 << 32) - 1,
        1 << 32,
        (1 << 63) - 1,
        1 << 63,
        (1 << 64) - 1,
    ):
        for number in (edge, -1 - edge):
            assert decode(encode(number)) == number


def test_true_is_not_one():
    assert encode(True) == b"\xf5"
    assert encode(1) == b"\x01"
    assert encode([False, 0]) == b"\x82\xf4\x00"


def test_all_kinds_of_byte_strings_encode_alike():
    for data in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert encode(data) == b"\x42ab"
    assert decode(bytearray(b"\x82\x42ab\xf6")) == [b"ab", None]
    assert item(["h'6162'", None]) == [b"ab", None]
