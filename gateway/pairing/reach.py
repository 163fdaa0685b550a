"""The desk at which the command line pairs: the running daemon's, or one of its own.

Without a daemon the command takes the radio itself, and the outbox's lock with it, so that radio and agent
never have two masters.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from gateway.config import Config, make_data_directory
from gateway.control import Channel, ControlError, dial, inside
from gateway.hub.visit import Visit
from gateway.outbox import Outbox, OutboxError
from gateway.pairing.agent import PairingAgent
from gateway.pairing.desk import Desk
from gateway.pairing.window import PairingWindow
from gateway.radio import Backend, Radio
from gateway.wire.items import Frame


@contextlib.asynccontextmanager
async def desk_of(config: Config, backend: Backend | None) -> AsyncIterator[Channel]:
    """To the daemon where it runs, else to a radio of our own."""
    make_data_directory(config)
    channel = await dial(config.data)
    if channel is None:
        async with _alone(config, backend) as channel:
            yield channel
        return
    try:
        yield channel
    finally:
        await channel.close()


@contextlib.asynccontextmanager
async def _alone(config: Config, backend: Backend | None) -> AsyncIterator[Channel]:
    """The radio without a hub behind it: no device is visited, so nothing can be read and lost."""
    if config.data.stat().st_uid != os.geteuid():  # what is made here must be the daemon's
        raise ControlError("hub-of-another-user", str(config.data))
    try:
        outbox = Outbox(config.data / "outbox.sqlite", config.space_bytes)
    except OutboxError as error:
        taken = error.code == "outbox-in-use"
        raise ControlError("daemon-unreachable", str(config.data)) if taken else error from error
    window = PairingWindow()
    radio = Radio(
        [],
        _NoHub(),
        lambda: None,
        backend,
        pairing_open=window.is_open,
        pairing_answered=window.answered,
        adapter=config.adapter,
    )
    agent = PairingAgent(window) if backend is None else None
    with contextlib.closing(outbox):
        async with agent or contextlib.nullcontext():
            listening = asyncio.ensure_future(radio.run())
            try:
                async with inside(Desk(radio, window, agent, takes=False).serve) as channel:
                    yield channel
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


class _NoHub:
    """Who hears visits while no device is visited."""

    def opened(self, visit: Visit) -> None: ...
    def closed(self, visit: Visit) -> None: ...

    def begun(self, visit: Visit) -> list[Frame]:
        raise AssertionError(visit)

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        raise AssertionError(visit, source, data)

    def silent(self, visit: Visit) -> list[Frame]:
        raise AssertionError(visit)
