"""Memory outside the interpreter's heap, as a board's flash is: mapped, and not counted by `-X heapsize=`.

The unix port has no call for it. A thread's stack is such memory: one that sleeps for ever lends us the far
end of a stack that is larger than it will ever need.
"""

import _thread

import uctypes

_OWN = 256 * 1024  # of the stack, for the thread itself


def mapped(size: int) -> memoryview:
    """So many bytes of zeros that are nobody else's, for as long as the process runs."""
    before = _ranges()
    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.stack_size(size + _OWN)
    _thread.start_new_thread(lock.acquire, ())
    for line in _ranges():
        start, end = [int(part, 16) for part in line.split(" ")[0].split("-")]
        if line not in before and "rw-p" in line and end - start >= size + _OWN // 2:
            return memoryview(uctypes.bytearray_at(start, size))
    raise MemoryError


def _ranges() -> list[str]:
    with open("/proc/self/maps") as file:
        return [line for line in file.read().split("\n") if line]
