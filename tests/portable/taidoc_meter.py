"""A TaiDoc meter for tests only: written from the published protocol, apart from the driver."""


def frame(command, data=b"\0\0\0\0", end=0xA5):
    body = bytes([0x51, command]) + bytes(data) + bytes([end])
    return body + bytes([sum(body) & 255])


def day(year, month, day_of_month):
    packed = (year - 2000) << 9 | month << 5 | day_of_month
    return bytes([packed & 255, packed >> 8])


def moment(year, month, day_of_month, hour, minute, minute_bits=0, hour_bits=0):
    return day(year, month, day_of_month) + bytes([minute | minute_bits, hour | hour_bits])


def glucose(value, kind=0, meal=0, code=0):
    return bytes([value & 255, value >> 8, code & 255, meal | kind << 2 | code >> 8])


class Meter:
    """Answers like a meter. records: (time, value) of four bytes each, newest first, by user.

    deaf: commands that it never answers. lost: how many of the next replies get lost.
    """

    def __init__(self, model=0x4277, records=(), deaf=(), serial="0123456789ABCDEF", clock=None):
        self.model = model
        self.banks = records if isinstance(records, dict) else {0: list(records)}
        self.deaf = list(deaf)
        self.serial = serial
        self.clock = clock or moment(2026, 3, 4, 7, 15)
        self.asked = []
        self.lost = 0
        self.shown = []

    def answer(self, command):
        """The reply to a framed command; empty when there is none."""
        assert len(command) == 8
        assert command[0] == 0x51
        assert command[6] == 0xA3
        assert sum(command[:7]) & 255 == command[7]
        assert command[1] not in (0x52, 0x43, 0x50, 0x33)
        self.asked.append(command[1])
        if command[1] in self.deaf:
            return b""
        if self.lost:
            self.lost -= 1
            return b""
        return frame(command[1], self.data(command[1], command[2] | command[3] << 8, command[5]))

    def data(self, code, number, user):
        if code in (0x23, 0x24):
            return self.clock if code == 0x23 else bytes([self.model & 255, self.model >> 8, 0, 0])
        if code in (0x27, 0x28):
            whole = bytes([int(self.serial[at : at + 2], 16) for at in range(14, -1, -2)])
            return whole[:4] if code == 0x27 else whole[4:]
        if code == 0x2B:
            return bytes([len(self.banks[user]) & 255, len(self.banks[user]) >> 8, 0xFF, 0xFF])
        if code in (0x25, 0x26):
            records = self.banks[user]
            return records[number][code - 0x25] if number < len(records) else bytes(4)
        if code == 0x49:
            return self.shown.pop(0) if self.shown else bytes(4)
        return bytes(4)
