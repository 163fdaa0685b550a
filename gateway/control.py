"""How the command line speaks with the running daemon: lines of JSON over a socket in its data directory.

The socket is the daemon's user's alone (mode 0600 in a directory of mode 0700): who can open it could read
the keys beside it as well, so it opens nothing new. Nothing listens on a network.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from gateway.wire.errors import MeethubError

SOCKET = "control.sock"
MODE = 0o600
MAX_LINE = 4096
log = structlog.get_logger()
Row = dict[str, Any]


class ControlError(MeethubError):
    """The daemon cannot be spoken with."""


class Channel:
    """Rows both ways."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def hear(self) -> Row | None:
        """The next row; None when the other side has gone, or says what is no row."""
        try:
            line = await self._reader.readline()
            row = json.loads(line) if line else None
        except (OSError, ValueError):
            return None
        return row if isinstance(row, dict) else None

    def say(self, row: Row) -> None:
        """Sends a row; to somebody who has gone it is said in vain."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(row).encode() + b"\n")

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def serve(data: Path, answers: Callable[[Channel], Awaitable[None]]) -> None:
    """Listens in the data directory until cancelled; a place where that cannot be is logged and no end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        try:
            await answers(channel)
        finally:
            await channel.close()

    try:
        listener = _listener(data)
        server = await asyncio.start_unix_server(answer, sock=listener, limit=MAX_LINE)
    except OSError as error:
        log.warning("control-not-open", reason=type(error).__name__)
        await asyncio.Event().wait()
        return
    try:
        await server.serve_forever()
    finally:
        (data / SOCKET).unlink(missing_ok=True)


def _listener(data: Path) -> socket.socket:
    """The socket, closed to others before it has a name. The daemon owns `data`: what is there is a rest."""
    (data / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), MODE)
        with _short(data) as place:
            listener.bind(place)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _short(data: Path) -> Iterator[str]:
    """The socket's name for the kernel, which takes 107 bytes, however long the directory's is."""
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


async def dial(data: Path) -> Channel | None:
    """The running daemon; None when none runs. ControlError when this user may not speak with it."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(data) as place:
            caller.connect(place)
    except PermissionError as error:
        caller.close()
        raise ControlError("hub-of-another-user", str(data)) from error
    except OSError:
        caller.close()
        return None
    return Channel(*await asyncio.open_unix_connection(sock=caller, limit=MAX_LINE))


@contextlib.asynccontextmanager
async def inside(answers: Callable[[Channel], Awaitable[None]]) -> AsyncIterator[Channel]:
    """The same conversation within one program, for a command that runs without the daemon."""
    mine, other = socket.socketpair()
    theirs = Channel(*await asyncio.open_unix_connection(sock=other, limit=MAX_LINE))
    ours = Channel(*await asyncio.open_unix_connection(sock=mine, limit=MAX_LINE))
    task = asyncio.ensure_future(answers(theirs))
    try:
        yield ours
    finally:
        await ours.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await theirs.close()
