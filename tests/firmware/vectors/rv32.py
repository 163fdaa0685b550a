"""Runs machine code of a 32-bit RISC-V (RV32IMC, unprivileged specification 20191213) as far as viper makes it.

`viper_function` takes the code of one out of a .mpy file; `Machine` runs it. What the code calls of the
interpreter is only the conversion of its arguments, which are given here as they are to arrive.
"""

import struct

_BYTECODE, _NATIVE, _VIPER = 0, 1, 2
CODE, TABLE, STACK, DATA = 0x10000, 0x40000, 0x80000, 0x90000
_CALLS, _END = 0x20000, 0x30000
_M = 0xFFFFFFFF


class _Reader:
    """A .mpy file of version 6 (py/persistentcode.c)."""

    def __init__(self, data):
        self.data, self.at = data, 4

    def uint(self):
        number = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                return number

    def bytes(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def skip_constants(self):
        names, objects = self.uint(), self.uint()
        for _ in range(names):
            size = self.uint()
            if not size & 1:
                self.bytes((size >> 1) + 1)
        for _ in range(objects):
            self.object()

    def object(self):
        kind = self.data[self.at]
        self.at += 1
        if kind == 10:  # a tuple
            for _ in range(self.uint()):
                self.object()
        elif kind > 4:
            size = self.uint()
            self.bytes(size + (kind in (5, 6)))

    def functions(self):
        """The machine code of this function if it is viper, and of all within it."""
        head = self.uint()
        kind, code = head & 3, self.bytes(head >> 3)
        if kind == _VIPER:
            flags = self.uint()
            assert not flags & 0x70, flags  # no data of its own
            yield code
        elif kind == _NATIVE:
            self.uint()
        if head & 4:
            for _ in range(self.uint()):
                yield from self.functions()


def viper_function(mpy):
    """The machine code of the one viper function in a .mpy file."""
    reader = _Reader(mpy)
    reader.skip_constants()
    (code,) = reader.functions()
    return code


def _signed(number, bits=32):
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _bits(word, *fields):
    """An immediate of scattered bits: (from bit, how many, to bit) each."""
    return sum((word >> start & (1 << count) - 1) << to for start, count, to in fields)


class Machine:
    """Memory of 1 MB and 32 registers."""

    def __init__(self, code):
        self.memory = bytearray(1 << 20)
        self.x = [0] * 32
        self.steps = 0
        self.memory[CODE : CODE + len(code)] = code
        for entry in range(256):  # the interpreter's functions, each a place that only returns
            self.store(TABLE + 4 * entry, _CALLS + 4 * entry)

    def load(self, at):
        return struct.unpack_from("<I", self.memory, at)[0]

    def store(self, at, word):
        assert at % 4 == 0, hex(at)
        struct.pack_into("<I", self.memory, at, word & _M)

    def call(self, *arguments):
        """The function with these words as arguments, given as the interpreter does: (itself, count, 0, array)."""
        function, context, constants, array = DATA, DATA + 64, DATA + 128, DATA + 192
        self.store(function + 4, context)  # mp_obj_fun_bc_t.context
        for at in range(context, context + 64, 4):
            self.store(at, constants)
        for at in range(constants, constants + 64, 4):
            self.store(at, TABLE)
        for at, word in enumerate(arguments):
            self.store(array + 4 * at, word)
        self.x[1], self.x[2] = _END, STACK
        self.x[10:14] = [function, len(arguments), 0, array]
        pc = CODE
        while pc != _END:
            if _CALLS <= pc < _END:  # argument and result both lie in a0
                pc = self.x[1]
                continue
            pc = self.step(pc)
            self.x[0] = 0
            self.steps += 1

    def step(self, pc):
        word = self.load(pc & ~3) >> (pc & 2) * 8 & 0xFFFF
        if word & 3 != 3:
            return self.short(pc, word)
        word |= (self.load(pc + 2 & ~3) >> (pc + 2 & 2) * 8 & 0xFFFF) << 16
        return self.long(pc, word)

    def long(self, pc, word):
        x = self.x
        opcode, rd, f3 = word & 0x7F, word >> 7 & 31, word >> 12 & 7
        one, two, f7 = x[word >> 15 & 31], x[word >> 20 & 31], word >> 25
        immediate = _signed(word >> 20, 12)
        if opcode == 0x13:
            x[rd] = self.operation(
                f3, f7 if f3 == 5 else 0, one, (word >> 20 & 31) if f3 in (1, 5) else immediate
            )
        elif opcode == 0x33:
            x[rd] = one * two & _M if f7 == 1 and f3 == 0 else self.operation(f3, f7, one, two)
        elif opcode == 0x03:
            at = one + immediate & _M
            assert f3 in (2, 4), f3
            assert f3 == 4 or at % 4 == 0, hex(at)
            x[rd] = self.load(at) if f3 == 2 else self.memory[at]
        elif opcode == 0x23:
            assert f3 == 2, f3
            self.store(one + _signed(_bits(word, (7, 5, 0), (25, 7, 5)), 12) & _M, two)
        elif opcode == 0x63:
            offset = _signed(_bits(word, (8, 4, 1), (25, 6, 5), (7, 1, 11), (31, 1, 12)), 13)
            return pc + offset if self.true(f3, one, two) else pc + 4
        elif opcode == 0x37:
            x[rd] = word & 0xFFFFF000
        elif opcode == 0x17:
            x[rd] = pc + (word & 0xFFFFF000) & _M
        elif opcode == 0x6F:
            x[rd] = pc + 4
            return pc + _signed(_bits(word, (21, 10, 1), (20, 1, 11), (12, 8, 12), (31, 1, 20)), 21)
        elif opcode == 0x67:
            x[rd] = pc + 4
            return one + immediate & _M & ~1
        else:
            raise ValueError(hex(word))
        return pc + 4

    @staticmethod
    def true(f3, one, two):
        if f3 in (4, 5):
            one, two = _signed(one), _signed(two)
        return ((one == two) if f3 < 2 else (one < two)) ^ (f3 & 1)

    @staticmethod
    def operation(f3, f7, one, two):
        assert f7 in (0, 0x20), f7
        shift = two & 31
        return {
            0: lambda: one - two if f7 else one + two,
            1: lambda: one << shift,
            2: lambda: int(_signed(one) < _signed(two)),
            3: lambda: int(one < two & _M),
            4: lambda: one ^ two,
            5: lambda: _signed(one) >> shift if f7 else one >> shift,
            6: lambda: one | two,
            7: lambda: one & two,
        }[f3]() & _M

    def short(self, pc, word):
        kind = (word & 3) * 8 + (word >> 13)
        rd, rs = word >> 7 & 31, word >> 2 & 31
        return (self.near if kind < 8 else self.middle if kind < 16 else self.far)(pc, word, kind & 7, rd, rs)

    def near(self, pc, word, kind, _, __):
        x, low, high = self.x, 8 + (word >> 2 & 7), 8 + (word >> 7 & 7)
        at = x[high] + _bits(word, (6, 1, 2), (10, 3, 3), (5, 1, 6))
        if kind == 0 and word:
            x[low] = x[2] + _bits(word, (6, 1, 2), (5, 1, 3), (11, 2, 4), (7, 4, 6))
        elif kind == 2:
            assert at % 4 == 0, hex(at)
            x[low] = self.load(at)
        elif kind == 6:
            self.store(at, x[low])
        else:
            raise ValueError(hex(word))
        return pc + 2

    def middle(self, pc, word, kind, rd, rs):
        x, high = self.x, 8 + (word >> 7 & 7)
        immediate = _signed(_bits(word, (2, 5, 0), (12, 1, 5)), 6)
        jump = _signed(
            _bits(
                word,
                (3, 3, 1),
                (11, 1, 4),
                (2, 1, 5),
                (7, 1, 6),
                (6, 1, 7),
                (9, 2, 8),
                (8, 1, 10),
                (12, 1, 11),
            ),
            12,
        )
        branch = _signed(_bits(word, (3, 2, 1), (10, 2, 3), (2, 1, 5), (5, 2, 6), (12, 1, 8)), 9)
        if kind == 0:
            x[rd] = x[rd] + immediate & _M
        elif kind in (1, 5):
            if kind == 1:
                x[1] = pc + 2
            return pc + jump
        elif kind == 2:
            x[rd] = immediate & _M
        elif kind == 3 and rd == 2:
            x[2] += _signed(_bits(word, (6, 1, 4), (2, 1, 5), (5, 1, 6), (3, 2, 7), (12, 1, 9)), 10)
        elif kind == 3:
            x[rd] = immediate << 12 & _M
        elif kind == 4:
            x[high] = self.between(word, x[high], x[8 + (rs & 7)], immediate)
        else:
            return pc + branch if (x[high] == 0) == (kind == 6) else pc + 2
        return pc + 2

    @staticmethod
    def between(word, one, two, immediate):
        kind = word >> 10 & 3
        if kind == 0:
            return one >> (immediate & 31)
        if kind == 1:
            return _signed(one) >> (immediate & 31) & _M
        if kind == 2:
            return one & immediate & _M
        assert not word >> 12 & 1
        return (one - two, one ^ two, one | two, one & two)[word >> 5 & 3] & _M

    def far(self, pc, word, kind, rd, rs):
        x, high = self.x, word >> 12 & 1
        if kind == 0:
            x[rd] = x[rd] << rs & _M
        elif kind == 2:
            x[rd] = self.load(x[2] + _bits(word, (4, 3, 2), (12, 1, 5), (2, 2, 6)))
        elif kind == 6:
            self.store(x[2] + _bits(word, (9, 4, 2), (7, 2, 6)), x[rs])
        elif kind == 4 and rs:
            x[rd] = x[rs] + (x[rd] if high else 0) & _M
        elif kind == 4 and rd:
            target = x[rd]
            if high:
                x[1] = pc + 2
            return target
        else:
            raise ValueError(hex(word))
        return pc + 2
