"""A bearer that is no socket of the board: what the driver of an LTE modem with sockets of its own looks like."""

import io
import select

_POLL, _CLOSE = 3, 4


class Modem(io.IOBase):
    def __init__(self, line, say):
        self.line, self.say = line, say
        self.up = self.down = 0
        self.poll = select.poll()
        self.poll.register(line, select.POLLIN | select.POLLOUT)

    def readinto(self, view):
        # A slow modem hands out little at a time.
        count = self.line.readinto(memoryview(view)[:50])
        self.down += count or 0
        return count

    def write(self, data):
        count = self.line.write(memoryview(data)[:100])
        self.up += count or 0
        return count

    def setblocking(self, _flag):
        pass

    def ioctl(self, request, flags):
        if request == _POLL:
            ready = self.poll.poll(0)
            return ready[0][1] & flags if ready else 0
        if request == _CLOSE:
            self.say("modem", self.up, self.down)
            self.line.close()
        return 0
