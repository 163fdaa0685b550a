"""What Contour meters send, for tests only: written from ASTM E1381 and E1394, apart from the driver."""

ENQ, EOT, ACK, NAK = b"\x05", b"\x04", b"\x06", b"\x15"
HEADER = "H|\\^&||qvqOi8|%s|A=1^C=00^G=en^I=0200^R=0^S=01^U=%d^V=%s^X=070070180130^Y=120054252099^Z=1|%d|||||P|1|%s"


def frame(number, text, end=b"\x17"):
    body = b"%d" % (number % 8) + text + end
    return b"\x02" + body + b"%02X" % (sum(body) & 255) + b"\r\n"


def header(total=0, product="Bayer7410^01.14\\01.03\\04.18^7410-1611135^0000-", unit=0, limits="20600"):
    return (HEADER % (product, unit, limits, total, "202603040715")).encode() + b"\r"


def result(number, value="133", unit="mg/dL", markers="B/X", time="202603040715", method="P", test="Glucose"):
    return f"R|{number}|^^^{test}|{value}|{unit}^{method}||{markers}||{time}".encode() + b"\r"


def records(results, **settings):
    """All texts of a transfer: header, patient, results, end."""
    return [header(len(results), **settings), b"P|1\r"] + list(results) + [b"L|1||N\r"]  # noqa: RUF005 (MicroPython)


def transfer(results, **settings):
    """A whole transfer without anybody's answers."""
    texts = records(results, **settings)
    frames = [
        frame(at + 1, text, b"\x17" if at + 1 < len(texts) else b"\x03") for at, text in enumerate(texts)
    ]
    return ENQ + b"".join(frames) + EOT


def reports(data):
    """The same in USB reports of 64 bytes."""
    return b"".join(
        [
            b"ABC"
            + bytes([len(data[at : at + 60])])
            + data[at : at + 60]
            + bytes(60 - len(data[at : at + 60]))
            for at in range(0, len(data), 60)
        ]
    )


class Meter:
    """Answers one byte of the hub at a time, as E1381 wants it. wrong: numbers of sends that are damaged once.

    refuses: so many times it answers NAK to the first EOT. told: what it was told, in order.
    """

    def __init__(self, results, wrong=(), refuses=0, **settings):
        self.texts = records(results, **settings)
        self.wrong = list(wrong)
        self.refuses = refuses
        self.told = []
        self.at = -1
        self.sends = 0

    def hears(self, byte):
        self.told.append(byte)
        if self.at < 0:
            return self.opens(byte)
        if byte == ACK:
            self.at += 1
        elif byte != NAK:
            return b""
        return self.says() if self.at <= len(self.texts) else EOT

    def opens(self, byte):
        if byte == EOT and self.refuses:
            self.refuses -= 1
            return NAK
        if byte == EOT:
            return EOT + frame(1, self.texts[0]) + ENQ
        if byte == ACK:
            self.at = 1
            return self.says()
        return ENQ if byte == NAK else b""

    def says(self):
        end = b"\x03" if self.at == len(self.texts) else b"\x17"
        whole = frame(self.at, self.texts[self.at - 1], end)
        self.sends += 1
        return whole[:9] + b"~" + whole[10:] if self.sends in self.wrong else whole
