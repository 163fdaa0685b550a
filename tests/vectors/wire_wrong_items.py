"""Items with one thing wrong each."""

from wire_examples import ITEMS, KID, WITH_CLOCK, seed


def wrong_items():  # noqa: PLR0915 (a table)
    """(what is wrong, item, index of the field, its bad content)."""
    reading = ITEMS["reading"].reading.wire()

    def changed(index, item):
        return [*reading[:index], item, *reading[index + 1 :]]

    value = reading[2][0]
    yield "error-beside-reading", "reading", 8, "frame-short"
    yield "neither-reading-nor-error", "reading", 7, None
    yield "without-frames", "reading", 4, []
    yield "over-4-kib", "reading", 4, [["2a35", 0, bytes(4097)]]
    yield "of-257-frames", "reading", 4, [["2a35", 0, b""]] * 257
    yield "frame-without-bytes", "reading", 4, [["2a35", 0, None]]
    yield "kid-of-seven", "reading", 1, [KID[:7], 1, WITH_CLOCK.wire()]
    yield "driver-upper-case", "reading", 3, ["BloodPressure", 1]
    yield "driver-version-zero", "reading", 3, ["blood-pressure", 0]
    yield "device-of-six", "reading", 2, ITEMS["reading"].device.wire()[:6]
    yield "device-name-of-513", "reading", 2, ["x" * 513, None, None, None, None, None, None]
    yield "device-name-of-257-times-two", "reading", 2, ["é" * 257, None, None, None, None, None, None]
    yield "clock-written-as-number", "reading", 6, ["2024-02-29T08:06:10", 1, 1]
    yield "kind-with-space", "reading", 7, changed(0, "blood pressure")
    yield "origin-unknown", "reading", 7, changed(1, "guess")
    yield "30-february", "reading", 7, changed(6, "2024-02-30T00:00:00")
    yield "29-february-2023", "reading", 7, changed(6, "2023-02-29T00:00:00")
    yield "29-february-1900", "reading", 7, changed(6, "1900-02-29T00:00:00")
    yield "year-zero", "reading", 7, changed(6, "0000-01-01T00:00:00")
    yield "hour-24", "reading", 7, changed(6, "2024-01-01T24:00:00")
    yield "time-with-zone", "reading", 7, changed(6, "2024-01-01T00:00:00Z")
    yield "time-with-arabic-digit", "reading", 7, changed(6, "2024-01-01T00:00:0\u0661")
    yield "context-key-twice", "reading", 7, changed(7, [["meal", "casual"], ["meal", "fasting"]])
    yield "final-as-null", "reading", 7, changed(8, None)
    yield "value-without-digits-or-reason", "reading", 7, changed(2, [[*value[:1], None, *value[2:]]])
    yield "value-with-digits-and-reason", "reading", 7, changed(2, [[*value[:4], "error", None]])
    yield "value-reason-unknown", "reading", 7, changed(2, [["systolic", None, 0, "mm[Hg]", "dunno", None]])
    yield "value-comparator-alone", "reading", 7, changed(2, [["systolic", None, 0, "mm[Hg]", "error", "<"]])
    yield "value-comparator-unknown", "reading", 7, changed(2, [[*value[:5], "<="]])
    yield "value-of-64-bits", "reading", 7, changed(2, [["systolic", 1 << 63, 0, "mm[Hg]", None, None]])
    yield "value-exponent-41", "reading", 7, changed(2, [["systolic", 1, 41, "mm[Hg]", None, None]])
    yield "frames-beside-evidence", "reading-long-evidence", 4, [["serial", 0, b"x"]]
    yield "evidence-of-2-mib", "reading-long-evidence", 5, [seed("x"), 2 * 1024 * 1024]
    yield "key-of-31", "addition", 1, seed("x")[:31]
    yield "without-frames", "addition", 4, []
    yield "index-equals-count", "part-0", 2, 2
    yield "count-257", "part-0", 3, 257
    yield "short-in-the-middle", "part-0", 4, b"x"
    yield "empty", "part-1", 4, b""
    yield "over-4-kib", "part-1", 4, bytes(4097)
    yield "verb-unknown", "pause", 1, "stop"
    yield "id-of-15", "pause", 2, bytes(15)
    yield "names-something", "pause", 5, [bytes(16)]
    yield "names-nothing", "resume", 5, []
    yield "names-a-measurement", "resume", 5, [seed("x")]
    yield "names-a-pause", "not-mine", 5, [bytes(16)]
    yield "without-text", "answer", 6, None
    yield "with-text", "mine", 6, "yes"
    yield "battery-101", "status", 5, [["x", 101, None, None]]
    yield "command-of-seven", "status", 6, [bytes(7)]
    yield "of-33-counts", "status", 4, [["x", 1]] * 33
    yield "place-and-device", "lost-envelope", 2, "x"
    yield "neither-place-nor-device", "lost-records", 2, None
    yield "of-zero", "lost-records", 3, 0
    yield "reason-a-sentence", "lost-records", 4, "I lost it"
    yield "public-key-of-31", "next-key", 1, bytes(31)
    yield "proof-of-63", "next-key", 2, bytes(63)
