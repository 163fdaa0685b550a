"""The reader of fields: every primitive, at its edges, on both interpreters."""

from gateway.drivers.shared.fields import DeviceTime, Fields, between, date_text, seconds_text
from gateway.wire.errors import DecodeError
from gateway.wire.reading import Value, decimal_text


def number16(octets):
    value = Fields(bytes.fromhex(octets)).sfloat("x", "u")
    return value.text() if value.absent is None else value.absent


def number32(octets):
    value = Fields(bytes.fromhex(octets)).float32("x", "u")
    return value.text() if value.absent is None else value.absent


def code_of(fields, name):
    try:
        getattr(fields, name)()
    except DecodeError as error:
        return error.code
    return None


def test_sfloat_is_two_halves_in_twos_complement():
    # worked out by hand from IEEE 11073-20601: 12 bits of digits, 4 bits of exponent
    cases = (
        ("7800", "120"),
        ("a0f0", "16.0"),
        ("b8e4", "12.08"),
        ("0180", "0.00000001"),
        ("0170", "10000000"),
        ("0000", "0"),
        ("00f0", "0.0"),
        ("ff0f", "-1"),
        ("0308", "-2045"),
        ("fd07", "2045"),
        ("37c0", "0.0055"),
    )
    for octets, text in cases:
        assert number16(octets) == text, octets


def test_sfloat_specials_hold_with_exponent_zero_only():
    special = {"fe07": "positive-infinity", "ff07": "not-a-number", "0008": "error", "0108": "error"}
    special["0208"] = "negative-infinity"
    for octets, reason in special.items():
        assert number16(octets) == reason
        mantissa = int.from_bytes(bytes.fromhex(octets), "little")
        signed = mantissa - 4096 if mantissa & 0x800 else mantissa
        for exponent in range(1, 16):
            raw = bytes([mantissa & 255, mantissa >> 8 | exponent << 4]).hex()
            assert number16(raw) == decimal_text(signed, exponent - 16 if exponent > 7 else exponent)


def test_float32_numbers_and_specials():
    cases = (
        ("6d0100ff", "36.5"),
        ("710e00fe", "36.97"),
        ("ffffff00", "-1"),
        ("fdff7f00", "8388605"),
        ("ffff7f00", "not-a-number"),
        ("feff7f00", "positive-infinity"),
        ("02008000", "negative-infinity"),
        ("00008000", "error"),
        ("01008000", "error"),
        ("ffffff7f", "error"),  # -1e127: legal bytes that no device measures
        ("010000d8", "0." + "0" * 39 + "1"),
        ("010000d7", "error"),
    )
    for octets, text in cases:
        assert number32(octets) == text, octets


def test_whole_numbers_are_little_endian():
    fields = Fields(bytes.fromhex("01020304050607080910"))
    assert fields.uint8() == 0x01
    assert fields.uint16() == 0x0302
    assert fields.uint24() == 0x060504
    assert fields.uint32() == 0x10090807
    assert fields.since(0).hex() == "01020304050607080910"


def test_every_field_refuses_to_run_out_of_bytes():
    sizes = {"uint8": 1, "uint16": 2, "uint24": 3, "uint32": 4, "date_time": 7}
    for name, size in sizes.items():
        getattr(Fields(bytes(size)), name)()
        for short in range(size):
            assert code_of(Fields(bytes(short)), name) == "frame-short", name


def test_date_text_knows_the_calendar():
    good = (
        (1582, 1, 1, 0, 0, 0),
        (2024, 2, 29, 23, 59, 59),
        (2000, 2, 29, 0, 0, 0),
        (9999, 12, 31, 23, 59, 59),
    )
    for moment in good:
        digits = [int(part) for part in date_text(*moment).replace("T", "-").replace(":", "-").split("-")]
        assert tuple(digits) == moment
    assert date_text(2026, 3, 4, 7, 5, 9) == "2026-03-04T07:05:09"
    for moment in (
        (0, 4, 17, 20, 41, 59),
        (1581, 12, 31, 0, 0, 0),
        (2025, 0, 1, 0, 0, 0),
        (2025, 1, 0, 0, 0, 0),
        (2025, 13, 1, 0, 0, 0),
        (2025, 2, 29, 0, 0, 0),
        (1900, 2, 29, 0, 0, 0),
        (2025, 4, 31, 0, 0, 0),
        (2025, 1, 1, 24, 0, 0),
        (2025, 1, 1, 0, 60, 0),
        (2025, 1, 1, 0, 0, 60),
        (10000, 1, 1, 0, 0, 0),
    ):
        assert date_text(*moment) is None, moment


def test_seconds_become_dates():
    cases = (
        (0, 1900, "1900-01-01T00:00:00"),
        (0, 2000, "2000-01-01T00:00:00"),
        (86400, 2000, "2000-01-02T00:00:00"),
        (5184000 - 1, 2000, "2000-02-29T23:59:59"),
        (5184000, 2000, "2000-03-01T00:00:00"),
        (31622400, 2000, "2001-01-01T00:00:00"),
        (3155673600, 1900, "2000-01-01T00:00:00"),
        (824000000, 2000, "2026-02-10T00:53:20"),
        (0xFFFFFFFF, 1900, "2036-02-07T06:28:15"),
    )
    for number, year, text in cases:
        assert seconds_text(number, year) == text, text


def test_a_clock_that_was_never_set_is_not_trusted():
    raw = b"raw"
    cases = (
        # text, set, in the record key
        (None, False, False),
        ("2026-03-04T07:15:00", True, True),
        ("2000-01-02T00:00:00", True, True),
        ("2000-01-01T00:07:12", False, True),
        ("2000-01-01T00:00:00", False, False),
        ("1970-01-01T00:00:00", False, False),
        ("1970-06-01T00:00:00", False, True),
        ("1900-01-01T00:00:00", False, False),
        ("2021-01-01T00:00:00", True, True),
    )
    for text, is_set, in_key in cases:
        time = DeviceTime(raw, text)
        assert time.clock_set() == is_set, text
        assert time.key() == (raw if in_key else None), text


def test_between_compares_decimals_exactly():
    def inside(digits, exponent):
        return between(Value("x", digits, exponent, "u"), 10, 350)

    assert inside(10, 0)
    assert inside(350, 0)
    assert inside(3500, -1)
    assert inside(1, 1)
    assert not inside(3501, -1)
    assert not inside(99, -1)
    assert not inside(4, 2)
    assert not inside(-10, 0)
    assert between(Value("x", None, 0, "u", "not-a-number"), 10, 350)
