"""CBOR that the wire format takes, and CBOR that it must not take.

The accepted ones are of RFC 8949, appendix A, and one COSE_Sign1; each is its own only form.
"""

_ACCEPTED = (
    "00", "01", "0a", "17", "1818", "1819", "1864", "1903e8", "1a000f4240", "1b000000e8d4a51000",
    "1bffffffffffffffff", "3bffffffffffffffff", "20", "29", "3863", "3903e7", "f4", "f5", "f6", "40",
    "4401020304", "60", "6161", "6449455446", "62225c", "62c3bc", "63e6b0b4", "64f0908591", "80", "83010203",
    "8301820203820405", "98190102030405060708090a0b0c0d0e0f101112131415161718181819", "a0", "a201020304", "d28443a10126a0f640",
)  # fmt: skip

_REFUSED = {
    # RFC 8949, appendix A: well-formed CBOR that this format does not use.
    "float16": "f90000", "float16-one": "f93c00", "float32": "fa47c35000", "float64": "fb3ff199999999999a",
    "infinity": "f97c00", "nan": "f97e00", "undefined": "f7", "simple-16": "f0", "simple-255": "f8ff",
    "bignum": "c249010000000000000000", "tagged-time": "c11a514b67b0", "tagged-bytes": "d74401020304",
    "tagged-cbor": "d818456449455446", "map-with-text-keys": "a26161016162820203",
    "indefinite-bytes": "5f42010243030405ff", "indefinite-text": "7f657374726561646d696e67ff",
    "indefinite-array": "9fff", "indefinite-array-nested": "83018202039f0405ff", "indefinite-map": "bf61610161629f0203ffff",
    # Not the shortest form.
    "zero-in-two-bytes": "1800", "23-in-two-bytes": "1817", "255-in-three": "1900ff", "65535-in-five": "1a0000ffff",
    "4294967295-in-nine": "1b00000000ffffffff", "minus-one-in-two": "3800", "length-in-two": "580161",
    "text-length-in-two": "780161", "array-length-in-two": "980100", "tag-in-two": "d81200", "map-length-in-two": "b8010001",
    # Broken off, too long, too deep.
    "nothing": "", "half-head": "19", "half-bytes": "42aa", "half-text": "62aa", "half-array": "8201", "half-map": "a101",
    "half-tag": "d2", "trailing": "0000", "trailing-break": "00ff", "lone-break": "ff", "reserved-28": "1c", "reserved-31": "1f",
    "length-2-to-the-64": "5bffffffffffffffff", "text-length-2-to-the-63": "7b7fffffffffffffff",
    "array-of-2-to-the-63": "9b7fffffffffffffff", "map-of-2-to-the-63": "bb7fffffffffffffff", "thirteen-deep": "81" * 13 + "00",
    "thirteen-tags-deep": "d2" * 13 + "00",
    # Maps.
    "map-key-twice": "a201000100", "map-out-of-order": "a202000100", "map-key-negative": "a12000", "map-key-24": "a1181800",
    "map-key-true": "a1f500", "map-key-bytes": "a14100f6",
    # Text that is not UTF-8 (RFC 3629); MicroPython's own decoder takes the first five.
    "overlong-nul": "62c080", "overlong-three": "63e08080", "overlong-four": "64f0808080", "surrogate": "63eda080",
    "beyond-unicode": "64f4908080", "lone-continuation": "6180", "cut-character": "61c3", "bad-continuation": "62c328",
    "byte-ff": "61ff", "five-byte-form": "65f888808080", "cut-four": "63f09080", "bad-last": "64f09085ff",
}  # fmt: skip


def cbor_table():
    return {
        "accepted": [{"name": text, "hex": text} for text in _ACCEPTED],
        "refused": [{"name": name, "hex": text} for name, text in _REFUSED.items()],
    }
