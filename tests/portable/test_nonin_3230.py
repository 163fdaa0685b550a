"""The Nonin 3230: every field, cut short, what the status means, and the rule of the stream."""

from gateway.drivers import decode_record
from gateway.drivers.nonin_3230 import Nonin3230
from gateway.wire.items import Frame

SOURCE = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
PLACED, SMART_POINT, SEARCHING, WEAK, BATTERY = 0x10, 0x04, 0x08, 0x02, 0x20


def packet(spo2=97, pulse=72, status=PLACED, amplitude=0, length=10, counter=5):
    big = amplitude.to_bytes(2, "big") + counter.to_bytes(2, "big")
    return bytes((length, status, 30)) + big + bytes((spo2,)) + pulse.to_bytes(2, "big")


def only(data):
    (record,) = decode_record("nonin-3230", [Frame(SOURCE, 0, data)])
    return record


def told(record):
    return [(value.name, value.text(), value.unit, value.absent) for value in record.reading.values]


def stream(*rows):
    """The SpO2 of each reading of a stream that sends every second; a row is a packet or (second, packet)."""
    driver, found = Nonin3230(), []
    for number, row in enumerate(rows):
        second, data = row if isinstance(row, tuple) else (number, row)
        found += driver.received(Frame(SOURCE, second * 1000, data))
    return [record.reading.values[0].text() for record in found + driver.finish()]


def test_numbers_with_the_high_byte_first():
    record = only(packet(96, 301))
    assert told(record) == [("spo2", "96", "%", None), ("pulse-rate", "301", "/min", None)]
    reading = record.reading
    assert (reading.kind, reading.origin, reading.user, reading.device_time) == (
        "oximetry",
        "spot",
        None,
        None,
    )
    assert (reading.notes, reading.final) == ([], True)


def test_the_amplitude_has_two_decimals_and_zero_is_none():
    assert told(only(packet(amplitude=507)))[2] == ("perfusion-index", "5.07", "%", None)
    assert len(told(only(packet()))) == 2


def test_missing_numbers():
    assert told(only(packet(127, 80)))[0] == ("spo2", None, "%", "unknown")
    assert told(only(packet(97, 511)))[1] == ("pulse-rate", None, "/min", "unknown")
    assert decode_record("nonin-3230", [Frame(SOURCE, 0, packet(127, 511))]) == []
    assert told(only(packet(126, 255)))[0][1] == "126"


def test_the_status_becomes_notes():
    for status, notes in (
        (PLACED | SMART_POINT, ["quality-checked"]),
        (PLACED | BATTERY, ["low-battery"]),
        (PLACED | WEAK, ["low-perfusion"]),
        (PLACED | SEARCHING, ["questionable"]),
        (0, ["sensor-displaced"]),
        (0xC1 | PLACED, []),  # display in step, encrypted, reserved
        (PLACED | SMART_POINT | BATTERY, ["quality-checked", "low-battery"]),
    ):
        assert only(packet(status=status)).reading.notes == notes
    for spo2, pulse in ((0, 72), (101, 72), (97, 9), (97, 351)):
        assert only(packet(spo2, pulse)).reading.notes == ["implausible"]


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    for size in range(10):
        record = only(packet()[:size])
        assert (record.reading, record.key, record.error.code) == (None, None, "frame-short")


def test_the_length_counts_itself_or_not_and_more_may_follow():
    for length in (9, 10):
        assert told(only(packet(length=length)))[0][1] == "97"
    assert told(only(packet(length=12) + b"\x01\x02"))[0][1] == "97"
    assert only(packet(length=11)).error.code == "frame-short"
    assert only(packet(length=8)).error.code == "frame-garbled"


def test_the_last_value_before_the_finger_leaves_and_one_a_minute():
    out = packet(127, 511, status=0)
    assert stream(packet(96), packet(97), out, packet(98)) == ["97", "98"]
    assert stream(out, out) == []
    assert stream(*[packet(90 + second // 60) for second in range(150)]) == ["90", "91", "92"]


def test_a_pulse_that_is_lost_for_a_moment_does_not_end_it():
    searching = packet(127, 511, status=PLACED | SEARCHING)
    assert stream(packet(96), searching, searching, packet(97)) == ["97"]
    assert stream(packet(96), (59, searching), (60, searching), (61, packet(97))) == ["96", "97"]


def test_damage_is_kept_but_not_too_much_of_it():
    driver = Nonin3230()
    records = []
    for _ in range(20):
        records += driver.received(Frame(SOURCE, 0, b"\x01"))
    assert [record.error.code for record in records] == ["frame-short"] * 8


def test_other_characteristics():
    assert decode_record("nonin-3230", [Frame("2a5f", 0, packet())]) == []


def test_the_key_holds_the_numbers_and_no_status():
    for status in (PLACED, PLACED | BATTERY | SMART_POINT, 0):
        key = only(packet(96, 301, status, amplitude=status)).key
        assert key.wire() == ["nonin-3230", None, None, bytes((96, 1, 45))]
        assert key.live
