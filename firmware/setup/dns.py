"""Every name leads to the hub while its setup network is up: phones then show the page by themselves.

RFC 1035; only addresses of IPv4 are given, so that a phone does not look for one of IPv6.
"""

_MOST = 512
_HEAD = 12
_A, _ANY, _IN = 1, 255, 1


def answer(query: bytes, address: bytes) -> bytes | None:
    """The reply with this address of four bytes; None for what is no question, which stays unanswered."""
    end = _question_end(query)
    if end is None or query[2] & 0xF8 or query[4:6] != b"\x00\x01":
        return None
    kind = query[end - 4] << 8 | query[end - 3]
    asks = kind in (_A, _ANY) and query[end - 2 : end] == b"\x00\x01"
    head = query[:2] + b"\x84\x00\x00\x01" + (b"\x00\x01" if asks else b"\x00\x00") + b"\x00\x00\x00\x00"
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + address
    return head + query[_HEAD:end] + (record if asks else b"")


def _question_end(query: bytes) -> int | None:
    """Where the first question ends; None when it does not end within the packet."""
    at = _HEAD
    if len(query) > _MOST:
        return None
    while at < len(query) and query[at]:
        if query[at] > 63 or at - _HEAD > 254:
            return None
        at += 1 + query[at]
    at += 5
    return at if at <= len(query) else None
