"""CBOR against cbor2: what we take, cbor2 reads the same and writes byte for byte; and nothing but CborError."""

from collections.abc import Mapping

import cbor2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire.cbor import MAX_DEPTH, CborError, Tagged, decode, encode

from .strategies import DOSE, good_messages, spoiled, tagged, trees


def plain(thing):
    """Our decoded item as cbor2 has it."""
    if isinstance(thing, Tagged):
        return cbor2.CBORTag(thing.tag, plain(thing.value))
    if isinstance(thing, list):
        return [plain(part) for part in thing]
    return thing


def typed(thing):
    """With types, because 1 == True; inside tags cbor2 has tuples and frozen maps."""
    if isinstance(thing, (list, tuple)):
        return [typed(part) for part in thing]
    if isinstance(thing, cbor2.CBORTag):
        return "tag", thing.tag, typed(thing.value)
    if isinstance(thing, Mapping):
        return {key: typed(part) for key, part in thing.items()}
    return type(thing).__name__, thing


def agree(data):
    """Either a CborError, or exactly what cbor2 makes of it and back."""
    try:
        ours = decode(data)
    except CborError:
        return
    theirs = cbor2.loads(data, max_depth=MAX_DEPTH + 2)
    assert typed(plain(ours)) == typed(theirs)
    assert cbor2.dumps(theirs, canonical=True) == data


@settings(max_examples=400 * DOSE, deadline=None)
@given(tagged)
def test_encoding_is_canonical_and_reads_back(tree):
    data = encode(tree)
    assert data == cbor2.dumps(plain(tree), canonical=True)
    assert typed(plain(decode(data))) == typed(plain(tree))


@settings(max_examples=600 * DOSE, deadline=None)
@given(st.binary(max_size=60))
@example(bytes.fromhex("5bffffffffffffffff"))
@example(bytes.fromhex("9b7fffffffffffffff"))
def test_any_bytes_agree_with_cbor2(data):
    agree(data)


@settings(max_examples=600 * DOSE, deadline=None)
@given(spoiled(good_messages()))
def test_spoiled_messages_agree_with_cbor2(pair):
    agree(pair[1])


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.dictionaries(st.integers(0, 23), trees, max_size=5))
def test_maps_of_the_header_agree_with_cbor2(pairs):
    data = cbor2.dumps(pairs, canonical=True)
    assert decode(data) == pairs
    agree(data)


@settings(max_examples=300 * DOSE, deadline=None)
@given(
    st.recursive(
        st.floats() | st.binary(max_size=4) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    )
)
def test_what_cbor2_writes_outside_the_subset_is_taken_whole_or_refused(thing):
    agree(cbor2.dumps(thing))
    agree(cbor2.dumps(thing, canonical=True))


@settings(max_examples=200 * DOSE, deadline=None)
@given(trees, st.data())
def test_any_longer_head_is_refused(tree, data):
    """The same item with one of its heads written longer than needed."""
    raw = encode(tree)
    short = raw[0] & 31
    if short < 24 and raw[0] < 0xC0:
        longer = bytes((raw[0] & 0xE0 | 24, short)) + raw[1:]
        wide = bytes((raw[0] & 0xE0 | 27,)) + short.to_bytes(8) + raw[1:]
        for wrong in (longer, wide, raw + data.draw(st.binary(min_size=1, max_size=3))):
            try:
                decode(wrong)
            except CborError:
                continue
            raise AssertionError(wrong.hex())
