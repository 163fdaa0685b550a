"""The thing in somebody's home: light, button, Wi-Fi and setting up, and the hub inside that reads and sends.

Every steady task ticks the watchdog. The light says how it is; the button opens pairing (short), setting up
(three seconds) and a factory reset (ten).
"""

import asyncio

from firmware.about import SOFTWARE
from firmware.button import LONG, RESET, Button
from firmware.light import DELIVERED, HELP, RECEIVED, STORED
from firmware.modules import forget, loaded
from firmware.setup.wifi import Wifi
from firmware.watchdog import TRIAL, TRIAL_MS
from gateway.hub.errors import SignerError
from gateway.hub.events import log

_LOOK_MS = 1000
# A router that starts again takes a minute or two: only after that is "no network" worth a light.
_PATIENCE_MS = 120_000
_STALL_MS = 60_000
# Of these the line will not mend itself: somebody has to look.
_HELP_CODES = (
    "uplink-refused",
    "uplink-broker-not-trusted",
    "uplink-identity-unreadable",
    "uplink-subscription-refused",
)
_HUB = "hub"
_STEADY = ("firmware.setup.wifi", "firmware.setup.credentials")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.board import Board
    from firmware.hub import BoardHub
    from firmware.past import Past
    from firmware.setup.window import Setup
    from firmware.watchdog import Watchdog
    from gateway.hub.given import Signer
    from gateway.wire.state import State


class Appliance:
    """board: its wires. folder: of its data. past: which release runs, and what runs before it left."""

    def __init__(self, board: "Board", folder: str, watchdog: "Watchdog", past: "Past") -> None:
        self._board = board
        self._folder = folder
        self._watchdog = watchdog
        self._past = past
        self._light = board.light()
        self._button = Button(board.button_is_down(), self._pressed, self._light)
        self._wifi = Wifi(folder)
        self._hub: BoardHub | None = None
        self._setup: Setup | None = None
        self._setup_wanted = asyncio.Event()
        self._settled: int | None = None
        self._online_ms = 0

    async def run(self) -> None:
        """Until something fails that nobody handled: that ends all."""
        self._hub = self._made()
        works = [
            self._watchdog.run(),
            self._light.run(),
            self._button.run(),
            self._wifi.run(),
            self._use_radio(),
        ]
        if self._hub is not None:
            self._watchdog.expect(_HUB, _STALL_MS)
            works += self._hub.works(self._ticked)
            works += self._hub.updates(self._board.hardware)
        if self._past.on_trial:
            self._watchdog.expect(TRIAL, TRIAL_MS)
        await asyncio.gather(*works)

    def _made(self) -> "BoardHub | None":
        """The hub; None where nobody told it who it is, or its settings or keys cannot be read."""
        from firmware import config
        from firmware.hub import BoardHub

        try:
            settings = config.load(self._folder)
            if settings is None:
                return None
            hub = BoardHub(settings, self._folder, self._past.facts, self._acted, self._board.uart)
        except (config.ConfigError, SignerError) as error:
            log.error("hub-not-started", code=error.code, detail=error.detail)
            self._light.show(HELP)
            return None
        finally:
            del config
            forget("firmware.config", "firmware.enrolment", "firmware.outbox.opening")
        log.send_to(self._told)
        return hub

    def _pressed(self, press: int) -> None:
        if press == RESET:
            log.warning("reset-asked")
            self._reset()
        elif self._setup is not None:
            self._setup.pressed()
        elif press == LONG:
            self._setup_wanted.set()
        elif self._hub is not None:
            self._hub.open_pairing()

    def _ticked(self) -> None:
        """The hub did its work once more: how does it stand?"""
        self._watchdog.tick(_HUB)
        hub = self._hub
        if hub is None:
            return
        if hub.uplink.connected:
            self._online_ms = hub.clock.mono_ms()
        waits = hub.clock.mono_ms() - self._online_ms > _PATIENCE_MS and hub.outbox.unaccepted() > 0
        (self._light.show if waits else self._light.hide)(STORED)
        (self._light.show if hub.trouble in _HELP_CODES else self._light.hide)(HELP)

    def _told(self, level: str, event: str, facts: dict[str, object]) -> None:
        """The log is the serial port; a record is also worth a light."""
        print(level, event, " ".join([f"{name}={facts[name]}" for name in sorted(facts)]))
        if event == "record":
            self._light.show(RECEIVED)

    def _acted(self, state: "State", signer: "Signer") -> None:
        """The bridge answered: a release on trial has shown that it works; what was delivered is shown."""
        key = state.key(signer.kid)
        if key is None:
            return
        self._past.accepted(key.accepts)
        if self._settled is not None and key.settled > self._settled:
            self._light.show(DELIVERED)
        self._settled = key.settled
        if self._past.on_trial and self._past.confirm(signer):
            self._watchdog.release(TRIAL)
            log.info("release-confirmed", sequence=self._past.sequence)

    async def _use_radio(self) -> None:
        """The hub's own devices, until a person sets the hub up: then the radio is lent, and comes back."""
        while True:
            task = None if self._hub is None else asyncio.create_task(self._hub.radio.run())
            await self._first_of(task)
            self._setup_wanted.clear()
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await self._set_up()

    async def _set_up(self) -> None:
        """One window, from the press to its end."""
        from firmware.setup import opening

        about = [b"Meethub", SOFTWARE.split()[-1].encode(), self._board.hardware.encode()]
        label = self._board.label
        self._setup = opening.window(self._wifi, self._light, about, label)
        try:
            await opening.keep_open(self._setup, self._folder, label)
        finally:
            self._setup = None
            del opening
            forget(*[name for name in loaded("firmware.setup") if name not in _STEADY])

    async def _first_of(self, task: "asyncio.Task[None] | None") -> None:
        """Until somebody wants to set up; what the radio fails with goes on from here."""
        while not self._setup_wanted.is_set():
            if task is not None and task.done():
                await task
            try:
                await asyncio.wait_for_ms(self._setup_wanted.wait(), _LOOK_MS)  # type: ignore[attr-defined]
            except asyncio.TimeoutError:
                pass

    def _reset(self) -> None:
        """The next start erases everything of this home."""
        from machine import reset as restart

        from firmware import reset

        reset.request()
        restart()
