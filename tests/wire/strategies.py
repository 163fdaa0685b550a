"""What hypothesis makes for the wire room: CBOR of the subset, good messages, and good ones spoiled."""

import json
import os
from pathlib import Path

from hypothesis import strategies as st

from gateway.wire.cbor import Tagged

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
FOLDER = Path(__file__).parents[1] / "vectors" / "wire"


def vectors(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def item(notation):
    """What a JSON notation stands for: "h'…'" is a byte string."""
    if isinstance(notation, list):
        return [item(part) for part in notation]
    if isinstance(notation, str) and notation.startswith("h'"):
        return bytes.fromhex(notation[2:-1])
    return notation


integers = st.integers(-(1 << 64), (1 << 64) - 1) | st.integers(-300, 300)
leaves = st.none() | st.booleans() | integers | st.binary(max_size=40) | st.text(max_size=20)
# Ten levels at most, so that nothing here is refused for its depth alone.
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=5), max_leaves=12)
tagged = trees | trees.map(lambda tree: [Tagged(18, tree), tree])


def good_messages():
    """(opener, bytes) of every vector that must be taken."""
    rows = [("message", bytes.fromhex(row["message"])) for row in vectors("envelopes")]
    rows += [("signed", bytes.fromhex(row["signed"])) for row in vectors("envelopes")]
    rows += [
        ("disclosure", bytes.fromhex(d)) for row in vectors("envelopes") for d in row["disclosures"] if d
    ]
    rows += [("state", bytes.fromhex(row["signed"])) for row in vectors("states")]
    rows += [("hello", bytes.fromhex(row["hex"])) for row in vectors("others")["hellos"]]
    return rows + [("key-request", bytes.fromhex(row["hex"])) for row in vectors("others")["key_requests"]]


@st.composite
def spoiled(draw, messages):
    """(opener, bytes): a good message with some bytes exchanged, cut, doubled or put in."""
    opener, whole = draw(st.sampled_from(messages))
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        kind = draw(st.sampled_from(("flip", "set", "cut", "insert", "double")))
        if kind == "flip" and raw:
            raw[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and raw:
            raw[at] = draw(
                st.sampled_from(b"\x00\x17\x18\x1b\x3b\x40\x5b\x60\x7b\x80\x9b\xa0\xbb\xd2\xf4\xf6\xf9\xff")
            )
        elif kind == "cut":
            del raw[at : at + draw(st.integers(1, 8))]
        elif kind == "insert":
            raw[at:at] = draw(st.binary(min_size=1, max_size=9))
        else:
            raw[at:at] = raw[at : at + draw(st.integers(1, 40))]
    return opener, bytes(raw)


@st.composite
def exchanged(draw, trees_of):
    """A good item with one of its nodes, at any depth, replaced, dropped or doubled."""
    tree = draw(st.sampled_from(trees_of))
    return _exchange(draw, tree)


def _exchange(draw, node):
    if isinstance(node, list) and node and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(node) - 1))
        kind = draw(st.sampled_from(("into", "into", "into", "drop", "double")))
        if kind == "drop":
            return node[:index] + node[index + 1 :]
        if kind == "double":
            return node[: index + 1] + node[index:]
        return [*node[:index], _exchange(draw, node[index]), *node[index + 1 :]]
    return draw(
        trees
        | st.sampled_from(
            ("none", "ntp", "pause", "2024-02-29T00:00:00", "<", "error", bytes(8), bytes(16), bytes(32))
        )
    )
