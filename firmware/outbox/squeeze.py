"""Makes messages small for storage: readings of one device differ in few bytes from each other.

Runs of bytes as they are, and copies from what came before or from words that many readings have. Codes:
0…63: so many bytes plus one follow; 64…127: copy that many bytes less 62 from as far back as the last
copy; 128…255: copy that many less 124 from as far back as the next two bytes say (big-endian), WORDS
standing before the message. WORDS is part of what is stored: it never changes.
"""

_SHORT, _SHORTEST = 2, 4
# So far back a copy is looked for: the readings just before.
_BACK = 1200

WORDS = (
    b"\xd2\x84X-\xa3\x01'\x03x application/meethub-envelope;v=1\x04H\xa0X\x86\xf6efirst\x84Hfbridgecntpdnone"
    b"\x83H\x82P\x89\x01\x83H\x1a\x84H\x1b\x00\x00\x01\xa0fbridge\x87vbluetooth-\xf6\xf6\xf6\xf6\xf6"
    b"q\x82nblood-pressure\x01\x81\x83d2a35\x00S\xf6\x83s2026-11-22T00:00:00\x1a\xf4\x89nblood-pressurefstored"
    b"\x84\x86hsystolic\x18\x80\x00fmm[Hg]\xf6\xf6\x86idiastolic\x18R\x00fmm[Hg]\xf6\xf6\x86mmean-arterial"
    b"\x18a\x00fmm[Hg]\xf6\xf6\x86jpulse-rate\x18@\x00d/min\xf6\xf6\x80\x01\xf6s2026-11-22T00:00:00\x80\xf5\xf6"
)


def squeeze(message: bytes | bytearray, plain: int) -> bytes:
    """The message in less room. Of its first `plain` bytes, hashes and signature, only the start is tried."""
    out = bytearray()
    at = pending = back = missed = 0
    while at < len(message):
        if 64 <= at < plain:
            at = plain
            continue
        size = _same(message, at, back) if back else 0
        if size >= _SHORT:
            _literal(out, message, pending, at)
            size = min(size, 65)
            out.append(size + 62)
        else:
            place, size = _match(message, at)
            if size < _SHORTEST:
                missed += 1
                at += 1 + (missed >> 5)  # faster and faster over what nothing is like
                continue
            _literal(out, message, pending, at)
            size, back = min(size, 131), place
            out.extend(bytes((size + 124, back >> 8, back & 0xFF)))
        at += size
        pending = at
        missed = 0
    _literal(out, message, pending, len(message))
    return bytes(out)


def _match(message: bytes | bytearray, at: int) -> tuple[int, int]:
    """(how far back, size) of the longest copy within reach."""
    seed = message[at : at + _SHORTEST]
    best = size = 0
    found = message.find(seed, max(0, at - _BACK), at)
    while found >= 0:
        same = _same(message, at, at - found)
        if same > size:
            best, size = at - found, same
        found = message.find(seed, found + 1, at)
    found = WORDS.find(seed) if at < 0xF000 else -1
    if found >= 0:
        back = len(WORDS) + at - found
        same = _same(message, at, back)
        if same > size:
            best, size = back, same
    return best, size


def _same(message: bytes | bytearray, at: int, back: int) -> int:
    """How many bytes from `at` on are those so far back."""
    start = at - back
    source, end = (message, at) if start >= 0 else (WORDS, len(WORDS))
    if start < 0:
        start += len(WORDS)
    size, most = 0, min(end - start, len(message) - at)
    while size < most and source[start + size] == message[at + size]:
        size += 1
    return size


def _literal(out: bytearray, message: bytes | bytearray, start: int, end: int) -> None:
    while start < end:
        part = message[start : min(end, start + 64)]
        out.append(len(part) - 1)
        out.extend(part)
        start += len(part)


def expand(data: bytes, size: int) -> bytearray:
    """The message of `size` bytes; from the first damage on it is zeros or nonsense, never an exception."""
    out = bytearray(size)
    at = read = back = 0
    while read < len(data):
        code = data[read]
        read += 1
        whole = code + 1 if code < 64 else code - 62 if code < 128 else code - 124
        if code < 64:
            part = data[read : read + whole]
            read += whole
        else:
            if code >= 128:
                back = int.from_bytes(data[read : read + 2], "big")
                read += 2
            part = _copied(out, at, back, whole)
        if len(part) != whole or at + whole > size:
            break
        out[at : at + whole] = part
        at += whole
    return out


def _copied(out: bytearray, at: int, back: int, size: int) -> bytes:
    """Bytes from so far back; fewer where there are none."""
    start = at - back
    if start >= 0:
        return bytes(out[start : min(start + size, at)])
    start += len(WORDS)
    return WORDS[start : start + size] if start >= 0 else b""
