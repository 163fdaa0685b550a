"""The gateway daemon: builds the hub from its configuration, runs it, and stops it cleanly."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import structlog

from gateway.clock import Clock
from gateway.config import BluetoothEntry, Config, make_data_directory
from gateway.control import Channel, serve
from gateway.drivers import driver_named
from gateway.drivers.base import Driver
from gateway.hub.dialogue import Dialogue
from gateway.hub.hub import Hub
from gateway.hub.sealer import Sealer
from gateway.hub.visit import Listener
from gateway.identities import bluetooth_device, serial_device
from gateway.logs import log_to_stderr
from gateway.notify import notify, watchdog_interval_s
from gateway.outbox import Outbox
from gateway.pairing.window import PairingWindow
from gateway.radio import Backend, BluetoothDevice, Radio
from gateway.serial_port import SerialPort
from gateway.signer import Signer, certificate_request, verify
from gateway.uplink import Arrived, Connected, Event, Uplink, UplinkSettings

TICK_S = 1.0
# Plugging the hub in is the installer's act: so long configured devices without a bond may pair.
PAIRING_S = 600.0
RENEW_BEFORE_DAYS = 30
OUTBOX = "outbox.sqlite"

log = structlog.get_logger()


def run(
    config: Config,
    backend: Backend | None = None,
    overhear: Callable[[Listener], Listener] = lambda listener: listener,
    seconds: float | None = None,
) -> None:
    """Run the hub until SIGTERM or SIGINT, or so many seconds.

    backend: another Bluetooth stack than the system's own. overhear: stands before the hub, and hears what
    radio and cables tell it.
    """
    log_to_stderr(config.log_format)
    asyncio.run(_Daemon(config, backend, overhear).run(seconds))


def enrolment_request(hub: str, data: Path, certificate: Path | None = None) -> dict[str, str]:
    """What the bridge needs to enrol this hub; the keys are made here on first use and never leave.

    certificate: where the hub's TLS certificate stands, or will stand; otherwise hub.pem among its data. In
    the answer it is "good", or "due" when there is none or it ends within a month.
    """
    from gateway.doctor import certificate_end

    signer = Signer.open(data)
    end = certificate_end(certificate or data / "hub.pem")
    due = end is None or (end - datetime.now(UTC)).days < RENEW_BEFORE_DAYS
    return {
        "hub": hub,
        "public_key": signer.public_key.hex(),
        "certificate_request": certificate_request(data, hub).decode(),
        "certificate": "due" if due else "good",
    }


class _Daemon:
    """Everything that runs at the same time in one hub."""

    def __init__(
        self, config: Config, backend: Backend | None, overhear: Callable[[Listener], Listener]
    ) -> None:
        self._config = config
        self._backend = backend
        make_data_directory(config)
        self._outbox = Outbox(config.data / OUTBOX, config.space_bytes)
        self._clock = Clock()
        self._ports: list[SerialPort] = []
        self._radio: Radio | None = None
        self._uplink = Uplink(_uplink_settings(config), self._heard)
        self._hub = self._build()
        self._listener = overhear(self._hub.visits)
        self._stop = asyncio.Event()
        self._radio_wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def _build(self) -> Hub:
        config, outbox, now = self._config, self._outbox, self._clock.now
        signer = Signer.open(config.data)
        sealer = Sealer(outbox, signer, config.hub, now)
        dialogue = Dialogue(config.hub, outbox, signer, config.state_key, now, self._uplink.publish, verify)
        for former in Signer.former(config.data):
            if not outbox.holds_of(former.kid):  # nothing of it can be asked for any more
                Signer.retire(config.data, former.kid)
        return Hub(
            outbox,
            sealer,
            dialogue,
            self._clock,
            lambda: Signer.renew(config.data),
            lambda: Signer.former(config.data),
            identities=self._identities(),
            facts=self._facts,
        )

    async def run(self, seconds: float | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if seconds is not None:
            self._loop.call_later(seconds, self._stop.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        log.info("replayed", frames=self._hub.visits.replay())
        self._uplink.start()
        tasks = [asyncio.create_task(work) for work in (self._keep_ticking(), *self._listeners())]
        notify("READY=1")
        try:
            await self._until_stopped(tasks)
        finally:
            notify("STOPPING=1")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._uplink.stop()
            self._outbox.close()

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        """A part that ends is a fault: the daemon ends too, and systemd starts it afresh."""
        stopped = asyncio.create_task(self._wait_for_stop())
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done - {stopped}:
            task.result()

    async def _wait_for_stop(self) -> None:
        await self._stop.wait()

    async def _keep_ticking(self) -> None:
        """Everything of the hub that time or a change sets in motion; the watchdog hears that it goes on."""
        while True:
            self._hub.wake.clear()
            self._hub.tick()
            notify("WATCHDOG=1")
            try:
                await asyncio.wait_for(self._hub.wake.wait(), min(TICK_S, watchdog_interval_s() or TICK_S))
            except TimeoutError:
                continue

    def _heard(self, event: Event) -> None:
        """From the uplink's threads onto the loop's."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._act, event)

    def _act(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._hub.online()
        elif isinstance(event, Arrived):
            self._hub.state_arrived(event.payload)
        else:
            log.info("uplink-down", code=event.code)
            self._hub.offline()
        self._hub.wake.set()

    def _listeners(self) -> list[Coroutine[None, None, None]]:
        self._ports = [self._serial_port(number) for number in range(len(self._config.serial))]
        works = [port.run() for port in self._ports]
        if self._config.adapter != "none":
            if self._config.bluetooth:
                self._radio_wanted.set()
            works += self._radio_works()
        return works

    def _identities(self) -> list[str]:
        cables = [serial_device(entry, self._outbox).identity for entry in self._config.serial]
        return cables + [bluetooth_device(entry).identity for entry in self._config.bluetooth]

    def _facts(self) -> dict[str, int]:
        """Radio and cables in numbers, for the status."""
        facts = {
            "ports-open": sum(port.facts.open for port in self._ports),
            "ports-failing": sum(port.facts.problem is not None for port in self._ports),
        }
        if self._radio is None or not self._radio_wanted.is_set():
            return facts
        return facts | self._radio.facts.numbers()

    def _serial_port(self, number: int) -> SerialPort:
        entry = self._config.serial[number]
        driver, device = _driver(entry.driver), serial_device(entry, self._outbox)
        return SerialPort(
            entry.port, driver, device, self._listener, allowed=lambda: self._hub.may_visit(driver)
        )

    def _radio_works(self) -> list[Coroutine[None, None, None]]:
        """The radio, on BlueZ beside it our own agent (without one no device can bond), and who may ask."""
        from gateway.pairing.agent import PairingAgent
        from gateway.pairing.desk import Desk

        window = PairingWindow()
        self._radio = radio = Radio(
            [self._bound(entry) for entry in self._config.bluetooth],
            self._listener,
            self._clock.wall,
            self._backend,
            lambda device: self._hub.may_visit(device.driver),
            pairing_open=window.is_open,
            pairing_answered=window.answered,
            adapter=self._config.adapter,
            mono_ms=self._clock.mono_ms,
        )
        for entry in self._config.bluetooth:
            if not entry.bond:  # one that has paired already needs a person's word to pair again
                window.open_for(entry.address, PAIRING_S)
        agent = PairingAgent(window) if self._backend is None else None
        desk = Desk(radio, window, agent, takes=True)

        async def listen() -> None:
            await self._radio_wanted.wait()
            async with agent or contextlib.nullcontext():
                await radio.run()

        async def answer(channel: Channel) -> None:
            self._radio_wanted.set()  # also where no device is configured yet
            await desk.serve(channel)

        return [listen(), serve(self._config.data, answer)]

    def _bound(self, entry: BluetoothEntry) -> BluetoothDevice:
        identity = bluetooth_device(entry).identity
        return BluetoothDevice(entry.address, _driver(entry.driver), identity, entry.consents(), entry.bond)


def _driver(name: str) -> type[Driver]:
    found = driver_named(name)
    if found is None:
        raise LookupError(name)  # the configuration was checked
    return found


def _uplink_settings(config: Config) -> UplinkSettings:
    return UplinkSettings(
        host=config.host,
        port=config.port,
        ca=config.ca,
        certificate=config.certificate,
        key=config.data / "tls.key",
        hub=config.hub,
        first_delay_s=config.first_delay_s,
        longest_delay_s=config.longest_delay_s,
    )
