"""A ring for portable tests: files that are read block by block. Written apart from the driver."""

from gateway.wire.items import Frame

NOTIFY = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
WRITE = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"


def crc8(data):
    rest = 0
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest << 1 ^ 0x07 if rest & 0x80 else rest << 1) & 255
    return rest


def reply(data, block=0, status=0):
    body = (
        bytes((0x55, status, status ^ 255))
        + block.to_bytes(2, "little")
        + len(data).to_bytes(2, "little")
        + data
    )
    return body + bytes((crc8(body),))


def night(samples, pace=4, begin=(2026, 1, 31, 22, 33, 40), version=3, duration=None):
    """A file of (SpO2, pulse) samples."""
    size = 40 + 5 * len(samples)
    head = (
        bytes((version, 0)) + begin[0].to_bytes(2, "little") + bytes(begin[1:]) + size.to_bytes(4, "little")
    )
    head += (pace * len(samples) if duration is None else duration).to_bytes(2, "little")
    body = b"".join([bytes((spo2,)) + pulse.to_bytes(2, "little") + b"\x03\x00" for spo2, pulse in samples])
    return head + bytes(40 - len(head)) + body


def information(files, time="2026-02-01,07:00:05"):
    return (
        '{"Region":"CE","Model":"1652","SoftwareVer":"1.4.0","SN":"2051", "CurTIME":"'
        + time
        + '","CurBAT":"86%","FileList": "'
        + ",".join(files)
        + '"}'
    ).encode()


def notifications(data, mtu=20):
    return [Frame(NOTIFY, 0, data[at : at + mtu]) for at in range(0, len(data), mtu)]


class Ring:
    """files: name to bytes. `deaf` so many commands are not heard; `refused` are the names it does not open."""

    def __init__(self, files, names, block=512, mtu=20):
        self.files, self.names = files, names
        self.block, self.mtu = block, mtu
        self.refused = ()
        self.deaf = 0
        self.commands = []
        self.clock = "2026-02-01,07:00:05"
        self._open = b""
        self._heard = b""

    def answer(self, frame):
        assert (frame.source, len(frame.data) <= 20) == (WRITE, True)
        self._heard += frame.data
        heard, size = (
            self._heard,
            8 + int.from_bytes(self._heard[5:7], "little") if len(self._heard) > 7 else 9,
        )
        if len(heard) < size:
            return []
        self._heard = b""
        assert (heard[0], heard[1] ^ heard[2], heard[-1]) == (0xAA, 255, crc8(heard[:-1]))
        code, block, data = heard[1], int.from_bytes(heard[3:5], "little"), heard[7:-1]
        self.commands.append((code, block, data))
        if self.deaf:
            self.deaf -= 1
            return []
        return notifications(self._reply(code, block, data), self.mtu)

    def _reply(self, code, block, data):
        if code == 0x14:
            return reply(information(self.names, self.clock))
        if code == 3:
            name = data[:-1].decode()
            self._open = self.files.get(name, b"")
            return reply(b"", 0, 9) if name in self.refused else reply(len(self._open).to_bytes(4, "little"))
        if code == 4:
            return reply(self._open[block * self.block : (block + 1) * self.block], block)
        assert code == 5
        return reply(b"")


def talk(driver, ring, known):
    """A whole visit: (records, the mark at its end)."""
    driver.start(known)
    records, turns = [], 0
    while turns < 20000:
        turns += 1
        heard = []
        for command in driver.take_sends():
            heard += ring.answer(command)
        for frame in heard:
            records += driver.received(frame)
        if not heard:
            if driver.patience_s is None:
                break
            records += driver.silent()
    return records + driver.finish(), driver.mark
