# mypy: ignore-errors
# ruff: noqa: F821 (viper's own types are known to MicroPython's compiler alone)
"""SHA-512 (FIPS 180-4) as machine code: MicroPython's hashlib ends at SHA-256.

A 64-bit word is two of 32 bits, high and low: viper has no wider ones on an ESP32. On a PC these lie in
registers of 64 bits, hence what is shifted to the right later is cut to 32 bits.
"""

from array import array
from struct import pack

import micropython

# Square roots of the first 8 primes: high and low word of each, as they lie in memory.
_START = (
    b"\x67\xe6\x09\x6a\x08\xc9\xbc\xf3\x85\xae\x67\xbb\x3b\xa7\xca\x84\x72\xf3\x6e\x3c\x2b\xf8\x94\xfe"
    b"\x3a\xf5\x4f\xa5\xf1\x36\x1d\x5f\x7f\x52\x0e\x51\xd1\x82\xe6\xad\x8c\x68\x05\x9b\x1f\x6c\x3e\x2b"
    b"\xab\xd9\x83\x1f\x6b\xbd\x41\xfb\x19\xcd\xe0\x5b\x79\x21\x7e\x13"
)
# Cube roots of the first 80 primes, high byte first.
_ROUNDS = (
    b"\x42\x8a\x2f\x98\xd7\x28\xae\x22\x71\x37\x44\x91\x23\xef\x65\xcd\xb5\xc0\xfb\xcf\xec\x4d\x3b\x2f"
    b"\xe9\xb5\xdb\xa5\x81\x89\xdb\xbc\x39\x56\xc2\x5b\xf3\x48\xb5\x38\x59\xf1\x11\xf1\xb6\x05\xd0\x19"
    b"\x92\x3f\x82\xa4\xaf\x19\x4f\x9b\xab\x1c\x5e\xd5\xda\x6d\x81\x18\xd8\x07\xaa\x98\xa3\x03\x02\x42"
    b"\x12\x83\x5b\x01\x45\x70\x6f\xbe\x24\x31\x85\xbe\x4e\xe4\xb2\x8c\x55\x0c\x7d\xc3\xd5\xff\xb4\xe2"
    b"\x72\xbe\x5d\x74\xf2\x7b\x89\x6f\x80\xde\xb1\xfe\x3b\x16\x96\xb1\x9b\xdc\x06\xa7\x25\xc7\x12\x35"
    b"\xc1\x9b\xf1\x74\xcf\x69\x26\x94\xe4\x9b\x69\xc1\x9e\xf1\x4a\xd2\xef\xbe\x47\x86\x38\x4f\x25\xe3"
    b"\x0f\xc1\x9d\xc6\x8b\x8c\xd5\xb5\x24\x0c\xa1\xcc\x77\xac\x9c\x65\x2d\xe9\x2c\x6f\x59\x2b\x02\x75"
    b"\x4a\x74\x84\xaa\x6e\xa6\xe4\x83\x5c\xb0\xa9\xdc\xbd\x41\xfb\xd4\x76\xf9\x88\xda\x83\x11\x53\xb5"
    b"\x98\x3e\x51\x52\xee\x66\xdf\xab\xa8\x31\xc6\x6d\x2d\xb4\x32\x10\xb0\x03\x27\xc8\x98\xfb\x21\x3f"
    b"\xbf\x59\x7f\xc7\xbe\xef\x0e\xe4\xc6\xe0\x0b\xf3\x3d\xa8\x8f\xc2\xd5\xa7\x91\x47\x93\x0a\xa7\x25"
    b"\x06\xca\x63\x51\xe0\x03\x82\x6f\x14\x29\x29\x67\x0a\x0e\x6e\x70\x27\xb7\x0a\x85\x46\xd2\x2f\xfc"
    b"\x2e\x1b\x21\x38\x5c\x26\xc9\x26\x4d\x2c\x6d\xfc\x5a\xc4\x2a\xed\x53\x38\x0d\x13\x9d\x95\xb3\xdf"
    b"\x65\x0a\x73\x54\x8b\xaf\x63\xde\x76\x6a\x0a\xbb\x3c\x77\xb2\xa8\x81\xc2\xc9\x2e\x47\xed\xae\xe6"
    b"\x92\x72\x2c\x85\x14\x82\x35\x3b\xa2\xbf\xe8\xa1\x4c\xf1\x03\x64\xa8\x1a\x66\x4b\xbc\x42\x30\x01"
    b"\xc2\x4b\x8b\x70\xd0\xf8\x97\x91\xc7\x6c\x51\xa3\x06\x54\xbe\x30\xd1\x92\xe8\x19\xd6\xef\x52\x18"
    b"\xd6\x99\x06\x24\x55\x65\xa9\x10\xf4\x0e\x35\x85\x57\x71\x20\x2a\x10\x6a\xa0\x70\x32\xbb\xd1\xb8"
    b"\x19\xa4\xc1\x16\xb8\xd2\xd0\xc8\x1e\x37\x6c\x08\x51\x41\xab\x53\x27\x48\x77\x4c\xdf\x8e\xeb\x99"
    b"\x34\xb0\xbc\xb5\xe1\x9b\x48\xa8\x39\x1c\x0c\xb3\xc5\xc9\x5a\x63\x4e\xd8\xaa\x4a\xe3\x41\x8a\xcb"
    b"\x5b\x9c\xca\x4f\x77\x63\xe3\x73\x68\x2e\x6f\xf3\xd6\xb2\xb8\xa3\x74\x8f\x82\xee\x5d\xef\xb2\xfc"
    b"\x78\xa5\x63\x6f\x43\x17\x2f\x60\x84\xc8\x78\x14\xa1\xf0\xab\x72\x8c\xc7\x02\x08\x1a\x64\x39\xec"
    b"\x90\xbe\xff\xfa\x23\x63\x1e\x28\xa4\x50\x6c\xeb\xde\x82\xbd\xe9\xbe\xf9\xa3\xf7\xb2\xc6\x79\x15"
    b"\xc6\x71\x78\xf2\xe3\x72\x53\x2b\xca\x27\x3e\xce\xea\x26\x61\x9c\xd1\x86\xb8\xc7\x21\xc0\xc2\x07"
    b"\xea\xda\x7d\xd6\xcd\xe0\xeb\x1e\xf5\x7d\x4f\x7f\xee\x6e\xd1\x78\x06\xf0\x67\xaa\x72\x17\x6f\xba"
    b"\x0a\x63\x7d\xc5\xa2\xc8\x98\xa6\x11\x3f\x98\x04\xbe\xf9\x0d\xae\x1b\x71\x0b\x35\x13\x1c\x47\x1b"
    b"\x28\xdb\x77\xf5\x23\x04\x7d\x84\x32\xca\xab\x7b\x40\xc7\x24\x93\x3c\x9e\xbe\x0a\x15\xc9\xbe\xbc"
    b"\x43\x1d\x67\xc4\x9c\x10\x0d\x4c\x4c\xc5\xd4\xbe\xcb\x3e\x42\xb6\x59\x7f\x29\x9c\xfc\x65\x7e\x2a"
    b"\x5f\xcb\x6f\xab\x3a\xd6\xfa\xec\x6c\x44\x19\x8c\x4a\x47\x58\x17"
)


class Sha512:
    """As of hashlib: what is given to `update` is not copied, only the last unfinished 128 bytes are."""

    def __init__(self, data: bytes = b"") -> None:
        self._words = array("I", _START + bytes(128))
        self._rest = bytearray(128)
        self._size = 0
        self.update(data)

    def update(self, data: bytes) -> None:
        view, at, size = memoryview(data), 0, len(data)
        used = self._size & 127
        self._size += size
        while size - at >= 128 - used:
            if used:
                self._rest[used:] = view[at : at + 128 - used]
                _block(self._words, _ROUNDS, self._rest, 0)
            else:
                _block(self._words, _ROUNDS, view, at)
            at += 128 - used
            used = 0
        self._rest[used : used + size - at] = view[at:]

    def digest(self) -> bytes:
        """The 64 bytes. Nothing can be added after that."""
        bits, used = 8 * self._size, self._size & 127
        self.update(b"\x80" + bytes((239 - used) % 128) + bits.to_bytes(16, "big"))
        return pack(">16I", *self._words[:16])


@micropython.viper
def _block(s: ptr32, k: ptr8, data: ptr8, at: int):  # noqa: ANN202, PLR0915 (no call inside: it would box)
    """s: 16 words of state, then 32 of the message's schedule, which goes round."""
    m = uint(0xFFFF)  # 0xFFFFFFFF is no small number on 32 bits
    m = m << 16 | m
    for i in range(32):
        o = at + (i << 2)
        s[16 + i] = data[o] << 24 | data[o + 1] << 16 | data[o + 2] << 8 | data[o + 3]
    ah = uint(s[0]) & m
    al = uint(s[1]) & m
    bh = uint(s[2]) & m
    bl = uint(s[3]) & m
    ch = uint(s[4]) & m
    cl = uint(s[5]) & m
    dh = uint(s[6]) & m
    dl = uint(s[7]) & m
    eh = uint(s[8]) & m
    el = uint(s[9]) & m
    fh = uint(s[10]) & m
    fl = uint(s[11]) & m
    gh = uint(s[12]) & m
    gl = uint(s[13]) & m
    hh = uint(s[14]) & m
    hl = uint(s[15]) & m
    for t in range(80):
        # T1 = h + S1(e) + Ch(e, f, g) + K + W; low words are summed in halves of 16 bits, for the carry
        i = 16 + ((t & 15) << 1)
        wh = uint(s[i])
        wl = uint(s[i + 1]) & m
        o = t << 3
        x = (eh << 18 ^ el >> 14 ^ eh << 14 ^ el >> 18 ^ el << 23 ^ eh >> 9) & m
        y = gl ^ (el & (fl ^ gl))
        z = uint(k[o + 4] << 8 | k[o + 5])
        n = uint(k[o + 6] << 8 | k[o + 7])
        n = (hl & 0xFFFF) + (x & 0xFFFF) + (y & 0xFFFF) + n + (wl & 0xFFFF)
        z = (hl >> 16) + (x >> 16) + (y >> 16) + z + (wl >> 16) + (n >> 16)
        tl = (z << 16 | n & 0xFFFF) & m
        x = el << 18 ^ eh >> 14 ^ el << 14 ^ eh >> 18 ^ eh << 23 ^ el >> 9
        y = gh ^ (eh & (fh ^ gh))
        n = uint(k[o] << 24 | k[o + 1] << 16 | k[o + 2] << 8 | k[o + 3])
        th = (hh + x + y + n + wh + (z >> 16)) & m
        hh = gh
        hl = gl
        gh = fh
        gl = fl
        fh = eh
        fl = el
        # e = d + T1
        n = (dl & 0xFFFF) + (tl & 0xFFFF)
        z = (dl >> 16) + (tl >> 16) + (n >> 16)
        el = (z << 16 | n & 0xFFFF) & m
        eh = (dh + th + (z >> 16)) & m
        # a = T1 + S0(a) + Maj(a, b, c)
        x = (ah << 4 ^ al >> 28 ^ al << 30 ^ ah >> 2 ^ al << 25 ^ ah >> 7) & m
        y = (al & bl) | (cl & (al | bl))
        n = (tl & 0xFFFF) + (x & 0xFFFF) + (y & 0xFFFF)
        z = (tl >> 16) + (x >> 16) + (y >> 16) + (n >> 16)
        x = al << 4 ^ ah >> 28 ^ ah << 30 ^ al >> 2 ^ ah << 25 ^ al >> 7
        y = (ah & bh) | (ch & (ah | bh))
        dh = ch
        dl = cl
        ch = bh
        cl = bl
        bh = ah
        bl = al
        al = (z << 16 | n & 0xFFFF) & m
        ah = (th + x + y + (z >> 16)) & m
        # W of 16 rounds later = s1(W[t + 14]) + W[t + 9] + s0(W[t + 1]) + W[t]
        o = 16 + ((t + 14 & 15) << 1)
        xh = uint(s[o]) & m
        xl = uint(s[o + 1]) & m
        o = 16 + ((t + 9 & 15) << 1)
        yh = uint(s[o])
        yl = uint(s[o + 1]) & m
        x = (xh << 13 ^ xl >> 19 ^ xl << 3 ^ xh >> 29 ^ xh << 26 ^ xl >> 6) & m
        xh = xl << 13 ^ xh >> 19 ^ xh << 3 ^ xl >> 29 ^ xh >> 6
        o = 16 + ((t + 1 & 15) << 1)
        zh = uint(s[o]) & m
        xl = uint(s[o + 1]) & m
        y = (zh << 31 ^ xl >> 1 ^ zh << 24 ^ xl >> 8 ^ zh << 25 ^ xl >> 7) & m
        zh = xl << 31 ^ zh >> 1 ^ xl << 24 ^ zh >> 8 ^ zh >> 7
        n = (wl & 0xFFFF) + (x & 0xFFFF) + (y & 0xFFFF) + (yl & 0xFFFF)
        z = (wl >> 16) + (x >> 16) + (y >> 16) + (yl >> 16) + (n >> 16)
        s[i] = int(wh + xh + yh + zh + (z >> 16))
        s[i + 1] = int(z << 16 | n & 0xFFFF)
    s[16] = int(ah)
    s[17] = int(al)
    s[18] = int(bh)
    s[19] = int(bl)
    s[20] = int(ch)
    s[21] = int(cl)
    s[22] = int(dh)
    s[23] = int(dl)
    s[24] = int(eh)
    s[25] = int(el)
    s[26] = int(fh)
    s[27] = int(fl)
    s[28] = int(gh)
    s[29] = int(gl)
    s[30] = int(hh)
    s[31] = int(hl)
    for i in range(0, 16, 2):
        x = uint(s[i + 1]) & m
        y = uint(s[i + 17]) & m
        n = (x & 0xFFFF) + (y & 0xFFFF)
        z = (x >> 16) + (y >> 16) + (n >> 16)
        s[i + 1] = int(z << 16 | n & 0xFFFF)
        s[i] = int(uint(s[i]) + uint(s[i + 16]) + (z >> 16))
