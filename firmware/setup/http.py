"""The little of HTTP/1.1 that a setup page needs, from strangers: every part has a most.

Nothing here waits or knows the page; RFC 9112 for the head, the URL standard for forms.
"""

from gateway.wire.errors import MeethubError

MOST_HEAD, MOST_BODY = 4096, 1024
_MOST_FIELDS = 8
_HEX = b"0123456789abcdef"
_KEPT = (b"host", b"content-length", b"transfer-encoding", b"content-type", b"accept-language")
# Code: status line.
STATUS = {
    "portal-request": "400 Bad Request",
    "portal-stale": "403 Forbidden",
    "portal-not-found": "404 Not Found",
    "portal-method": "405 Method Not Allowed",
    "portal-slow": "408 Request Timeout",
    "portal-too-large": "413 Content Too Large",
    "portal-busy": "503 Service Unavailable",
}


class PortalError(MeethubError):
    """A request that the setup page does not take. Codes: those of STATUS."""


class Request:
    """The head of a request: method, path, query and the few fields that matter, all bytes."""

    def __init__(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        parts = lines[0].split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            raise PortalError("portal-request")
        self.method = parts[0]
        self.path, _, self.query = parts[1].partition(b"?")
        self._fields: dict[bytes, bytes] = {}
        for line in lines[1:]:
            self._field(line)

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or name.strip() != name:
            raise PortalError("portal-request")
        if name in _KEPT:
            if name in self._fields and name != b"accept-language":
                raise PortalError("portal-request")
            self._fields[name] = value.strip()

    def field(self, name: bytes) -> bytes:
        return self._fields.get(name, b"")

    @property
    def host(self) -> bytes:
        return self.field(b"host").split(b":")[0]

    def body_size(self) -> int:
        """PortalError where it is not said plainly, or too much."""
        said = self.field(b"content-length") or b"0"
        if self.field(b"transfer-encoding") or not said.isdigit():
            raise PortalError("portal-request")
        if len(said) > 9 or int(said) > MOST_BODY:
            raise PortalError("portal-too-large")
        return int(said)


def form(data: bytes) -> dict[bytes, bytes]:
    """The fields of a form or a query. PortalError for bad percent signs, repeated or too many fields."""
    found: dict[bytes, bytes] = {}
    for pair in data.split(b"&") if data else []:
        name, _, value = pair.partition(b"=")
        if name in found or len(found) >= _MOST_FIELDS:
            raise PortalError("portal-request")
        found[name] = _decoded(value)
    return found


def _decoded(text: bytes) -> bytes:
    parts = text.replace(b"+", b" ").split(b"%")
    try:
        return parts[0] + b"".join([_byte(part) + part[2:] for part in parts[1:]])
    except ValueError:
        raise PortalError("portal-request") from None


def _byte(part: bytes) -> bytes:
    high, low = _HEX.index(part[:1].lower()), _HEX.index(part[1:2].lower())
    if len(part) < 2:
        raise ValueError
    return bytes([high << 4 | low])


def language(request: Request) -> int:
    """0 Dutch, 1 English: as the query asks, else as the browser prefers (RFC 9110, 12.5.4), else Dutch."""
    for asked, number in ((b"lang=nl", 0), (b"lang=en", 1)):
        if asked in request.query.split(b"&"):
            return number
    best = [0, 0]
    for choice in request.field(b"accept-language").lower().split(b","):
        tag, _, weight = choice.strip().partition(b";q=")
        if tag[:2] in (b"nl", b"en"):
            number = (b"nl", b"en").index(tag[:2])
            best[number] = max(best[number], _weight(weight))
    return 1 if best[1] > best[0] else 0


def _weight(text: bytes) -> int:
    """Of 1000; an unreadable one counts as none."""
    whole, _, part = text.strip().partition(b".")
    if not text:
        return 1000
    if not whole.isdigit() or (part and not part.isdigit()):
        return 0
    return min(1000, int(whole[:1]) * 1000 + int((part + b"000")[:3]))
