"""Checksums against published check values, and against examples of the devices that use them."""

from gateway.drivers.shared.checksums import (
    crc8,
    crc8_maxim,
    crc16_ccitt_false,
    crc16_kermit,
    crc16_mcrf4xx,
    sum8,
    sum16,
    xor8,
)

# What each gives for the nine digits: Catalogue of parametrised CRC algorithms (reveng.sourceforge.io), `check`.
DIGITS = b"123456789"
CHECKS = (
    (crc16_mcrf4xx, 0x6F91),
    (crc16_kermit, 0x2189),
    (crc16_ccitt_false, 0x29B1),
    (crc8, 0xF4),
    (crc8_maxim, 0xA1),
    (xor8, 0x31),
    (sum8, 0xDD),
    (sum16, 0x01DD),
)
# (checksum, bytes, value, source)
EXAMPLES = (
    (crc16_mcrf4xx, "3e010203040506070809", 0x2F01, "Continuous Glucose Monitoring Service 1.0.1, 3.11"),
    (crc16_mcrf4xx, "41", 0x5C0A, "NordicSemiconductor/Android-BLE-Common-Library@c078e25 CRC16Test.java"),
    (
        crc16_mcrf4xx,
        "58251f98",
        0x07F1,
        "NordicSemiconductor/Android-BLE-Common-Library@c078e25 CRC16Test.java",
    ),
    (crc16_ccitt_false, "02060803", 0x62C2, "glucometers-tech/glucometerutils@9b87a5b test_lifescan.py"),
)


def test_check_values():
    for checksum, value in CHECKS:
        assert checksum(DIGITS) == value, checksum


def test_examples():
    for checksum, octets, value, source in EXAMPLES:
        assert checksum(bytes.fromhex(octets)) == value, source


def test_of_nothing_the_start_is_left():
    for checksum, _ in CHECKS:
        start = 0xFFFF if checksum in (crc16_mcrf4xx, crc16_ccitt_false) else 0
        assert checksum(b"") == start


def test_a_crc_of_a_frame_and_its_crc_is_zero():
    for checksum in (crc16_mcrf4xx, crc16_kermit):
        value = checksum(DIGITS)
        assert checksum(DIGITS + bytes([value & 255, value >> 8])) == 0
    value = crc16_ccitt_false(DIGITS)
    assert crc16_ccitt_false(DIGITS + bytes([value >> 8, value & 255])) == 0
    for checksum in (crc8, crc8_maxim, xor8):
        assert checksum(DIGITS + bytes([checksum(DIGITS)])) == 0


def test_every_single_bit_counts():
    for checksum, value in CHECKS:
        for place in range(len(DIGITS)):
            for bit in range(8):
                changed = bytes([byte ^ (1 << bit if at == place else 0) for at, byte in enumerate(DIGITS)])
                assert checksum(changed) != value


def test_sums_keep_their_width():
    assert sum8(bytes([255, 2])) == 1
    assert sum16(bytes([255]) * 258) == 65790 - 65536
