"""The gateway daemon: builds the hub from its configuration, runs it, and stops it cleanly."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from gateway.clock import Clock
from gateway.config import BluetoothEntry, Config, SerialEntry
from gateway.dialogue import Dialogue
from gateway.drivers import driver_named
from gateway.drivers.base import Driver
from gateway.hub import Hub
from gateway.notify import notify, watchdog_interval_s
from gateway.outbox import Outbox
from gateway.radio import Backend, BluetoothDevice, Radio
from gateway.sealer import Sealer
from gateway.serial_port import SerialPort
from gateway.signer import Signer
from gateway.uplink import Arrived, Connected, Disconnected, Event, Uplink, UplinkSettings
from gateway.wire.measurement import Device

log = structlog.get_logger()


def log_to_stderr(form: str) -> None:
    """One line an event; events carry codes and short keys, never a reading, a name or a device address."""
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(__import__("sys").stderr),
        cache_logger_on_first_use=True,
    )
