"""A monitor for portable tests: a memory that answers a driver's commands. Written apart from the driver."""

from gateway.wire.items import Frame

NOTIFY = (
    "49123040-aee8-11e1-a74d-0002a5d5c51b",
    "4d0bf320-aee8-11e1-a0d9-0002a5d5c51b",
    "5128ce60-aee8-11e1-b84b-0002a5d5c51b",
    "560f1420-aee8-11e1-8184-0002a5d5c51b",
)
WRITE = "db5b55e0-aee7-11e1-965e-0002a5d5c51b"
UNLOCK = "b305b680-aee7-11e1-a730-0002a5d5c51b"
START, END = "0800000000100018", "080f000000000007"


def closed(body):
    """The body of a frame with 00 and the byte that makes the exclusive or 0; its first byte is the length."""
    whole = bytes((len(body) + 3,)) + body + b"\x00"
    rest = 0
    for byte in whole:
        rest ^= byte
    return whole + bytes((rest,))


def data_frame(address, data, asked=None):
    size = len(data) if asked is None else asked
    return closed(b"\x81\x00" + bytes((address >> 8, address & 255, size)) + data)


def refusal(address, size, code=3):
    whole = bytes((8, 0x81, 0, address >> 8, address & 255, size, code))
    rest = 0
    for byte in whole:
        rest ^= byte
    return whole + bytes((rest,))


def pieces(frame, one_channel=False, mtu=16):
    """The notifications that carry a frame."""
    parts = [frame[at : at + mtu] for at in range(0, len(frame), mtu)]
    return [Frame(NOTIFY[0 if one_channel else at], 0, part) for at, part in enumerate(parts)]


class Monitor:
    """Answers each command at once; `deaf` so many are not heard, `writes` counts what must never come."""

    def __init__(self, model, memory, one_channel=False):
        self.model = model
        self.memory = memory  # address: byte
        self.one_channel = one_channel
        self.key = b""
        self.pairs = False
        self.token = one_channel
        self.refused = ()
        self.deaf = 0
        self.commands = []
        self.open = False

    def put(self, address, data):
        for at, byte in enumerate(data):
            self.memory[address + at] = byte

    def answer(self, frame):
        self.commands.append((frame.source, frame.data.hex()))
        if self.deaf:
            self.deaf -= 1
            return []
        return self._unlock(frame.data) if frame.source == UNLOCK else self._frame(frame.data)

    def _unlock(self, data):
        kind = data[0]
        if kind == 0x11 and self.token:
            return [Frame(UNLOCK, 0, b"\x91\x00" + data[1:5])]
        if kind == 0x11:
            return []
        if kind == 2 and self.pairs:
            return [Frame(UNLOCK, 0, b"\x82\x00")]
        if kind == 0:
            self.key = data[1:]
            return [Frame(UNLOCK, 0, b"\x80\x00")]
        if kind == 1 and data[1:] == self.key:
            self.open = True
            return [Frame(UNLOCK, 0, b"\x81\x00")]
        return [Frame(UNLOCK, 0, b"\x0f\x01")]

    def _frame(self, data):
        kind, address, size = data[1:3], data[3] << 8 | data[4], data[5]
        if kind == b"\x00\x00":
            said = closed(b"\x80\x00" + data[3:6] + bytes(16))
        elif kind == b"\x0f\x00":
            said = bytes((8, 0x8F, 0, 0, 0, 0, 0, 0x87))
        elif address in self.refused:
            said = refusal(address, size)
        else:
            said = data_frame(address, bytes([self.memory.get(address + at, 0xFF) for at in range(size)]))
        return pieces(said, self.one_channel)


def talk(driver, monitor, known):
    """A whole visit: (records, marks that the hub kept)."""
    records = driver.received(Frame("2a24", 0, monitor.model))
    driver.start(known)
    marks, turns = [], 0
    while turns < 2000:
        turns += 1
        sends = driver.take_sends()
        heard = []
        for command in sends:
            heard += monitor.answer(command)
        for frame in heard:
            records += driver.received(frame)
        if driver.mark is not None:
            marks.append(driver.mark)
        if not heard:
            if driver.patience_s is None:
                break
            records += driver.silent()
    if driver.mark is not None:
        marks.append(driver.mark)
    return records + driver.finish(), marks
