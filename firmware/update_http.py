"""Releases from a web server: one GET with a Range for every piece, over a connection that stays open.

HTTP/1.1 (RFC 9110, 9112), as little of it as a file server needs: Content-Length or nothing, no chunks, no
redirects. What a server answers is bounded in length; how long it may take is the updater's affair.
"""

import asyncio

from firmware.update_manifest import UpdateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

MAX_LINE = 256
MAX_LINES = 32


def context(authority: bytes, certificate: bytes, key: bytes) -> "ssl.SSLContext":
    """For a server of this authority only, with the hub's own certificate; DER. ValueError, OSError."""
    import tls  # type: ignore[import-not-found]

    made: ssl.SSLContext = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_REQUIRED
    made.load_verify_locations(authority)
    made.load_cert_chain(certificate, key)
    return made


class HttpSource:
    """tls: as `context` makes it, or None on loopback.

    path: of the folder with release.manifest, release.image and release.rotation, with a "/" at both ends.
    """

    def __init__(self, host: str, port: int, path: str, tls: "ssl.SSLContext | None") -> None:
        self._host = host
        self._port = port
        self._path = path
        self._tls = tls
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def read_at(self, name: str, offset: int, buffer: memoryview) -> int:
        """As the updater's Source. The server answers 200 or 206 with bytes, 404 or 416 without any."""
        try:
            if self._writer is None:
                await self._connect()
            return await self._ask(name, offset, buffer)
        except (OSError, ValueError, EOFError):  # EOFError: what readexactly ends with
            await self.close()
            raise UpdateError("update-source", "no answer") from None
        except (
            BaseException
        ):  # also a time-out: what comes later on this line is no answer to the next question
            await self.close()
            raise

    async def close(self) -> None:
        """Let the connection go; the next question opens another."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            try:
                writer.close()
                await writer.wait_closed()
            except OSError:
                pass

    async def _connect(self) -> None:
        if self._tls is None:
            opened = asyncio.open_connection(self._host, self._port)
        else:
            opened = asyncio.open_connection(
                self._host, self._port, ssl=self._tls, server_hostname=self._host
            )
        self._reader, self._writer = await opened

    async def _ask(self, name: str, offset: int, buffer: memoryview) -> int:
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(self._question(name, offset, offset + len(buffer) - 1))
        await self._writer.drain()
        status, length, stays = await self._head()
        if status == 206 and length <= len(buffer):
            await self._fill(buffer[:length])
        elif status in (404, 416):
            length, stays = 0, False
        else:  # 200 would be the whole file again, whatever it is
            raise UpdateError("update-source", "status %d" % status)
        if not stays:
            await self.close()
        return length

    def _question(self, name: str, first: int, last: int) -> bytes:
        return (
            "GET %s%s HTTP/1.1\r\nHost: %s\r\nRange: bytes=%d-%d\r\nConnection: keep-alive\r\n\r\n"
            % (self._path, name, self._host, first, last)
        ).encode()

    async def _head(self) -> tuple[int, int, bool]:
        """(status, length of the body, whether the connection stays); ValueError for anything unexpected."""
        words = (await self._line()).split()
        if len(words) < 2 or words[0] not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise ValueError
        status, length, stays = int(words[1]), -1, words[0] == b"HTTP/1.1"
        for _ in range(MAX_LINES):
            line = await self._line()
            if not line:
                break
            name, _, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip().lower()
            if name == b"content-length" and value.isdigit():
                length = int(value)
            elif name == b"transfer-encoding" or (name == b"content-encoding" and value != b"identity"):
                raise ValueError
            elif name == b"connection":
                stays = value == b"keep-alive"
        else:
            raise ValueError
        if status == 206 and length < 1:
            raise ValueError
        return status, length, stays

    async def _line(self) -> bytes:
        """One line without its end; ValueError beyond MAX_LINE, byte by byte so that no more is kept."""
        assert self._reader is not None
        line = bytearray()
        while True:
            byte = await self._reader.readexactly(1)
            if byte == b"\n":
                return bytes(line).rstrip(b"\r")
            line.extend(byte)
            if len(line) > MAX_LINE:
                raise ValueError

    async def _fill(self, part: memoryview) -> None:
        assert self._reader is not None
        at = 0
        while at < len(part):
            data = await self._reader.read(min(512, len(part) - at))
            if not data:
                raise EOFError
            part[at : at + len(data)] = data
            at += len(data)
