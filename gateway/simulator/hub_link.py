"""One hub's connection to a virtual device, as the device sees it, with everything that goes on in it."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, Never

from bumble import hci
from bumble.core import BaseBumbleError
from bumble.device import Connection
from bumble.gatt import Characteristic
from bumble.gatt_server import Server

from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.truth import TruthLog

Work = Coroutine[Any, Any, None]
log = logging.getLogger(__name__)


class HubGoneError(Exception):
    """The connection ended: raised in whatever was going on in it, and handled by the link."""


class HubLink:
    """A connection until it ends. All waiting is done through its methods: they raise HubGoneError then.

    bonded_now: the bond was made in this connection. subscribed: what the hub listens to. news: set by the
    device when there is something more to tell, or to listen to.
    """

    def __init__(
        self, connection: Connection, server: Server, options: PeripheralOptions, truth: TruthLog
    ) -> None:
        self.connection = connection
        self.bonded_now = False
        self.subscribed: set[Characteristic[bytes]] = set()
        self.news = asyncio.Event()
        self._server = server
        self._options = options
        self._truth = truth
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work: set[asyncio.Task[None]] = set()
        self._written: asyncio.Queue[Work | None] = asyncio.Queue()
        connection.on(Connection.EVENT_DISCONNECTION, self._end)
        self.go_on(self._in_turn())

    def _end(self, _: int) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
            self._written.put_nowait(None)

    @property
    def here(self) -> bool:
        return not self._gone.done()

    async def notify(self, characteristic: Characteristic[bytes], data: bytes) -> None:
        """Sends it, unless nobody subscribed; what is longer than the MTU allows is cut off."""
        await self.pause(self._options.pace_s)
        await self._server.notify_subscriber(self.connection, characteristic, data)

    async def indicate(self, characteristic: Characteristic[bytes], data: bytes) -> None:
        """Sends it, and returns when this device has heard the confirmation."""
        await self.pause(self._options.pace_s)
        sending = asyncio.ensure_future(
            self._server.indicate_subscriber(self.connection, characteristic, data)
        )
        waiting: set[asyncio.Future[Any]] = {sending, self._gone}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done() or sending.cancelled() or sending.exception() is not None:
            sending.cancel()
            raise HubGoneError
        if self._options.lose_confirmations > 0:
            self._options.lose_confirmations -= 1
            self._truth.write("confirmation-lost", hex=data.hex())
            await self.hang_up()

    async def hang_up(self) -> Never:
        """Ends the connection; always raises HubGoneError."""
        with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
            await self.connection.disconnect()
        raise HubGoneError

    async def pause(self, seconds: float) -> None:
        """Waits so long."""
        if seconds:
            await asyncio.wait([self._gone], timeout=seconds)
        if self._gone.done():  # bumble would take an indication to nobody for a confirmed one
            raise HubGoneError

    async def hear(self, seconds: float) -> bool:
        """True when news came within so many seconds; the caller clears it before it looks."""
        waiting = asyncio.ensure_future(self.news.wait())
        try:
            both: set[asyncio.Future[Any]] = {waiting, self._gone}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        await self.pause(0)
        return self.news.is_set()

    def go_on(self, work: Work) -> None:
        """Does this beside what else goes on."""
        task = asyncio.get_running_loop().create_task(self._done(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def in_turn(self, work: Work) -> None:
        """Does this after what was asked before."""
        self._written.put_nowait(work)

    async def _in_turn(self) -> None:
        while (work := await self._written.get()) is not None:
            await self._done(work)

    async def _done(self, work: Work) -> None:
        try:
            await work
        except HubGoneError:
            return
        except Exception as error:
            log.exception("virtual device")
            self._truth.write("fault", error=repr(error))
