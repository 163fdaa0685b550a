"""Checksums that devices put behind their frames.

Own code, because no kept library runs on both interpreters: `crc` needs dataclasses and enum, mp-crc needs
MicroPython's code emitters. Names, parameters and check values: Catalogue of parametrised CRC algorithms
(reveng.sourceforge.io). All take bytes and give a whole number; in which order its bytes are sent differs.
"""


def crc16_mcrf4xx(data: bytes) -> int:
    """CRC-16/MCRF4XX: continuous glucose (Continuous Glucose Monitoring Service 1.0.1, E2E-CRC)."""
    return _lowest_first(data, _MCRF4XX, 0xFFFF)


def crc16_kermit(data: bytes) -> int:
    """CRC-16/KERMIT: as MCRF4XX, from another start."""
    return _lowest_first(data, _MCRF4XX, 0x0000)


def crc16_ccitt_false(data: bytes) -> int:
    """CRC-16/IBM-3740, known as CCITT-FALSE: LifeScan meters, on a cable and over Bluetooth."""
    return _highest_first(data, 16, _CCITT, 0xFFFF)


def crc8(data: bytes) -> int:
    """CRC-8/SMBUS, polynomial 07: Viatom oximeters."""
    return _highest_first(data, 8, _SMBUS, 0x00)


def crc8_maxim(data: bytes) -> int:
    """CRC-8/MAXIM-DOW: GlucoMen Areo meters, Viatom PC-60FW oximeters."""
    return _lowest_first(data, _MAXIM, 0x00)


def xor8(data: bytes) -> int:
    """All bytes by exclusive or: Omron frames, of which the whole gives 0."""
    result = 0
    for byte in data:
        result ^= byte
    return result


def sum8(data: bytes) -> int:
    """The low byte of the sum: TaiDoc, Nonin, ASTM E1381."""
    return sum(data) & 0xFF


def sum16(data: bytes) -> int:
    """The low 16 bits of the sum: FreeStyle and OneTouch Ultra2 texts."""
    return sum(data) & 0xFFFF


def _lowest_first(data: bytes, table: tuple[int, ...], start: int) -> int:
    """A reflected CRC of any width: the register shifts down, four bits at a time."""
    register = start
    for byte in data:
        register = register >> 4 ^ table[(register ^ byte) & 15]
        register = register >> 4 ^ table[(register ^ byte >> 4) & 15]
    return register


def _highest_first(data: bytes, width: int, table: tuple[int, ...], start: int) -> int:
    """A CRC that is not reflected: the register shifts up and keeps `width` bits."""
    down, kept, register = width - 4, (1 << width) - 1, start
    for byte in data:
        register = register << 4 & kept ^ table[register >> down ^ byte >> 4]
        register = register << 4 & kept ^ table[register >> down ^ byte & 15]
    return register


def _lowest_table(polynomial: int) -> tuple[int, ...]:
    """What four bits do to a register that is 0 otherwise; the polynomial is written mirrored."""
    table = []
    for nibble in range(16):
        register = nibble
        for _ in range(4):
            register = register >> 1 ^ (polynomial if register & 1 else 0)
        table.append(register)
    return tuple(table)


def _highest_table(width: int, polynomial: int) -> tuple[int, ...]:
    top, kept, table = 1 << (width - 1), (1 << width) - 1, []
    for nibble in range(16):
        register = nibble << (width - 4)
        for _ in range(4):
            register = (register << 1 ^ (polynomial if register & top else 0)) & kept
        table.append(register)
    return tuple(table)


_MCRF4XX, _MAXIM = _lowest_table(0x8408), _lowest_table(0x8C)
_CCITT, _SMBUS = _highest_table(16, 0x1021), _highest_table(8, 0x07)
