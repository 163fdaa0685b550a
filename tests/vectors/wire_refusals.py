"""What must be refused, and with which code: each a good message with one thing wrong."""

from wire_examples import BRIDGE_KEY, BRIDGE_KID, HUB, HUB_KEY, ITEMS, KID, WITH_CLOCK, seed
from wire_wrong_items import wrong_items

from gateway.wire import cose, envelope, state
from gateway.wire.cbor import Tagged, encode, head


def _sign(protected, payload, *, key=HUB_KEY, aad=None):
    return key.sign(cose.sig_structure(protected, aad or envelope.external_aad(HUB), payload))


def _signed(payload, header=None, /, *, tag=cose.SIGN1_TAG, **parts):
    """A signed envelope of this payload, truly signed, with the parts of the COSE message exchanged."""
    protected = header or cose.protected_header(envelope.CONTENT_TYPE, KID)
    row = {"unprotected": head(5, 0), "payload": payload, "signature": _sign(protected, payload)}
    row.update(parts)
    body = encode(protected) + row["unprotected"] + encode(row["payload"]) + encode(row["signature"])
    return head(6, tag) + head(4, 4) + body


def _header(*pairs):
    return head(5, len(pairs)) + b"".join(encode(key) + encode(item) for key, item in pairs)


def _cose(payload):
    kind, bad_kind = envelope.CONTENT_TYPE, "application/meethub-envelope;v=01"
    headers = {
        "algorithm-es256": _header((1, -7), (3, kind), (4, KID)),
        "algorithm-as-text": _header((1, "EdDSA"), (3, kind), (4, KID)),
        "algorithm-missing": _header((3, kind), (4, KID)),
        "critical-header": _header((1, -8), (2, [4]), (3, kind), (4, KID)),
        "extra-header": _header((1, -8), (3, kind), (4, KID), (5, b"")),
        "kid-of-seven": _header((1, -8), (3, kind), (4, KID[:7])),
        "kid-of-nine": _header((1, -8), (3, kind), (4, KID + b"\0")),
        "kid-missing": _header((1, -8), (3, kind)),
        "content-type-missing": _header((1, -8), (4, KID)),
        "content-type-of-a-state": cose.protected_header(state.CONTENT_TYPE, KID),
        "content-type-without-version": cose.protected_header(envelope.FAMILY, KID),
        "version-with-leading-zero": cose.protected_header(bad_kind, KID),
        "version-1000": cose.protected_header(envelope.FAMILY + ";v=1000", KID),
        "version-arabic-digit": cose.protected_header(envelope.FAMILY + ";v=\u0661", KID),
        "header-out-of-order": _header((3, kind), (1, -8), (4, KID)),
        "header-key-twice": _header((1, -8), (1, -8), (4, KID)),
        "header-with-trailing-byte": cose.protected_header(kind, KID) + b"\0",
        "header-empty": head(5, 0),
        "header-an-array": encode([1, -8, 3, kind, 4, KID]),
    }
    rows = [
        (name, "signed", _signed(payload, protected), "cose-header") for name, protected in headers.items()
    ]
    unprotected = _header((1, -8), (4, KID))
    wrong = {
        "wrong-tag": (_signed(payload, tag=97), "cose-shape"),
        "untagged": (_signed(payload)[1:], "cose-shape"),
        "three-parts": (b"\xd2\x83" + _signed(payload)[2:-66], "cose-shape"),
        "payload-detached": (_signed(payload, payload=None), "cose-shape"),
        "unprotected-an-array": (_signed(payload, unprotected=b"\x80"), "cose-shape"),
        "algorithm-unprotected": (
            _signed(payload, _header((3, envelope.CONTENT_TYPE)), unprotected=unprotected),
            "cose-header",
        ),
        "unprotected-header": (_signed(payload, unprotected=_header((4, KID))), "cose-header"),
        "signature-of-63": (_signed(payload, signature=b"\1" * 63), "cose-header"),
        "trailing-byte": (_signed(payload) + b"\0", "cose-shape"),
        "tag-in-two-bytes": (b"\xd8\x12" + _signed(payload)[1:], "cose-shape"),
        "over-48-kib": (_signed(payload) + bytes(envelope.MAX_MESSAGE), "envelope-size"),
    }
    return rows + [(name, "signed", data, code) for name, (data, code) in wrong.items()]


def _payloads():
    good = [1, None, "first", WITH_CLOCK.wire(), 0, [seed("hash")]]
    wrong = {
        "sequence-zero": (0, 0), "sequence-true": (0, True), "sequence-over-63-bits": (0, 1 << 63), "previous-and-reason": (1, seed("x")),
        "neither-previous-nor-reason": (2, None), "reason-a-sentence": (2, "The first one."), "previous-of-31": (1, seed("x")[:31]),
        "boot-of-seven": (3, [b"1234567", 0, None, "none"]), "clock-without-quality": (3, [b"12345678", 0, 1, "none"]),
        "quality-without-clock": (3, [b"12345678", 0, None, "ntp"]), "year-10000": (3, [b"12345678", 0, 253_402_300_800_000, "ntp"]),
        "quality-unknown": (3, [b"12345678", 0, 1, "gps"]), "statements-negative": (4, -1), "no-hashes": (5, []),
        "hash-of-31": (5, [seed("x")[:31]]), "65-hashes": (5, [seed("x")] * 65), "hash-null": (5, [None]), "hashes-tagged": (5, Tagged(18, [])),
    }  # fmt: skip
    rows = []
    for name, (index, item) in wrong.items():
        row = list(good)
        row[index] = item
        rows.append((name, "signed", _signed(encode(row)), "wire-shape"))
    rows.append(("payload-of-five", "signed", _signed(encode(good[:5])), "wire-shape"))
    rows.append(("payload-empty", "signed", _signed(encode([])), "wire-shape"))
    rows.append(("payload-trailing-byte", "signed", _signed(encode(good) + b"\0"), "envelope-cbor"))
    rows.append(
        ("payload-not-shortest", "signed", _signed(b"\x86\x18\x01" + encode(good)[2:]), "envelope-cbor")
    )
    newer = cose.protected_header(envelope.FAMILY + ";v=2", KID)
    rows.append(("newer-without-sequence", "signed", _signed(encode(["x"]), newer), "wire-shape"))
    rows.append(("newer-not-an-array", "signed", _signed(encode(5), newer), "wire-shape"))
    return rows


def _messages(made):
    one = bytes.fromhex(made["message"])
    signed = bytes.fromhex(made["signed"])
    disclosures = [bytes.fromhex(part) for part in made["disclosures"]]
    swapped = [disclosures[1], disclosures[0], *disclosures[2:]]
    altered = [disclosures[0][:-1] + b"\xf4", *disclosures[1:]]
    return [
        ("message-trailing-byte", "message", one + b"\0", "envelope-cbor"),
        ("message-cut", "message", one[:-1], "envelope-cbor"),
        ("message-of-three", "message", b"\x83" + one[1:] + b"\xf6", "envelope-cbor"),
        ("message-indefinite", "message", b"\x9f" + one[1:] + b"\xff", "envelope-cbor"),
        ("message-length-in-two-bytes", "message", b"\x98\x02" + one[1:], "envelope-cbor"),
        ("message-empty", "message", b"", "envelope-cbor"),
        ("message-disclosures-a-map", "message", b"\x82" + signed + b"\xa0", "wire-shape"),
        ("message-disclosure-an-array", "message", b"\x82" + signed + encode([[]]), "wire-shape"),
        ("message-disclosure-false", "message", b"\x82" + signed + encode([False]), "wire-shape"),
        ("message-of-65-disclosures", "message", b"\x82" + signed + encode([None] * 65), "envelope-size"),
        (
            "message-over-48-kib",
            "message",
            b"\x82" + signed + encode([bytes(envelope.MAX_MESSAGE)]),
            "envelope-size",
        ),
        ("disclosure-missing", "complete", envelope.message(signed, disclosures[:-1]), "envelope-incomplete"),
        (
            "disclosure-too-many",
            "complete",
            envelope.message(signed, [*disclosures, b""]),
            "envelope-incomplete",
        ),
        ("disclosures-swapped", "complete", envelope.message(signed, swapped), "disclosure-mismatch"),
        ("disclosure-altered", "complete", envelope.message(signed, altered), "disclosure-mismatch"),
    ]


def _disclosures():
    salt = seed("salt")[:16]
    good = ITEMS["reading"].wire()
    raw = encode([salt, good])
    rows = [
        ("disclosure-salt-of-15", [salt[:15], good], "wire-shape"),
        ("disclosure-without-salt", [good], "wire-shape"),
        ("item-empty", [salt, []], "item-unknown"),
        ("item-type-8", [salt, [8]], "item-unknown"),
        ("item-type-text", [salt, ["1"]], "wire-shape"),
    ]
    for name, item, index, bad in wrong_items():
        row = list(ITEMS[item].wire())
        row[index] = bad
        rows.append((f"{item}-{name}", [salt, row], "wire-shape"))
    whole = [(name, "disclosure", encode(row), code) for name, row, code in rows]
    whole.append(("disclosure-trailing-byte", "disclosure", raw + b"\0", "disclosure-cbor"))
    whole.append(("disclosure-indefinite", "disclosure", b"\x9f" + raw[1:] + b"\xff", "disclosure-cbor"))
    return whole


def _state(row, protected=None):
    protected = protected or cose.protected_header(state.CONTENT_TYPE, BRIDGE_KID)
    payload = row if isinstance(row, bytes) else encode(row)
    return cose.pack(
        protected, payload, _sign(protected, payload, key=BRIDGE_KEY, aad=state.external_aad(HUB))
    )


def _states(said):
    good = [seed("nonce")[:8], 1, [], [], 1, [], [], None]
    key = [KID, 3, seed("hash"), [[5, 6], [8, 8]], 3]
    refusal = [KID, 4, seed("x"), "cose-shape", "never", None]
    wrong = {
        "nonce-of-seven": (0, bytes(7)), "counter-zero": (1, 0), "key-twice": (2, [key, key]), "nine-keys": (2, [[bytes([n]) * 8, 0, None, [], 0] for n in range(9)]),
        "hash-missing": (2, [[KID, 3, None, [], 0]]), "hash-at-zero": (2, [[KID, 0, seed("hash"), [], 0]]),
        "settled-beyond-contiguous": (2, [[KID, 3, seed("hash"), [], 4]]), "range-touching-contiguous": (2, [[KID, 3, seed("hash"), [[4, 5]], 3]]),
        "range-backwards": (2, [[KID, 3, seed("hash"), [[6, 5]], 3]]), "ranges-overlapping": (2, [[KID, 3, seed("hash"), [[5, 7], [7, 9]], 3]]),
        "ranges-touching": (2, [[KID, 3, seed("hash"), [[5, 7], [8, 9]], 3]]), "ranges-descending": (2, [[KID, 3, seed("hash"), [[8, 9], [5, 6]], 3]]),
        "65-ranges": (2, [[KID, 0, None, [[2 * n, 2 * n] for n in range(1, 66)], 0]]), "65-refusals": (3, [refusal] * 65),
        "refusal-retry-unknown": (3, [[*refusal[:4], "later", None]]), "refusal-never-with-time": (3, [[*refusal[:5], 1]]),
        "refusal-code-a-sentence": (3, [[*refusal[:3], "Not good", "never", None]]), "bridge-time-year-10000": (4, 253_402_300_800_000),
        "bridge-time-null": (4, None), "command-id-of-seven": (5, [[bytes(7), "read-again", 1]]), "17-commands": (5, [[bytes(8), "read-again", 1]] * 17),
        "forget-of-31": (6, [bytes(31)]), "65-to-forget": (6, [bytes(32)] * 65), "not-before-true": (7, True),
    }  # fmt: skip
    rows = []
    for name, (index, item) in wrong.items():
        row = list(good)
        row[index] = item
        rows.append(("state-" + name, "state", _state(row), "wire-shape"))
    signed = bytes.fromhex(said["signed"])
    newer = cose.protected_header(state.FAMILY + ";v=2", BRIDGE_KID)
    as_envelope = cose.protected_header(envelope.CONTENT_TYPE, BRIDGE_KID)
    return [
        *rows,
        ("state-trailing-byte", "state", signed + b"\x00", "cose-shape"),
        ("state-payload-trailing-byte", "state", _state(encode(good) + b"\x00"), "wire-cbor"),
        ("state-newer-version", "state", _state(good, newer), "state-version"),
        ("state-as-envelope", "state", _state(good, as_envelope), "cose-header"),
        ("state-over-24-kib", "state", bytes(state.MAX_STATE + 1), "wire-size"),
    ]


def _others():
    moment = WITH_CLOCK.wire()
    nonce = bytes(8)
    rows = {
        "hello-version-2": ("hello", [2, nonce, None, 0, moment], "wire-shape"),
        "hello-version-true": ("hello", [True, nonce, None, 0, moment], "wire-shape"),
        "hello-nonce-of-nine": ("hello", [1, bytes(9), None, 0, moment], "wire-shape"),
        "hello-head-at-zero": ("hello", [1, nonce, [KID, 0, seed("x")], 0, moment], "wire-shape"),
        "hello-free-negative": ("hello", [1, nonce, None, -1, moment], "wire-shape"),
        "key-request-version-2": ("key-request", [2, bytes(32), bytes(64)], "wire-shape"),
        "key-request-short-key": ("key-request", [1, bytes(31), bytes(64)], "wire-shape"),
        "key-request-short-proof": ("key-request", [1, bytes(32), bytes(63)], "wire-shape"),
    }
    whole = [(name, opener, encode(row), code) for name, (opener, row, code) in rows.items()]
    return [
        *whole,
        ("hello-trailing-byte", "hello", encode([1, nonce, None, 0, moment]) + b"\x00", "wire-cbor"),
        ("hello-over-256", "hello", bytes(257), "wire-size"),
        ("key-request-over-256", "key-request", bytes(257), "wire-size"),
        *[("topic-" + name, "topic", topic.encode(), "topic-unknown") for name, topic in _TOPICS.items()],
    ]


_TOPICS = {
    "other-level": "hub/a/up/envelope/x", "down": "hub/a/down/state", "plus": "hub/+/up/hello", "hash": "hub/#", "empty-hub": "hub//up/hello",
    "unknown": "hub/a/up/receipt", "nul": "hub/a\0/up/hello", "dot": "hub/a.b/up/hello", "long": "hub/" + "a" * 33 + "/up/hello",
    "upper-root": "Hub/a/up/hello", "space": "hub/a b/up/hello", "letter-beyond-ascii": "hub/é/up/hello",
}  # fmt: skip


def refusals(made, said):
    payload = bytes.fromhex(made[0]["payload"])
    rows = _cose(payload) + _payloads() + _messages(made[1]) + _disclosures() + _states(said[1]) + _others()
    return [
        {"name": name, "opener": opener, "code": code} | _compact(data) for name, opener, data, code in rows
    ]


def _compact(data):
    """hex, and how many zero bytes follow it where there are very many."""
    short = data.rstrip(b"\0")
    zeros = len(data) - len(short)
    return {"hex": short.hex(), "zeros": zeros} if zeros > 256 else {"hex": data.hex(), "zeros": 0}
